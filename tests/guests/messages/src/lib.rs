//! A guest that returns the new code and the messages of its block.
//!
//! ```text
//! block  new code: Option<Vec<u8>>, upward messages: Vec<Vec<u8>>,
//!        horizontal messages, a list of: recipient: u32, data: Vec<u8>,
//!        processed downward messages: u32, HRMP watermark: u32
//! head   that of the parent
//! ```
//!
//! It allocates through the host on both machines, as runtimes for PolkaVM may.

#![no_std]

use support::{OutboundMessage, Params, ValidationResult};

#[cfg(target_env = "polkavm")]
use support::allocator::Host;

support::entry_point!(validate, Host);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    ValidationResult {
        head: params.parent_head.to_vec(),
        new_code: match block.byte() {
            0 => None,
            1 => Some(block.bytes()),
            other => panic!("{other} is no option"),
        },
        upward_messages: block.list(|block| block.bytes()),
        horizontal_messages: block
            .list(|block| OutboundMessage { recipient: block.u32(), data: block.bytes() }),
        processed_downward_messages: block.u32(),
        hrmp_watermark: block.u32(),
    }
}
