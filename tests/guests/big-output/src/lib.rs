//! A guest whose new head is as large as its block says.
//!
//! ```text
//! block  size: u32
//! head   0, 1, 2, ... 255, 0, 1, ...
//! ```

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use support::{Params, ValidationResult};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    let size = block.u32();
    params.result((0..size).map(|place| place as u8).collect::<Vec<u8>>())
}
