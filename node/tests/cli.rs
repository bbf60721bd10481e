//! The program as its users see it: arguments in, exit code, text and JSON out, and nothing left
//! behind.
//!
//! See [`place`] for what must hold after each run.

mod place;

use parity_scale_codec::Encode;
use place::{Place, Run, within};
use pvf_host_core::{
    artifact::CacheLock,
    primitives::{Hash, ValidationParams, ValidationParamsExtension, compression, hex},
    sandbox::Measure,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

const BLOBS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/blobs");

/// The example's new head after `adder-good.block`.
const NEW_HEAD: &str = "0x0100000000000000804df47c526d888b3f52091df4e253c821e9991ec88e342722cc485fda31747ea88d962ceb769d13dd202a8b8478e3a3f9d762a5702f76db9fd33d9f6af919ea";

impl Place {
    /// Writes a guest given as the fields of a WebAssembly text module.
    fn guest(&self, fields: &str) -> String {
        self.write("guest.wasm", guest(fields))
    }

    /// Validates a candidate of the example's, with other code and further arguments.
    fn validate(&self, code: &str, block: &str, more: &[&str]) -> Run {
        let head = format!("@{EXAMPLES}/adder-parent-head.hex");
        let candidate =
            ["validate", "--json", "--code", code, "--parent-head", &head, "--block", block];
        self.run(&[&candidate, more].concat())
    }

    fn validate_guest(&self, fields: &str, more: &[&str]) -> Run {
        self.validate(&self.guest(fields), &example("adder-good.block"), more)
    }

    /// Validates the example's good candidate.
    fn validate_example(&self, more: &[&str]) -> Run {
        self.validate(&blob("adder.wasm"), &example("adder-good.block"), more)
    }
}

fn guest(fields: &str) -> Vec<u8> {
    let module = format!(
        r#"(module {fields}
             (memory (export "memory") 1)
             (global (export "__heap_base") i32 (i32.const 4096)))"#
    );
    wat::parse_str(module).unwrap()
}

