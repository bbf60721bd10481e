//! What an executor backend is, and how the host finds one.
//!
//! A backend is an engine that can prepare a PVF (check and compile it into an *artifact*) and
//! execute it. This module holds the two traits that it implements, [`Prepare`] and [`Execute`], the
//! [`BackendDescriptor`] by which it makes itself known, the [registry](linked) of all backends that
//! are linked into the program, and [the rule](select) by which one is chosen. It knows no engine.
//!
//! Who is responsible for what:
//!
//! * The **host** decompresses nothing and runs no engine code. It only asks a descriptor whether it
//!   [accepts](BackendDescriptor::accepts) some code.
//! * A **prepare job**, a process of its own for each PVF, decompresses the code and calls
//!   [`Prepare`]. It may be killed at any moment, for its CPU time or its memory.
//! * An **execute worker** calls [`Execute::load`] once. Then it forks a *job* for each candidate,
//!   and the job calls [`LoadedArtifact::call`] once and exits.
//!
//! # Making your own backend
//!
//! A backend is a crate that depends on this one. It needs two types and a descriptor:
//!
//! ```
//! use pvf_host_core::backend::{
//!     Artifact, BackendDescriptor, BackendId, BackendPrepareError, ExecuteError, Execute,
//!     Fingerprint, GuestLog, LoadError, LoadedArtifact, Prepare, RuntimeConstructionError,
//! };
//! use pvf_host_core::primitives::ExecutorParams;
//!
//! /// A "language" with one program: `ECHO`, which returns its input.
//! struct Echo;
//!
//! impl Prepare for Echo {
//!     fn prevalidate(&self, code: &[u8], _: &ExecutorParams) -> Result<(), BackendPrepareError> {
//!         match code {
//!             b"ECHO" => Ok(()),
//!             _ => Err(BackendPrepareError::Prevalidation("not an ECHO program".into())),
//!         }
//!     }
//!
//!     fn prepare(&self, code: &[u8], _: &ExecutorParams) -> Result<Vec<u8>, BackendPrepareError> {
//!         Ok(code.to_vec())
//!     }
//!
//!     fn check_runtime_construction(
//!         &self,
//!         artifact: &Artifact,
//!         params: &ExecutorParams,
//!     ) -> Result<(), LoadError> {
//!         self.load(artifact, params).map(drop)
//!     }
//! }
//!
//! impl Execute for Echo {
//!     fn load(
//!         &self,
//!         artifact: &Artifact,
//!         _: &ExecutorParams,
//!     ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
//!         match artifact.bytes() {
//!             b"ECHO" => Ok(Box::new(LoadedEcho)),
//!             _ => Err(RuntimeConstructionError("not an ECHO artifact".into()).into()),
//!         }
//!     }
//! }
//!
//! struct LoadedEcho;
//!
//! impl LoadedArtifact for LoadedEcho {
//!     fn call(
//!         &mut self,
//!         entry_point: &str,
//!         input: &[u8],
//!         _: Box<dyn GuestLog>,
//!     ) -> Result<Vec<u8>, ExecuteError> {
//!         match entry_point {
//!             "validate_block" => Ok(input.to_vec()),
//!             other => Err(ExecuteError::InvalidOutput(format!("no function {other}"))),
//!         }
//!     }
//! }
//!
//! inventory::submit! {
//!     BackendDescriptor::new(
//!         BackendId::from_static("echo"),
//!         "1.0.0",
//!         |prefix| prefix.starts_with(b"ECHO"),
//!         // Nothing but the version decides whether an artifact can run.
//!         |_| Ok(Fingerprint::of(&[b"echo 1.0.0"])),
//!         &Echo,
//!         &Echo,
//!     )
//! }
//!
//! // The registry finds it, and the code's first bytes select it.
//! use pvf_host_core::backend::{CodePrefix, select};
//! let prefix = CodePrefix::of(b"ECHO");
//! assert_eq!(select(None, &prefix, None).unwrap().id.as_str(), "echo");
//! ```
//!
//! The rules that the types can't express:
//!
//! * **Determinism.** The same code, parameters and input give the same output or the same class of
//!   error on every machine. What differs between machines may only surface as a
//!   [`RuntimeConstructionError`], if preparing anew may help, or as a [`MachineError`].
//! * **Honest fingerprint.** If an artifact made by one build of the backend on one machine would not
//!   run, or run differently, in another, the two fingerprints differ.
//! * **Fork safety.** After `load` the process forks, and the child calls. So `load` leaves no thread
//!   behind that `call` needs, no lock held, and runs no code of the guest.
//! * **No system calls to speak of.** `call` may allocate, and write nothing: all that it learns
//!   leaves through its return value and the [`GuestLog`]. A call that is not listed for a job ends it;
//!   the page "System calls" of the book has the lists.
//! * **Threads before code.** What [`Prepare::prepare`] needs of threads is started in
//!   [`Prepare::start_threads`]; afterwards none can be. `call` has no thread but its own.
//! * **No files.** From before it loads, a worker can open none: what an engine would read from them, it
//!   does without.
//! * **What is reused is what would be made.** A backend that [reuses](Prepare::prepare_reusing) what an
//!   earlier preparation left makes, byte for byte, the artifact that it would make without. Others leave
//!   that method alone.
//! * **Metered or refused.** With [`MaxGas`](crate::primitives::ExecutorParam::MaxGas) a backend meters. One
//!   that can't refuses to prepare, with [`BackendPrepareError::Compilation`]: what has to be metered never
//!   runs unmetered.
//! * **Errors keep their class.** Translate the engine's errors where they are typed. A class decides
//!   between a retry and a vote against the candidate.
//!
//! The crate `pvf-conformance` tests all of this: a backend's crate has the whole suite with a few lines.

