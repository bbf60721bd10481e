//! The program with the features that it happens to be built with: each format of code has a backend,
//! or an error that says how to get one.

use serde_json::Value;
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The feature whose backend is chosen by its name alone.
const BY_NAME: &str = "wasmi";

/// The features, whether this program has them, and what they bring.
const FEATURES: [(&str, bool, &[&str], &str); 3] = [
    ("wasmtime", cfg!(feature = "wasmtime"), &["wasmtime"], "adder.wasm"),
    ("polkavm", cfg!(feature = "polkavm"), &["polkavm", "polkavm-interpreter"], "adder.polkavm"),
    (BY_NAME, cfg!(feature = "wasmi"), &["wasmi"], "adder.wasm"),
];

fn pvf(arguments: &[&str]) -> Output {
    let cache = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pvf"))
        .args(arguments)
        .env("XDG_CACHE_HOME", cache.path())
        .output();
    output.unwrap()
}

/// Validates the example that is given in this format.
fn validate(blob: &str, more: &[&str]) -> Output {
    let code = format!("{ROOT}/tests/guests/blobs/{blob}");
    let head = format!("@{ROOT}/node/examples/adder-parent-head.hex");
    let block = format!("{ROOT}/node/examples/adder-good.block");
    let candidate =
        ["validate", "--json", "--code", &code, "--parent-head", &head, "--block", &block];
    pvf(&[&candidate, more].concat())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn code_runs_on_the_backends_that_are_linked_and_otherwise_the_feature_is_named() {
    let mut heads = Vec::new();
    for (feature, is_on, backends, blob) in FEATURES {
        let by_format = validate(blob, &[]);
        if feature == BY_NAME {
            // Another feature's backend takes it, or none.
        } else if is_on {
            assert_eq!(json(&by_format)["backend"], backends[0]);
            heads.push(json(&by_format)["result"]["head_data"].clone());
        } else {
            assert_eq!(by_format.status.code(), Some(3));
            assert_eq!(json(&by_format)["reason"]["kind"], "backend");
            let message = json(&by_format)["reason"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(&format!("`--features {feature}`")), "{message}");
        }
        for backend in backends {
            let by_name = validate(blob, &["--backend", backend]);
            if is_on {
                assert_eq!(json(&by_name)["backend"], *backend);
                heads.push(json(&by_name)["result"]["head_data"].clone());
            } else {
                assert_eq!(by_name.status.code(), Some(2));
                let message = String::from_utf8_lossy(&by_name.stderr).into_owned();
                assert!(message.contains(&format!("`--features {feature}`")), "{message}");
            }
        }
    }
    heads.dedup();
    let expected = usize::from(FEATURES.iter().any(|(_, is_on, ..)| *is_on));
    assert_eq!(heads.len(), expected, "{heads:?}");
}

#[test]
fn the_demo_runs_on_whatever_is_linked() {
    let output = pvf(&["demo", "--json"]);
    if !FEATURES.iter().any(|(_, is_on, ..)| *is_on) {
        assert_eq!(output.status.code(), Some(3));
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let linked: Vec<_> =
        FEATURES.iter().filter(|(_, is_on, ..)| *is_on).flat_map(|(_, _, ids, _)| *ids).collect();
    for candidate in json(&output)["candidates"].as_array().unwrap() {
        let verdicts = candidate["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), linked.len());
        for verdict in verdicts {
            let result = &verdict["validation"]["result"];
            assert_eq!(result, &verdicts[0]["validation"]["result"]);
        }
    }
}

#[test]
fn the_backends_are_listed() {
    let listed = json(&pvf(&["backends", "--json"]));
    let listed = listed["backends"].as_array().unwrap();
    let expected = FEATURES.iter().filter(|(_, is_on, ..)| *is_on);
    let expected: usize = expected.map(|(_, _, ids, _)| ids.len()).sum();
    assert_eq!(listed.len(), expected);
    for backend in listed {
        assert_eq!(backend["formats"].as_array().unwrap().len(), 1, "{backend}");
    }
}
