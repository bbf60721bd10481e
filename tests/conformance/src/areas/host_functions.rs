//! What guests get from host functions, with the recorded cases.

use crate::{
    guests::{HOST_CALLS, Outcome},
    host_calls::{self, Argument, Case, FUNCTIONS},
    request,
    subject::{Lines, Loaded, Subject, outcome, without_panic},
    test::{Verdict, demands, ensure},
};
use parity_scale_codec::{DecodeAll, Encode};
use pvf_host_core::primitives::{ExecutorParam, ValidationResult};

demands! {
    "host_functions";
    hashing: "The host's hash functions give the recorded results.";
    crypto: "The host's functions for signatures give the recorded results, and trap where recorded.";
    elliptic_curves: "The functions of RFC 163 give the recorded results when they are enabled.";
    tries: "The host's functions for tries and proofs give the recorded results.";
    misc: "The host's functions for printing and runtime versions give the recorded results.";
    logging: "What guests log reaches the `GuestLog`: level, target and message, in order.";
    functions_that_are_not_offered_link_and_trap: "Functions that validation does not offer link, and trap \
        when they are called.";
    pointers_out_of_bounds_trap: "A host function that gets a pointer to where no memory is traps, whichever \
        function and argument it is: as a `Trap` that names the function and says `memory access out of \
        bounds`.";
    every_function_is_there: "All functions of the table can be imported, with their types.";
    the_allocator_puts_blocks_one_behind_the_other: "The host's allocator: each block has a header of eight \
        bytes, blocks lie one behind the other, and sizes are powers of two.";
    the_allocator_reuses_what_was_freed: "The host's allocator: what was freed is given out again, the last \
        one first.";
    the_allocator_refuses_too_much: "The host's allocator: more than 32 MiB at once, or than the memory can \
        have, ends the call.";
    the_allocator_checks_what_is_freed: "The host's allocator: a pointer that it has not given out, or that \
        was freed before, ends the call.";
    the_allocator_is_fresh_in_each_call: "The host's allocator begins anew with each call: the addresses of \
        blocks do not depend on earlier calls, traps included.";
}

/// The family of a function, which is the second word of its name.
fn family(function: &str) -> &str {
    function.split('_').nth(1).unwrap_or_default()
}

/// The guest, loaded once for each set of parameters.
struct Guests<'a> {
    subject: &'a Subject,
    loaded: [Option<Loaded>; 2],
}

impl<'a> Guests<'a> {
    fn new(subject: &'a Subject) -> Self {
        Self { subject, loaded: [None, None] }
    }

    fn get(&mut self, case: &Case) -> Result<&mut Loaded, String> {
        let place = &mut self.loaded[usize::from(case.elliptic_curves)];
        if place.is_none() {
            let params: Vec<ExecutorParam> = case.executor_params().iter().cloned().collect();
            *place = Some(self.subject.loaded(&HOST_CALLS, &params)?);
        }
        place.as_mut().ok_or("it was loaded just now".to_owned())
    }

    /// Runs a case, and checks its results and its log.
    fn check(&mut self, case: &Case) -> Verdict {
        let lines = Lines::default();
        let loaded = self.get(case)?;
        let input = request::params(case.block()).encode();
        let called = without_panic(&case.name, || {
            loaded.call_with(crate::subject::ENTRY_POINT, &input, lines.clone())
        })?;
        let head = match called {
            Ok(output) => match ValidationResult::decode_all(&mut &output[..]) {
                Ok(result) => Ok(result.head_data.0),
                Err(error) => return Err(format!("{}: {error}", case.name)),
            },
            Err(error) => Err(error),
        };
        case.check(head.as_deref())?;
        let lines = lines.take();
        ensure!(lines == case.logs, "{}: logs {lines:?} instead of {:?}", case.name, case.logs);
        Ok(())
    }
}

