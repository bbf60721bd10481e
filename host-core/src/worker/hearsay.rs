//! Errors as a worker has put them: their text is [cleaned and cut](text) before anybody sees it. A
//! panic's message may have several lines.

use super::protocol::{JobOutcome, PrepareJobError};
use crate::{
    backend::{
        BackendPrepareError, ExecuteError, LoadError, MachineError, RuntimeConstructionError,
    },
    text,
};

/// What holds text.
pub(crate) trait Hearsay {
    /// The same with text that is harmless.
    fn cleaned(self) -> Self;
}

impl Hearsay for String {
    fn cleaned(self) -> Self {
        text::clean_lines_and_cut(&self)
    }
}

impl Hearsay for MachineError {
    fn cleaned(self) -> Self {
        Self(self.0.cleaned())
    }
}

impl Hearsay for RuntimeConstructionError {
    fn cleaned(self) -> Self {
        Self(self.0.cleaned())
    }
}

impl Hearsay for LoadError {
    fn cleaned(self) -> Self {
        match self {
            Self::RuntimeConstruction(error) => Self::RuntimeConstruction(error.cleaned()),
            Self::Machine(error) => Self::Machine(error.cleaned()),
        }
    }
}

impl Hearsay for ExecuteError {
    fn cleaned(self) -> Self {
        match self {
            Self::RuntimeConstruction(error) => Self::RuntimeConstruction(error.cleaned()),
            Self::Machine(error) => Self::Machine(error.cleaned()),
            Self::Trap(text) => Self::Trap(text.cleaned()),
            Self::Panic(text) => Self::Panic(text.cleaned()),
            Self::InvalidOutput(text) => Self::InvalidOutput(text.cleaned()),
            Self::OutOfMemory(text) => Self::OutOfMemory(text.cleaned()),
            Self::OutOfGas => Self::OutOfGas,
        }
    }
}

impl Hearsay for JobOutcome {
    fn cleaned(self) -> Self {
        match self {
            Self::MalformedResult(text) => Self::MalformedResult(text.cleaned()),
            Self::Failed(error) => Self::Failed(error.cleaned()),
            Self::Panicked(text) => Self::Panicked(text.cleaned()),
            Self::Died(text) => Self::Died(text.cleaned()),
            Self::Machine(error) => Self::Machine(error.cleaned()),
            other @ (Self::Result(_)
            | Self::PovDecompressionFailure(_)
            | Self::TimedOut
            | Self::Cancelled) => other,
        }
    }
}

impl Hearsay for BackendPrepareError {
    fn cleaned(self) -> Self {
        match self {
            Self::Prevalidation(text) => Self::Prevalidation(text.cleaned()),
            Self::Compilation(text) => Self::Compilation(text.cleaned()),
            Self::Machine(error) => Self::Machine(error.cleaned()),
        }
    }
}

impl Hearsay for PrepareJobError {
    fn cleaned(self) -> Self {
        match self {
            Self::Decompression(text) => Self::Decompression(text.cleaned()),
            Self::Backend(error) => Self::Backend(error.cleaned()),
            Self::Unloadable(error) => Self::Unloadable(error.cleaned()),
            Self::Panicked(text) => Self::Panicked(text.cleaned()),
            Self::Died(text) => Self::Died(text.cleaned()),
            Self::Io(text) => Self::Io(text.cleaned()),
            other @ (Self::OutOfMemory | Self::TimedOut) => other,
        }
    }
}
