//! Parts, one by one, for benchmarks and fuzzing. No interface: they change with them.

use crate::{Code, Rewritten};
use pvf_host_core::{backend::BackendPrepareError, primitives::ExecutorParams};
use wasm_instrument::parity_wasm::elements::{Instruction, Module, deserialize_buffer};

/// Reads and rewrites code as a whole, which decides what comes of it. The inner error is that it
/// can't be rewritten.
///
/// # Errors
///
/// When the code can't be read.
pub fn rewritten_whole(
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Result<Rewritten, String>, BackendPrepareError> {
    let read = Code::read_whole(code, params)?;
    Ok(read.rewrite(params, |wasm| crate::validate(wasm, params)))
}

/// Whether code is rewritten in pieces, unless it is metered.
pub fn is_apart(code: &Code) -> bool {
    code.bodies.as_ref().is_some_and(|bodies| bodies.costs.is_some())
}

/// The same code with a change in `percent` of its functions, spread evenly.
///
/// # Errors
///
/// When the code can't be read.
pub fn upgraded(code: &[u8], percent: usize) -> Result<Vec<u8>, String> {
    let mut module = deserialize_buffer::<Module>(code).map_err(|error| error.to_string())?;
    let bodies = module.code_section_mut().map(|section| section.bodies_mut());
    for (i, body) in bodies.into_iter().flatten().enumerate() {
        if (i + 1) * percent / 100 > i * percent / 100 {
            let number = Instruction::I32Const(0x0bad_cafe ^ i as i32);
            body.code_mut().elements_mut().splice(0..0, [number, Instruction::Drop]);
        }
    }
    module.into_bytes().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(code: &[u8]) -> Vec<Vec<Instruction>> {
        let module = deserialize_buffer::<Module>(code).unwrap();
        let bodies = module.code_section().unwrap().bodies();
        bodies.iter().map(|body| body.code().elements().to_vec()).collect()
    }

    #[test]
    fn an_upgrade_changes_as_many_functions_as_it_says() {
        let code = wat::parse_str(format!("(module {})", "(func nop)".repeat(200))).unwrap();
        for (percent, changed) in [(0, 0), (2, 4), (50, 100), (100, 200)] {
            let (old, new) = (functions(&code), functions(&upgraded(&code, percent).unwrap()));
            assert_eq!(old.len(), new.len());
            assert_eq!(old.iter().zip(&new).filter(|(old, new)| old != new).count(), changed);
        }
    }
}
