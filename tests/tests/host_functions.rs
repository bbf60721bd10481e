//! Every host function, called from inside a guest.

#![cfg(any(feature = "polkavm", feature = "wasmtime"))]

use parity_scale_codec::{DecodeAll, Encode};
use pvf_host_core::{
    Code, InvalidCandidate, Pvf, ValidationError,
    backend::{Artifact, BackendDescriptor, GuestLog, LogLevel},
    primitives::{ExecutorParam, ExecutorParams, ValidationResult},
};
use pvf_host_functions::{Availability, HOST_FUNCTIONS, ValueType};
use pvf_tests::{
    TestHost,
    guests::{Blob, HOST_CALLS},
    host_calls::{Argument, Case, FUNCTIONS, Outcome},
    programs,
    request::{self, approval_of},
};
use std::sync::{Arc, Mutex};

/// What backends need to run a guest with the default parameters.
const STACK: usize = 258 << 20;

/// A place where no guest here has memory.
const NOWHERE: u32 = u32::MAX - 0xff;

/// What is wrong with what comes of a case, or of a variant of one, in a host and its workers, with
/// every backend.
async fn failures(host: &TestHost, case: &Case) -> Vec<String> {
    let mut failures = Vec::new();
    let runs = HOST_CALLS.runs();
    assert!(!runs.is_empty(), "a backend is linked");
    for (backend, blob) in runs.into_iter().filter(|(_, blob)| case.is_for(blob)) {
        let mut params: Vec<_> = case.executor_params().iter().cloned().collect();
        params.push(ExecutorParam::Backend(backend.id.clone()));
        let pvf = Pvf::new(Code::new(blob.code)).with_params(ExecutorParams::new(params));
        let outcome = match host.validate(approval_of(pvf, case.block())).await.verdict {
            Ok(result) => Ok(result.head_data.0),
            Err(ValidationError::Invalid(InvalidCandidate::Execution(error))) => Err(error),
            Err(error) => panic!("{} on {}: {error:?}", case.name, backend.id),
        };
        let failure = case.check(outcome.as_deref()).err();
        failures.extend(failure.map(|failure| format!("{}: {failure}", backend.id)));
    }
    failures
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_guests_get_from_host_functions_is_what_was_recorded() {
    let host = TestHost::new(programs!(), |_| {}).await;
    let mut all = Vec::new();
    for case in Case::all() {
        all.extend(failures(&host, &case).await);
    }
    host.shut_down().await;
    assert_none(&all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_into_the_void_traps_whichever_it_is() {
    let host = TestHost::new(programs!(), |_| {}).await;
    let mut all = Vec::new();
    for name in FUNCTIONS.iter().map(|function| function.name) {
        // The last call of the first case in which it returns.
        let returns = |case: &Case| {
            case.outcome == Outcome::Valid && case.calls.last().unwrap().function.name == name
        };
        let Some(case) = Case::all().into_iter().find(returns) else { continue };
        let call = case.calls.last().unwrap();
        for (place, argument) in call.arguments.iter().enumerate() {
            if !matches!(argument, Argument::Bytes(_) | Argument::InOut(_)) {
                continue;
            }
            let nowhere = if call.function.arguments[place] == "u64" {
                vec![
                    // PolkaVM's guests have pointers to nothing where they have no memory.
                    (u64::from(NOWHERE), Some("wasm".to_owned())),
                    (u64::from(NOWHERE) | 1 << 32, None),
                    (1 | u64::from(u32::MAX) << 32, None),
                ]
            } else {
                vec![(u64::from(NOWHERE), None)]
            };
            for (pointer, only) in nowhere {
                let mut case = case.clone();
                case.only = only;
                case.name = format!("{name}, argument {place} at {pointer:#x}");
                case.calls.last_mut().unwrap().arguments[place] = Argument::Number(pointer);
                case.outcome = Outcome::Trap("memory access out of bounds".to_owned());
                all.extend(failures(&host, &case).await);
            }
        }
    }
    host.shut_down().await;
    assert_none(&all);
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl GuestLog for Lines {
    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        let level = format!("{level:?}").to_lowercase();
        self.0.lock().unwrap().push(format!("{level} {target}: {message}"));
    }
}

/// Runs cases that have the same parameters, in this process.
fn run(
    backend: &BackendDescriptor,
    blob: &Blob,
    cases: &[Case],
    params: &ExecutorParams,
) -> Vec<String> {
    let artifact = backend.prepare.prepare(blob.code, params).unwrap();
    let artifact = Artifact::from_bytes(&artifact).unwrap();
    let mut loaded = backend.execute.load(&artifact, params).unwrap();
    let mut failures = Vec::new();
    let cases = cases.iter().filter(|case| case.executor_params() == *params && case.is_for(blob));
    for case in cases {
        let lines = Lines::default();
        let input = request::params(case.block()).encode();
        let output = loaded.call("validate_block", &input, Box::new(lines.clone()));
        let head = output
            .map(|output| ValidationResult::decode_all(&mut &output[..]).unwrap().head_data.0);
        failures.extend(case.check(head.as_deref()).err());
        let lines = lines.0.lock().unwrap();
        if *lines != case.logs {
            failures.push(format!("{}: {lines:?} logged instead of {:?}", case.name, case.logs));
        }
    }
    failures
}

#[test]
fn an_instance_after_the_other_gets_and_logs_the_same() {
    let cases = Case::all();
    let mut params: Vec<_> = cases.iter().map(Case::executor_params).collect();
    params.dedup();
    for (backend, blob) in HOST_CALLS.runs() {
        for params in &params[..2] {
            let failures = std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(STACK);
                let run = || run(backend, blob, &cases, params);
                thread.spawn_scoped(scope, run).unwrap().join().unwrap()
            });
            assert_none(&failures);
        }
    }
}

#[test]
fn each_host_function_has_a_case() {
    let cases = Case::all();
    for function in HOST_FUNCTIONS {
        let name = function.name;
        let imported = FUNCTIONS.iter().find(|imported| imported.name == name);
        let imported = imported.unwrap_or_else(|| panic!("the guest does not import {name}"));
        let ty = |ty: &&str| if *ty == "u64" { ValueType::I64 } else { ValueType::I32 };
        let params: Vec<_> = imported.arguments.iter().map(ty).collect();
        assert_eq!(params, function.params, "{name}");
        assert_eq!(imported.result.as_ref().map(ty), function.result, "{name}");

        let calls = |case: &&Case| case.calls.iter().any(|call| call.function.name == name);
        let mut cases = cases.iter().filter(calls);
        let is_covered = match function.availability {
            Availability::Always => cases.any(|case| case.outcome == Outcome::Valid),
            Availability::Traps => cases.any(|case| matches!(case.outcome, Outcome::Trap(_))),
            Availability::Untyped => cases.any(|case| matches!(case.outcome, Outcome::Panic(_))),
            Availability::Enabled(_) => {
                let mut of_both_kinds = cases.map(|case| (&case.outcome, case.elliptic_curves));
                of_both_kinds.clone().any(|case| case == (&Outcome::Valid, true))
                    && of_both_kinds.any(|(outcome, on)| matches!(outcome, Outcome::Trap(_)) && !on)
            }
        };
        assert!(is_covered, "{name} has no case that shows what it does");
    }
}