fn validate_block(body: &str) -> String {
    format!(r#"(func (export "validate_block") (param i32 i32) (result i64) {body})"#)
}

fn example(name: &str) -> String {
    format!("{EXAMPLES}/{name}")
}

/// A guest that was built before.
fn blob(name: &str) -> String {
    format!("{BLOBS}/{name}")
}

/// The example's parent head.
fn parent_head() -> Vec<u8> {
    let text = fs::read_to_string(example("adder-parent-head.hex")).unwrap();
    hex::decode(text.trim()).unwrap()
}

fn adder() -> Vec<u8> {
    fs::read(blob("adder.wasm")).unwrap()
}

fn params() -> ValidationParams {
    ValidationParams {
        parent_head: parent_head().into(),
        block_data: fs::read(example("adder-good.block")).unwrap().into(),
        relay_parent_number: 9,
        relay_parent_storage_root: Hash([1; 32]),
        extension: None,
    }
}

// Verdicts

#[test]
fn a_good_candidate_is_valid_with_the_new_head() {
    let json = Place::new().validate_example(&[]).expect_verdict("valid", 0);
    let expected = json!({
        "head_data": NEW_HEAD,
        "new_validation_code": null,
        "upward_messages": [],
        "horizontal_messages": [],
        "processed_downward_messages": 0,
        "hrmp_watermark": 1,
    });
    assert_eq!(json["result"], expected);
    assert_eq!(json["reason"], Value::Null);
    assert_eq!(json["backend"], "wasmtime");
    assert_eq!(json["prepare"]["cached"], false);
    assert!(json["prepare"]["artifact_bytes"].as_u64() > Some(0));
    assert!(json["execute"]["wall_ms"].as_f64() > Some(0.0));
}

#[test]
fn the_gas_that_a_candidate_used_is_said_and_limited() {
    let place = Place::new();
    let used = |more: &[&str]| {
        let json = place.validate_example(more).expect_verdict("valid", 0);
        json["execute"]["gas_used"].as_u64()
    };
    assert_eq!(used(&[]), None);
    let gas = used(&["--executor-param", "MaxGas=9223372036854775807"]).unwrap();
    assert_eq!(used(&["--executor-param", &format!("MaxGas={gas}")]), Some(gas));
    let less = format!("MaxGas={}", gas - 1);
    let json = place.validate_example(&["--executor-param", &less]).expect_invalid("out_of_gas");
    assert_eq!(json["execute"]["gas_used"], gas - 1);

    let head = format!("@{EXAMPLES}/adder-parent-head.hex");
    let (code, block) = (blob("adder.wasm"), example("adder-good.block"));
    let run = place.run(&[
        "validate",
        "--code",
        &code,
        "--parent-head",
        &head,
        "--block",
        &block,
        "--executor-param",
        &less,
    ]);
    let text = &run.expect(1).stdout;
    assert!(text.contains("out of gas"), "{text}");
    assert!(text.contains(&format!("gas used  {}\n", gas - 1)), "{text}");
}

#[test]
fn a_bad_candidate_is_invalid() {
    let place = Place::new();
    let blobs = if cfg!(feature = "polkavm") { &["wasm", "polkavm"][..] } else { &["wasm"] };
    for code in blobs.iter().map(|format| blob(&format!("adder.{format}"))) {
        let bad = example("adder-bad.block");
        let json = place.validate(&code, &bad, &[]).expect_invalid("panic");
        let reason = json["reason"]["message"].as_str().unwrap();
        assert!(reason.contains("the block has another state"), "{reason}");
        let empty = place.write("empty", "");
        place.validate(&code, &empty, &[]).expect_invalid("panic");
    }
}

#[test]
fn the_second_run_finds_the_artifact_in_the_cache() {
    let place = Place::new();
    assert_eq!(place.validate_example(&[]).expect(0).json()["prepare"]["cached"], false);
    assert_eq!(place.validate_example(&[]).expect(0).json()["prepare"]["cached"], true);
}

#[test]
fn people_read_text() {
    let place = Place::new();
    let head = format!("@{EXAMPLES}/adder-parent-head.hex");
    let run = place.run(&[
        "validate",
        "--code",
        &blob("adder.wasm"),
        "--parent-head",
        &head,
        "--block",
        &example("adder-good.block"),
    ]);
    let mut lines = run.expect(0).stdout.lines();
    assert_eq!(lines.next(), Some("verdict    valid"));
    assert_eq!(lines.next(), Some(&*format!("new head   {NEW_HEAD}")));
    assert_eq!(run.stderr, "");
}

#[test]
fn parameters_may_come_in_one_file_with_or_without_the_extension() {
    let place = Place::new();
    let extension = ValidationParamsExtension::V3 {
        relay_parent: Hash([2; 32]),
        scheduling_parent: Hash([3; 32]),
    };
    for extension in [None, Some(extension)] {
        let file = place.write("params", ValidationParams { extension, ..params() }.encode());
        let run = place.run(&[
            "validate",
            "--json",
            "--code",
            &blob("adder.wasm"),
            "--params",
            &file,
            "--kind",
            "approval",
        ]);
        let json = run.expect_verdict("valid", 0);
        assert_eq!(json["result"]["head_data"], NEW_HEAD);
        assert_eq!(json["result"]["hrmp_watermark"], 9);
    }
}

#[test]
fn a_parent_head_is_text_or_a_file_of_text_or_of_bytes() {
    let place = Place::new();
    let raw = parent_head();
    let text = fs::read_to_string(example("adder-parent-head.hex")).unwrap();
    let from_text = format!("@{}", place.write("text", format!("  0x{text}\n")));
    let from_bytes = format!("@{}", place.write("bytes", &raw));
    for head in [text.trim(), &from_text, &from_bytes] {
        let run = place.run(&[
            "validate",
            "--json",
            "--code",
            &blob("adder.wasm"),
            "--parent-head",
            head,
            "--block",
            &example("adder-good.block"),
            "--relay-parent-number",
            "5",
        ]);
        assert_eq!(run.expect_verdict("valid", 0)["result"]["hrmp_watermark"], 5, "{head}");
    }
}

#[test]
fn compressed_code_and_a_compressed_block_are_fine() {
    let place = Place::new();
    let code = place.write("code", compression::compress(&adder(), 3).unwrap());
    let block = fs::read(example("adder-good.block")).unwrap();
    let block = place.write("block", compression::compress(&block, 3).unwrap());
    let json = place.validate(&code, &block, &[]).expect_verdict("valid", 0);
    assert_eq!(json["result"]["head_data"], NEW_HEAD);
}

#[test]
fn a_guests_complaint_is_seen_without_asking() {
    let place = Place::new();
    // Level 1 is an error. A fat pointer is a length above an address.
    let fields = format!(
        r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
           (data (i32.const 0) "runtime\1b[2Jno such block")
           {}"#,
        validate_block(
            "(call $log (i32.const 1) (i64.const 0x700000000) (i64.const 0x1200000007))
             (unreachable)"
        )
    );
    let run = place.validate_guest(&fields, &[]);
    run.expect_invalid("trap");
    assert!(run.stderr.contains("no such block"), "{}", run.stderr);
    assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
}

// Hostile guests

#[test]
fn an_endless_loop_is_invalid_when_its_time_is_over() {
    let place = Place::new();
    let endless = validate_block("(loop (br 0)) (unreachable)");
    place.validate_guest(&endless, &["--timeout-ms", "200"]).expect_invalid("hard_timeout");
    place
        .validate_guest(&endless, &["--executor-param", "PvfExecTimeout=backing:200"])
        .expect_invalid("hard_timeout");
}

#[test]
fn memory_that_grows_without_end_is_invalid_whether_granted_or_not() {
    let place = Place::new();
    // Touches each page that it gets; ends when it gets no more.
    let grower = validate_block(
        "(local $page i32)
         (loop $more
           (local.set $page (memory.grow (i32.const 1)))
           (if (i32.ge_s (local.get $page) (i32.const 0))
             (then
               (i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
               (br $more))))
         (unreachable)",
    );
    place.validate_guest(&grower, &[]).expect_invalid("trap");
    place
        .validate_guest(&grower, &["--executor-param", "MaxMemoryPages=16"])
        .expect_invalid("trap");
}

#[test]
fn endless_recursion_is_invalid() {
    let recursion = format!(
        "(func $again (param i64) (result i64)
           (i64.add (call $again (local.get 0)) (i64.const 1)))
         {}",
        validate_block("(call $again (i64.const 0))")
    );
    Place::new().validate_guest(&recursion, &[]).expect_invalid("trap");
}

#[test]
fn a_result_outside_of_memory_or_of_garbage_is_invalid() {
    let place = Place::new();
    let outside = validate_block("(i64.const 0x7fffffff00000000)");
    place.validate_guest(&outside, &[]).expect_invalid("invalid_output");
    let garbage = validate_block("(i64.const 0x300000000)");
    place.validate_guest(&garbage, &[]).expect_invalid("malformed_result");
}

#[test]
fn a_module_without_the_entry_point_or_with_another_signature_is_invalid() {
    let place = Place::new();
    place.validate_guest("", &[]).expect_invalid("invalid_output");
    let wrong = r#"(func (export "validate_block") (result i32) (i32.const 0))"#;
    place.validate_guest(wrong, &[]).expect_invalid("invalid_output");
}

// Code that is none

#[test]
fn an_empty_file_and_a_text_file_are_no_code() {
    let place = Place::new();
    let text = "This is not the code you are looking for.";
    for (name, content, kind, says) in [
        ("empty", "", "prevalidation", "the code is empty"),
        ("text", text, "backend", "no linked backend accepts code that begins with \"This is \""),
    ] {
        let code = place.write(name, content);
        let json = place.validate(&code, &example("adder-good.block"), &[]).expect_error(kind);
        let message = json["reason"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        place.run(&["precheck", "--json", "--code", &code]).expect_verdict("rejected", 1);
        let explicit = ["precheck", "--json", "--backend", "wasmtime", "--code", &code];
        let json = place.run(&explicit).expect_verdict("rejected", 1);
        assert_eq!(json["reason"]["kind"], "prevalidation");
    }
}

#[test]
fn damaged_code_is_rejected_and_says_nothing_about_the_candidate() {
    let place = Place::new();
    let whole = adder();
    let code = place.write("half", &whole[..whole.len() / 2]);
    let rejected =
        place.run(&["precheck", "--json", "--code", &code]).expect_verdict("rejected", 1);
    assert_eq!(rejected["reason"]["kind"], "prevalidation");
    place.validate(&code, &example("adder-good.block"), &[]).expect_error("prevalidation");
}

#[test]
fn compression_that_is_cut_short_is_rejected() {
    let place = Place::new();
    let whole = compression::compress(&adder(), 3).unwrap();
    let code = place.write("cut", &whole[..whole.len() - 20]);
    let precheck = ["precheck", "--json", "--code", &code, "--backend", "wasmtime"];
    let rejected = place.run(&precheck).expect_verdict("rejected", 1);
    assert_eq!(rejected["reason"]["kind"], "decompression");
    let validate = ["--backend", "wasmtime"];
    let block = example("adder-good.block");
    place.validate(&code, &block, &validate).expect_error("decompression");
}

#[test]
fn code_that_decompresses_to_too_much_is_rejected() {
    let place = Place::new();
    let mut bomb = adder();
    bomb.resize(compression::CODE_LIMIT + 1, 0);
    let code = place.write("bomb", compression::compress(&bomb, 1).unwrap());
    let rejected =
        place.run(&["precheck", "--json", "--code", &code]).expect_verdict("rejected", 1);
    assert_eq!(rejected["reason"]["kind"], "decompression");
    place.validate(&code, &example("adder-good.block"), &[]).expect_error("decompression");
    // The limit can be chosen.
    let small = place.write("small", compression::compress(&adder(), 1).unwrap());
    let precheck = ["precheck", "--json", "--code", &small, "--code-limit", "100"];
    place.run(&precheck).expect_verdict("rejected", 1);
}

#[test]
fn a_block_that_decompresses_to_too_much_is_invalid() {
    let place = Place::new();
    let bomb = vec![0; compression::POV_LIMIT + 1];
    let block = place.write("bomb", compression::compress(&bomb, 1).unwrap());
    let code = blob("adder.wasm");
    place.validate(&code, &block, &[]).expect_invalid("pov_decompression_failure");
    let small = place.write("small", compression::compress(&[0; 64], 1).unwrap());
    let more = ["--pov-limit", "63"];
    place.validate(&code, &small, &more).expect_invalid("pov_decompression_failure");
    let cut = compression::compress(&[0; 64], 1).unwrap();
    let cut = place.write("cut", &cut[..cut.len() - 1]);
    place.validate(&code, &cut, &[]).expect_invalid("pov_decompression_failure");
}

#[test]
fn code_is_prechecked() {
    let place = Place::new();
    let code = blob("adder.wasm");
    let json = place.run(&["precheck", "--json", "--code", &code]).expect_verdict("accepted", 0);
    assert_eq!(json["backend"], "wasmtime");
    assert_eq!(json["prepare"]["cached"], false);
    let text = place.run(&["precheck", "--code", &code]).expect(0).stdout.clone();
    assert!(text.starts_with("verdict   accepted\n"), "{text}");
    assert!(text.contains("cached; in "), "{text}");
}

// Wrong usage

#[test]
fn a_predecessor_is_a_hash_or_a_file_and_a_hash_that_lacks_a_digit_is_neither() {
    let place = Place::new();
    let (code, hash) = (blob("adder.wasm"), format!("0x{}", "1".repeat(64)));
    let precheck = |predecessor: &str| {
        place.run(&["precheck", "--json", "--code", &code, "--upgraded-from", predecessor])
    };
    precheck(&hash).expect_verdict("accepted", 0);
    precheck(&code).expect_verdict("accepted", 0);
    precheck(&hash[..65]).expect_usage("--upgraded-from 0x1");
    precheck("nowhere").expect_usage("No such file");
}

#[test]
fn a_file_that_is_not_there_is_wrong_usage() {
    let place = Place::new();
    let (code, block) = (blob("adder.wasm"), example("adder-good.block"));
    let missing = place.path("missing").to_str().unwrap().to_owned();
    let because = format!("from {missing}: No such file");
    place.validate(&missing, &block, &[]).expect_usage(&because);
    place.validate(&code, &missing, &[]).expect_usage(&because);
    place.run(&["precheck", "--json", "--code", &missing]).expect_usage(&because);
    place
        .run(&["validate", "--json", "--code", &code, "--params", &missing])
        .expect_usage(&because);
    let head = format!("@{missing}");
    place
        .run(&["validate", "--code", &code, "--parent-head", &head, "--block", &block])
        .expect_usage(&because);
    place.validate("/", &block, &[]).expect_usage("Is a directory");
    place.validate("/dev/zero", &block, &[]).expect_usage("longer than");
}

#[test]
fn parameters_that_can_not_be_decoded_are_wrong_usage() {
    let place = Place::new();
    let good = params().encode();
    let too_long = [&good[..], &[9]].concat();
    for content in [&b""[..], b"text", &good[..good.len() - 1], &too_long] {
        let file = place.write("params", content);
        place
            .run(&["validate", "--json", "--code", &blob("adder.wasm"), "--params", &file])
            .expect_usage("holds no SCALE-encoded ValidationParams");
    }
    place
        .run(&[
            "validate",
            "--code",
            &blob("adder.wasm"),
            "--parent-head",
            "0x0g",
            "--block",
            &example("adder-good.block"),
        ])
        .expect_usage("not a hexadecimal digit");
}

#[test]
fn executor_parameters_that_make_no_sense_are_wrong_usage() {
    let place = Place::new();
    for (more, message) in [
        (&["--executor-param", "Gas=1"][..], "valid names: MaxMemoryPages"),
        (&["--executor-param", "MaxMemoryPages=0"], "outside of 1 to 65536"),
        (&["--executor-param", "PvfExecTimeout=backing:12000"], "not below"),
        (&["--backend", "wasmtime", "--executor-param", "Backend=wasmtime"], "given twice"),
        (&["--backend", "nosuch"], "linked: "),
        (&["--executor-param", "Backend=nosuch"], "linked: "),
        (&["--backend", "No Such"], "can't name a backend"),
        (&["--workers", "0"], "--workers"),
        (&["--colour"], "--colour"),
    ] {
        place.validate_example(more).expect_usage(message);
    }
    place.run_plain(&[]).expect_usage("Usage: pvf");
}

#[test]
fn a_cache_is_needed_and_the_message_says_how_to_name_one() {
    let place = Place::new();
    let output = Command::new(env!("CARGO_BIN_EXE_pvf"))
        .args(["precheck", "--code", &blob("adder.wasm")])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--cache-dir"));
    // With a home there is one.
    let run = place.run_plain(&["precheck", "--code", &blob("adder.wasm")]);
    run.expect(0);
    assert!(place.path("xdg/pvf-host").is_dir());
}

#[test]
fn the_help_lets_a_newcomer_begin() {
    let place = Place::new();
    let help = place.run_plain(&["--help"]).expect(0).stdout.clone();
    for needed in ["pvf demo", "Exit codes:", "validate", "precheck", "completions"] {
        assert!(help.contains(needed), "{needed}");
    }
    assert!(!help.contains("bench-floor"));
    let help = place.run_plain(&["validate", "--help"]).expect(0).stdout.clone();
    for needed in ["--parent-head", "[default: 1]", "hexadecimal", "MaxMemoryPages"] {
        assert!(help.contains(needed), "{needed}");
    }
}

// Machines with problems

#[test]
fn a_worker_program_that_is_none_is_an_error() {
    let place = Place::new();
    let missing = place.path("missing").to_str().unwrap().to_owned();
    let exits = place.script("#!/bin/sh\necho something is missing >&2\nexit 7\n");
    let json = place.validate_example(&["--worker-program", &missing]).expect_error("worker");
    assert!(json["reason"]["message"].as_str().unwrap().contains("No such file"));
    let run = place.validate_example(&["--worker-program", &exits]);
    let json = run.expect_error("worker");
    let message = json["reason"]["message"].as_str().unwrap();
    assert!(message.contains("something is missing"), "{message}");
    assert!(run.stderr.contains("--worker-program"), "{}", run.stderr);
    let garbage =
        place.script("#!/bin/sh\nprintf 'eight by and more garbage' >&0\nexec sleep 60\n");
    place.validate_example(&["--worker-program", &garbage]).expect_error("worker");
    let code = blob("adder.wasm");
    place
        .run(&["precheck", "--json", "--code", &code, "--worker-program", &garbage])
        .expect_error("worker");
}

#[test]
fn a_cache_that_can_not_be_written_is_an_error() {
    let place = Place::new();
    let precheck =
        ["precheck", "--json", "--code", &blob("adder.wasm"), "--cache-dir", "/dev/null/x"];
    let run = place.run_plain(&precheck);
    run.expect_error("cache_unusable");
    assert!(run.stderr.contains("--cache-dir"), "{}", run.stderr);
    place
        .run_plain(&["cache", "list", "--json", "--cache-dir", "/dev/null/x"])
        .expect_error("cache_unusable");
}

#[test]
fn a_cache_that_another_host_uses_is_an_error() {
    let place = Place::new();
    place.validate_example(&[]).expect(0);
    let lock = CacheLock::acquire(&place.cache()).unwrap();
    let run = place.validate_example(&[]);
    run.expect_error("cache_in_use");
    assert!(run.stderr.contains("in use by another validation host"), "{}", run.stderr);
    place.run(&["cache", "clear", "--json"]).expect_error("cache_in_use");
    // Looking is allowed.
    place.run(&["cache", "list"]).expect(0);
    drop(lock);
    place.validate_example(&[]).expect(0);
    assert!(CacheLock::acquire(&place.cache()).is_ok(), "the lock was left behind");
}

#[test]
fn a_damaged_artifact_is_found_and_prepared_anew() {
    let place = Place::new();
    place.validate_example(&[]).expect(0);
    place.run(&["cache", "verify"]).expect(0);
    let artifact = artifacts(&place.cache()).pop().unwrap();
    let mut bytes = fs::read(&artifact).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&artifact, bytes).unwrap();

    let run = place.run(&["cache", "verify", "--json"]);
    let entry = &run.expect(1).json()["environments"][0]["entries"][0];
    assert_eq!(entry["state"], "damaged");
    let json = place.validate_example(&[]).expect_verdict("valid", 0);
    assert_eq!(json["prepare"]["cached"], false);
    place.run(&["cache", "verify"]).expect(0);
}

fn artifacts(cache: &Path) -> Vec<PathBuf> {
    let list = |path: &Path| -> Vec<_> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut files: Vec<_> =
        list(cache).iter().filter(|path| path.is_dir()).flat_map(|path| list(path)).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "artifact"));
    files
}

