//! Panics of the backend's surroundings, and of its own.

use crate::{
    guests::{HASHER, HOST_CALLS, Outcome},
    host_calls::Case,
    request,
    subject::{ENTRY_POINT, Loaded, Subject, outcome},
    test::{Verdict, demands, ensure},
};
use parity_scale_codec::Encode;
use pvf_host_core::backend::{ExecuteError, GuestLog, LogLevel};
use std::panic::{AssertUnwindSafe, catch_unwind};

demands! {
    "unwinding";
    a_panic_in_a_log_is_no_crash: "A panic inside of a call, here in the `GuestLog` in the midst of a host \
        function, unwinds through the guest to the caller, or is an error. It is not the end of the process.";
    a_call_after_a_panic_in_a_log_is_right: "After a panic inside of a call, the next call gives the right \
        result, or a clean error that blames neither the candidate nor the code: `RuntimeConstruction` \
        or `Machine`.";
    another_artifact_is_right_after_a_panic: "After a panic inside of a call, other artifacts in the same \
        process, loaded before or afterwards, give the right results.";
    loaded_artifacts_can_be_dropped: "Loaded artifacts can be dropped in any order: before a call, after one, \
        after a trap and after a panic.";
}

/// Panics.
struct Panics;

impl GuestLog for Panics {
    fn log(&mut self, _: LogLevel, _: &str, _: &str) {
        std::panic::resume_unwind(Box::new("this log panics"));
    }
}

/// The input of a call that logs.
fn logging_input() -> Result<Vec<u8>, String> {
    let cases = Case::all();
    let case = cases.iter().find(|case| case.calls.len() == 1 && case.logs.len() == 1);
    Ok(request::params(case.ok_or("no case logs a line")?.block()).encode())
}

/// Calls with a log that panics.
fn panic_inside(loaded: &mut Loaded) -> Verdict {
    let input = logging_input()?;
    let called = catch_unwind(AssertUnwindSafe(|| loaded.call_with(ENTRY_POINT, &input, Panics)));
    ensure!(!matches!(called, Ok(Ok(_))), "the call succeeds: the log was never called");
    Ok(())
}

fn is_right(loaded: &mut Loaded) -> Verdict {
    let outcome = loaded.outcome(&request::params(*b"\0\0\0\0abc"));
    ensure!(
        matches!(&outcome, Outcome::Valid(result) if result.head_data.0 == b"abc"),
        "a call gives {outcome:?}"
    );
    Ok(())
}

fn a_panic_in_a_log_is_no_crash(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    panic_inside(&mut loaded)
}

fn a_call_after_a_panic_in_a_log_is_right(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    let input = logging_input()?;
    let expected = loaded.call(&input);
    ensure!(expected.is_ok(), "before, a call gives {expected:?}");
    for _ in 0..3 {
        panic_inside(&mut loaded)?;
        let after = loaded.call(&input);
        let is_clean =
            matches!(after, Err(ExecuteError::RuntimeConstruction(_) | ExecuteError::Machine(_)));
        ensure!(after == expected || is_clean, "afterwards, a call gives {after:?}");
    }
    Ok(())
}

fn another_artifact_is_right_after_a_panic(subject: &Subject) -> Verdict {
    let mut before = subject.loaded(&HASHER, &[])?;
    panic_inside(&mut subject.loaded(&HOST_CALLS, &[])?)?;
    is_right(&mut before)?;
    is_right(&mut subject.loaded(&HASHER, &[])?)?;
    let mut same = subject.loaded(&HOST_CALLS, &[])?;
    let outcome = outcome(same.call(&logging_input()?));
    ensure!(matches!(outcome, Outcome::Valid(_)), "the same, loaded anew, gives {outcome:?}");
    Ok(())
}

fn loaded_artifacts_can_be_dropped(subject: &Subject) -> Verdict {
    let mut others = Vec::new();
    for way in 0..4 {
        let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
        match way {
            1 => drop(loaded.call(&logging_input()?)),
            // No input: the guest panics.
            2 => drop(loaded.call(b"")),
            3 => panic_inside(&mut loaded)?,
            _ => {}
        }
        others.push(loaded);
    }
    let mut kept = subject.loaded(&HASHER, &[])?;
    while !others.is_empty() {
        drop(others.remove(others.len() / 2));
        is_right(&mut kept)?;
    }
    Ok(())
}
