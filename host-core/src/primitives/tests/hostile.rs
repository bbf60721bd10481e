//! Decoding what somebody made up to hurt.

use crate::primitives::{
    ExecutorParam, ExecutorParams, HorizontalMessages, MAX_HORIZONTAL_MESSAGES,
    MAX_UPWARD_MESSAGES, OutboundHrmpMessage, ParaId, PersistedValidationData, PoV, TooMany,
    UpwardMessage, UpwardMessages, ValidationParams, ValidationResult,
};
use parity_scale_codec::{Compact, Decode, Encode, Error, Input};

/// An input that does not know its length, as a pipe does not, and counts the memory that is
/// reserved while decoding.
struct Metered<'a> {
    bytes: &'a [u8],
    reserved: usize,
}

impl Input for Metered<'_> {
    fn remaining_len(&mut self) -> Result<Option<usize>, Error> {
        Ok(None)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), Error> {
        self.bytes.read(into)
    }

    fn on_before_alloc_mem(&mut self, size: usize) -> Result<(), Error> {
        self.reserved += size;
        Ok(())
    }
}

/// Decodes, and says how much memory was reserved for it.
fn decode<T: Decode>(bytes: &[u8]) -> (Option<T>, usize) {
    let mut input = Metered { bytes, reserved: 0 };
    (T::decode(&mut input).ok(), input.reserved)
}

const ONE_STEP: usize = 16 << 10;

fn assert_refused_within<T: Decode>(bytes: &[u8], memory: usize) {
    let (value, reserved) = decode::<T>(bytes);
    assert!(value.is_none());
    assert!(reserved <= memory, "{reserved} bytes were reserved");
    assert!(T::decode(&mut &*bytes).is_err());
}

#[test]
fn a_promise_of_a_gibibyte_is_not_believed() {
    let promise = Compact(1u32 << 30).encode();
    assert_refused_within::<PoV>(&promise, ONE_STEP);
    assert_refused_within::<PersistedValidationData>(&promise, ONE_STEP);
    assert_refused_within::<ValidationParams>(&promise, ONE_STEP);
    assert_refused_within::<ValidationResult>(&promise, ONE_STEP);
    assert_refused_within::<ExecutorParams>(&promise, 0);
    assert_refused_within::<UpwardMessages>(&promise, 0);
    assert_refused_within::<HorizontalMessages>(&promise, 0);

    let message_in_list = [Compact(1u32).encode(), promise].concat();
    assert_refused_within::<UpwardMessages>(&message_in_list, 2 * ONE_STEP);
}

#[test]
fn a_full_list_that_stops_early_costs_one_step() {
    assert_refused_within::<UpwardMessages>(&Compact(16_384u32).encode(), ONE_STEP);
    assert_refused_within::<HorizontalMessages>(&Compact(16_384u32).encode(), ONE_STEP);
    assert_refused_within::<ExecutorParams>(&Compact(1024u32).encode(), ONE_STEP);
}

#[test]
fn lists_of_messages_end_at_their_maximum() {
    let message = OutboundHrmpMessage { recipient: ParaId(1), data: vec![] };
    let result = |upward, horizontal| {
        let mut bytes = [0, 0].to_vec();
        vec![UpwardMessage::new(); upward].encode_to(&mut bytes);
        vec![message.clone(); horizontal].encode_to(&mut bytes);
        (0u32, 0u32).encode_to(&mut bytes);
        ValidationResult::from_guest_output(&bytes)
    };
    let full = result(16_384, 16_384).unwrap();
    assert_eq!(full.upward_messages.len(), MAX_UPWARD_MESSAGES);
    assert_eq!(full.horizontal_messages.len(), MAX_HORIZONTAL_MESSAGES);
    assert!(result(16_385, 0).is_err());
    assert!(result(0, 16_385).is_err());

    let too_many = TooMany { max: 16_384, found: 16_385 };
    assert_eq!(UpwardMessages::try_from(vec![vec![]; 16_385]), Err(too_many));
}

#[test]
fn executor_parameters_end_at_their_maximum() {
    let bytes = |len| ExecutorParams::new(vec![ExecutorParam::WasmExtBulkMemory; len]).encode();
    let (full, _) = decode::<ExecutorParams>(&bytes(1024));
    assert_eq!(full.unwrap().iter().count(), ExecutorParams::MAX_DECODED);
    assert_refused_within::<ExecutorParams>(&bytes(1025), 0);
}

#[test]
fn unknown_executor_parameters_are_refused() {
    for bytes in [
        &[4, 0][..],
        &[4, 9],
        &[4, 129],
        // Kinds of timeout and families of host functions that don't exist.
        &[4, 5, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        &[4, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        &[4, 8, 0],
        &[4, 8, 2],
        // A backend with no name, and one with a slash.
        &[4, 128, 0],
        &[4, 128, 4, b'/'],
    ] {
        assert_refused_within::<ExecutorParams>(bytes, 2 * ONE_STEP);
    }
}

#[test]
fn every_truncation_is_an_error() {
    let result = ValidationResult {
        new_validation_code: Some(vec![1; 70].into()),
        upward_messages: vec![vec![2; 3]].try_into().unwrap(),
        horizontal_messages: vec![OutboundHrmpMessage { recipient: ParaId(3), data: vec![4] }]
            .try_into()
            .unwrap(),
        ..Default::default()
    };
    let bytes = result.encode();
    assert_eq!(decode(&bytes).0, Some(result));
    for len in 0..bytes.len() {
        assert_refused_within::<ValidationResult>(&bytes[..len], 5 * ONE_STEP);
    }
}