// The cache

#[test]
fn the_cache_is_listed_pruned_and_cleared() {
    let place = Place::new();
    let list = || place.run(&["cache", "list", "--json"]).expect(0).json()["environments"].clone();
    assert_eq!(list(), json!([]));
    assert_eq!(place.run(&["cache", "clear", "--json"]).expect(0).json()["removed"], 0);
    assert!(!place.cache().exists());

    place.validate_example(&[]).expect(0);
    let damaged = place.write("half", &adder()[..20]);
    place.run(&["precheck", "--code", &damaged]).expect(1);
    let entries = list()[0]["entries"].clone();
    let mut states: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["artifact", "failure"]);

    // All that is there was needed today.
    let prune = place.run(&["cache", "prune", "--max-size", "0", "--json"]);
    assert_eq!(prune.expect(0).json()["removed"], 0);
    let prune = place.run(&["cache", "prune", "--max-size", "1KiB", "--min-age", "0s", "--json"]);
    assert_eq!(prune.expect(0).json()["removed"], 1);
    assert_eq!(list()[0]["entries"].as_array().unwrap().len(), 1);
    assert_eq!(place.run(&["cache", "clear", "--json"]).expect(0).json()["removed"], 1);
    assert_eq!(list(), json!([]));
    assert_eq!(fs::read_dir(place.cache()).unwrap().count(), 0);
}

