//! Programs for PolkaVM.

use pvf_backend_polkavm::PolkaVm;
use pvf_host_core::{
    backend::{Artifact, BackendPrepareError, Execute, ExecuteError, Prepare},
    primitives::{ExecutorParam, ExecutorParams},
};

/// Where a program says which instruction set it is in, and how long it is.
const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 5;
/// The instruction set for 32 bits that has `memset`, with which the interpreter fails an assertion of
/// its own when it is to fill 2 GiB.
const LATEST_32: u8 = 1;

/// Prepares anything, mostly with the right length, and runs what can be: the same on the compiler and
/// on the interpreter.
pub fn programs(data: &[u8]) {
    let Some((options, code)) = data.split_first() else { return };
    let mut code = code.to_vec();
    let length = (code.len() as u64).to_le_bytes();
    if options & 1 == 0
        && let Some(place) = code.get_mut(LENGTH_AT..LENGTH_AT + length.len())
    {
        place.copy_from_slice(&length);
    }
    let gas = if options & 2 == 0 { 10_000 } else { 100 };
    let params = ExecutorParams::new(vec![
        ExecutorParam::MaxGas(gas),
        ExecutorParam::MaxMemoryPages(if options & 4 == 0 { 100 } else { 1 }),
    ]);
    let backends = [PolkaVm::COMPILER, PolkaVm::INTERPRETER];
    let [compiled, interpreted] = backends.map(|backend| prepare(backend, &code, &params));
    assert_eq!(compiled.is_some(), interpreted.is_some(), "both accept the same");
    let Some(artifacts) = compiled.zip(interpreted) else { return };
    if code.get(VERSION_AT) == Some(&LATEST_32) {
        let _ = run(PolkaVm::COMPILER, &artifacts.0, &params);
        return;
    }
    let compiled = run(PolkaVm::COMPILER, &artifacts.0, &params);
    assert_eq!(compiled, run(PolkaVm::INTERPRETER, &artifacts.1, &params));
}

fn prepare(backend: PolkaVm, code: &[u8], params: &ExecutorParams) -> Option<Artifact> {
    let prevalidated = backend.prevalidate(code, params);
    match backend.prepare(code, params) {
        Ok(artifact) => {
            assert_eq!(prevalidated, Ok(()));
            Some(Artifact::from_bytes(&artifact).expect("a memory file"))
        }
        Err(error) => {
            let is_early = matches!(error, BackendPrepareError::Prevalidation(_));
            assert_eq!(prevalidated.err(), is_early.then(|| error.clone()), "both read the code");
            assert!(!error.to_string().is_empty());
            assert!(!matches!(error, BackendPrepareError::Machine(_)), "{error}");
            None
        }
    }
}

/// How a call ends, and the gas that it used.
fn run(
    backend: PolkaVm,
    artifact: &Artifact,
    params: &ExecutorParams,
) -> (Result<Vec<u8>, ExecuteError>, Option<u64>) {
    let mut loaded = backend.load(artifact, params).expect("what was prepared can be loaded");
    let result = loaded.call("validate_block", b"some input", Box::new(()));
    assert!(!matches!(result, Err(ExecuteError::RuntimeConstruction(_))), "{result:?}");
    (result, loaded.gas_used())
}
