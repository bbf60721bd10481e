//! Names of artifacts that need not be there.

use pvf_host_core::{
    artifact::ArtifactId,
    backend::BackendId,
    primitives::{ExecutorParams, Hash},
};

/// One for each number.
pub(crate) fn id(number: u64, backend: &BackendId) -> ArtifactId {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    ArtifactId {
        code_hash: Hash(hash).into(),
        prep_hash: ExecutorParams::default().prep_hash(),
        backend: backend.clone(),
    }
}
