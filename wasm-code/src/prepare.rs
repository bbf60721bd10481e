//! From code to an artifact.

use crate::{
    Code,
    threads::{ThisThread, Threads},
    why_refused,
};
use pvf_host_core::{
    backend::{BackendPrepareError, MachineError},
    primitives::ExecutorParams,
};

/// Why an engine made nothing of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// It was the machine, which says nothing about the code.
    Machine(MachineError),
    /// It refuses the code, for this reason.
    Refused(String),
}

impl From<String> for CompileError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Makes an artifact: what the engine makes of the rewritten code, followed by the byte of its
/// [`Form`](crate::Form).
///
/// `validate` is what [`Code::rewrite`] asks for. `compile` makes the code the engine's. An engine
/// that the machine can't fail says why with a String, any other with a [`CompileError`].
///
/// # Errors
///
/// [`BackendPrepareError::Prevalidation`] when the code can't be read,
/// [`BackendPrepareError::Compilation`] when it is refused, and the machine's error.
pub fn prepare<E: From<String> + Into<CompileError>>(
    code: &[u8],
    params: &ExecutorParams,
    validate: impl FnOnce(&[u8]) -> Result<(), E>,
    compile: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, BackendPrepareError> {
    prepare_on(&ThisThread, code, params, validate, compile)
}

/// Does the same, reading and rewriting on several threads.
///
/// # Errors
///
/// Those of [`prepare`].
pub fn prepare_on<E: From<String> + Into<CompileError>>(
    threads: &dyn Threads,
    code: &[u8],
    params: &ExecutorParams,
    validate: impl FnOnce(&[u8]) -> Result<(), E>,
    compile: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, BackendPrepareError> {
    let read = Code::read_on(threads, code, params)?;
    let artifact = read.rewrite_on(threads, params, validate).and_then(|rewritten| {
        let mut artifact = compile(rewritten.wasm)?;
        artifact.push(rewritten.form.byte());
        Ok(artifact)
    });
    artifact.map_err(|error| match error.into() {
        CompileError::Machine(error) => error.into(),
        CompileError::Refused(reason) => {
            BackendPrepareError::Compilation(why_refused(code, params, reason))
        }
    })
}