// The other commands

#[test]
fn the_demo_shows_every_backends_verdicts() {
    let place = Place::new();
    let json = place.run_plain(&["demo", "--json"]).expect(0).json();
    let backends = place.run_plain(&["backends", "--json"]).expect(0).json();
    let backends = backends["backends"].as_array().unwrap();
    assert!(backends.iter().any(|backend| backend["id"] == "wasmtime"));
    for candidate in json["candidates"].as_array().unwrap() {
        let verdicts = candidate["verdicts"].as_array().unwrap();
        assert!(!verdicts.is_empty() && verdicts.len() <= backends.len());
        for verdict in verdicts {
            assert_eq!(verdict["validation"]["verdict"], candidate["expected"]);
            assert_eq!(verdict["as_expected"], true);
        }
    }
    let text = place.run_plain(&["demo"]).expect(0).stdout.clone();
    let head = format!("{}…{} (72 bytes)", &NEW_HEAD[..12], &NEW_HEAD[136..]);
    assert_eq!(text.matches(&head).count(), backends.len(), "{text}");
    assert!(!place.path("xdg").exists(), "the demo uses a cache of its own");
}

fn bench(place: &Place, code: &str, block: &str, more: &[&str]) -> Run {
    let head = format!("@{EXAMPLES}/adder-parent-head.hex");
    let run = ["bench", "--json", "--code", code, "--parent-head", &head, "--block", block];
    place.run_plain(&[&run, more].concat())
}

