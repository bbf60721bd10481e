//! Why a host function refused.

use crate::{AllocatorError, MemoryError};

/// Why a host function refused its arguments. The guest traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
