//! The Wasmtime backend: PVFs in WebAssembly, compiled ahead of time to native code.
//!
//! From code to verdict:
//!
//! * `prepare` turns code into an artifact. The code is read and rewritten by [`pvf_wasm_code`], as
//!   for every engine. Then Wasmtime compiles it.
//! * `heap` is where it does so.
//! * `functions` keeps compiled functions, for preparations of similar code.
//! * `load` maps an artifact and links its imports. It instantiates ahead, if that runs no code of
//!   the guest, so that a job forked afterwards begins with the call.
//! * `instance` is the state behind one instance, and what host functions see of it.
//! * `call` is how [`pvf_wasm_code`] makes calls, and says what an error means.
//! * `engine` has Wasmtime's settings, and why they are so.
//! * `error` tells the engine's failures from the machine's.
//!
//! # Which code is accepted
//!
//! WebAssembly's first version, with mutable globals imported and exported, and sign extension;
//! bulk memory operations with the parameter `WasmExtBulkMemory`; nothing else. Much that makes a
//! module useless as a PVF is no matter of its preparation, but of its execution: a missing entry
//! point, a missing memory, an initial memory above the limit. Such code can be prepared and
//! loaded, and each candidate that is given to it is invalid.
//!
//! Imports are functions of the module `env`. Those that
//! [`for_each_host_function!`](pvf_host_functions::for_each_host_function!) lists do what they say;
//! all others link, and trap when they are called. Any other import makes the artifact impossible
//! to load, which is found when the code is prechecked.

mod call;
mod engine;
mod error;
mod functions;
mod instance;
mod load;
#[doc(hidden)]
pub mod parts;
mod prepare;

use pvf_host_core::{
    backend::{
        Artifact, BackendDescriptor, BackendId, BackendPrepareError, Bytes, Execute, LoadError,
        LoadedArtifact, Preparation, Prepare, heap,
    },
    primitives::ExecutorParams,
};
use std::io::{self, Write};

/// The name of this backend.
pub const ID: BackendId = BackendId::from_static("wasmtime");

/// Both halves of the backend. It has no state: everything depends on the parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasmtime;

inventory::submit! {
    BackendDescriptor::new(
        ID,
        concat!(env!("CARGO_PKG_VERSION"), " (Wasmtime 48)"),
        |prefix| prefix.starts_with(b"\0asm"),
        engine::fingerprint,
        &Wasmtime,
        &Wasmtime,
    )
}

impl Prepare for Wasmtime {
    fn start_threads(&self, cores: usize) -> io::Result<()> {
        heap::keep();
        // Wasmtime compiles in this pool, which otherwise would be made when it is first used.
        rayon::ThreadPoolBuilder::new()
            .num_threads(cores)
            .build_global()
            .map_err(io::Error::other)?;
        // A pool is made before its threads run. Now each of them has. This thread has a heap too.
        let heaps = cores + 1;
        rayon::broadcast(|_| heap::grow(heaps));
        heap::grow(heaps);
        Ok(())
    }

    fn prevalidate(&self, code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError> {
        prepare::prevalidate(code, params)
    }

    fn prepare(
        &self,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Vec<u8>, BackendPrepareError> {
        prepare::prepare(code, params)
    }

    fn prepare_reusing(
        &self,
        code: &[u8],
        params: &ExecutorParams,
        earlier: Option<Bytes>,
        kept: Box<dyn Write + Send>,
    ) -> Result<Preparation, BackendPrepareError> {
        prepare::prepare_reusing(code, params, earlier, kept)
    }

    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError> {
        load::link(artifact, params).map(drop)
    }
}

impl Execute for Wasmtime {
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
        Ok(Box::new(load::load(artifact, params)?))
    }
}
