//! Reading code.
//!
//! It is read by the same crate as in the reference implementation, `parity-wasm`, for which code
//! can be read is consensus down to its oddities.

use crate::{bulk, proposals};
use pvf_host_core::{backend::BackendPrepareError, primitives::ExecutorParams};
use wasm_instrument::parity_wasm::elements::{Module, Section, deserialize_buffer};

/// Code that can be read.
#[derive(Debug)]
pub struct Code {
    pub(crate) module: Module,
    /// What was taken out so that it could be.
    pub(crate) removed: Option<bulk::Removed>,
}

impl Code {
    /// Reads code, decompressed. This is what prevalidation asks for.
    ///
    /// # Errors
    ///
    /// [`BackendPrepareError::Prevalidation`] when it can't be read.
    pub fn read(code: &[u8], params: &ExecutorParams) -> Result<Self, BackendPrepareError> {
        if !code.starts_with(b"\0asm") {
            let begins = code[..code.len().min(8)].escape_ascii();
            let message = format!("not WebAssembly: the code begins with \"{begins}\"");
            return Err(BackendPrepareError::Prevalidation(message));
        }
        let (module, removed) = parse(code, params).map_err(|message| {
            BackendPrepareError::Prevalidation(proposals::why_refused(code, params, message))
        })?;
        Ok(Self { module, removed })
    }
}

fn parse(code: &[u8], params: &ExecutorParams) -> Result<(Module, Option<bulk::Removed>), String> {
    let read = |code: &[u8]| deserialize_buffer::<Module>(code).map_err(|error| error.to_string());
    let module = read(code);
    // Code that uses no bulk memory operations is never taken apart, so that the parameter changes
    // nothing for it: not what is validated, which comes after the rewriting, nor when. All such
    // operations make it impossible to read, but for the count of data segments, which the
    // rewriting would put in the wrong place.
    if !params.wasm_ext_bulk_memory() || module.as_ref().is_ok_and(|module| !has_data_count(module))
    {
        return Ok((module?, None));
    }
    match bulk::take_out(code, params)? {
        Some((code, removed)) => Ok((read(&code)?, Some(removed))),
        None => Ok((module?, None)),
    }
}

fn has_data_count(module: &Module) -> bool {
    module.sections().iter().any(|section| matches!(section, Section::DataCount(_)))
}
