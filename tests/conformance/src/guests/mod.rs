//! The guests that are built from one source for every engine, and candidates for them.
//!
//! A [`Guest`] is a program in `guests/` and the [blobs](Blob) that were built from it, for
//! WebAssembly and for PolkaVM. A [`Candidate`] is for one guest, whichever blob of it a backend takes:
//! its verdict is [known](Candidate::expected), and the same with all of them.
//!
//! The blocks of a guest are described at the top of its source.

mod candidates;

use parity_scale_codec::Encode;
use pvf_host_core::{
    Code, InvalidCandidate, Pvf, ValidationError, ValidationKind, ValidationRequest,
    backend::{BackendDescriptor, BackendId, CodePrefix, ExecuteError, linked},
    primitives::{ExecutorParam, ExecutorParams, PvfExecKind, ValidationParams, ValidationResult},
};
use std::{fmt, time::Duration};

/// A program that a backend can run.
#[derive(Clone, Copy)]
pub struct Blob {
    /// The name of its file.
    pub name: &'static str,
    /// Its bytes.
    pub code: &'static [u8],
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A program, built for every engine.
#[derive(Debug)]
pub struct Guest {
    /// The name of its directory in `guests/`.
    pub name: &'static str,
    /// What was built from it: for WebAssembly, for PolkaVM, and for one more of PolkaVM's instruction
    /// sets each.
    pub blobs: &'static [Blob],
}

impl Guest {
    /// Each linked backend, with each blob that it takes.
    pub fn runs(&self) -> Vec<(&'static BackendDescriptor, &'static Blob)> {
        let mut runs = Vec::new();
        for backend in linked() {
            let taken = |blob: &&Blob| (backend.accepts)(&CodePrefix::of(blob.code));
            runs.extend(self.blobs.iter().filter(taken).map(|blob| (backend, blob)));
        }
        runs
    }
}

macro_rules! guests {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $(, $further:literal)*;)*) => {
        $(
            $(#[$doc])*
            pub static $constant: Guest = Guest {
                name: $name,
                blobs: &[
                    blob!(concat!($name, ".wasm")),
                    blob!(concat!($name, ".polkavm")),
                    $(blob!($further)),*
                ],
            };
        )*

        /// All guests, by name.
        pub static GUESTS: &[&Guest] = &[$(&$constant),*];
    };
}

macro_rules! blob {
    ($name:expr) => {
        Blob { name: $name, code: include_bytes!(concat!("../../../guests/blobs/", $name)) }
    };
}

guests! {
    /// Adds numbers, as the relay chain's test parachain does.
    ADDER = "adder", "adder-32.polkavm", "adder-jam-v1.polkavm", "adder-revive-v1.polkavm";
    /// Returns a head of any size.
    BIG_OUTPUT = "big-output";
    /// Never ends.
    ENDLESS_LOOP = "endless-loop";
    /// Hashes with every hash function of the host.
    HASHER = "hasher";
    /// Calls any host function, see [`host_calls`](crate::host_calls).
    HOST_CALLS = "host-calls";
    /// Computes for as long as one likes.
    INTERPRETER = "interpreter";
    /// Takes as much memory as it can get, or as one likes.
    MEMORY_HOG = "memory-hog";
    /// Returns new code and messages.
    MESSAGES = "messages";
    /// Panics with any words.
    PANICKER = "panicker";
    /// Accesses memory in no order, for as long as one likes.
    RANDOM_ACCESS = "random-access";
    /// Calls itself.
    RECURSION = "recursion";
    /// Checks signatures.
    SIGNATURES = "signatures";
    /// Checks a storage proof.
    STORAGE_PROOF = "storage-proof";
}

/// How validating a candidate ends, as far as it must not depend on the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The candidate is valid, with this result.
    Valid(ValidationResult),
    /// The guest panics, and says this.
    Panic(String),
    /// The guest traps. How an engine calls that is its own business.
    Trap,
    /// The guest uses up its gas.
    OutOfGas,
    /// The guest does not end in time.
    HardTimeout,
    /// Anything else. No candidate is expected to end so.
    Other(ValidationError),
}

impl From<Result<ValidationResult, ValidationError>> for Outcome {
    fn from(verdict: Result<ValidationResult, ValidationError>) -> Self {
        match verdict {
            Ok(result) => Self::Valid(result),
            Err(ValidationError::Invalid(reason)) => match reason {
                InvalidCandidate::Execution(ExecuteError::Panic(words)) => Self::Panic(words),
                InvalidCandidate::Execution(ExecuteError::Trap(_)) => Self::Trap,
                InvalidCandidate::Execution(ExecuteError::OutOfGas) => Self::OutOfGas,
                InvalidCandidate::HardTimeout => Self::HardTimeout,
                other => Self::Other(other.into()),
            },
            Err(other) => Self::Other(other),
        }
    }
}

/// A candidate with a known outcome.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The guest that it is for.
    pub guest: &'static Guest,
    /// What it is about.
    pub name: String,
    /// What the guest is called with.
    pub params: ValidationParams,
    /// The executor parameters.
    pub executor_params: Vec<ExecutorParam>,
    /// What has to come of it.
    pub expected: Outcome,
}

impl Candidate {
    /// The candidates of all guests but [`HOST_CALLS`], which has [its own](crate::host_calls::Case).
    pub fn all() -> Vec<Self> {
        GUESTS.iter().flat_map(|guest| Self::of(guest)).collect()
    }

    /// The candidates of one guest.
    pub fn of(guest: &'static Guest) -> Vec<Self> {
        candidates::of(guest.name)
    }

    /// Whether its gas is metered.
    pub fn is_metered(&self) -> bool {
        self.executor_params.iter().any(|param| matches!(param, ExecutorParam::MaxGas(_)))
    }

    /// A request to validate it with one of its guest's blobs and a backend that takes it.
    pub fn request(&self, blob: &Blob, backend: &BackendId) -> ValidationRequest {
        let mut params = self.executor_params.clone();
        params.push(ExecutorParam::Backend(backend.clone()));
        let pvf = Pvf::new(Code::new(blob.code)).with_params(ExecutorParams::new(params));
        ValidationRequest::from_params(pvf, self.params.clone(), ValidationKind::Approval)
    }

    fn with_param(mut self, param: ExecutorParam) -> Self {
        self.executor_params.push(param);
        self
    }

    fn with_timeout(self, timeout: Duration) -> Self {
        let timeout = timeout.as_millis() as u64;
        self.with_param(ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, timeout))
    }
}
