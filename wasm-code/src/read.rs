//! Reading code.
//!
//! It is read by the same crate as in the reference implementation, `parity-wasm`, for which code
//! can be read is consensus down to its oddities. Most code it reads in pieces, see
//! [`skeleton`].

use crate::{
    bodies::Bodies,
    bulk, proposals, skeleton,
    threads::{ThisThread, Threads},
};
use pvf_host_core::{backend::BackendPrepareError, primitives::ExecutorParams};
use wasm_instrument::parity_wasm::elements::{Module, Section, deserialize_buffer};

/// Code that can be read.
#[derive(Debug)]
pub struct Code {
    /// All of it, or its skeleton.
    pub(crate) module: Module,
    /// The bodies of its functions, if it is a skeleton.
    pub(crate) bodies: Option<Bodies>,
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
        Self::read_on(&ThisThread, code, params)
    }

    /// Does the same on several threads.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn read_on(
        threads: &dyn Threads,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Self, BackendPrepareError> {
        // Metering is about each instruction.
        let is_apart = params.max_gas().is_none();
        Self::read_with(code, params, |code| {
            match is_apart.then(|| skeleton::take_apart(code, threads)).flatten() {
                Some((skeleton, bodies)) => Ok((skeleton, Some(bodies))),
                None => whole(code),
            }
        })
    }

    /// Reads code as a whole, which is what decides.
    pub(crate) fn read_whole(
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Self, BackendPrepareError> {
        Self::read_with(code, params, whole)
    }

    fn read_with(
        code: &[u8],
        params: &ExecutorParams,
        read: impl Fn(&[u8]) -> Result<Readable, String>,
    ) -> Result<Self, BackendPrepareError> {
        if !code.starts_with(b"\0asm") {
            let begins = code[..code.len().min(8)].escape_ascii();
            let message = format!("not WebAssembly: the code begins with \"{begins}\"");
            return Err(BackendPrepareError::Prevalidation(message));
        }
        let ((module, bodies), removed) = parse(code, params, read).map_err(|message| {
            BackendPrepareError::Prevalidation(proposals::why_refused(code, params, message))
        })?;
        Ok(Self { module, bodies, removed })
    }
}

/// All of some code, or its skeleton and the bodies of its functions.
type Readable = (Module, Option<Bodies>);

fn whole(code: &[u8]) -> Result<Readable, String> {
    let module = deserialize_buffer::<Module>(code).map_err(|error| error.to_string())?;
    Ok((module, None))
}

fn parse(
    code: &[u8],
    params: &ExecutorParams,
    read: impl Fn(&[u8]) -> Result<Readable, String>,
) -> Result<(Readable, Option<bulk::Removed>), String> {
    let readable = read(code);
    // Code that uses no bulk memory operations is never taken apart, so that the parameter changes
    // nothing for it: not what is validated, which comes after the rewriting, nor when. All such
    // operations make it impossible to read, but for the count of data segments, which the
    // rewriting would put in the wrong place.
    let has_none = |(module, _): &Readable| !has_data_count(module);
    if !params.wasm_ext_bulk_memory() || readable.as_ref().is_ok_and(has_none) {
        return Ok((readable?, None));
    }
    match bulk::take_out(code, params)? {
        Some((code, removed)) => Ok((read(&code)?, Some(removed))),
        None => Ok((readable?, None)),
    }
}

fn has_data_count(module: &Module) -> bool {
    module.sections().iter().any(|section| matches!(section, Section::DataCount(_)))
}
