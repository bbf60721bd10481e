//! What guests log.

use crate::{
    guests::{HOST_CALLS, Outcome, PANICKER},
    host_calls::{Argument, Call, Case},
    request,
    subject::{ENTRY_POINT, Lines, Subject, outcome},
    test::{Verdict, demands, ensure, ensure_eq},
};
use parity_scale_codec::Encode;

demands! {
    "logs";
    lines_go_where_the_call_says: "The lines of a call go to the `GuestLog` that it was given, and to none of \
        an earlier call.";
    a_panic_is_logged_before_it_ends_the_call: "What a guest says when it panics is logged, and then is the \
        error's text.";
    ten_thousand_lines_are_all_passed_on: "`call` passes on each line and keeps none back: who takes them \
        decides how many to keep.";
    a_log_that_drops_everything_changes_nothing: "What becomes of its lines does not change what a guest \
        returns.";
}

/// A call that logs, of which there is a case.
fn a_logging_call() -> Result<(Call, String), String> {
    let cases = Case::all();
    let case = cases.iter().find(|case| {
        case.calls.len() == 1
            && case.logs.len() == 1
            && case.outcome == crate::host_calls::Outcome::Valid
            && case.calls[0].arguments.iter().any(|argument| matches!(argument, Argument::Bytes(_)))
    });
    let case = case.ok_or("no case logs a line")?;
    Ok((case.calls[0].clone(), case.logs[0].clone()))
}

fn lines_go_where_the_call_says(subject: &Subject) -> Verdict {
    let (call, line) = a_logging_call()?;
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    let input = request::params(vec![call].encode()).encode();
    let logs = [Lines::default(), Lines::default()];
    for log in &logs {
        let outcome = outcome(loaded.call_with(ENTRY_POINT, &input, log.clone()));
        ensure!(matches!(outcome, Outcome::Valid(_)), "the call gives {outcome:?}");
    }
    for (number, log) in logs.iter().enumerate() {
        ensure_eq!(log.take(), std::slice::from_ref(&line), "the lines of call {number}");
    }
    Ok(())
}

fn a_panic_is_logged_before_it_ends_the_call(subject: &Subject) -> Verdict {
    let log = Lines::default();
    let mut loaded = subject.loaded(&PANICKER, &[])?;
    let input = request::params(*b"farewell").encode();
    let outcome = outcome(loaded.call_with(ENTRY_POINT, &input, log.clone()));
    let Outcome::Panic(words) = outcome else { return Err(format!("the call gives {outcome:?}")) };
    ensure!(words.ends_with("farewell"), "the panic says {words:?}");
    let lines = log.take();
    ensure!(lines.iter().any(|line| line.contains("farewell")), "only {lines:?} is logged");
    Ok(())
}

fn ten_thousand_lines_are_all_passed_on(subject: &Subject) -> Verdict {
    const LINES: usize = 10_000;
    let (call, line) = a_logging_call()?;
    let log = Lines::default();
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    let input = request::params(vec![call; LINES].encode()).encode();
    let outcome = outcome(loaded.call_with(ENTRY_POINT, &input, log.clone()));
    ensure!(matches!(outcome, Outcome::Valid(_)), "the call gives {outcome:?}");
    let lines = log.take();
    ensure_eq!(lines.len(), LINES, "the number of lines");
    ensure!(lines.iter().all(|other| *other == line), "some line is not {line:?}");
    Ok(())
}

fn a_log_that_drops_everything_changes_nothing(subject: &Subject) -> Verdict {
    let (call, _) = a_logging_call()?;
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    let input = request::params(vec![call; 10].encode()).encode();
    let kept = loaded.call_with(ENTRY_POINT, &input, Lines::default());
    let dropped = loaded.call_with(ENTRY_POINT, &input, ());
    ensure!(kept.is_ok() && kept == dropped, "{kept:?} with a log, {dropped:?} without");
    Ok(())
}
