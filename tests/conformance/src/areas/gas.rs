//! Metering. A backend that can't meter refuses to prepare, and is asked for nothing else.

use crate::{
    elsewhere::Task,
    guests::{
        ADDER, BIG_OUTPUT, Candidate, ENDLESS_LOOP, GUESTS, Guest, INTERPRETER, Outcome, PANICKER,
        RECURSION,
    },
    request,
    subject::{Loaded, Subject},
    test::{Verdict, demands, ensure, ensure_eq},
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::{
    backend::BackendPrepareError,
    primitives::{ExecutorParam, ExecutorParams},
};

demands! {
    "gas";
    code_is_metered_or_refused: "With `MaxGas`, a backend meters; or, if it can't, it refuses to prepare any \
        code, as `Compilation`. It never runs unmetered what has to be metered.";
    without_a_limit_nothing_is_counted: "Without `MaxGas`, `gas_used` is none, whatever was called.";
    what_was_used_is_reported: "With `MaxGas`, `gas_used` is what the last call used: more than nothing, and \
        at most the limit.";
    the_count_is_the_same_again: "The same input uses the same gas, each time, in the same instance of the \
        artifact and in one that is loaded anew.";
    the_count_is_the_same_in_another_process: "The same input uses the same gas in another process.";
    the_count_does_not_depend_on_the_limit: "The same input uses the same gas, whatever the limit above it.";
    more_work_uses_more: "Each further round of the same work uses the same further gas, but for what grows \
        with the length of a number.";
    just_enough_is_enough: "With a limit of just what it needs, a call succeeds and uses all of it; with one \
        less, it is `OutOfGas`.";
    without_gas_nothing_runs: "With a limit of 0, a call is `OutOfGas`.";
    out_of_gas_has_used_the_limit: "A call that is `OutOfGas` has used what the limit was.";
    an_endless_loop_runs_out: "A guest that never ends runs out of gas.";
    an_endless_recursion_ends: "A guest that calls itself for ever runs out of stack or gas, by the amount \
        of gas; either is the same each time.";
    a_panic_has_used_gas: "A call that ends in a panic has used gas, the same each time.";
    a_trap_has_used_gas: "A call that ends in a trap has used gas, the same each time.";
    each_call_has_the_whole_limit: "Each call has the whole limit, whatever the one before has used.";
    metering_changes_no_result: "What guests return is the same metered and not.";
    the_largest_limit_is_one: "The largest limit, and one above what engines can count, are limits like any other.";
}

/// More than anything here uses.
const MUCH: u64 = 1 << 40;

const COUNT: Task =
    Task { name: "gas::count", run: |subject, _| Ok(interpreter(subject, MUCH, 3)?.encode()) };

pub(crate) const TASKS: &[Task] = &[COUNT];

fn max(gas: u64) -> Vec<ExecutorParam> {
    vec![ExecutorParam::MaxGas(gas)]
}

/// What a number of rounds use.
fn interpreter(subject: &Subject, limit: u64, rounds: u32) -> Result<u64, String> {
    let mut loaded = subject.loaded(&INTERPRETER, &max(limit))?;
    let outcome = loaded.run(rounds);
    ensure!(matches!(outcome, Outcome::Valid(_)), "with a limit of {limit}: {outcome:?}");
    used(&loaded)
}

fn used(loaded: &Loaded) -> Result<u64, String> {
    loaded.gas_used().ok_or_else(|| "gas_used is none".to_owned())
}

/// Whether there is anything to be asked for.
macro_rules! metered_or_done {
    ($subject:ident) => {
        if !$subject.meters_gas()? {
            return code_is_metered_or_refused($subject);
        }
    };
}

fn code_is_metered_or_refused(subject: &Subject) -> Verdict {
    let params = ExecutorParams::new(max(MUCH));
    let meters = subject.meters_gas()?;
    for guest in GUESTS {
        let prepared = subject.try_prepare(subject.code(guest)?, &params)?;
        match prepared {
            Ok(_) if meters => {}
            Err(BackendPrepareError::Compilation(_)) if !meters => {}
            Ok(_) => return Err(format!("{} is prepared, others are refused", guest.name)),
            Err(error) => return Err(format!("{}: {error:?}", guest.name)),
        }
    }
    if meters {
        let mut loaded = subject.loaded(&ADDER, &params.iter().cloned().collect::<Vec<_>>())?;
        loaded.run(());
        used(&loaded)?;
    }
    Ok(())
}

fn without_a_limit_nothing_is_counted(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&INTERPRETER, &[])?;
    ensure_eq!(loaded.gas_used(), None, "the gas used before a call");
    for rounds in [1_u32, 2] {
        loaded.run(rounds);
        ensure_eq!(loaded.gas_used(), None, "the gas used");
    }
    Ok(())
}

fn what_was_used_is_reported(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    for limit in [1 << 20, MUCH] {
        let used = interpreter(subject, limit, 1)?;
        ensure!(0 < used && used <= limit, "{used} of {limit} was used");
    }
    Ok(())
}

fn the_count_is_the_same_again(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let first = interpreter(subject, MUCH, 3)?;
    ensure_eq!(interpreter(subject, MUCH, 3)?, first, "the gas used when loaded anew");
    let mut loaded = subject.loaded(&INTERPRETER, &max(MUCH))?;
    for call in 1..4 {
        loaded.run(3_u32);
        ensure_eq!(used(&loaded)?, first, "the gas used in call {call}");
        loaded.run(call);
    }
    Ok(())
}

