//! Parts of the preparation, one by one, for benchmarks. No interface: they change with it.

use crate::{
    engine::{self, Kind},
    program::{self, Checked},
};
use polkavm::{Module, ProgramBlob};
use pvf_host_core::primitives::ExecutorParams;

/// The program as the engine's compiler gets it.
///
/// # Errors
///
/// When the code is refused, with the reason.
pub fn rewritten(code: &[u8]) -> Result<Vec<u8>, String> {
    program::check(code, true).map(|Checked { program, .. }| program)
}

/// What the engine makes of such a program, with the settings of a preparation, and nothing of this
/// crate's between.
///
/// # Errors
///
/// When the engine refuses it, with the reason.
pub fn compiled(rewritten: &[u8], params: &ExecutorParams) -> Result<impl Sized + use<>, String> {
    let program = ProgramBlob::parse(rewritten.into()).map_err(|error| error.to_string())?;
    let engine = engine::engine(Kind::Compiler).map_err(|error| error.to_string())?;
    let config = engine::module_config(params);
    Module::from_blob(&engine, &config, program).map_err(|error| error.to_string())
}
