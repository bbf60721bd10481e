//! Parts of the preparation, one by one, for benchmarks. No interface: they change with it.

use crate::{
    engine,
    prepare::{self, Pool},
};
use pvf_host_core::primitives::ExecutorParams;
use pvf_wasm_code::Code;

pub use pvf_wasm_code::parts::upgraded;

/// The code as the engine gets it.
///
/// # Errors
///
/// When the code is refused, with the reason.
pub fn instrumented(code: &[u8], params: &ExecutorParams) -> Result<Vec<u8>, String> {
    let read = Code::read_on(&Pool, code, params).map_err(|error| error.to_string())?;
    let engine = engine::engine(params).map_err(|error| error.to_string())?;
    let rewritten = read.rewrite_on(&Pool, params, |wasm| prepare::validate(&engine, wasm));
    rewritten.map(|rewritten| rewritten.wasm)
}

/// What the engine makes of such code, with the settings of a preparation.
///
/// # Errors
///
/// When the engine refuses it, with the reason.
pub fn compiled(instrumented: &[u8], params: &ExecutorParams) -> Result<Vec<u8>, String> {
    let engine = engine::engine(params).map_err(|error| error.to_string())?;
    engine.precompile_module(instrumented).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_together_are_a_preparation() {
        let code = wat::parse_str("(module (func (export \"f\") (call 0)))").unwrap();
        let params = ExecutorParams::default();
        let parts = compiled(&instrumented(&code, &params).unwrap(), &params).unwrap();
        // What follows is the artifact's form.
        let whole = prepare::prepare(&code, &params).unwrap();
        assert!(parts == whole[..whole.len() - 1]);
    }
}
