//! A guest that checks signatures, with the host's functions.
//!
//! ```text
//! block  a list of: kind: u8, signature: [u8; 64], public key: [u8; 32], message: Vec<u8>
//! head   a byte for each: 1 if the signature is right, 0 if not
//! ```
//!
//! The kinds are 0 for Ed25519 and 1 for sr25519.

#![no_std]

use support::{Params, Reader, ValidationResult, host};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    params.result(block.list(|block| u8::from(is_right(block))))
}

fn is_right(block: &mut Reader) -> bool {
    let kind = block.byte();
    let signature = block.array();
    let public = block.array();
    let message = block.bytes();
    match kind {
        0 => host::ed25519_verify(signature, message, public),
        1 => host::sr25519_verify(signature, message, public),
        _ => panic!("there is no kind {kind} of signature"),
    }
}
