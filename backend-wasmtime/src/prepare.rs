//! From code to an artifact.
//!
//! # Format
//!
//! An artifact is Wasmtime's, followed by one byte, the code's [`Form`](pvf_wasm_code::Form).
//! Wasmtime itself does not tell.

use crate::{engine, error, functions::Functions};
use pvf_host_core::{
    backend::{BackendPrepareError, Bytes, LoadError, Preparation},
    primitives::ExecutorParams,
};
use pvf_wasm_code::{Code, CompileError, Task, Threads};
use std::{io::Write, num::NonZeroUsize, sync::Arc};
use wasmtime::{Engine, Module};

/// The threads in which Wasmtime compiles, see [`start_threads`](crate::Wasmtime).
pub(crate) struct Pool;

impl Threads for Pool {
    fn count(&self) -> NonZeroUsize {
        NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN)
    }

    fn run(&self, tasks: Vec<Task<'_>>) {
        rayon::scope(|scope| {
            for task in tasks {
                scope.spawn(move |_| task());
            }
        });
    }
}

/// Checks that the code can be read.
pub(crate) fn prevalidate(code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError> {
    Code::read_on(&Pool, code, params).map(drop)
}

/// Rewrites and compiles the code.
pub(crate) fn prepare(
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Vec<u8>, BackendPrepareError> {
    prepare_with(code, params, || engine::engine(params))
}

/// Checks, rewrites and compiles the code, with what an earlier preparation has kept, and with a place for
/// what this one keeps. The code is read once for all.
pub(crate) fn prepare_reusing(
    code: &[u8],
    params: &ExecutorParams,
    earlier: Option<Bytes>,
    kept: Box<dyn Write + Send>,
) -> Result<Preparation, BackendPrepareError> {
    let functions = Arc::new(Functions::new(earlier, kept));
    let artifact =
        prepare_with(code, params, || engine::engine_reusing(params, functions.clone()))?;
    Ok(Preparation::from(artifact).with_counts(functions.finish()))
}

/// Rewrites the code, and compiles it with that engine.
fn prepare_with(
    code: &[u8],
    params: &ExecutorParams,
    engine: impl FnOnce() -> wasmtime::Result<Engine>,
) -> Result<Vec<u8>, BackendPrepareError> {
    let validate = |wasm: &[u8]| {
        let engine = engine::engine(params).map_err(|error| refused(&error))?;
        Ok(validate(&engine, wasm)?)
    };
    pvf_wasm_code::prepare_on(&Pool, code, params, validate, |wasm| {
        engine().and_then(|engine| engine.precompile_module(&wasm)).map_err(|error| refused(&error))
    })
}

/// Checks that code is valid, in the engine's words.
pub(crate) fn validate(engine: &Engine, wasm: &[u8]) -> Result<(), String> {
    Module::validate(engine, wasm).map_err(|error| format!("{error:#}"))
}

/// Why there is no native code.
fn refused(error: &wasmtime::Error) -> CompileError {
    match error::of_load(error) {
        LoadError::Machine(error) => CompileError::Machine(error),
        LoadError::RuntimeConstruction(error) => CompileError::Refused(error.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::ExecutorParam;

    #[test]
    fn an_artifact_is_the_compiled_code_and_what_form_it_has() {
        for (params, has_start, last) in [
            (vec![], false, 0),
            (vec![], true, 1),
            (vec![ExecutorParam::MaxGas(1)], false, 2),
            (vec![ExecutorParam::MaxGas(1)], true, 3),
        ] {
            let start = if has_start { "(func $s) (start $s)" } else { "" };
            let code = wat::parse_str(format!("(module {start} (func (export \"f\")))")).unwrap();
            let params = ExecutorParams::new(params);
            let artifact = prepare(&code, &params).unwrap();
            let engine = engine::engine(&params).unwrap();
            let read = Code::read(&code, &params).unwrap();
            let wasm = read.rewrite(&params, |wasm| validate(&engine, wasm)).unwrap().wasm;
            let mut expected = engine.precompile_module(&wasm).unwrap();
            expected.push(last);
            assert!(artifact == expected, "{last}");
        }
    }
}
