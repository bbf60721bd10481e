//! Decoders: what they accept is written as it was read, and what they hold is in proportion.

use crate::meter;
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::{
    artifact::{
        ArtifactId, CacheKey, EnvironmentDigest,
        format::{HEADER_LEN, Header, HeaderError},
    },
    backend::{BackendId, CodePrefix},
    primitives::{
        CodeHash, ExecutorHostFunction, ExecutorParam, ExecutorParams, ExecutorParamsPrepHash,
        Hash, PersistedValidationData, PoV, PvfExecKind, PvfPrepKind, ValidationParams,
        ValidationResult,
        compression::{self, DecompressError},
    },
    worker::protocol::{
        ExecuteMessage, ExecuteRequest, ExecuteResponse, HostHello, JobOutcome, LoadRequest,
        LoadResponse, Numbered, PrepareRequest, PrepareResponse, WorkerHello,
    },
};
use std::fmt::Debug;

/// Decodes a value. It is written as it was read.
fn check<T: Decode + Encode + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    // Of a list, one byte may stand for an entry of many. Memory doubles as it grows.
    let limit = (64 << 10) + 256 * data.len();
    let mut rest = data;
    let value = meter::within(limit, || T::decode(&mut rest)).ok()?;
    let read = &data[..data.len() - rest.len()];
    assert_eq!(value.encode(), read, "{value:?}");
    assert_eq!(value.encoded_size(), read.len());
    Some(value)
}

/// What a guest is called with.
pub fn validation_params(data: &[u8]) {
    if let Some(params) = check::<ValidationParams>(data) {
        let context = params.context();
        let block = &params.block_data.0;
        let mut around = vec![0; context.encoded_len(block.len())];
        let place = context.encode_around(block.len(), &mut around);
        around[place].copy_from_slice(block);
        assert_eq!(around, params.encode());
    }
    check::<PersistedValidationData>(data);
    check::<PoV>(data);
}

/// What a guest returns.
pub fn validation_result(data: &[u8]) {
    let result = check::<ValidationResult>(data);
    assert_eq!(ValidationResult::from_guest_output(data).ok(), result);
    if let Some(result) = result {
        assert!(result.upward_messages.len() <= 16_384);
        assert!(result.horizontal_messages.len() <= 16_384);
        // Bytes behind it are ignored, and none may be missing.
        let mut bytes = result.encode();
        bytes.push(0xff);
        assert_eq!(ValidationResult::from_guest_output(&bytes), Ok(result));
        bytes.truncate(bytes.len() - 2);
        assert!(ValidationResult::from_guest_output(&bytes).is_err());
    }
}

/// Executor parameters, in SCALE and as text.
pub fn executor_params(data: &[u8]) {
    if let Some(params) = check::<ExecutorParams>(data) {
        assert!(params.iter().count() <= ExecutorParams::MAX_DECODED);
        if let Err(error) = params.check_consistency() {
            assert!(!error.to_string().is_empty());
        }
        assert!(params.memory_pages_limit() >= 32);
        let _ = (params.hash(), params.prep_hash(), params.backend());
        let _ = (params.stack_logical_max(), params.stack_native_max());
        let _ = (params.prechecking_max_memory(), params.wasm_ext_bulk_memory());
        let _ = PvfPrepKind::ALL.map(|kind| params.pvf_prep_timeout(kind));
        let _ = PvfExecKind::ALL.map(|kind| params.pvf_exec_timeout(kind));
        let _ = ExecutorHostFunction::ALL.map(|family| params.host_function_enabled(family));
        for param in &params {
            assert_eq!(param.to_string().parse().as_ref(), Ok(param));
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<ExecutorParam>() {
        Ok(param) => assert_eq!(param.to_string().parse(), Ok(param)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Blobs that may be compressed, of any content, and behind the prefix.
pub fn decompress(data: &[u8]) {
    let Some((options, data)) = data.split_first() else { return };
    let limit = 1 << (options % 21);
    check_blob(data, limit);
    check_blob(&[&compression::PREFIX, data].concat(), limit);

    let compressed = compression::compress(data, i32::from(options % 4)).expect("a valid level");
    let result = compression::decompress(&compressed, limit);
    if data.len() <= limit {
        assert_eq!(result.as_deref(), Ok(data));
    } else {
        assert_eq!(result, Err(DecompressError::Bomb { limit: limit as u64 }));
    }
}

fn check_blob(blob: &[u8], limit: usize) {
    // Memory doubles as it grows, and is there twice when it moves.
    let held = (64 << 10) + blob.len() + 4 * limit;
    let result = meter::within(held, || compression::decompress(blob, limit));
    let mut start = [0; 8];
    let peeked = compression::peek(blob, &mut start);
    match result {
        Ok(bytes) if compression::is_compressed(blob) => {
            assert!(bytes.len() <= limit);
            assert_eq!(peeked, Ok(bytes.len().min(8)));
            assert!(bytes.starts_with(&start[..bytes.len().min(8)]));
        }
        Ok(bytes) => assert_eq!(bytes, blob),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let prefix = CodePrefix::of(blob);
    assert_eq!(prefix.as_bytes(), &start[..peeked.unwrap_or(0)]);
}

/// What host, workers and jobs say to each other. The first byte tells which message it is.
pub fn worker_messages(data: &[u8]) {
    let Some((message, data)) = data.split_first() else { return };
    match message % 10 {
        0 => drop(check::<HostHello>(data)),
        1 => drop(check::<WorkerHello>(data)),
        2 => drop(check::<Numbered<PrepareRequest>>(data)),
        3 => drop(check::<Numbered<PrepareResponse>>(data)),
        4 => drop(check::<Numbered<LoadRequest>>(data)),
        5 => drop(check::<Numbered<LoadResponse>>(data)),
        6 => drop(check::<ExecuteMessage>(data)),
        7 => drop(check::<ExecuteRequest>(data)),
        8 => drop(check::<Numbered<ExecuteResponse>>(data)),
        _ => drop(check::<JobOutcome>(data)),
    }
}

/// The header of an artifact's file, with and without a checksum that matches.
pub fn artifact_header(data: &[u8]) {
    let Some((options, data)) = data.split_first() else { return };
    let id = ArtifactId {
        code_hash: CodeHash::from(Hash([1; 32])),
        prep_hash: ExecutorParamsPrepHash::from(Hash([2; 32])),
        backend: BackendId::from_static("wasmtime"),
    };
    let key = CacheKey::new([4; 32]).checksum_key(&EnvironmentDigest([3; 32]), &id);
    let mut bytes = data.to_vec();
    if options & 1 != 0 && bytes.len() >= HEADER_LEN {
        let place = HEADER_LEN - 32;
        let checksum = key.checksum(&bytes[..place]);
        bytes[place..HEADER_LEN].copy_from_slice(&checksum.0);
    }
    let file_len = match (options & 2, bytes.get(16..24)) {
        (0, Some(len)) => {
            let len = u64::from_le_bytes(len.try_into().expect("eight bytes"));
            len.saturating_add(HEADER_LEN as u64)
        }
        _ => bytes.len() as u64,
    };
    match Header::from_bytes(&bytes, file_len, &id, &key) {
        Ok(header) => {
            assert_eq!(header.to_bytes(&id, &key), bytes[..HEADER_LEN]);
            assert_eq!(header.payload_len, file_len - HEADER_LEN as u64);
        }
        Err(HeaderError::Truncated) => assert!(bytes.len() < HEADER_LEN),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
