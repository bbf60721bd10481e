//! Every host function, called from inside a guest.

#![cfg(feature = "wasmtime")]

use parity_scale_codec::{DecodeAll, Encode};
use pvf_host_core::{
    Code, InvalidCandidate, Pvf, ValidationError,
    backend::{Artifact, CodePrefix, ExecuteError, GuestLog, LogLevel, select},
    primitives::{ExecutorParams, ValidationResult},
};
use pvf_host_functions::{Availability, HOST_FUNCTIONS, ValueType};
use pvf_tests::{
    TestHost,
    host_calls::{Argument, Case, FUNCTIONS, GUEST, Outcome},
    programs,
    request::{self, approval_of},
};
use std::sync::{Arc, Mutex};

/// What backends need to run a guest with the default parameters.
const STACK: usize = 258 << 20;

/// A place where no guest here has memory.
const NOWHERE: u32 = u32::MAX - 0xff;

/// What comes of a case, or of a variant of one, in a host and its workers.
async fn validated(host: &TestHost, case: &Case) -> Result<Vec<u8>, ExecuteError> {
    let pvf = Pvf::new(Code::new(GUEST)).with_params(case.executor_params());
    match host.validate(approval_of(pvf, case.block())).await.verdict {
        Ok(result) => Ok(result.head_data.0),
        Err(ValidationError::Invalid(InvalidCandidate::Execution(error))) => Err(error),
        Err(error) => panic!("{}: {error:?}", case.name),
    }
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_guests_get_from_host_functions_is_what_was_recorded() {
    let host = TestHost::new(programs!(), |_| {}).await;
    let mut failures = Vec::new();
    for case in Case::all() {
        let outcome = validated(&host, &case).await;
        failures.extend(case.check(outcome.as_deref()).err());
    }
    host.shut_down().await;
    assert_none(&failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_into_the_void_traps_whichever_it_is() {
    let host = TestHost::new(programs!(), |_| {}).await;
    let mut failures = Vec::new();
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
            let mut nowhere = vec![u64::from(NOWHERE)];
            if call.function.arguments[place] == "u64" {
                // Even if there is nothing.
                nowhere.push(u64::from(NOWHERE) | 1 << 32);
                nowhere.push(1 | u64::from(u32::MAX) << 32);
            }
            for pointer in nowhere {
                let mut case = case.clone();
                case.name = format!("{name}, argument {place} at {pointer:#x}");
                case.calls.last_mut().unwrap().arguments[place] = Argument::Number(pointer);
                case.outcome = Outcome::Trap("memory access out of bounds".to_owned());
                let outcome = validated(&host, &case).await;
                failures.extend(case.check(outcome.as_deref()).err());
            }
        }
    }
    host.shut_down().await;
    assert_none(&failures);
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
fn run(cases: &[Case], params: &ExecutorParams) -> Vec<String> {
    let backend = select(None, &CodePrefix::of(GUEST), None).unwrap();
    let artifact = backend.prepare.prepare(GUEST, params).unwrap();
    let artifact = Artifact::from_bytes(&artifact).unwrap();
    let mut loaded = backend.execute.load(&artifact, params).unwrap();
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| case.executor_params() == *params) {
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
    for params in &params[..2] {
        let failures = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, || run(&cases, params)).unwrap().join().unwrap()
        });
        assert_none(&failures);
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
