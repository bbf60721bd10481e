//! From code to an artifact.
//!
//! # Format
//!
//! An artifact is a SCALE-encoded [`Prepared`].

use crate::{
    engine::{self, Kind},
    program::{self, Checked},
    stand_in::StandIns,
};
use parity_scale_codec::{Decode, Encode};
use polkavm::{CompileError, Module};
use pvf_host_core::{
    backend::{BackendPrepareError, MachineError},
    primitives::ExecutorParams,
};

/// What [`load`](crate::load) gets.
#[derive(Debug, Encode, Decode)]
pub(crate) struct Prepared {
    /// The calls that stand for other instructions.
    pub(crate) calls: StandIns,
    /// The program, rewritten.
    pub(crate) program: Vec<u8>,
}

/// Checks that the code is a program that can be run.
pub(crate) fn prevalidate(code: &[u8]) -> Result<(), BackendPrepareError> {
    check(code, false).map(drop)
}

/// Rewrites the code, and compiles it to prove that it can be.
pub(crate) fn prepare(
    kind: Kind,
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Vec<u8>, BackendPrepareError> {
    // The interpreter makes each round of a loop itself.
    let Checked { program, blob, calls } = check(code, kind == Kind::Compiler)?;
    let engine = engine::engine(kind)?;
    match Module::from_blob(&engine, &engine::module_config(params), blob) {
        Ok(_) => Ok(Prepared { calls, program }.encode()),
        Err(CompileError::ValidationFailed(reason)) => {
            Err(BackendPrepareError::Compilation(reason))
        }
        Err(CompileError::Error(error)) => Err(MachineError(error.to_string()).into()),
    }
}

fn check(code: &[u8], with_loops: bool) -> Result<Checked, BackendPrepareError> {
    program::check(code, with_loops).map_err(BackendPrepareError::Prevalidation)
}
