//! A guest that calls itself as often as its block says.
//!
//! ```text
//! block  depth: u32
//! head   depth: u32
//! ```
//!
//! It needs some words of the stack for each call, so that it does not come back from a great depth.

#![no_std]

use core::hint::black_box;
use support::{Params, ValidationResult};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    params.result(descend(block.u32()).to_le_bytes())
}

/// No optimisation makes a loop of it.
#[inline(never)]
fn descend(depth: u32) -> u32 {
    if depth == 0 { 0 } else { black_box(descend(black_box(depth - 1))) + 1 }
}
