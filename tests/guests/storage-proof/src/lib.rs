//! A guest that checks what a proof says about the storage of the relay parent.
//!
//! ```text
//! block  state version: u8, proof: Vec<u8>, a list of: key: Vec<u8>, value: Vec<u8>
//! head   a byte for each key: 1 if the proof proves that it has this value, 0 if not
//! ```
//!
//! The proof is an encoded list of the nodes of the trie. Its root is the relay parent's storage root.

#![no_std]

use support::{Params, ValidationResult, host};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    let root = params.relay_parent_storage_root;
    let mut block = params.block;
    let version = block.byte();
    let proof = block.bytes();
    params.result(block.list(|block| {
        let key = block.bytes();
        let value = block.bytes();
        u8::from(host::verify_proof(root, proof, key, value, version))
    }))
}
