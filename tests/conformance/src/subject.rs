//! The backend under test, as it is called in this process.

use crate::{
    Guests,
    guests::{ADDER, Candidate, Guest, Outcome},
    request,
    test::Verdict,
};
use parity_scale_codec::{DecodeAll, Encode};
use pvf_host_core::{
    InvalidCandidate,
    backend::{
        self, Artifact, BackendDescriptor, BackendId, BackendPrepareError, ExecuteError, GuestLog,
        LoadError, LoadedArtifact, LogLevel,
    },
    primitives::{
        ExecutorParam, ExecutorParams, ExecutorParamsPrepHash, ValidationParams, ValidationResult,
    },
};
use std::{
    any::Any,
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
};

/// The guest's entry point.
pub(crate) const ENTRY_POINT: &str = "validate_block";

/// The native stack that backends need with the default parameters, and some for what is around.
const STACK: usize = 258 << 20;

/// What is under test.
pub(crate) struct Subject {
    pub(crate) id: BackendId,
    pub(crate) guests: Guests,
    /// Where to put directories.
    pub(crate) scratch: PathBuf,
    artifacts: Mutex<HashMap<Key, Result<Arc<Artifact>, String>>>,
    meters_gas: OnceLock<Result<bool, String>>,
}

/// What an artifact depends on: the guest, and some of the parameters.
type Key = (&'static str, ExecutorParamsPrepHash);

impl Subject {
    pub(crate) fn new(id: BackendId, guests: Guests, scratch: PathBuf) -> Self {
        Self { id, guests, scratch, artifacts: Mutex::default(), meters_gas: OnceLock::new() }
    }

    pub(crate) fn backend(&self) -> Result<&'static BackendDescriptor, String> {
        backend::find(&self.id).map_err(|error| error.to_string())
    }

    /// A guest's program.
    pub(crate) fn code(&self, guest: &Guest) -> Result<&'static [u8], String> {
        self.guests.blob(guest).map(|blob| blob.code)
    }

    /// Prevalidates and prepares some code. The outer error is a failure of the test's.
    pub(crate) fn try_prepare(
        &self,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Result<Vec<u8>, BackendPrepareError>, String> {
        let backend = self.backend()?.prepare;
        without_panic("preparing", || {
            backend.prevalidate(code, params)?;
            backend.prepare(code, params)
        })
    }

    /// Prepares some code anew.
    pub(crate) fn prepare(&self, code: &[u8], params: &ExecutorParams) -> Result<Vec<u8>, String> {
        self.try_prepare(code, params)?.map_err(|error| format!("can't be prepared: {error:?}"))
    }

    /// An artifact that was prepared once.
    pub(crate) fn artifact(
        &self,
        guest: &Guest,
        params: &ExecutorParams,
    ) -> Result<Arc<Artifact>, String> {
        let mut artifacts = self.artifacts.lock().unwrap_or_else(PoisonError::into_inner);
        let artifact = artifacts.entry((guest.name, params.prep_hash())).or_insert_with(|| {
            let bytes = self
                .prepare(self.code(guest)?, params)
                .map_err(|error| format!("{}: {error}", guest.name))?;
            artifact_of(&bytes).map(Arc::new)
        });
        artifact.clone()
    }

    /// Loads something. The outer error is a failure of the test's.
    pub(crate) fn try_load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Result<Loaded, LoadError>, String> {
        let backend = self.backend()?.execute;
        let loaded = without_panic("loading", || backend.load(artifact, params))?;
        Ok(loaded.map(Loaded))
    }

    /// Loads an artifact.
    pub(crate) fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Loaded, String> {
        self.try_load(artifact, params)?.map_err(|error| format!("can't be loaded: {error:?}"))
    }

    /// A guest, prepared once and loaded anew.
    pub(crate) fn loaded(&self, guest: &Guest, params: &[ExecutorParam]) -> Result<Loaded, String> {
        let params = ExecutorParams::new(params.to_vec());
        self.load(&*self.artifact(guest, &params)?, &params)
            .map_err(|error| format!("{}: {error}", guest.name))
    }

    /// Whether the backend meters gas. One that can't has to refuse to prepare.
    pub(crate) fn meters_gas(&self) -> Result<bool, String> {
        let try_to_meter = || {
            let params = ExecutorParams::new(vec![ExecutorParam::MaxGas(1 << 40)]);
            match self.try_prepare(self.code(&ADDER)?, &params)? {
                Ok(_) => Ok(true),
                Err(BackendPrepareError::Compilation(_)) => Ok(false),
                Err(error) => Err(format!("with MaxGas, the guest adder: {error:?}")),
            }
        };
        self.meters_gas.get_or_init(try_to_meter).clone()
    }

    /// The candidates of a guest that can be tried in this process.
    pub(crate) fn candidates(&self, guest: &'static Guest) -> Result<Vec<Candidate>, String> {
        let meters_gas = self.meters_gas()?;
        let mut candidates = Candidate::of(guest);
        candidates.retain(|candidate| meters_gas || !candidate.is_metered());
        Ok(candidates)
    }

    /// Calls a guest with a candidate, in an instance of its own.
    pub(crate) fn check(&self, candidate: &Candidate) -> Verdict {
        let mut loaded = self.loaded(candidate.guest, &candidate.executor_params)?;
        loaded.check(candidate)
    }
}

