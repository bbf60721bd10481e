//! Modules with the answers of Polkadot's own host. See `tests/conformance/vectors/README.md`.

mod common;

use common::on_big_stack;
use parity_scale_codec::Encode;
use pvf_backend_wasmtime::Wasmtime;
use pvf_conformance::vectors::{
    INPUT, Vector, answers, differences, differences_with_bulk_memory, vectors,
};
use pvf_host_core::{
    backend::{Artifact, BackendPrepareError, Execute, ExecuteError, Prepare},
    primitives::{ExecutorParam, ExecutorParams, hex},
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// What became of a vector, in the words of the file of answers.
fn answer(vector: &Vector) -> String {
    let params = ExecutorParams::new(vector.params.clone());
    if let Err(error) = Wasmtime.prevalidate(&vector.code, &params) {
        assert!(matches!(error, BackendPrepareError::Prevalidation(_)), "{error}");
        return "prevalidate refused".into();
    }
    let artifact = match Wasmtime.prepare(&vector.code, &params) {
        Ok(artifact) => Artifact::from_bytes(&artifact).unwrap(),
        Err(error) => {
            assert!(matches!(error, BackendPrepareError::Compilation(_)), "{error}");
            return "prepare refused".into();
        }
    };
    let result = on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, &params)?;
        loaded.call("validate_block", INPUT, Box::new(()))
    });
    match result {
        Ok(output) => format!("execute ok {}", hex::encode(output)),
        Err(ExecuteError::Trap(message)) if is_named(&message) => format!("execute trap {message}"),
        Err(ExecuteError::Trap(_)) => "execute trap".into(),
        Err(ExecuteError::Panic(message)) => format!("execute panic {message}"),
        Err(ExecuteError::RuntimeConstruction(_)) => "execute construction".into(),
        Err(_) => "execute failed".into(),
    }
}

/// Whether a trap's message is the same there and here.
fn is_named(message: &str) -> bool {
    message.starts_with("wasm trap: ") || message.starts_with("call to a missing function ")
}

/// Compares our answers to theirs, but for those that are meant to differ.
fn compare(vectors: &[Vector], mut differences: BTreeMap<String, String>) {
    let mut answers = answers();
    let mut wrong = String::new();
    for vector in vectors {
        let theirs = answers.remove(&vector.name).expect("each vector has an answer");
        let difference = differences.remove(&vector.name);
        assert_ne!(difference.as_ref(), Some(&theirs), "{} is no difference", vector.name);
        let expected = difference.unwrap_or(theirs);
        let ours = answer(vector);
        if ours != expected {
            writeln!(wrong, "{}: {ours}, expected {expected}", vector.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(answers.is_empty(), "answers without a vector: {answers:?}");
    assert!(differences.is_empty(), "differences without a vector: {differences:?}");
}

#[test]
fn each_module_gets_the_answer_of_polkadots_own_host() {
    compare(&vectors(), differences());
}

#[test]
fn allowing_bulk_memory_operations_changes_no_answer_for_code_without() {
    let mut differences = differences();
    differences.extend(differences_with_bulk_memory());
    compare(&with_bulk_memory(vectors()), differences);
}

#[test]
fn metering_changes_no_answer_when_there_is_gas_enough() {
    let metered = |mut vectors: Vec<Vector>| {
        for vector in &mut vectors {
            vector.params.push(ExecutorParam::MaxGas(u64::MAX));
        }
        vectors
    };
    compare(&metered(vectors()), differences());
    let mut differences = differences();
    differences.extend(differences_with_bulk_memory());
    compare(&metered(with_bulk_memory(vectors())), differences);
}

fn with_bulk_memory(mut vectors: Vec<Vector>) -> Vec<Vector> {
    for vector in &mut vectors {
        vector.params.push(ExecutorParam::WasmExtBulkMemory);
    }
    vectors
}

/// Writes the file of answers anew, with those of the program that the environment variable
/// `PVF_REFERENCE` names.
#[test]
#[ignore = "needs a build of Polkadot's own host"]
fn record_the_answers() {
    let vectors = vectors();
    let answers = their_answers(&vectors);
    let mut text = "# Recorded from Polkadot's own host, version 36. See README.md.\n".to_owned();
    for (vector, answer) in vectors.iter().zip(&answers) {
        writeln!(text, "{} {answer}", vector.name).unwrap();
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/vectors");
    fs::write(Path::new(folder).join("answers.txt"), text).unwrap();
    assert_eq!(their_answers(&with_bulk_memory(vectors)), answers);
}

fn their_answers(vectors: &[Vector]) -> Vec<String> {
    let program = std::env::var_os("PVF_REFERENCE").expect("PVF_REFERENCE names a program");
    let scratch = std::env::temp_dir().join(format!("pvf-vectors-{}", std::process::id()));
    fs::create_dir_all(&scratch).unwrap();
    let input = scratch.join("input");
    fs::write(&input, INPUT).unwrap();
    let mut requests = String::new();
    for (number, vector) in vectors.iter().enumerate() {
        let code = scratch.join(format!("{number}.wasm"));
        fs::write(&code, &vector.code).unwrap();
        let params = hex::encode(ExecutorParams::new(vector.params.clone()).encode());
        let params = params.trim_start_matches("0x");
        writeln!(requests, "{} {} {params}", code.display(), input.display()).unwrap();
    }
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(requests.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    fs::remove_dir_all(&scratch).unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = output.lines().map(their_answer).collect();
    assert_eq!(answers.len(), vectors.len());
    answers
}

/// An answer in JSON, in the words of the file of answers.
fn their_answer(line: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(line).unwrap();
    let stage = answer["stage"].as_str().unwrap();
    if let Some(output) = answer["output"].as_str() {
        return format!("{stage} ok {output}");
    }
    if stage != "execute" {
        return format!("{stage} refused");
    }
    let error = answer["error"].as_str().unwrap();
    // The error as Rust's `Debug` writes it: its kind, and in some a message in quotation marks.
    let message = |begin: &str| {
        let (_, rest) = error.split_once(begin)?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    if error.starts_with("AbortedDueToTrap") {
        let message = message("message: \"").unwrap();
        if is_named(&message) { format!("execute trap {message}") } else { "execute trap".into() }
    } else if error.starts_with("AbortedDueToPanic") {
        format!("execute panic {}", message("message: \"").unwrap())
    } else if error.starts_with("RuntimeConstruction") {
        "execute construction".into()
    } else {
        "execute failed".into()
    }
}
