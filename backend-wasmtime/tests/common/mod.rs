//! Guests as text, and the way from there to an output.

#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

pub(crate) mod modules;
pub(crate) mod runnable;
mod text;

pub(crate) use text::{MEMORY, entry_point, guest, module, returns};

use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{
        Artifact, BackendPrepareError, Execute, ExecuteError, GuestLog, LoadedArtifact, LogLevel,
        Prepare,
    },
    primitives::{ExecutorParam, ExecutorParams},
};
use std::sync::{Arc, Mutex};

/// More than the default parameters ask for.
const STACK: usize = 258 << 20;

pub(crate) fn params(list: impl Into<Vec<ExecutorParam>>) -> ExecutorParams {
    ExecutorParams::new(list.into())
}

pub(crate) fn prepare(
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Artifact, BackendPrepareError> {
    Wasmtime.prevalidate(code, params)?;
    Ok(Artifact::from_bytes(&Wasmtime.prepare(code, params)?).unwrap())
}

/// Prepares, loads and calls. Preparing the call must change nothing.
pub(crate) fn run_with(
    code: &[u8],
    params: &ExecutorParams,
    input: &[u8],
    log: impl GuestLog + 'static,
) -> Result<Vec<u8>, ExecuteError> {
    let artifact = prepare(code, params).expect("code can be prepared");
    on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, params)?;
        let mut prepared = Wasmtime.load(&artifact, params)?;
        prepared.prepare_call("validate_block");
        let result = loaded.call("validate_block", input, Box::new(log));
        assert_eq!(prepared.call("validate_block", input, Box::new(())), result);
        result
    })
}

/// Prepares, loads and calls, with default parameters.
pub(crate) fn run(code: &[u8]) -> Result<Vec<u8>, ExecuteError> {
    run_with(code, &ExecutorParams::default(), b"input", ())
}

/// What a guest made with [`returns`] returns.
pub(crate) fn value(result: Result<Vec<u8>, ExecuteError>) -> u64 {
    u64::from_le_bytes(result.unwrap().try_into().unwrap())
}

pub(crate) fn on_big_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        thread.unwrap().join().unwrap()
    })
}

/// Prepares with default parameters and checks what [`Prepare::check_runtime_construction`] says.
pub(crate) fn can_be_loaded(code: &[u8]) -> bool {
    let params = ExecutorParams::default();
    let artifact = prepare(code, &params).expect("code can be prepared");
    let checked = Wasmtime.check_runtime_construction(&artifact, &params).is_ok();
    let loaded: Result<Box<dyn LoadedArtifact>, _> = Wasmtime.load(&artifact, &params);
    assert_eq!(checked, loaded.is_ok());
    checked
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<(LogLevel, String, String)>>>);

impl GuestLog for Lines {
    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.0.lock().unwrap().push((level, target.to_owned(), message.to_owned()));
    }
}
