//! `pvf compare` and `pvf replay`, as their users see them.

#![cfg(any(feature = "polkavm", feature = "wasmtime"))]

mod place;

use place::{Place, Run, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/blobs");

/// Whether there is nobody to agree with.
const ONE_ALONE: bool = BACKENDS.len() == 1;

/// A corpus that all backends have to agree on.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases");

/// All backends, the first being the one that the others are compared with.
const BACKENDS: &[&str] = &[
    #[cfg(feature = "wasmtime")]
    "wasmtime",
    #[cfg(feature = "polkavm")]
    "polkavm",
    #[cfg(feature = "polkavm")]
    "polkavm-interpreter",
];

/// A block of the guest `messages`: no code, no messages, 3 processed, and this watermark.
fn no_messages(watermark: u8) -> String {
    format!("0x00000003000000{watermark:02x}000000")
}

/// Writes a case that runs one guest on all backends.
fn write_case(place: &Place, file: &str, guest: &str, block: &str, more: &str) -> String {
    let text = format!(
        "wasm = \"{GUESTS}/{guest}.wasm\"\npolkavm = \"{GUESTS}/{guest}.polkavm\"\n\
         parent_head = \"0xaabb\"\nblock = \"{block}\"\n{more}"
    );
    place.write(file, text)
}

/// Runs with few rounds.
fn compare(place: &Place, arguments: &[&str]) -> Run {
    place.run_plain(&[&["compare"], arguments, &FEW].concat())
}

const FEW: [&str; 6] = ["--runs", "3", "--first-runs", "2", "--prepare-runs", "2"];

fn all_backends() -> String {
    format!("--backends={}", BACKENDS.join(","))
}

/// What has to be the same however often a run is broken off: everything but what was measured.
fn without_times(mut json: Value) -> Value {
    for case in json["cases"].as_array_mut().unwrap() {
        for measures in case["measures"].as_object_mut().unwrap().values_mut() {
            for (name, measured) in measures.as_object_mut().unwrap() {
                if !name.starts_with("code_size") {
                    *measured = measured["n"].take();
                }
            }
        }
    }
    json
}

// Agreement

#[test]
fn all_backends_agree_on_the_corpus() {
    let place = Place::new();
    let json = compare(&place, &[CASES, &all_backends(), "--json"]).expect(0).json();
    let cases = json["cases"].as_array().unwrap();
    assert_eq!(json["totals"][if ONE_ALONE { "alone" } else { "agreeing" }], cases.len());
    let names: Vec<_> = json["backends"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(names, BACKENDS);
    for case in cases {
        assert_eq!((&case["agree"], &case["divergences"]), (&json!(true), &json!([])));
        for backend in BACKENDS {
            assert!(case["verdicts"][backend]["verdict"].is_string(), "{case}");
            let measures = &case["measures"][backend];
            for (measure, runs) in [
                ("code_size_bytes", 1),
                ("artifact_size_bytes", 2),
                ("prepare_wall_ms", 2),
                ("prepare_cpu_ms", 2),
                ("prepare_peak_memory_bytes", 2),
                ("load_ms", 2),
                ("first_ms", 2),
                ("warm_ms", 3),
                ("job_cpu_ms", 3),
                ("job_peak_memory_bytes", 3),
            ] {
                assert_eq!(measures[measure]["n"], runs, "{backend} {measure}: {measures}");
                assert!(measures[measure]["p50"].as_f64() > Some(0.0), "{backend} {measure}");
            }
            assert!(measures["gas"].is_null());
        }
    }
}

#[cfg(all(feature = "wasmi", feature = "wasmtime"))]
#[test]
fn the_example_of_a_backend_agrees_on_the_corpus() {
    let place = Place::new();
    let json = compare(&place, &[CASES, "--backends=wasmtime,wasmi", "--json"]).expect(0).json();
    assert_eq!(json["totals"]["agreeing"], json["cases"].as_array().unwrap().len());
    for case in json["cases"].as_array().unwrap() {
        let verdicts = &case["verdicts"];
        assert!(verdicts["wasmi"]["verdict"].is_string());
        assert_eq!(verdicts["wasmi"]["verdict"], verdicts["wasmtime"]["verdict"]);
    }
}

#[test]
fn people_see_tables_and_the_judgement_last_and_nothing_on_standard_error() {
    let place = Place::new();
    write_case(&place, "a.toml", "messages", &no_messages(1), r#"name = "one\u001b[2J""#);
    write_case(&place, "b.toml", "panicker", "0x41", "");
    let folder = place.path("");
    let run = compare(&place, &[folder.to_str().unwrap(), &all_backends()]);
    let text = &run.expect(0).stdout;
    assert_eq!(run.stderr, "");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(text.lines().next(), Some("one\\u{1b}[2J"));
    let (judgement, last) = match ONE_ALONE {
        true => ("  alone", "2 cases: 0 agreeing, 2 that ran on one backend alone"),
        false => ("  agree", "2 cases: 2 agreeing"),
    };
    assert_eq!(text.lines().last(), Some(last));
    let verdicts = text.lines().filter(|line| line.ends_with(judgement)).collect::<Vec<_>>();
    assert_eq!(verdicts.len(), 2, "{text}");
    assert!(verdicts[0].contains("  valid  "), "{text}");
    assert!(verdicts[1].contains("  invalid: trap or panic  "), "{text}");
    let warm = text.lines().find(|line| line.starts_with("  warm execution ")).unwrap();
    assert_eq!(warm.matches('×').count(), BACKENDS.len() - 1, "{text}");
    // The columns are aligned.
    let heading = text.lines().find(|line| line.starts_with("  MEASURE")).unwrap();
    for backend in BACKENDS {
        let at = heading.find(backend).unwrap();
        let cell = warm.chars().skip(at).collect::<String>();
        assert!(cell.starts_with(|c: char| c.is_ascii_digit()), "{text}");
        assert!(warm.chars().nth(at - 1) == Some(' '), "{text}");
    }
}

#[test]
fn one_backend_alone_is_measured_too() {
    let place = Place::new();
    let case = write_case(&place, "a.toml", "messages", &no_messages(1), "");
    for backend in BACKENDS {
        let json = compare(&place, &[&case, "--json", "--backends", backend]).expect(0).json();
        assert_eq!(json["cases"][0]["measures"].as_object().unwrap().len(), 1);
        compare(&place, &[&case, "--backends", backend]).expect(0);
    }
}

#[test]
fn without_a_choice_every_backend_that_is_chosen_by_format_takes_part() {
    let place = Place::new();
    let case = write_case(&place, "a.toml", "messages", &no_messages(1), "");
    let json = compare(&place, &[&case, "--json"]).expect(0).json();
    let names: Vec<_> = json["backends"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    let expected: Vec<_> = BACKENDS.iter().filter(|name| **name != "polkavm-interpreter").collect();
    assert!(names.iter().eq(&expected), "{names:?}");
}

#[test]
fn gas_is_compared_with_that_of_other_runs_and_not_with_that_of_other_backends() {
    let place = Place::new();
    let more = "executor_params = ['MaxGas=1000000000']";
    let case = write_case(&place, "a.toml", "messages", &no_messages(1), more);
    let json = compare(&place, &[&case, "--json", &all_backends()]).expect(0).json();
    for backend in BACKENDS {
        let measures = &json["cases"][0]["measures"][backend];
        if let Some(gas) = measures["gas"].as_object() {
            assert_eq!(gas["n"], 3);
            assert!(gas["p50"].as_u64() > Some(0));
            assert_eq!(gas["p25"], gas["p95"]);
        }
    }
    if cfg!(feature = "wasmtime") {
        assert!(json["cases"][0]["measures"]["wasmtime"]["gas"].is_object());
    }
}

#[test]
fn a_candidate_that_is_stopped_for_its_time_is_not_measured() {
    let place = Place::new();
    let more = "timeout_ms = 50\n[expect]\nverdict = 'invalid'";
    let case = write_case(&place, "a.toml", "endless-loop", "0x", more);
    let json = compare(&place, &[&case, "--json", &all_backends()]).expect(0).json();
    for backend in BACKENDS {
        assert_eq!(json["cases"][0]["verdicts"][backend]["class"], "timeout");
        let measures = json["cases"][0]["measures"][backend].as_object().unwrap();
        assert!(measures["prepare_wall_ms"].is_object());
        for absent in ["first_ms", "warm_ms", "job_cpu_ms", "from_nothing_ms"] {
            assert!(!measures.contains_key(absent), "{absent}");
        }
    }
}

#[test]
fn code_that_is_rejected_is_so_everywhere() {
    let place = Place::new();
    place.write("bad.wasm", b"\0asm\x01\0\0\0junk");
    place.write("bad.polkavm", b"PVM\0junk");
    let text = "wasm = 'bad.wasm'\npolkavm = 'bad.polkavm'\nparent_head = '0x'\nblock = '0x'\n";
    let case = place.write("a.toml", format!("{text}expect.verdict = 'rejected'"));
    let json = compare(&place, &[&case, "--json", &all_backends()]).expect(0).json();
    for backend in BACKENDS {
        assert_eq!(json["cases"][0]["verdicts"][backend]["verdict"], "rejected");
    }
    let case = place.write("b.toml", format!("{text}expect.verdict = 'invalid'"));
    compare(&place, &[&case, &all_backends()]).expect(1);
}

// Divergences

#[test]
#[cfg(all(feature = "polkavm", feature = "wasmtime"))]
fn two_programs_that_differ_are_found_and_shown_field_by_field() {
    let place = Place::new();
    let text = format!(
        "name = 'two programs'\nwasm = '{GUESTS}/messages.wasm'\n\
         polkavm = '{GUESTS}/panicker.polkavm'\nparent_head = '0xaabb'\nblock = '{}'\n",
        no_messages(1)
    );
    let case = place.write("a.toml", text);
    let json = compare(&place, &[&case, "--json"]).expect(1).json();
    assert_eq!(json["agree"], false);
    assert_eq!(json["totals"]["diverging"], 1);
    let divergence = &json["cases"][0]["divergences"][0];
    assert_eq!(divergence["backend"], "polkavm");
    assert_eq!(divergence["against"], "backend wasmtime");
    // All prepare, first and warm rounds.
    assert_eq!(divergence["rounds"], 7);
    let run = compare(&place, &[&case]);
    let text = &run.expect(1).stdout;
    assert!(text.contains("DIVERGE\n"), "{text}");
    assert!(text.contains("DIVERGENCE  two programs ("), "{text}");
    assert_eq!(text.lines().last(), Some("1 case: 0 agreeing, 1 diverging"));
}

#[test]
fn what_is_not_as_expected_is_found_and_shown_field_by_field() {
    let place = Place::new();
    for (expected, differences) in [
        (
            "head = '0xaabc'",
            json!([{
                "field": "head data, byte 1",
                "left": "0xaa[bc] (2 bytes)",
                "right": "0xaa[bb] (2 bytes)",
            }]),
        ),
        (
            // The head, new code, an upward message, and other numbers.
            "result = '0x08aacc01040104040a000400000005000000'",
            json!([
                {
                    "field": "head data, byte 1",
                    "left": "0xaa[cc] (2 bytes)",
                    "right": "0xaa[bb] (2 bytes)",
                },
                { "field": "new code", "left": "0x01", "right": "none" },
                { "field": "upward messages", "left": "1", "right": "0" },
                { "field": "processed downward messages", "left": "4", "right": "3" },
                { "field": "HRMP watermark", "left": "5", "right": "9" },
            ]),
        ),
        (
            "verdict = 'invalid'",
            json!([{ "field": "verdict", "left": "invalid", "right": "valid (0xaabb)" }]),
        ),
    ] {
        let more = format!("[expect]\n{expected}");
        let case = write_case(&place, "a.toml", "messages", &no_messages(9), &more);
        let json = compare(&place, &[&case, "--json", &all_backends()]).expect(1).json();
        let divergences = json["cases"][0]["divergences"].as_array().unwrap();
        assert_eq!(divergences.len(), BACKENDS.len());
        for (divergence, backend) in divergences.iter().zip(BACKENDS) {
            assert_eq!(
                (&divergence["backend"], &divergence["against"]),
                (&json!(backend), &json!("expected"))
            );
            assert_eq!(divergence["differences"], differences);
        }
    }
}

// Wrong usage

#[test]
fn a_malformed_case_is_wrong_usage_and_said_before_any_work() {
    let place = Place::new();
    let missing = write_case(&place, "a.toml", "messages", "missing.block", "");
    let unknown = write_case(&place, "b.toml", "messages", "0x", "colour = 'red'");
    let hex = write_case(&place, "c.toml", "messages", "0x0g", "");
    let swapped = place.write(
        "d.toml",
        format!("parent_head = '0x'\nblock = '0x'\nwasm = '{GUESTS}/messages.polkavm'\n"),
    );
    for (case, says) in [
        (&missing, "a.toml:4: block: can't read"),
        (&unknown, "b.toml:5: unknown field `colour`"),
        (&hex, "c.toml:4: block: 'g' at position 3"),
        (&swapped, "d.toml:3: wasm: "),
    ] {
        compare(&place, &[case, "--json"]).expect_usage(says);
    }
    let good = write_case(&place, "e.toml", "messages", &no_messages(1), "");
    compare(&place, &[&good, &missing]).expect_usage("a.toml:4: block: can't read");
    let folder = place.path("empty");
    fs::create_dir(&folder).unwrap();
    compare(&place, &[folder.to_str().unwrap()]).expect_usage("holds no case");
    compare(&place, &["nowhere.toml"]).expect_usage("nowhere.toml: can't be read: No such file");
    compare(&place, &[]).expect_usage("<CASE>");
    compare(&place, &[&good, "--resume"]).expect_usage("--log");
    compare(&place, &[&good, "--report", "/dev/null/x"]).expect_usage("can't write the report");
    assert!(!place.path("xdg").exists());
}

#[test]
fn a_backend_that_is_not_there_is_wrong_usage_with_the_feature_that_brings_it() {
    let place = Place::new();
    let case = write_case(&place, "a.toml", "messages", &no_messages(1), "");
    let run = compare(&place, &[&case, "--backends", "nobody"]);
    run.expect_usage("backend nobody is not linked into this program");
    let twice = format!("{0},{0}", BACKENDS[0]);
    compare(&place, &[&case, "--backends", &twice]).expect_usage("named twice");
    for (backend, feature) in
        [("wasmtime", "wasmtime"), ("polkavm", "polkavm"), ("polkavm-interpreter", "polkavm")]
    {
        if !BACKENDS.contains(&backend) {
            let run = compare(&place, &[&case, "--backends", backend]);
            run.expect_usage(&format!("--features {feature}"));
        }
    }
}

#[test]
fn a_case_runs_on_the_backends_that_take_its_code_and_one_at_least_has_to() {
    let place = Place::new();
    let both = write_case(&place, "a.toml", "messages", &no_messages(1), "");
    let (key, guest, feature, taken) = match BACKENDS[0] {
        "wasmtime" => ("polkavm", "messages.polkavm", "polkavm", cfg!(feature = "polkavm")),
        _ => ("wasm", "messages.wasm", "wasmtime", false),
    };
    let other = place.write(
        "b.toml",
        format!("parent_head = '0x'\nblock = '0x00'\n{key} = '{GUESTS}/{guest}'\n"),
    );
    let first = ["--json", "--backends", BACKENDS[0]];
    let json = compare(&place, &[&[&*both, &other], &first[..]].concat()).expect(0).json();
    let totals = &json["totals"];
    assert_eq!((&totals["alone"], &totals["not_run"]), (&json!(1), &json!(1)));
    assert_eq!(totals["agreeing"], 0);
    assert!(json["cases"][1]["agree"].is_null());
    let run = compare(&place, &[&[&*other], &first[..]].concat());
    run.expect_usage("there is nothing to run");
    assert_eq!(run.stderr.contains(&format!("--features {feature}")), !taken, "{}", run.stderr);
}

// Logs

/// The lines in a log.
fn lines(path: &str) -> usize {
    fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

fn two_cases(place: &Place) -> [String; 2] {
    let case = |name: &str, guest, block: &str| write_case(place, name, guest, block, "");
    [case("a.toml", "messages", &no_messages(1)), case("b.toml", "panicker", "0x41")]
}

#[test]
fn a_run_that_was_killed_at_any_point_goes_on_to_the_same_totals() {
    let place = Place::new();
    let [a, b] = two_cases(&place);
    let backends = all_backends();
    let arguments = ["compare", &a, &b, &backends, "--json"];
    let log = place.path("log").to_str().unwrap().to_owned();
    let logged = [&arguments[..], &FEW, &["--log", &log]].concat();
    let expected = place.run_plain(&logged).expect(0).json();
    let expected = without_times(expected);
    // The header, and 2 cases with 2, 2 and 3 rounds.
    assert_eq!(lines(&log), 1 + 2 * 7);
    let whole = fs::read(&log).unwrap();

    let resumed = [&logged[..], &["--resume"]].concat();
    // Everything is there: nothing is run.
    assert_eq!(without_times(place.run_plain(&resumed).expect(0).json()), expected);
    assert_eq!(fs::read(&log).unwrap(), whole);

    // Killed again and again, at points that nobody chose, and always after some progress.
    fs::remove_file(&log).unwrap();
    let mut wanted = 1;
    let mut arguments = logged.clone();
    loop {
        let child = place.start(&arguments);
        let pid = Pid::from_child(&child);
        let seen = within(Duration::from_secs(60), || lines(&log), |lines| *lines >= wanted);
        assert!(seen >= wanted, "no progress");
        kill_process(pid, Signal::KILL).unwrap();
        place.finish(child);
        arguments = resumed.clone();
        wanted = lines(&log) + 2;
        if wanted > 1 + 2 * 7 {
            break;
        }
    }
    assert_eq!(without_times(place.run_plain(&resumed).expect(0).json()), expected);
    assert_eq!(lines(&log), 1 + 2 * 7);

    // A line may be torn anywhere.
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for cut in [0, 1, header - 1, header, header + 1, last + 1, last + 40, whole.len() - 1] {
        fs::write(&log, &whole[..cut]).unwrap();
        assert_eq!(without_times(place.run_plain(&resumed).expect(0).json()), expected, "{cut}");
        assert_eq!(lines(&log), 1 + 2 * 7, "{cut}");
    }
}

#[test]
fn an_interrupted_run_leaves_its_log_and_nothing_else() {
    let place = Place::new();
    let [a, b] = two_cases(&place);
    let log = place.path("log").to_str().unwrap().to_owned();
    let report = place.path("report.html").to_str().unwrap().to_owned();
    let arguments = ["compare", &a, &b, "--runs", "100000", "--log", &log, "--report", &report];
    for signal in [Signal::INT, Signal::TERM] {
        let child = place.start(&arguments);
        let seen = within(Duration::from_secs(60), || lines(&log), |lines| *lines > 5);
        assert!(seen > 5, "no progress");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let run = place.finish(child);
        run.expect(3);
        assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
        let left = fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort_unstable();
        assert_eq!(left, ["a.toml", "b.toml", "log", "pvf"]);
        assert!(fs::read(&log).unwrap().ends_with(b"\n"));
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn a_log_of_something_else_is_refused() {
    let place = Place::new();
    let [a, b] = two_cases(&place);
    let log = place.path("log").to_str().unwrap().to_owned();
    let logged = ["--log", &log, "--resume"];
    let first = ["--backends", BACKENDS[0]];
    let run = |arguments: &[&str]| compare(&place, &[arguments, &logged].concat());
    run(&[&[&*a], &first[..]].concat()).expect(0);
    let whole = fs::read(&log).unwrap();
    let refused = |run: Run, says: &str| {
        run.expect_usage(says);
        assert_eq!(fs::read(&log).unwrap(), whole);
    };
    refused(run(&[&[&*a, &b], &first[..]].concat()), "it is of other cases");
    refused(run(&[&[&*b], &first[..]].concat()), "it is of other cases");
    if BACKENDS.len() > 1 {
        refused(run(&[&a, &all_backends()]), "it is of other backends");
    }
    let more = place.run_plain(&[&["compare", &a], &first[..], &logged].concat());
    refused(more, "it is of other numbers of runs");
    let new = compare(&place, &[&a, "--log", &log, "--backends", BACKENDS[0]]);
    refused(new, "it is there already");
    let text = fs::read_to_string(&log).unwrap();
    write_case(&place, "a.toml", "messages", &no_messages(2), "");
    refused(run(&[&[&*a], &first[..]].concat()), "it is of other cases");
    write_case(&place, "a.toml", "messages", &no_messages(1), "");

    let again = || run(&[&[&*a], &first[..]].concat());
    let (header, rounds) = text.split_once('\n').unwrap();
    for (content, says) in [
        (format!("{header}\n\n{rounds}"), "line 2 is damaged"),
        (text.replacen("\"case\":0", "\"case\":1", 1), "line 2 is damaged"),
        ("some notes\nof somebody's\n".into(), "it is no log of `pvf compare`"),
        ("some notes without an end".into(), "it is no log of `pvf compare`"),
        (
            header.replacen("\"environment\":\"0x", "\"environment\":\"0y", 1) + "\n",
            "another program",
        ),
    ] {
        fs::write(&log, &content).unwrap();
        again().expect_usage(says);
        assert_eq!(fs::read_to_string(&log).unwrap(), content);
    }
}

// Replay

fn replay(place: &Place, folder: &str, more: &[&str]) -> Run {
    let folder = place.path(folder);
    let corpus = ["replay", folder.to_str().unwrap()];
    place.run(&[&corpus, more].concat())
}

#[test]
fn what_all_hosts_of_a_comparison_have_measured_is_in_one_file() {
    let place = Place::new();
    let case = write_case(&place, "case.toml", "messages", &no_messages(1), "");
    let file = place.path("metrics.txt");
    let metrics = file.to_str().unwrap();
    compare(&place, &[&case, &all_backends(), "--metrics", metrics]).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    // Each time that code is prepared, another host does it.
    let prepared = format!("pvf_preparations_started_total {}\n", 2 * BACKENDS.len());
    assert!(text.contains(&prepared), "{text}");
}

#[test]
fn a_replay_counts_every_candidate_and_agrees() {
    let place = Place::new();
    fs::create_dir_all(place.path("corpus/deep")).unwrap();
    for i in 0..20 {
        let name = format!("corpus/{}{i:03}.toml", if i % 2 == 0 { "deep/" } else { "" });
        match i % 4 {
            0 => write_case(&place, &name, "panicker", "0x41", ""),
            _ => write_case(&place, &name, "messages", &no_messages(i), ""),
        };
    }
    let (one, other) = (BACKENDS[0], BACKENDS[BACKENDS.len() - 1]);
    if one == other {
        let run = replay(&place, "corpus", &["--backend", one, "--against", other]);
        return run.expect_usage("named twice");
    }
    for workers in ["1", "3"] {
        let file = place.path("metrics.txt");
        let metrics = ["--metrics", file.to_str().unwrap()];
        let more = ["--backend", other, "--against", one, "--workers", workers, "--json"];
        let json = replay(&place, "corpus", &[&more[..], &metrics].concat()).expect(0).json();
        let text = fs::read_to_string(&file).unwrap();
        let valid = "pvf_verdicts_total{class=\"valid\",cause=\"valid\"} 30\n";
        assert!(text.contains(valid), "{text}");
        let totals = json!({
            "candidates": 20, "agreeing": 20, "diverging": 0, "unknown": 0, "skipped": 0,
            "unreadable": 0,
        });
        assert_eq!((&json["agree"], &json["totals"]), (&json!(true), &totals));
        let classes = json!({ "valid": 15, "trap": 5 });
        assert_eq!(json["classes"], json!({ "backend": classes, "against": classes }));
        assert_eq!(json["cpu_time"]["candidates"], 20);
        assert!(json["cpu_time"]["ratio"].as_f64() > Some(0.0));
        assert_eq!((&json["backend"]["id"], &json["against"]["id"]), (&json!(other), &json!(one)));
    }
    let run = replay(&place, "corpus", &["--backend", other, "--against", one]);
    let text = &run.expect(0).stdout;
    assert_eq!(text.lines().last(), Some("20 cases: 20 agreeing, 0 diverging"), "{text}");
    assert_eq!(run.stderr, "");
}

#[test]
#[cfg(all(feature = "polkavm", feature = "wasmtime"))]
fn a_replay_lists_divergences_and_fails() {
    let place = Place::new();
    fs::create_dir(place.path("corpus")).unwrap();
    write_case(&place, "corpus/a.toml", "messages", &no_messages(1), "");
    let differing = format!(
        "name = 'two programs'\nwasm = '{GUESTS}/messages.wasm'\n\
         polkavm = '{GUESTS}/panicker.polkavm'\nparent_head = '0x'\nblock = '{}'\n",
        no_messages(1)
    );
    place.write("corpus/b.toml", differing);
    write_case(&place, "corpus/c.toml", "messages", &no_messages(1), "expect.head = '0x01'");
    place.write(
        "corpus/d.toml",
        format!("wasm = '{GUESTS}/messages.wasm'\nparent_head = '0x'\nblock = '0x00'\n"),
    );
    let pair = ["--backend", "polkavm", "--against", "wasmtime"];
    let json = replay(&place, "corpus", &[&pair[..], &["--json"]].concat()).expect(1).json();
    let totals = json!({
        "candidates": 4, "agreeing": 1, "diverging": 2, "unknown": 0, "skipped": 1,
        "unreadable": 0,
    });
    assert_eq!(json["totals"], totals);
    let divergent = json["divergent"].as_array().unwrap();
    assert_eq!(divergent.len(), 2);
    assert_eq!(divergent[0]["name"], "two programs");
    let differences = &divergent[0]["divergences"][0]["differences"];
    assert_eq!(
        (&differences[0]["field"], &differences[0]["left"]),
        (&json!("verdict"), &json!("valid (0x)"))
    );
    assert_eq!(divergent[1]["divergences"].as_array().unwrap().len(), 2);
    let run = replay(&place, "corpus", &pair);
    let text = &run.expect(1).stdout;
    assert!(text.contains("DIVERGENCE  two programs ("), "{text}");
    let last = "4 cases: 1 agreeing, 2 diverging, 1 without code for both";
    assert_eq!(text.lines().last(), Some(last));
}

#[test]
#[cfg(feature = "polkavm")]
fn a_replay_says_what_is_wrong_before_it_begins() {
    let place = Place::new();
    fs::create_dir(place.path("corpus")).unwrap();
    write_case(&place, "corpus/a.toml", "messages", &no_messages(1), "");
    write_case(&place, "corpus/b.toml", "messages", "missing.block", "");
    let pair = ["--backend", "polkavm", "--against", "polkavm-interpreter"];
    replay(&place, "corpus", &pair).expect_usage("b.toml:4: block: can't read");
    fs::remove_file(place.path("corpus/b.toml")).unwrap();
    replay(&place, "corpus", &pair).expect(0);
    place.write(
        "corpus/a.toml",
        format!("wasm = '{GUESTS}/messages.wasm'\nparent_head = '0x'\nblock = '0x00'\n"),
    );
    replay(&place, "corpus", &pair).expect_usage("no case has code for both");
    replay(&place, "nowhere", &pair).expect_usage("can't be read");
}
