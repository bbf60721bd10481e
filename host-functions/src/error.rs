//! Why a host function refused.

use crate::{AllocatorError, MemoryError};

/// Why a host function refused its arguments. The guest traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// An argument points outside of the guest's memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The allocator has nothing to give, or was misused.
    #[error(transparent)]
    Allocator(#[from] AllocatorError),
    /// An argument that must be text is not UTF-8.
    #[error("the argument is not UTF-8")]
    NotUtf8,
    /// An argument that must be a log level is none.
    #[error("{0} is not a log level")]
    NotALogLevel(u8),
    /// An argument that must be a state version is none.
    #[error("{0} is not a state version")]
    NotAStateVersion(u8),
    /// An argument that must be SCALE-encoded can't be decoded. Says what was expected.
    #[error("the argument is no SCALE-encoded {0}")]
    Undecodable(&'static str),
    /// A PVF has no key store, so no keys of its own.
    #[error("there is no key store")]
    NoKeyStore,
    /// A batch was started before the last one was finished.
    #[error("a batch of signatures is under way already")]
    BatchAlreadyStarted,
    /// A batch was finished that was not started.
    #[error("no batch of signatures is under way")]
    NoBatch,
    /// Polkadot's own host fails in this function, whatever its arguments, so that no code that
    /// calls it is valid anywhere.
    #[error("this function fails on every host")]
    AlwaysFails,
    /// A pairing got two lists of points of different lengths.
    #[error("the lists of points to pair differ in length")]
    UnpairedPoints,
    /// Arithmetic on an elliptic curve failed in a way that it should not be able to.
    #[error("arithmetic on an elliptic curve failed")]
    CurveArithmetic,
    /// The guest asked to be ended.
    #[error("the guest aborted")]
    Aborted,
}

/// A [`HostError`] and the function that it came out of: what a backend raises as a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("host function {function}: {error}")]
pub struct HostCallError {
    /// The name by which the guest imports the function.
    pub function: &'static str,
    /// What went wrong.
    #[source]
    pub error: HostError,
}
