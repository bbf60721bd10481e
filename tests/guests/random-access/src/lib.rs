//! A guest that reads and writes all over its memory.
//!
//! ```text
//! block  size: u32, in MiB, a power of two up to 32; accesses: u32, in thousands
//! head   result: u64
//! ```
//!
//! Where the next access goes depends on what the one before has read, so none can begin before the
//! one before is done.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use support::{Params, ValidationResult};

support::entry_point!(validate);

/// An odd number without pattern.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    let size = block.u32();
    let accesses = block.u32();
    // The host's allocator gives no more at once.
    assert!(size.is_power_of_two() && size <= 32, "{size} MiB is no size for this");
    let words = size << 17;
    let mut memory: Vec<u64> = (1..=words).map(|word| u64::from(word).wrapping_mul(MIX)).collect();
    let mut result = 0_u64;
    for _ in 0..u64::from(accesses) * 1000 {
        let word = &mut memory[(result >> 32) as usize & (words - 1) as usize];
        result = (result ^ *word).wrapping_mul(MIX);
        *word = result;
    }
    params.result(result.to_le_bytes())
}
