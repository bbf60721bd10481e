//! What a guest is called with, and what it returns.

use crate::{Reader, put_bytes, put_length};
use alloc::vec::Vec;
use core::slice;

/// What a guest is called with.
#[derive(Clone, Copy)]
pub struct Params {
    /// The head that the candidate builds on.
    pub parent_head: &'static [u8],
    /// The candidate's block.
    pub block: Reader,
    /// The number of the relay-chain block in whose context the candidate is checked.
    pub relay_parent_number: u32,
    /// The storage root of that relay-chain block.
    pub relay_parent_storage_root: &'static [u8; 32],
}

/// A message to another parachain.
pub struct OutboundMessage {
    /// Whom it is for.
    pub recipient: u32,
    /// What it says.
    pub data: &'static [u8],
}

/// What a guest returns for a valid candidate.
pub struct ValidationResult {
    /// The new head.
    pub head: Vec<u8>,
    /// Code that the parachain wants to change to.
    pub new_code: Option<&'static [u8]>,
    /// Messages to the relay chain.
    pub upward_messages: Vec<&'static [u8]>,
    /// Messages to other parachains.
    pub horizontal_messages: Vec<OutboundMessage>,
    /// How many messages from the relay chain were processed.
    pub processed_downward_messages: u32,
    /// The relay-chain block up to which all messages of other parachains were processed.
    pub hrmp_watermark: u32,
}

impl Params {
    /// The result that has a new head and says nothing else.
    pub fn result(&self, head: impl Into<Vec<u8>>) -> ValidationResult {
        ValidationResult {
            head: head.into(),
            new_code: None,
            upward_messages: Vec::new(),
            horizontal_messages: Vec::new(),
            processed_downward_messages: 0,
            hrmp_watermark: self.relay_parent_number,
        }
    }

    fn decode(mut encoded: Reader) -> Self {
        Self {
            parent_head: encoded.bytes(),
            block: Reader(encoded.bytes()),
            relay_parent_number: encoded.u32(),
            relay_parent_storage_root: encoded.array(),
        }
    }
}

impl ValidationResult {
    fn encode(&self) -> Vec<u8> {
        let code = self.new_code.unwrap_or_default();
        let mut encoded = Vec::with_capacity(self.head.len() + code.len() + 64);
        put_bytes(&mut encoded, &self.head);
        encoded.push(self.new_code.is_some().into());
        if self.new_code.is_some() {
            put_bytes(&mut encoded, code);
        }
        put_length(&mut encoded, self.upward_messages.len());
        for message in &self.upward_messages {
            put_bytes(&mut encoded, message);
        }
        put_length(&mut encoded, self.horizontal_messages.len());
        for message in &self.horizontal_messages {
            encoded.extend_from_slice(&message.recipient.to_le_bytes());
            put_bytes(&mut encoded, message.data);
        }
        encoded.extend_from_slice(&self.processed_downward_messages.to_le_bytes());
        encoded.extend_from_slice(&self.hrmp_watermark.to_le_bytes());
        encoded
    }
}

/// Decodes what is at `params`, calls `validate`, and gives where its result is.
pub fn run(params: u32, len: u32, validate: fn(Params) -> ValidationResult) -> u64 {
    // SAFETY: the host has put so many bytes there, and they stay.
    let params = unsafe { slice::from_raw_parts(params as usize as *const u8, len as usize) };
    let result = validate(Params::decode(Reader(params))).encode();
    crate::host::range(result.leak())
}
