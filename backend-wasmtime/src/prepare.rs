//! From code to an artifact.
//!
//! # Format
//!
//! An artifact is Wasmtime's, followed by one byte, the code's [`Form`](pvf_wasm_code::Form). Wasmtime
//! itself does not tell.

use crate::{engine, error, functions::Functions};
use pvf_host_core::{
    backend::{BackendPrepareError, LoadError, MachineError, Preparation},
    primitives::ExecutorParams,
};
use pvf_wasm_code::{Code, Rewritten, why_refused};
use std::sync::Arc;
use wasmtime::{Engine, Module};

/// Checks that the code can be read.
pub(crate) fn prevalidate(code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError> {
    Code::read(code, params).map(drop)
}

/// Rewrites and compiles the code.
pub(crate) fn prepare(
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Vec<u8>, BackendPrepareError> {
    prepare_with(code, params, |wasm| Ok(engine::engine(params)?.precompile_module(wasm)?))
}

/// Checks, rewrites and compiles the code, with what an earlier preparation has kept, and with something to
/// keep. The code is read once for all.
pub(crate) fn prepare_reusing(
    code: &[u8],
    params: &ExecutorParams,
    earlier: Option<&[u8]>,
) -> Result<Preparation, BackendPrepareError> {
    let functions = Arc::new(Functions::new(earlier));
    let artifact = prepare_with(code, params, |wasm| {
        Ok(engine::engine_reusing(params, functions.clone())?.precompile_module(wasm)?)
    })?;
    let (functions, counts) = functions.keep();
    Ok(Preparation::from(artifact).with_functions(functions).with_counts(counts))
}

fn prepare_with(
    code: &[u8],
    params: &ExecutorParams,
    compile_wasm: impl FnOnce(&[u8]) -> Result<Vec<u8>, CompileError>,
) -> Result<Vec<u8>, BackendPrepareError> {
    let read = Code::read(code, params)?;
    compile(read, params, compile_wasm).map_err(|error| match error {
        CompileError::Machine(error) => error.into(),
        CompileError::Refused(message) => {
            BackendPrepareError::Compilation(why_refused(code, params, message))
        }
    })
}

/// Why there is no native code.
enum CompileError {
    Machine(MachineError),
    Refused(String),
}

impl From<wasmtime::Error> for CompileError {
    fn from(error: wasmtime::Error) -> Self {
        match error::of_load(&error) {
            LoadError::Machine(error) => Self::Machine(error),
            LoadError::RuntimeConstruction(error) => Self::Refused(error.0),
        }
    }
}

impl From<String> for CompileError {
    fn from(message: String) -> Self {
        Self::Refused(message)
    }
}

fn compile(
    code: Code,
    params: &ExecutorParams,
    compile_wasm: impl FnOnce(&[u8]) -> Result<Vec<u8>, CompileError>,
) -> Result<Vec<u8>, CompileError> {
    let engine = engine::engine(params)?;
    let Rewritten { wasm, form } = rewrite(code, params, &engine)?;
    let mut artifact = compile_wasm(&wasm)?;
    artifact.push(form.byte());
    Ok(artifact)
}

/// The code that is compiled.
pub(crate) fn rewrite(
    code: Code,
    params: &ExecutorParams,
    engine: &Engine,
) -> Result<Rewritten, String> {
    code.rewrite(params, |wasm| {
        Module::validate(engine, wasm).map_err(|error| format!("{error:#}"))
    })
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
            let wasm = rewrite(read, &params, &engine).unwrap().wasm;
            let mut expected = engine.precompile_module(&wasm).unwrap();
            expected.push(last);
            assert!(artifact == expected, "{last}");
        }
    }
}
