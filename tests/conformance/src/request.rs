//! Candidates to validate.

use parity_scale_codec::Encode;
use pvf_host_core::{
    Pvf, ValidationKind, ValidationRequest,
    primitives::{Hash, ValidationContext, ValidationParams, blake2_256},
};

/// What the code gets about a block.
pub fn params(block: impl Into<Vec<u8>>) -> ValidationParams {
    ValidationParams {
        parent_head: b"parent".to_vec().into(),
        block_data: block.into().into(),
        relay_parent_number: 1,
        relay_parent_storage_root: Hash([7; 32]),
        extension: None,
    }
}

/// Approval of an empty block.
pub fn approval(pvf: Pvf) -> ValidationRequest {
    approval_of(pvf, [])
}

/// Approval of a block.
pub fn approval_of(pvf: Pvf, block: impl Into<Vec<u8>>) -> ValidationRequest {
    ValidationRequest::from_params(pvf, params(block), ValidationKind::Approval)
}

/// A dispute over an empty block.
pub fn dispute(pvf: Pvf) -> ValidationRequest {
    approval(pvf).with_kind(ValidationKind::Dispute)
}

/// Backing of an empty block that builds on `relay_parent`.
pub fn backing(pvf: Pvf, relay_parent: Hash) -> ValidationRequest {
    approval(pvf).with_kind(ValidationKind::Backing { relay_parent })
}

/// The same for a system chain.
pub fn system_backing(pvf: Pvf, relay_parent: Hash) -> ValidationRequest {
    approval(pvf).with_kind(ValidationKind::BackingSystemParas { relay_parent })
}

/// The input of the call that a request with uncompressed block data leads to.
pub fn input(request: &ValidationRequest) -> Vec<u8> {
    let data = &request.persisted_validation_data;
    let context = ValidationContext::new(data, request.extension);
    ValidationParams {
        parent_head: context.parent_head.to_vec().into(),
        block_data: request.pov.block_data.clone(),
        relay_parent_number: context.relay_parent_number,
        relay_parent_storage_root: context.relay_parent_storage_root,
        extension: context.extension,
    }
    .encode()
}

/// The head that a script gives by default.
pub fn hash_head(request: &ValidationRequest) -> Vec<u8> {
    blake2_256(&input(request)).0.to_vec()
}