#[test]
fn the_bench_measures_everything() {
    let place = Place::new();
    let more = ["--count", "7", "--concurrency", "3", "--workers", "2"];
    for block in ["adder-good.block", "adder-bad.block"] {
        let json = bench(&place, &blob("adder.wasm"), &example(block), &more).expect(0).json();
        assert_eq!((&json["concurrency"], &json["workers"]), (&json!(3), &json!(2)));
        assert_eq!(json["warm"]["n"], 7);
        assert_eq!(json["sandbox"], Value::Null);
        for figure in [
            &json["precheck_ms"],
            &json["first_ms"],
            &json["warm"]["p50_ms"],
            &json["warm"]["p95_ms"],
            &json["warm"]["p99_ms"],
            &json["throughput_per_s"],
            &json["floor"]["in_process_p50_ms"],
            &json["floor"]["fork_p50_ms"],
        ] {
            assert!(figure.as_f64() > Some(0.0), "{json}");
        }
    }
    assert!(!place.path("xdg").exists(), "the bench uses a cache of its own");
}

#[test]
fn what_was_measured_is_written_to_a_file() {
    let place = Place::new();
    let file = place.path("metrics.txt");
    let metrics = ["--metrics", file.to_str().unwrap()];
    let counts = |name: &str| {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum::<u64>()
    };
    place.validate_example(&metrics).expect_verdict("valid", 0);
    assert_eq!((counts("pvf_verdicts_total"), counts("pvf_preparations_started_total")), (1, 1));
    // It is not added to.
    place.validate_example(&metrics).expect_verdict("valid", 0);
    assert_eq!((counts("pvf_verdicts_total"), counts("pvf_preparations_started_total")), (1, 0));

    let more = [&metrics[..], &["--count", "7", "--concurrency", "3", "--sandbox-cost"]].concat();
    bench(&place, &blob("adder.wasm"), &example("adder-good.block"), &more).expect(0);
    // The first one, those at once, seven before and after, and seven for the cost; the host without
    // measures does not count.
    assert!((1 + 7 + 3 + 7 + 7..40).contains(&counts("pvf_verdicts_total")));

    // A file that can't be written is noticed before anything is done.
    let nowhere = ["--metrics", "/dev/null/metrics"];
    place.validate_example(&nowhere).expect_usage("can't write the metrics");
    // Of what has failed there are metrics too.
    fs::remove_file(&file).unwrap();
    let missing = [&metrics[..], &["--worker-program", "/dev/null"]].concat();
    place.validate_example(&missing).expect(3);
    assert_eq!(counts("pvf_worker_spawn_failures_total"), 1);
}

