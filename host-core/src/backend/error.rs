//! The errors a backend may give, the same for every engine.
//!
//! A backend translates its engine's errors *here*, where they are still typed; nothing further up
//! looks at a message's text. The class decides what the host does: see the variants.

use parity_scale_codec::{Decode, Encode};

/// Why a backend could not turn code into an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum BackendPrepareError {
    /// The code is not a well-formed program of the backend's format. Depends on the code alone.
    #[error("prevalidation: {0}")]
    Prevalidation(String),
    /// The code is well-formed, but the engine refuses to compile it. Depends on the code and the
    /// engine alone.
    #[error("compilation: {0}")]
    Compilation(String),
    /// The engine could not do it on this machine, now: its processor lacks something, or the kernel
    /// had no memory to give. Says nothing about the code.
    #[error("this machine: {0}")]
    Machine(#[from] MachineError),
}

/// This machine could not do it, now: its processor lacks something, or its kernel had no memory or
/// no descriptor to give.
///
/// Says nothing about the code, its artifact, or a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{0}")]
pub struct MachineError(pub String);

/// Why an artifact could not be loaded: either it is to blame, or this machine.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum LoadError {
    /// The artifact is not one that the engine can load.
    #[error("{0}")]
    RuntimeConstruction(#[from] RuntimeConstructionError),
    /// The engine could load it, but not on this machine, now.
    #[error("this machine: {0}")]
    Machine(#[from] MachineError),
}

/// The engine refuses the artifact: it is damaged, or was made by another version of the engine, or
/// for another processor.
///
/// What is wrong is the artifact, never the candidate: the host throws the artifact away, prepares it
/// anew, and tries once more before it judges.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{0}")]
pub struct RuntimeConstructionError(pub String);

/// Why a call into a loaded artifact gave no output.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The instance could not be made. The host prepares the artifact anew and retries.
    #[error("runtime construction: {0}")]
    RuntimeConstruction(#[from] RuntimeConstructionError),
    /// The machine had nothing to give for the call. A job may say that because an attacker has got
    /// hold of it, so it is believed only if the worker finds the same.
    #[error("this machine: {0}")]
    Machine(#[from] MachineError),
    /// The code ended in a trap, or a host function refused its arguments. The candidate is
    /// invalid.
    #[error("{0}")]
    Trap(String),
    /// The code panicked, and this is what it said. The candidate is invalid.
    #[error("{0}")]
    Panic(String),
    /// The call returned, but not with what the calling convention asks for: no such entry point,
    /// a wrong signature, an output outside of the guest's memory. The candidate is invalid.
    #[error("{0}")]
    InvalidOutput(String),
    /// The code needs more memory than the executor parameters grant. The candidate is invalid.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The code used up its gas. The candidate is invalid.
    #[error("out of gas")]
    OutOfGas,
}

impl From<LoadError> for ExecuteError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::RuntimeConstruction(error) => error.into(),
            LoadError::Machine(error) => error.into(),
        }
    }
}
