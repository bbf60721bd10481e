//! The PolkaVM backend: PVFs compiled for PolkaVM, a virtual machine in the style of RISC-V.
//!
//! From code to verdict:
//!
//! * `prepare` checks a program, and compiles it to prove that it can be. The engine has no way to
//!   keep native code, and needs only milliseconds to make it, so the artifact is the program.
//! * `program` reads and checks programs. `stand_in` replaces the instruction by which they grow their
//!   heap, so that this backend decides how far, and one in each loop that `compare` finds, so that
//!   several rounds are made at once.
//! * `load` compiles the artifact, links its imports, and makes an instance, so that a job forked
//!   afterwards begins with the call.
//! * `instance` is one instance with its state, and what host functions see of it. `memory` says how
//!   much of it there may be.
//! * `host_calls` passes arguments and results of host functions in registers. `shortcut` lets compiled
//!   code call some of them without leaving it.
//! * `call` makes the call, and says what its end means.
//! * `engine` has the engine's settings, and why they are so.
//!
//! There are two backends here. [`ID`] compiles programs to native code; it is chosen for every code in
//! PolkaVM's format. [`INTERPRETER_ID`] is the engine's interpreter, chosen by its name alone: with it
//! one can check what the compiler does.
//!
//! # Which code is accepted
//!
//! Programs in any instruction set that the engine knows, for 32 bits or 64, that hold no invalid
//! instruction, export `validate_block`, and declare no more than [`MAX_DATA`] of data and
//! [`MAX_STACK`] of stack. Imports are as in WebAssembly: those that
//! [`for_each_host_function!`](pvf_host_functions::for_each_host_function!) lists do what they say; all
//! others link, and trap when they are called.

mod call;
mod compare;
mod engine;
mod host_calls;
mod instance;
mod instructions;
mod load;
mod memory;
#[doc(hidden)]
pub mod parts;
mod prepare;
mod program;
#[cfg(test)]
#[path = "../tests/common/random.rs"]
mod random;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_shortcut.rs")]
mod shortcut;
mod stand_in;

pub use memory::{MAX_DATA, MAX_STACK};

use engine::Kind;
use pvf_host_core::{
    backend::{
        Artifact, BackendDescriptor, BackendId, BackendPrepareError, Bytes, Chosen, Execute,
        LoadError, LoadedArtifact, Preparation, Prepare, heap,
    },
    primitives::ExecutorParams,
};
use std::io::{self, Write};

/// The name of the backend that compiles.
pub const ID: BackendId = BackendId::from_static("polkavm");
/// The name of the backend that interprets.
pub const INTERPRETER_ID: BackendId = BackendId::from_static("polkavm-interpreter");

/// Both halves of a backend. It has no state: everything depends on the parameters.
#[derive(Debug, Clone, Copy)]
pub struct PolkaVm(Kind);

impl PolkaVm {
    /// Compiles programs to native code.
    pub const COMPILER: Self = Self(Kind::Compiler);
    /// Interprets programs.
    pub const INTERPRETER: Self = Self(Kind::Interpreter);
}

/// How programs begin.
const MAGIC: &[u8] = b"PVM\0";
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (PolkaVM 0.37)");

inventory::submit! {
    BackendDescriptor::new(
        ID,
        VERSION,
        |prefix| prefix.starts_with(MAGIC),
        |_| engine::fingerprint(Kind::Compiler),
        &PolkaVm::COMPILER,
        &PolkaVm::COMPILER,
    )
}

inventory::submit! {
    BackendDescriptor::new(
        INTERPRETER_ID,
        VERSION,
        |prefix| prefix.starts_with(MAGIC),
        |_| engine::fingerprint(Kind::Interpreter),
        &PolkaVm::INTERPRETER,
        &PolkaVm::INTERPRETER,
    )
    .with_chosen(Chosen::ByName)
}

impl Prepare for PolkaVm {
    fn start_threads(&self, _: usize) -> io::Result<()> {
        // A program is compiled by one thread.
        heap::keep();
        heap::grow(1);
        Ok(())
    }

    fn prevalidate(&self, code: &[u8], _: &ExecutorParams) -> Result<(), BackendPrepareError> {
        prepare::prevalidate(code)
    }

    fn prepare(
        &self,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Vec<u8>, BackendPrepareError> {
        prepare::prepare(self.0, code, params)
    }

    fn prepare_reusing(
        &self,
        code: &[u8],
        params: &ExecutorParams,
        _: Option<Bytes>,
        _: Box<dyn Write + Send>,
    ) -> Result<Preparation, BackendPrepareError> {
        prepare::prepare_and_load(self.0, code, params)
    }

    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError> {
        load::load(self.0, artifact, params).map(drop)
    }
}

impl Execute for PolkaVm {
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
        Ok(Box::new(load::load(self.0, artifact, params)?))
    }
}