#[test]
fn the_bench_says_what_the_sandbox_costs() {
    let place = Place::new();
    let more = ["--count", "3", "--sandbox-cost"];
    let run = bench(&place, &blob("adder.wasm"), &example("adder-good.block"), &more);
    let sandbox = &run.expect(0).json()["sandbox"];
    assert_eq!(sandbox["n"], 3);
    let [sandboxed, bare, ratio] = ["sandboxed_p50_ms", "bare_p50_ms", "ratio"]
        .map(|figure| sandbox[figure].as_f64().filter(|figure| *figure > 0.0).unwrap());
    // All three are rounded.
    assert!((sandboxed / bare - ratio).abs() < 0.02 * ratio, "{sandbox}");
    // The other host says that it keeps nothing in.
    assert!(run.stderr.contains("measures are switched off"), "{}", run.stderr);
    assert!(!place.path("xdg").exists(), "the bench uses caches of its own");
}

#[test]
fn the_bench_refuses_what_it_can_not_time() {
    let place = Place::new();
    let block = example("adder-good.block");
    let endless = place.guest(&validate_block("(loop (br 0)) (unreachable)"));
    bench(&place, &endless, &block, &["--timeout-ms", "100"]).expect_error("not_timed");
    let bomb = place.write("bomb", compression::compress(&[0; 100], 1).unwrap());
    bench(&place, &blob("adder.wasm"), &bomb, &["--pov-limit", "10"]).expect_error("not_timed");
    let no_code = place.write("no-code", "no code");
    bench(&place, &no_code, &block, &[]).expect_error("backend");
}

