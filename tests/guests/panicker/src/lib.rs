//! A guest that panics with the words of its block.
//!
//! ```text
//! block  text, in UTF-8
//! ```
//!
//! The panic is logged as Polkadot's runtimes do, and ends in a trap.

#![no_std]

use support::{Params, ValidationResult};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    match core::str::from_utf8(params.block.0) {
        Ok(words) => panic!("{words}"),
        Err(error) => panic!("the block is no text: {error}"),
    }
}
