//! A guest that hashes, with every hash function of the host.
//!
//! ```text
//! block  rounds: u32, data: the rest
//! head   the eight hashes of the last round, one behind the other: 232 bytes
//! ```
//!
//! The first round hashes the data, each other one the eight hashes of the one before.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use support::{Params, ValidationResult, host};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    let rounds = block.u32();
    let mut hashes = block.0.to_vec();
    for _ in 0..rounds {
        let data = hashes;
        hashes = Vec::with_capacity(232);
        hashes.extend(host::blake2_128(&data));
        hashes.extend(host::blake2_256(&data));
        hashes.extend(host::keccak_256(&data));
        hashes.extend(host::keccak_512(&data));
        hashes.extend(host::sha2_256(&data));
        hashes.extend(host::twox_64(&data));
        hashes.extend(host::twox_128(&data));
        hashes.extend(host::twox_256(&data));
    }
    params.result(hashes)
}