/// Runs the cases that are for this format and are chosen.
fn all(subject: &Subject, chosen: impl Fn(&Case) -> bool) -> Verdict {
    let blob = subject.guests.blob(&HOST_CALLS)?;
    let mut guests = Guests::new(subject);
    let (mut tried, mut failures) = (0, Vec::new());
    for case in Case::all().iter().filter(|case| case.is_for(&blob) && chosen(case)) {
        failures.extend(guests.check(case).err());
        tried += 1;
    }
    ensure!(tried > 0, "there are no cases");
    ensure!(failures.is_empty(), "{} of {tried} cases\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// Runs the cases whose last call is of one of these families.
fn of_families(subject: &Subject, families: &[&str]) -> Verdict {
    all(subject, |case| {
        let last = case.calls.last().map_or("", |call| call.function.name);
        families.contains(&family(last))
    })
}

fn hashing(subject: &Subject) -> Verdict {
    of_families(subject, &["hashing"])
}

fn crypto(subject: &Subject) -> Verdict {
    of_families(subject, &["crypto"])
}

fn elliptic_curves(subject: &Subject) -> Verdict {
    all(subject, |case| case.elliptic_curves)
}

fn tries(subject: &Subject) -> Verdict {
    of_families(subject, &["trie"])
}

fn misc(subject: &Subject) -> Verdict {
    of_families(subject, &["misc", "panic"])
}

fn logging(subject: &Subject) -> Verdict {
    all(subject, |case| {
        !case.logs.is_empty()
            || case.calls.iter().any(|call| family(call.function.name) == "logging")
    })
}

fn functions_that_are_not_offered_link_and_trap(subject: &Subject) -> Verdict {
    all(subject, |case| {
        let last = case.calls.last().map_or("", |call| family(call.function.name));
        let offered = ["hashing", "crypto", "trie", "misc", "panic", "logging", "allocator"];
        !case.elliptic_curves && !offered.contains(&last)
    })
}

fn the_allocator_puts_blocks_one_behind_the_other(subject: &Subject) -> Verdict {
    all(subject, |case| case.name.contains("one behind the other"))
}

fn the_allocator_reuses_what_was_freed(subject: &Subject) -> Verdict {
    all(subject, |case| case.name.contains("given out again"))
}

fn of_allocator(case: &Case, ways: &[&str]) -> bool {
    case.calls.iter().all(|call| family(call.function.name) == "allocator")
        && ways.iter().any(|way| case.name.contains(way))
}

fn the_allocator_refuses_too_much(subject: &Subject) -> Verdict {
    all(subject, |case| of_allocator(case, &["largest block", "memory limit", "can be said"]))
}

fn the_allocator_checks_what_is_freed(subject: &Subject) -> Verdict {
    all(subject, |case| of_allocator(case, &["a free", "double free"]))
}

fn the_allocator_is_fresh_in_each_call(subject: &Subject) -> Verdict {
    let mut guests = Guests::new(subject);
    let blob = subject.guests.blob(&HOST_CALLS)?;
    let mut cases = Case::all();
    cases.retain(|case| case.is_for(&blob) && of_allocator(case, &[""]));
    for case in cases.iter().chain(cases.iter().rev()) {
        guests.check(case)?;
    }
    Ok(())
}

fn every_function_is_there(subject: &Subject) -> Verdict {
    // A script of no calls: the guest imports all of them.
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    let outcome = loaded.run(Vec::<host_calls::Call>::new());
    ensure!(matches!(outcome, Outcome::Valid(_)), "a guest that calls none gives {outcome:?}");
    // Each that can be called without an end was recorded as returning.
    for function in FUNCTIONS {
        let is_called = |case: &Case| case.calls.iter().any(|call| call.function == function);
        ensure!(Case::all().iter().any(is_called), "{} has no case", function.name);
    }
    Ok(())
}

/// A place where no guest here has memory.
const NOWHERE: u64 = u32::MAX as u64 - 0xff;

fn pointers_out_of_bounds_trap(subject: &Subject) -> Verdict {
    let blob = subject.guests.blob(&HOST_CALLS)?;
    let cases = Case::all();
    let mut guests = Guests::new(subject);
    let mut failures = Vec::new();
    for function in FUNCTIONS {
        // The last call of the first case in which it returns.
        let returns = |case: &&Case| {
            case.outcome == host_calls::Outcome::Valid
                && case.calls.last().is_some_and(|call| call.function == function)
        };
        let Some(case) = cases.iter().find(returns) else { continue };
        let Some(call) = case.calls.last() else { continue };
        for (place, argument) in call.arguments.iter().enumerate() {
            if !matches!(argument, Argument::Bytes(_) | Argument::InOut(_)) {
                continue;
            }
            let pointers = if function.arguments[place] == "u64" {
                vec![
                    // On PolkaVM there are pointers to nothing where no memory is.
                    (NOWHERE, Some("wasm".to_owned())),
                    (NOWHERE | 1 << 32, None),
                    (1 | u64::from(u32::MAX) << 32, None),
                ]
            } else {
                vec![(NOWHERE, None)]
            };
            for (pointer, only) in pointers {
                let mut case = case.clone();
                case.only = only;
                if !case.is_for(&blob) {
                    continue;
                }
                case.name = format!("{}, argument {place} at {pointer:#x}", function.name);
                if let Some(call) = case.calls.last_mut() {
                    call.arguments[place] = Argument::Number(pointer);
                }
                let reason = "memory access out of bounds";
                case.outcome = host_calls::Outcome::Trap(reason.to_owned());
                // What was logged was logged by that call.
                case.logs.clear();
                failures.extend(guests.check(&case).err());
            }
        }
    }
    ensure!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    // And afterwards all is well.
    let after = guests.get(&cases[0])?.call(&request::params(cases[0].block()).encode());
    let after = outcome(after);
    ensure!(matches!(after, Outcome::Valid(_)), "afterwards, a call gives {after:?}");
    Ok(())
}
