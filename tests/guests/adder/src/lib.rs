//! A parachain that adds numbers: the state machine of the relay chain's test parachain.
//!
//! ```text
//! head   number: u64, hash of the parent head: [u8; 32], hash of the state: [u8; 32]
//! block  state: u64, add: u64
//! ```
//!
//! A block is valid if its state has the hash that the parent head says. The new state is the sum of
//! its two numbers, wrapping around.

#![no_std]

mod keccak;

use keccak::keccak_256;
use support::{Params, Reader, ValidationResult};

/// The only guest that there is for every instruction set of PolkaVM. Some can't grow the heap.
#[cfg(target_env = "polkavm")]
use support::allocator::Arena;

support::entry_point!(validate, Arena);

fn validate(params: Params) -> ValidationResult {
    let mut parent = Reader(params.parent_head);
    let number = parent.u64();
    let _grandparent_hash: &[u8; 32] = parent.array();
    let state_hash: &[u8; 32] = parent.array();
    assert!(parent.0.is_empty(), "the parent head is too long");

    let mut block = params.block;
    let state = block.u64();
    let add = block.u64();
    assert!(keccak_256(&state.to_le_bytes()) == *state_hash, "the block has another state");

    let mut head = [0; 72];
    head[..8].copy_from_slice(&number.wrapping_add(1).to_le_bytes());
    head[8..40].copy_from_slice(&keccak_256(params.parent_head));
    head[40..].copy_from_slice(&keccak_256(&state.wrapping_add(add).to_le_bytes()));
    params.result(head)
}
