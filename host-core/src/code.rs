//! The code of a PVF, as a request names it.

use crate::{
    backend::CodePrefix,
    primitives::{CodeHash, ExecutorParams},
};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// The code of a PVF, as given: perhaps compressed, never changed.
///
/// Cheap to clone. Knows its hash and how it begins, so that neither is worked out twice.
#[derive(Clone)]
pub struct Code {
    bytes: Arc<[u8]>,
    hash: CodeHash,
    prefix: CodePrefix,
}

impl Code {
    /// Takes code and hashes it, which takes about a millisecond per megabyte.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { hash: CodeHash::of(&bytes), prefix: CodePrefix::of(&bytes), bytes }
    }

    /// The code as given.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The BLAKE2b-256 hash of the code as given.
    pub fn hash(&self) -> CodeHash {
        self.hash
    }

    /// How the code begins behind its compression.
    pub fn prefix(&self) -> &CodePrefix {
        &self.prefix
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}, {} bytes)", self.hash, self.bytes.len())
    }
}

/// The code of a request: the bytes, or the hash alone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CodeSource {
    /// The code itself.
    Bytes(Code),
    /// Its hash. If the host has no artifact for it, it asks its [`CodeProvider`].
    Hash(CodeHash),
}

impl CodeSource {
    /// The hash, either way.
    pub fn hash(&self) -> CodeHash {
        match self {
            Self::Bytes(code) => code.hash(),
            Self::Hash(hash) => *hash,
        }
    }
}

impl From<Code> for CodeSource {
    fn from(code: Code) -> Self {
        Self::Bytes(code)
    }
}

impl From<CodeHash> for CodeSource {
    fn from(hash: CodeHash) -> Self {
        Self::Hash(hash)
    }
}

/// A PVF: code, and the parameters under which it is prepared and executed.
#[derive(Debug, Clone)]
pub struct Pvf {
    /// The code.
    pub code: CodeSource,
    /// The parameters.
    pub params: Arc<ExecutorParams>,
    /// The code that this code is an upgrade of. See [`upgraded_from`](Self::upgraded_from).
    pub predecessor: Option<CodeHash>,
}

impl Pvf {
    /// Some code under the default parameters.
    pub fn new(code: impl Into<CodeSource>) -> Self {
        Self { code: code.into(), params: Arc::default(), predecessor: None }
    }

    /// The same code under other parameters.
    pub fn with_params(self, params: impl Into<Arc<ExecutorParams>>) -> Self {
        Self { params: params.into(), ..self }
    }

    /// The same, declared to be the upgrade of other code: functions that have not changed are taken
    /// from what its preparation has left, if the host has that, instead of compiling them again.
    ///
    /// It is no part of the artifact's identity, and the artifact's bytes are the same. A precheck takes
    /// no notice of it: what it finds out must not depend on what else this host has prepared.
    ///
    /// # Trust
    ///
    /// Whoever has taken over the preparation of the predecessor, which its author may, decides from then
    /// on what this code does on this machine, too. That is nothing new where the predecessor itself
    /// decides what comes after it, as a parachain does that upgrades its own code. Declare nothing where
    /// somebody else replaces the code of a parachain because it is no longer trusted, and never one
    /// parachain's code to be another's predecessor.
    pub fn upgraded_from(self, predecessor: CodeHash) -> Self {
        Self { predecessor: Some(predecessor), ..self }
    }
}

/// Where the host gets code that a request named by its hash alone.
#[async_trait]
pub trait CodeProvider: Send + Sync {
    /// The code with this hash, as it is on chain. The host checks the hash of what it gets.
    ///
    /// # Errors
    ///
    /// A reason for people, when the code is not to be had.
    async fn code(&self, hash: CodeHash) -> Result<Vec<u8>, String>;
}