/// An artifact, loaded.
pub(crate) struct Loaded(Box<dyn LoadedArtifact>);

impl Loaded {
    /// Calls it in the way that the trait says.
    pub(crate) fn call(&mut self, input: &[u8]) -> Result<Vec<u8>, ExecuteError> {
        self.0.call(ENTRY_POINT, input, Box::new(()))
    }

    /// The same with another function, and something that takes log lines.
    pub(crate) fn call_with(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: impl GuestLog + 'static,
    ) -> Result<Vec<u8>, ExecuteError> {
        self.0.call(entry_point, input, Box::new(log))
    }

    /// Says which function will be called.
    pub(crate) fn prepare_call(&mut self, entry_point: &str) {
        self.0.prepare_call(entry_point);
    }

    /// What comes of a candidate.
    pub(crate) fn outcome(&mut self, params: &ValidationParams) -> Outcome {
        outcome(self.call(&params.encode()))
    }

    /// What comes of a block.
    pub(crate) fn run(&mut self, block: impl Encode) -> Outcome {
        self.outcome(&request::params(block.encode()))
    }

    /// Checks that a candidate ends as it has to.
    pub(crate) fn check(&mut self, candidate: &Candidate) -> Verdict {
        let outcome = without_panic(&candidate.name, || self.outcome(&candidate.params))?;
        if outcome == candidate.expected {
            return Ok(());
        }
        let what = format!("{}, {}", candidate.guest.name, candidate.name);
        Err(crate::test::differ(&what, &outcome, &candidate.expected))
    }

    pub(crate) fn gas_used(&self) -> Option<u64> {
        self.0.gas_used()
    }
}

/// What a call means for a candidate.
pub(crate) fn outcome(called: Result<Vec<u8>, ExecuteError>) -> Outcome {
    let verdict = match called {
        Ok(output) => ValidationResult::decode_all(&mut &output[..])
            .map_err(|error| InvalidCandidate::MalformedResult(error.to_string()).into()),
        Err(error) => Err(InvalidCandidate::Execution(error).into()),
    };
    verdict.into()
}

/// Bytes as a host hands them over.
pub(crate) fn artifact_of(bytes: &[u8]) -> Result<Artifact, String> {
    if bytes.is_empty() {
        return Err("the artifact is empty".to_owned());
    }
    Artifact::from_bytes(bytes).map_err(|error| format!("no memory for an artifact: {error}"))
}

/// Keeps what is logged: level, target and message.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl GuestLog for Lines {
    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        let level = format!("{level:?}").to_lowercase();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(format!("{level} {target}: {message}"));
    }
}

impl Lines {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a failure of a panic.
pub(crate) fn without_panic<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| format!("{what} panicked: {}", panic_message(&*panic)))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

/// Runs something in a thread with the native stack that a guest needs, while this one waits.
pub(crate) fn on_guest_stack<T: Send>(
    work: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("guest".into()).stack_size(STACK);
        let work = || without_panic("the test", work).flatten();
        let thread = thread
            .spawn_scoped(scope, work)
            .map_err(|error| format!("no thread with a stack of {STACK} bytes: {error}"))?;
        thread.join().unwrap_or_else(|panic| Err(panic_message(&*panic)))
    })
}