#[test]
fn the_doctor_tries_each_measure_and_changes_nothing() {
    let place = Place::new();
    let run = place.run(&["doctor", "--json"]);
    let sandbox = &run.json()["sandbox"];
    let is_secure = sandbox["secure"].as_bool().unwrap();
    run.expect(i32::from(!is_secure));
    assert_eq!(sandbox["still_needed"].as_array().unwrap().is_empty(), is_secure);
    let measures = sandbox["measures"].as_array().unwrap();
    assert_eq!(measures.len(), Measure::ALL.len());
    for (said, measure) in measures.iter().zip(Measure::ALL) {
        assert_eq!(said["name"], measure.name());
        for state in [&said["state"], &said["alone"]["state"]] {
            let state = state.as_str().unwrap();
            assert!(["holds", "not_needed", "missing"].contains(&state), "{said}");
        }
    }

    let text = place.run(&["doctor"]).expect(i32::from(!is_secure)).stdout.clone();
    for measure in Measure::ALL {
        assert!(text.contains(&format!("\n{measure} ")), "{measure}: {text}");
    }
    let last = text.lines().last().unwrap();
    assert!(last.starts_with(if is_secure { "Secure: " } else { "Not secure: " }), "{last}");
    assert!(!place.cache().exists());
}

#[test]
fn the_doctor_can_not_tell_without_a_worker() {
    let place = Place::new();
    let exits = place.script("#!/bin/sh\nexit 7\n");
    place.run(&["doctor", "--json", "--worker-program", &exits]).expect_error("worker");
}

