//! A guest whose new head is as large as its block says.
//!
//! ```text
//! block  size: u32
//! head   0, 1, 2, ... 255, 0, 1, ...
//! ```
//!
//! It allocates through the host on both machines, which gives at most 32 MiB at once: not enough for
//! a result with a head of that size.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use support::{Params, ValidationResult};

#[cfg(target_env = "polkavm")]
use support::allocator::Host;

support::entry_point!(validate, Host);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    let size = block.u32();
    params.result((0..size).map(|place| place as u8).collect::<Vec<u8>>())
}