fn the_count_is_the_same_in_another_process(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let there = subject.elsewhere(&COUNT, &[])?;
    let there = u64::decode(&mut &there[..]).map_err(|error| error.to_string())?;
    ensure_eq!(there, interpreter(subject, MUCH, 3)?, "the gas used in another process");
    Ok(())
}

fn the_count_does_not_depend_on_the_limit(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let first = interpreter(subject, MUCH, 2)?;
    for limit in [first, first + 1, first * 2, u64::from(u32::MAX), i64::MAX as u64] {
        ensure_eq!(interpreter(subject, limit, 2)?, first, "the gas used of {limit}");
    }
    Ok(())
}

fn more_work_uses_more(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let mut counts = Vec::new();
    for rounds in 1..=5 {
        counts.push(interpreter(subject, MUCH, rounds)?);
    }
    let further: Vec<_> = counts.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    ensure!(further[0] > 0, "a round more uses nothing: {counts:?}");
    ensure!(further.iter().all(|count| *count == further[0]), "rounds use {further:?}");
    Ok(())
}

fn just_enough_is_enough(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let needed = interpreter(subject, MUCH, 2)?;
    ensure_eq!(interpreter(subject, needed, 2)?, needed, "the gas used of just enough");
    let outcome = subject.loaded(&INTERPRETER, &max(needed - 1))?.run(2_u32);
    ensure_eq!(outcome, Outcome::OutOfGas, "with one less");
    Ok(())
}

fn without_gas_nothing_runs(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let outcome = subject.loaded(&INTERPRETER, &max(0))?.run(0_u32);
    ensure_eq!(outcome, Outcome::OutOfGas, "with a limit of 0");
    Ok(())
}

fn out_of_gas_has_used_the_limit(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    for limit in [0, 1, 1000, 100_000] {
        let mut loaded = subject.loaded(&INTERPRETER, &max(limit))?;
        ensure_eq!(loaded.run(100_u32), Outcome::OutOfGas, "with a limit of {limit}");
        ensure_eq!(used(&loaded)?, limit, "the gas used");
    }
    Ok(())
}

fn an_endless_loop_runs_out(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let mut loaded = subject.loaded(&ENDLESS_LOOP, &max(1_000_000))?;
    for _ in 0..2 {
        ensure_eq!(loaded.run(()), Outcome::OutOfGas, "the end");
    }
    Ok(())
}

fn an_endless_recursion_ends(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    for (gas, expected) in [(1000, Outcome::OutOfGas), (MUCH, Outcome::Trap)] {
        let mut loaded = subject.loaded(&RECURSION, &max(gas))?;
        ensure_eq!(loaded.run(u32::MAX), expected, "the end with {gas}");
        let first = used(&loaded)?;
        ensure_eq!(loaded.run(u32::MAX), expected, "the end with {gas}, again");
        ensure_eq!(used(&loaded)?, first, "the gas used with {gas}, again");
    }
    Ok(())
}

/// Checks that a call that does not succeed uses gas, the same each time.
fn uses_gas(
    subject: &Subject,
    guest: &'static Guest,
    block: &[u8],
    is_expected: fn(&Outcome) -> bool,
) -> Verdict {
    let mut counts = Vec::new();
    let mut loaded = subject.loaded(guest, &max(MUCH))?;
    for _ in 0..3 {
        let outcome = loaded.outcome(&request::params(block));
        ensure!(is_expected(&outcome), "the call gives {outcome:?}");
        counts.push(used(&loaded)?);
    }
    ensure!(0 < counts[0] && counts[0] < MUCH, "{} was used", counts[0]);
    ensure!(counts.iter().all(|count| *count == counts[0]), "calls use {counts:?}");
    Ok(())
}

fn a_panic_has_used_gas(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    uses_gas(subject, &PANICKER, b"farewell", |outcome| matches!(outcome, Outcome::Panic(_)))
}

fn a_trap_has_used_gas(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    uses_gas(subject, &BIG_OUTPUT, &(1_u32 << 30).encode(), |outcome| *outcome == Outcome::Trap)
}

fn each_call_has_the_whole_limit(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let needed = interpreter(subject, MUCH, 4)?;
    let mut loaded = subject.loaded(&INTERPRETER, &max(needed))?;
    for rounds in [4_u32, 4, 100, 4] {
        let outcome = loaded.run(rounds);
        let is_right = match &outcome {
            Outcome::Valid(_) => rounds == 4,
            Outcome::OutOfGas => rounds == 100,
            _ => false,
        };
        ensure!(is_right, "{rounds} rounds: {outcome:?}");
    }
    Ok(())
}

fn metering_changes_no_result(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    for guest in [&ADDER, &INTERPRETER, &BIG_OUTPUT, &PANICKER, &RECURSION] {
        for mut candidate in Candidate::of(guest) {
            if !candidate.is_metered() {
                candidate.executor_params.push(ExecutorParam::MaxGas(MUCH));
                subject.check(&candidate)?;
            }
        }
    }
    Ok(())
}

fn the_largest_limit_is_one(subject: &Subject) -> Verdict {
    metered_or_done!(subject);
    let needed = interpreter(subject, MUCH, 1)?;
    for limit in [i64::MAX as u64, u64::MAX] {
        ensure_eq!(interpreter(subject, limit, 1)?, needed, "the gas used of {limit}");
    }
    Ok(())
}
