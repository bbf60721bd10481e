//! What a preparation comes to.

use parity_scale_codec::{Decode, Encode};

/// The output of [`Prepare::prepare_reusing`](super::Prepare::prepare_reusing).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preparation {
    /// The artifact.
    pub artifact: Vec<u8>,
    /// How many functions were compiled, and how many were not. None if the backend does not keep any.
    pub counts: Option<FunctionCounts>,
    /// Whether the artifact was loaded on the way, so that [`check_runtime_construction`] would only do so
    /// again.
    ///
    /// [`check_runtime_construction`]: super::Prepare::check_runtime_construction
    pub is_constructed: bool,
}

/// An artifact, of a backend that counts no functions.
impl From<Vec<u8>> for Preparation {
    fn from(artifact: Vec<u8>) -> Self {
        Self { artifact, ..Self::default() }
    }
}

impl Preparation {
    /// The same, with how many functions were compiled, and how many were not.
    #[must_use]
    pub fn with_counts(self, counts: FunctionCounts) -> Self {
        Self { counts: Some(counts), ..self }
    }

    /// The same, with whether the artifact was loaded on the way.
    #[must_use]
    pub fn with_construction(self, is_constructed: bool) -> Self {
        Self { is_constructed, ..self }
    }
}

/// How much of an artifact was there already.
///
/// The prepare job says so, and nobody checks it: these numbers are for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct FunctionCounts {
    /// Functions, trampolines included, that were taken from an earlier preparation.
    pub reused: u32,
    /// Those that were compiled. What equals one that was compiled just before is in neither number.
    pub compiled: u32,
}
