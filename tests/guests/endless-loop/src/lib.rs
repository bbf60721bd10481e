//! A guest that never ends, whatever its block is.

#![no_std]

use support::{Params, ValidationResult};

support::entry_point!(validate);

#[allow(clippy::empty_loop)]
fn validate(_: Params) -> ValidationResult {
    loop {}
}
