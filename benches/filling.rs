//! Caches that are full.

use crate::identity::id;
use pvf_host_core::{
    artifact::{
        Cache, EnvironmentDigest, PrepareCost,
        format::{BackendVersion, Header},
    },
    backend::{BackendDescriptor, CodePrefix, linked},
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// A directory for a cache, on the disk on which the program is.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be made")
}

/// The backend that artifacts are said to be of: the store refuses those of one that is not linked.
pub(crate) fn backend() -> &'static BackendDescriptor {
    linked()[0]
}

/// Puts so many artifacts into an environment of a cache, which is there. They are of no use but for
/// being found.
pub(crate) fn fill(cache: &Path, environment: EnvironmentDigest, count: u64) {
    let environment = Cache::new(cache).environment(environment);
    let payload = [7; 1000];
    for number in 0..count {
        let id = id(number, &backend().id);
        let key = environment.checksum_key(&id);
        let header = Header {
            code_prefix: CodePrefix::of(b""),
            payload_len: payload.len() as u64,
            payload_checksum: key.checksum(&payload),
            cost: PrepareCost::default(),
            backend_version: BackendVersion::new(backend().version),
        };
        let bytes = [&header.to_bytes(&id, &key)[..], &payload].concat();
        fs::write(environment.artifact_path(&id), bytes).expect("there is room");
    }
}