mod artifact;
mod error;
pub mod heap;
mod id;
mod pages;
mod preparation;
mod registry;

pub use artifact::{Artifact, memory_file};
pub use bytes::Bytes;
pub use error::{
    BackendPrepareError, ExecuteError, LoadError, MachineError, RuntimeConstructionError,
};
pub use id::{BackendId, InvalidBackendId};
pub use pages::{MANY_BYTES, populate, prefer_huge};
pub use preparation::{FunctionCounts, Preparation};
pub use registry::{CodePrefix, SelectionError, find, linked, select};

use crate::primitives::ExecutorParams;
use parity_scale_codec::{Decode, Encode};
use std::{
    fmt,
    io::{self, Write},
};

/// Turns code into artifacts. Runs in a prepare job.
pub trait Prepare: Send + Sync {
    /// Checks that `code`, decompressed, is a well-formed program of this backend's format.
    ///
    /// Called first; cheap in comparison to [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// [`BackendPrepareError::Prevalidation`] when it is not.
    fn prevalidate(&self, code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError>;

    /// Starts the threads that [`prepare`](Self::prepare) will use, at most `cores` of them.
    ///
    /// Called once in the job, before it has looked at the code. No thread can be started afterwards:
    /// the job is confined then.
    ///
    /// # Errors
    ///
    /// When the kernel has no thread to give.
    fn start_threads(&self, cores: usize) -> io::Result<()> {
        let _ = cores;
        Ok(())
    }

    /// Compiles `code`, decompressed and prevalidated, into an artifact.
    ///
    /// It may use the threads that were [started](Self::start_threads); the limit on its time is a limit
    /// on the CPU time of all of them together.
    ///
    /// # Errors
    ///
    /// [`BackendPrepareError::Compilation`] when the engine refuses the code.
    fn prepare(&self, code: &[u8], params: &ExecutorParams)
    -> Result<Vec<u8>, BackendPrepareError>;

    /// [Prevalidates](Self::prevalidate) and [prepares](Self::prepare) in one, for a backend that can do so
    /// with less work, or that can keep compiled functions for later. This is what a job calls.
    ///
    /// What is written to `kept`, from any thread until this method returns, is for later preparations of
    /// similar code, in a format of the backend's own. It is discarded if it is more than
    /// [`Artifact::MAX_LEN`], if writing fails, or if there is no artifact in the end.
    ///
    /// `earlier` is what a preparation of other code, or of this code with other parameters, has written
    /// there: opaque bytes to the host, which gives them back as they were, to the same backend with the
    /// same [fingerprint](BackendDescriptor::fingerprint). They are to be read with care all the same.
    /// Whoever has taken over that preparation has written them: they may be malformed in every way, and
    /// what they say about functions may be wrong, which is why they come from code alone that the node
    /// [trusts](crate::Pvf::upgraded_from) with this.
    ///
    /// The artifact is to be the one that [`prepare`](Self::prepare) gives.
    ///
    /// # Errors
    ///
    /// Those of the two, as if the one had been called after the other. If `earlier` is of no use, that is none.
    fn prepare_reusing(
        &self,
        code: &[u8],
        params: &ExecutorParams,
        earlier: Option<Bytes>,
        kept: Box<dyn Write + Send>,
    ) -> Result<Preparation, BackendPrepareError> {
        let _ = (earlier, kept);
        self.prevalidate(code, params)?;
        self.prepare(code, params).map(Preparation::from)
    }

    /// Proves that an artifact made just now can be loaded. Runs no code of the guest.
    ///
    /// Called when prechecking, so that code which compiles but can't run is not enacted, unless the
    /// [preparation](Preparation::is_constructed) has done as much.
    ///
    /// # Errors
    ///
    /// When it can't be loaded.
    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError>;
}

/// Runs artifacts. Runs in an execute worker.
pub trait Execute: Send + Sync {
    /// Loads an artifact, so that many jobs forked from this process can each call into it.
    ///
    /// The artifact was made by this backend's [`Prepare`], in an environment with the same
    /// [fingerprint](BackendDescriptor::fingerprint) and with parameters of the same
    /// [`prep_hash`](ExecutorParams::prep_hash), and is intact: the caller has checked that before.
    /// A backend may instantiate here, ahead of the call, as long as no code of the guest runs.
    ///
    /// # Errors
    ///
    /// [`LoadError::RuntimeConstruction`] when the artifact is to blame, [`LoadError::Machine`] when this
    /// machine is. What only makes every *call* fail, such as an initial memory above the limit, is no
    /// reason: it is what the calls then say.
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError>;
}

/// An artifact in memory, ready to be called.
pub trait LoadedArtifact {
    /// Calls the guest's function `entry_point` with `input` and returns its output.
    ///
    /// Each call sees a fresh instance. In a job it is called once; elsewhere, for measuring or
    /// testing, any number of times. The calling thread has the native stack that the executor
    /// parameters ask for.
    ///
    /// # Errors
    ///
    /// See the variants of [`ExecuteError`].
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError>;

