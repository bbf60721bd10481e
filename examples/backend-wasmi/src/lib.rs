//! A backend on the interpreter wasmi: the worked example of how an engine is brought to the host,
//! and an oracle to compare the others with.
//!
//! * This file makes the backend known, has the engine's settings, and turns code into artifacts.
//! * `load` turns an artifact into something that can be called.
//! * `instance` is an instance: its limits, what host functions see of it, how it is called, and
//!   what the engine's errors mean.
//!
//! What has nothing to do with the engine is done by others: [`pvf_wasm_code`] reads and rewrites
//! code, says what imports are linked to, and remembers what there is to remember about a call;
//! [`pvf_host_functions`] has what guests may call.
//!
//! # Artifacts
//!
//! An artifact is the rewritten code, followed by its length and by the byte of its
//! [`Form`](pvf_wasm_code::Form).
//! The engine can't keep what it makes of code, so it is made anew when an artifact is loaded.

mod instance;
mod load;

use pvf_host_core::backend::{
    Artifact, BackendDescriptor, BackendId, BackendPrepareError, Chosen, Execute, Fingerprint,
    LoadError, LoadedArtifact, Prepare,
};
use pvf_host_core::primitives::ExecutorParams;
use pvf_wasm_code::{Code, validate};
use wasmi::{CompilationMode, Config, Engine, Module};

/// The name of this backend.
pub const ID: BackendId = BackendId::from_static("wasmi");

/// What decides whether an artifact can run: the versions of what rewrites code and of the engine,
/// which `Cargo.toml` has to the digit, and a number that changes whenever this crate makes other
/// artifacts, or reads them in another way.
const FINGERPRINT: [&[u8]; 3] = [pvf_wasm_code::VERSION.as_bytes(), b"wasmi 2.0.0", b"3"];

/// Both halves of the backend. It has no state: everything depends on the parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasmi;

inventory::submit! {
    BackendDescriptor::new(
        ID,
        concat!(env!("CARGO_PKG_VERSION"), " (wasmi 2)"),
        |prefix| prefix.starts_with(b"\0asm"),
        |_| Ok(Fingerprint::of(&FINGERPRINT)),
        &Wasmi,
        &Wasmi,
    )
    .with_chosen(Chosen::ByName)
}

impl Prepare for Wasmi {
    fn prevalidate(&self, code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError> {
        Code::read(code, params).map(drop)
    }

    fn prepare(
        &self,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Vec<u8>, BackendPrepareError> {
        pvf_wasm_code::prepare(
            code,
            params,
            |wasm| validate(wasm, params),
            |mut wasm| {
                // The engine's own language can't be made as small as that.
                validate(&wasm, params)?;
                Module::new(&engine(params), &wasm).map_err(|error| error.to_string())?;
                wasm.extend((wasm.len() as u64).to_le_bytes());
                Ok(wasm)
            },
        )
    }

    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError> {
        load::load(artifact, params).map(drop)
    }
}

impl Execute for Wasmi {
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
        Ok(Box::new(load::load(artifact, params)?))
    }
}

/// An engine for these parameters.
fn engine(params: &ExecutorParams) -> Engine {
    /// More than the engine needs for what it keeps of a call.
    const FRAME: usize = 64;
    let mut config = Config::default();
    // What may be wrong with code shows before any of it runs, and nothing is left to do then.
    config.compilation_mode(CompilationMode::Eager);
    // Behind the logical limit, which is reached first.
    let stack = params.stack_native_max() as usize;
    config.set_min_stack_height(0).set_max_stack_height(stack);
    config.set_max_recursion_depth(stack / FRAME);
    Engine::new(&config)
}
