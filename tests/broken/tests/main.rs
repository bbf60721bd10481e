//! Whether the suite finds what is wrong: backends that are broken, each in one way, and the tests that
//! have to fail on it. The good backend passes the same tests.
//!
//! `outside` has something around a good backend, `inside` has breaks in its source. `not_broken` names
//! the tests that no break fails.

mod inside;
mod not_broken;
mod outside;

use libtest_mimic::{Arguments, Trial};
use not_broken::NOT_BROKEN;
use outside::HARMLESS;
use pvf_conformance::{Guests, Options, Outcome, processes, run, run_if_asked, tests};
use pvf_host_core::backend::BackendId;
use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode, time::Duration};

/// The broken backends, and the tests that have to fail on each.
fn broken() -> impl Iterator<Item = (&'static BackendId, &'static [&'static str])> {
    let all = outside::ALL.iter().chain(inside::ALL);
    all.filter(|(id, _)| *id != HARMLESS).map(|(id, tests)| (id, *tests))
}

fn guests() -> Guests {
    Guests::webassembly()
}

fn scratch() -> PathBuf {
    option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, Into::into)
}

fn options() -> Options {
    // The backends are tried side by side.
    Options::default().scratch(scratch()).threads(1)
}

/// Runs the tests that have to fail on a broken backend. Says which of them do not.
fn is_found(id: &BackendId, tests: &[&str]) -> Result<(), String> {
    let report = run(id, &guests(), &options().only(tests.iter().copied()));
    let passed = |name: &&&str| !report.failed().contains(*name);
    match tests.iter().filter(passed).copied().collect::<Vec<_>>()[..] {
        [] => Ok(()),
        ref passed => Err(format!("these tests have to fail, and pass: {passed:?}")),
    }
}

/// What is around the good backend does not fail the tests by itself.
fn is_harmless(tests: &BTreeSet<&str>) -> Result<(), String> {
    let report = run(&HARMLESS, &guests(), &options().only(tests.iter().copied()));
    let failed: Vec<_> =
        report.outcomes.iter().filter(|(_, outcome)| *outcome != Outcome::Passed).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("{failed:#?}")) }
}

/// Backends that never return, or end the process.
const UNENDING: [&str; 4] = ["calls-in-load", "ends-in-calls", "hangs-in-calls", "hangs-in-load"];

/// Runs the tests that have to fail on a backend that never returns or ends the process, beside others.
/// Checks that they are named, and how they have ended; that the others have passed; and that nothing is
/// left.
fn takes_nothing_along(id: &BackendId, tests: &[&str]) -> Result<(), String> {
    const OTHERS: [&str; 3] = [
        "descriptor::it_says_its_version",
        "artifacts::the_same_code_makes_the_same_artifact",
        "through_the_host::garbage_is_refused_for_good",
    ];
    let scratch = scratch().join(format!("{id}-{}", std::process::id()));
    let names = || tests.iter().chain(&OTHERS);
    let options = options()
        .scratch(&scratch)
        .only(names().copied())
        .threads(names().count())
        .time_limit(Duration::from_secs(20));
    let report = run(id, &guests(), &options);
    if report.outcomes.len() != names().count() {
        return Err(format!("not all tests are there: {report:#?}"));
    }
    for (name, outcome) in &report.outcomes {
        let is_right = match outcome {
            Outcome::Passed => OTHERS.contains(name),
            Outcome::Failed(how) => {
                let is_named = ["has not ended", "signal: 6", "AmbiguousJobDeath"];
                tests.contains(name) && is_named.iter().any(|words| how.contains(words))
            }
        };
        if !is_right {
            return Err(format!("{name}: {outcome:?}"));
        }
    }
    let left = processes::naming(&scratch);
    if !left.is_empty() {
        return Err(format!("processes are left: {left:?}"));
    }
    // Which it can't be if there is something in it.
    fs::remove_dir(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))
}

/// The tests that are the only ones to be run when they fail.
const FIRST: [&str; 2] = ["descriptor::it_is_linked_once", "descriptor::no_guest_is_missing"];

/// Runs the suite where nothing can be tested, and checks that one test says so, and no other is run.
fn fails_at_once(id: &BackendId, guests: &Guests, name: &str, words: &str) -> Result<(), String> {
    let report = run(id, guests, &options());
    match &report.outcomes[..] {
        [(failed, Outcome::Failed(why))] if *failed == name && why.contains(words) => Ok(()),
        other => Err(format!("{other:#?}")),
    }
}

/// Each test fails on some backend, or it is said why not.
fn each_test_is_tried(broken: &BTreeSet<&str>) -> Result<(), String> {
    let is_known = |name| NOT_BROKEN.iter().any(|(known, _)| *known == name);
    for test in tests() {
        if broken.contains(test.name) == is_known(test.name) {
            return Err(format!(
                "{} has to fail on a broken backend, or `not_broken` has to say why not",
                test.name
            ));
        }
    }
    let mut names = NOT_BROKEN.iter().map(|(name, _)| *name).chain(broken.iter().copied());
    match names.find(|name| tests().all(|test| test.name != *name)) {
        Some(name) => Err(format!("there is no test {name}")),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    // What broken backends say when they panic is of no interest here.
    std::panic::set_hook(Box::new(|_| {}));
    run_if_asked();
    let mut trials: Vec<_> = broken()
        .map(|(id, tests)| {
            let check =
                if UNENDING.contains(&id.as_str()) { takes_nothing_along } else { is_found };
            Trial::test(format!("broken_backend::{id}"), move || Ok(check(id, tests)?))
        })
        .collect();
    let mut tests: BTreeSet<_> = broken().flat_map(|(_, tests)| tests.iter().copied()).collect();
    let found = tests.clone();
    let mut add = |name: &str, check: Box<dyn FnOnce() -> Result<(), String> + Send>| {
        trials.push(Trial::test(format!("broken_backend::{name}"), move || Ok(check()?)));
    };
    add("harmless", Box::new(move || is_harmless(&found)));
    tests.extend(FIRST);
    add("each_test_is_tried", Box::new(move || each_test_is_tried(&tests)));
    let absent = || Guests::folder(scratch().join("absent"));
    add(
        "no_guests",
        Box::new(move || fails_at_once(&HARMLESS, &absent(), FIRST[1], "tests/guests/adder")),
    );
    add(
        "not_linked",
        Box::new(|| {
            let id = BackendId::from_static("not-linked");
            fails_at_once(&id, &guests(), FIRST[0], "not-linked")
        }),
    );
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