#[test]
fn there_are_completions_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run_plain(&["completions", shell]).expect(0).stdout.clone();
        assert!(script.contains("validate"), "{shell}");
    }
    place.run_plain(&["completions", "tcsh"]).expect_usage("possible values");
}

// Ends

/// Starts an endless validation, and waits until its job runs.
fn start_endless(place: &Place) -> Child {
    let code = place.guest(&validate_block("(loop (br 0)) (unreachable)"));
    let cache = place.cache();
    let child = place.start(&[
        "validate",
        "--code",
        &code,
        "--parent-head",
        "0x00",
        "--block",
        &example("adder-good.block"),
        "--timeout-ms",
        "60000",
        "--cache-dir",
        cache.to_str().unwrap(),
    ]);
    // The program, a prepare worker, an execute worker and its job.
    let group = within(Duration::from_secs(20), || place.processes(), |group| group.len() >= 4);
    assert!(group.len() >= 4, "{group:?}");
    child
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let place = Place::new();
        let child = start_endless(&place);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let run = place.finish(child);
        run.expect(3);
        assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
        assert!(CacheLock::acquire(&place.cache()).is_ok());
    }
}

#[test]
fn a_killed_run_leaves_no_process() {
    let place = Place::new();
    let child = start_endless(&place);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    assert_eq!(place.finish(child).code, None);
    place.validate_example(&[]).expect(0);
}

// Real PVFs

/// The directory with real PVFs, if there is one.
fn fixtures() -> Option<PathBuf> {
    env::var_os("PVF_FIXTURES").map(PathBuf::from)
}

fn fixture(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_relay_chains_own_adder_gets_its_known_verdicts() {
    let Some(fixtures) = fixtures() else { return };
    let place = Place::new();
    let head = format!("@{}", fixture(&fixtures, "adder-parent-head.hex"));
    let validate = |block: &str| {
        let (code, block) = (fixture(&fixtures, "adder.blob"), fixture(&fixtures, block));
        let arguments =
            ["validate", "--json", "--code", &code, "--parent-head", &head, "--block", &block];
        place.run(&arguments)
    };
    let expected = json!({
        "head_data": "0x0100000000000000804df47c526d888b3f52091df4e253c821e9991ec88e342722cc48\
                      5fda31747ea88d962ceb769d13dd202a8b8478e3a3f9d762a5702f76db9fd33d9f6af919ea",
        "new_validation_code": null,
        "upward_messages": [],
        "horizontal_messages": [],
        "processed_downward_messages": 0,
        "hrmp_watermark": 1,
    });
    assert_eq!(validate("adder-good.block").expect_verdict("valid", 0)["result"], expected);
    validate("adder-bad.block").expect_invalid("panic");
}

#[test]
fn real_runtimes_are_accepted_and_panic_visibly_at_random_blocks() {
    let Some(fixtures) = fixtures() else { return };
    let place = Place::new();
    let block = place.write("random", (0..100u8).map(|i| i.wrapping_mul(151)).collect::<Vec<_>>());
    for runtime in ["asset-hub-polkadot.blob", "collectives-polkadot.blob"] {
        let code = fixture(&fixtures, runtime);
        place.run(&["precheck", "--json", "--code", &code]).expect_verdict("accepted", 0);
        let run = place.validate(&code, &block, &["--kind", "approval"]);
        run.expect_verdict("invalid", 1);
        assert!(run.stderr.contains("Invalid parachain block data"), "{}", run.stderr);
    }
}
