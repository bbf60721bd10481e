//! The reference implementation's answers, recorded by the differential test.
#![cfg(feature = "wasmtime")]

use parity_scale_codec::Decode;
use pvf_host_core::{
    backend::{self, BackendId},
    primitives::{ExecutorParams, hex},
};
use pvf_tests::verdict::{Prepared, Stage};
use std::{collections::BTreeMap, fmt::Write};

const RECORDED: &str = include_str!("../differential/recorded.txt");

/// A module, how it is executed, and with which results.
struct Module<'a> {
    name: &'a str,
    code: Vec<u8>,
    params: ExecutorParams,
    calls: Vec<Call>,
}

struct Call {
    input: Vec<u8>,
    stage: Stage,
    /// `None` when there is none.
    output: Option<Vec<u8>>,
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("it is hexadecimal")
}

fn recorded() -> Vec<Module<'static>> {
    let mut modules: Vec<Module<'static>> = Vec::new();
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["module", name, code] => modules.push(Module {
                name,
                code: bytes(code),
                params: ExecutorParams::default(),
                calls: Vec::new(),
            }),
            ["params", params] => {
                let module = modules.last_mut().expect("a module comes first");
                module.params = ExecutorParams::decode(&mut &bytes(params)[..]).unwrap();
            }
            ["input", input, stage, output] => {
                let output = (output != "failed").then(|| bytes(output));
                let call = Call { input: bytes(input), stage: stage.parse().unwrap(), output };
                modules.last_mut().expect("a module comes first").calls.push(call);
            }
            _ => panic!("unknown line: {line}"),
        }
    }
    modules
}

/// Checks a backend against all that is recorded.
fn check(backend: &'static str) {
    let backend = backend::find(&BackendId::from_static(backend)).unwrap();
    let mut differences = String::new();
    let mut seen: BTreeMap<(Stage, bool), usize> = BTreeMap::new();
    for module in recorded() {
        let prepared = Prepared::new(backend, &module.code, &module.params);
        for (nth, call) in module.calls.iter().enumerate() {
            let ours = prepared.call(&call.input);
            if ours.stage != call.stage || ours.result.as_ref().ok() != call.output.as_ref() {
                let (stage, output) = (call.stage, &call.output);
                let _ =
                    writeln!(differences, "{} {nth}: {stage} {output:x?}, {ours:x?}", module.name);
            }
            *seen.entry((call.stage, call.output.is_some())).or_default() += 1;
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
    // None of the ways in which it can end is missing.
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn wasmtime_gives_the_recorded_answers() {
    check("wasmtime");
}