    /// Does of a call of `entry_point` what can be done before the input is there, and runs nothing of the
    /// guest's.
    ///
    /// A worker calls it once, before it forks jobs: what is done here, no job has to do. No call ends
    /// differently for it, of this function or of another one, and what goes wrong is the call's to say.
    fn prepare_call(&mut self, entry_point: &str) {
        let _ = entry_point;
    }

    /// The gas that the last call used, however it ended. None if it was not metered, that is without
    /// [`MaxGas`](crate::primitives::ExecutorParam::MaxGas).
    fn gas_used(&self) -> Option<u64> {
        None
    }
}

/// Where the log lines of a guest go.
pub trait GuestLog: Send {
    /// Takes one line. Whatever happens to it, the guest does not learn of it.
    fn log(&mut self, level: LogLevel, target: &str, message: &str);
}

/// Drops every line.
impl GuestLog for () {
    fn log(&mut self, _: LogLevel, _: &str, _: &str) {}
}

/// The severity of a guest's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// A digest over all that decides whether an artifact made in one place can run in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The digest of some parts, each delimited from the next.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

/// When a backend is chosen for code that it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chosen {
    /// Whenever nobody names another.
    ByFormat,
    /// Only when it is named, in the executor parameters or as the node's default: a backend for
    /// comparison, say, beside the one that is for everyday use.
    ByName,
}

/// How a backend makes itself known. Made with [`BackendDescriptor::new`], and submitted to the registry
/// with `inventory::submit!`.
#[non_exhaustive]
pub struct BackendDescriptor {
    /// The name by which it is selected and by which its artifacts are kept apart.
    pub id: BackendId,
    /// The version of backend and engine, for people.
    pub version: &'static str,
    /// Whether code that, decompressed, begins like this is in the backend's format.
    pub accepts: fn(&CodePrefix) -> bool,
    /// Whether accepting some code is enough to be chosen for it.
    pub chosen: Chosen,
    /// Covers all that decides whether an artifact made with `params` can run: the engine's version,
    /// compiler settings, the features of this machine's CPU. Called in workers only.
    pub fingerprint: fn(&ExecutorParams) -> Result<Fingerprint, LoadError>,
    /// Turns code into artifacts.
    pub prepare: &'static dyn Prepare,
    /// Runs them.
    pub execute: &'static dyn Execute,
}

impl BackendDescriptor {
    /// A backend that is [chosen](Self::chosen) for code that it accepts.
    ///
    /// These parts are what every backend has to decide. What is added later has a default, and a
    /// method here that changes it.
    pub const fn new(
        id: BackendId,
        version: &'static str,
        accepts: fn(&CodePrefix) -> bool,
        fingerprint: fn(&ExecutorParams) -> Result<Fingerprint, LoadError>,
        prepare: &'static dyn Prepare,
        execute: &'static dyn Execute,
    ) -> Self {
        Self { id, version, accepts, chosen: Chosen::ByFormat, fingerprint, prepare, execute }
    }

    /// The same, chosen as `chosen` says. [`Chosen::ByFormat`] unless set.
    #[must_use]
    pub const fn with_chosen(mut self, chosen: Chosen) -> Self {
        self.chosen = chosen;
        self
    }
}

impl fmt::Debug for BackendDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendDescriptor")
            .field("id", &self.id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
