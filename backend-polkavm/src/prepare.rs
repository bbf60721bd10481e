//! From code to an artifact.
//!
//! # Format
//!
//! An artifact is a SCALE-encoded [`Prepared`].

use crate::{
    engine::{self, Kind},
    load::{self, Failure},
    program::{self, Checked},
    stand_in::StandIns,
};
use parity_scale_codec::{Decode, Encode};
use polkavm::{CompileError, Module};
use pvf_host_core::{
    backend::{BackendPrepareError, MachineError, Preparation},
    primitives::ExecutorParams,
};

/// What [`load`] gets.
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
    let Checked { program, blob, calls } = check_for(kind, code)?;
    let engine = engine::engine(kind)?;
    Module::from_blob(&engine, &engine::module_config(params), blob).map_err(not_compiled)?;
    Ok(Prepared { calls, program }.encode())
}

/// As [`prepare`], but compiles it as it will be when it is loaded, and loads it: to compile takes nearly
/// all of the time, and once is enough.
pub(crate) fn prepare_and_load(
    kind: Kind,
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Preparation, BackendPrepareError> {
    let Checked { program, blob, calls } = check_for(kind, code)?;
    let engine = engine::engine(kind)?;
    let is_constructed = match load::construct(kind, &engine, blob, calls.clone(), params) {
        Ok(_) => true,
        Err(Failure::Compilation(error)) => return Err(not_compiled(error)),
        // That is said by whoever loads it, which need not be now.
        Err(Failure::Construction(_)) => false,
    };
    let artifact = Prepared { calls, program }.encode();
    Ok(Preparation::from(artifact).with_construction(is_constructed))
}

fn not_compiled(error: CompileError) -> BackendPrepareError {
    match error {
        CompileError::ValidationFailed(reason) => BackendPrepareError::Compilation(reason),
        CompileError::Error(error) => MachineError(error.to_string()).into(),
    }
}

/// As it is to be for this way to run it: the interpreter makes each round of a loop itself.
fn check_for(kind: Kind, code: &[u8]) -> Result<Checked, BackendPrepareError> {
    check(code, kind == Kind::Compiler)
}

fn check(code: &[u8], with_loops: bool) -> Result<Checked, BackendPrepareError> {
    program::check(code, with_loops).map_err(BackendPrepareError::Prevalidation)
}
