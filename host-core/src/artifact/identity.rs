//! What an artifact is an artifact *of*.

use crate::{
    backend::BackendId,
    primitives::{CodeHash, ExecutorParamsPrepHash, Hash},
};
use parity_scale_codec::{Decode, Encode};
use std::fmt;

/// Identifies an artifact within one environment: what was prepared, under which parameters, and by
/// which backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ArtifactId {
    /// The hash of the code as given.
    pub code_hash: CodeHash,
    /// The hash of the executor parameters that change the artifact.
    pub prep_hash: ExecutorParamsPrepHash,
    /// The backend that prepared it.
    pub backend: BackendId,
}

impl ArtifactId {
    /// The name of the artifact's file, without an ending: `<backend>-<code hash>-<prep hash>`, the
    /// hashes in plain hexadecimal.
    pub(crate) fn file_stem(&self) -> String {
        let (code, prep) = (self.code_hash.to_string(), self.prep_hash.to_string());
        let plain = |hex: &str| hex.trim_start_matches("0x").to_owned();
        format!("{}-{}-{}", self.backend, plain(&code), plain(&prep))
    }

    /// Reads back a [`file_stem`](Self::file_stem).
    pub(crate) fn from_file_stem(stem: &str) -> Option<Self> {
        let mut parts = stem.rsplitn(3, '-');
        let prep_hash: Hash = parts.next()?.parse().ok()?;
        let code_hash: Hash = parts.next()?.parse().ok()?;
        let id = Self {
            code_hash: code_hash.into(),
            prep_hash: prep_hash.into(),
            backend: parts.next()?.parse().ok()?,
        };
        (id.file_stem() == stem).then_some(id)
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_stem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stem_names_one_artifact_and_back() {
        let id = ArtifactId {
            code_hash: CodeHash::from(Hash([0xab; 32])),
            prep_hash: Hash([0x01; 32]).into(),
            backend: BackendId::from_static("polkavm-interpreter"),
        };
        let stem = id.file_stem();
        assert_eq!(stem, format!("polkavm-interpreter-{}-{}", "ab".repeat(32), "01".repeat(32)));
        assert_eq!(ArtifactId::from_file_stem(&stem), Some(id));
        for foreign in
            ["", "lost+found", "wasmtime-ab-01", &format!("{stem}0"), &stem.to_uppercase()]
        {
            assert_eq!(ArtifactId::from_file_stem(foreign), None);
        }
    }
}
