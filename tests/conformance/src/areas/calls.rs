//! Calls, one after the other, and what they give.

use crate::{
    guests::{
        ADDER, BIG_OUTPUT, Candidate, HASHER, MEMORY_HOG, MESSAGES, Outcome, PANICKER,
        RANDOM_ACCESS,
    },
    request,
    subject::{ENTRY_POINT, Subject},
    test::{Verdict, demands, ensure, ensure_eq},
};
use parity_scale_codec::Encode;
use pvf_host_core::{backend::ExecuteError, primitives::ExecutorParam};

demands! {
    "calls";
    an_instance_has_all_its_memory_again: "Each call sees a fresh instance: what one has taken of the memory, \
        the next one can take again.";
    an_instance_sees_nothing_of_the_one_before: "Each call sees a fresh instance and its own input: calls with \
        many inputs, one after the other, each give what they give alone.";
    a_hundred_calls_give_the_same: "The hundredth call gives what the first gives.";
    a_call_after_a_trap_is_right: "After a call that trapped, the next one gives the right result.";
    a_call_after_a_panic_is_right: "After a call in which the guest panicked, the next one gives the right result.";
    a_call_after_too_deep_a_recursion_is_right: "After a call that had no more stack, the next one gives the \
        right result.";
    a_call_after_out_of_memory_is_right: "After a call that had no more memory, the next one gives the right \
        result.";
    an_entry_point_that_is_missing_is_an_invalid_output: "A call of a function that the guest does not export \
        is `InvalidOutput`, not a trap and not a failed load.";
    any_name_can_be_asked_for: "A call of a function with no name, a very long one, or one with strange \
        characters is `InvalidOutput`.";
    a_call_after_a_missing_entry_point_is_right: "After a call of a function that is missing, the next call \
        gives the right result.";
    a_call_that_was_prepared_is_like_any_other: "Whether and for which function a call was prepared, it gives the \
        same, and uses as much gas.";
    an_input_of_no_bytes_reaches_the_guest: "A call with no input calls the guest, which then panics because \
        its input ends too early.";
    a_large_input_reaches_the_guest: "A call with 16 MiB of input is one like any other.";
    an_input_that_does_not_fit_is_out_of_memory: "A call with more input than the allocator gives at once, \
        32 MiB, or than there is memory, is `OutOfMemory`.";
    an_output_of_no_bytes_is_one: "An output is as long as the guest says, down to the shortest result there is.";
    a_large_output_is_complete: "An output of 16 MiB is complete.";
}

/// What the guest [`HASHER`] gives for a block of no rounds: the rest of it.
fn is_right(loaded: &mut crate::subject::Loaded) -> Verdict {
    let outcome = loaded.outcome(&request::params(*b"\0\0\0\0abc"));
    match outcome {
        Outcome::Valid(result) if result.head_data.0 == b"abc" => Ok(()),
        other => Err(format!("the call gives {other:?}")),
    }
}

fn an_instance_has_all_its_memory_again(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&MEMORY_HOG, &[ExecutorParam::MaxMemoryPages(256)])?;
    let first = loaded.run((1_u8, u32::MAX));
    ensure!(matches!(first, Outcome::Valid(_)), "the first call gives {first:?}");
    for call in 2..5 {
        ensure_eq!(loaded.run((1_u8, u32::MAX)), first, "call {call}");
    }
    Ok(())
}

fn an_instance_sees_nothing_of_the_one_before(subject: &Subject) -> Verdict {
    for guest in [&RANDOM_ACCESS, &BIG_OUTPUT, &MESSAGES] {
        let mut loaded = subject.loaded(guest, &[])?;
        let mut candidates = Candidate::of(guest);
        candidates.retain(|candidate| candidate.executor_params.is_empty());
        for candidate in candidates.iter().chain(candidates.iter().rev()) {
            loaded.check(candidate)?;
        }
    }
    Ok(())
}

fn a_hundred_calls_give_the_same(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HASHER, &[])?;
    for call in 1..=100 {
        is_right(&mut loaded).map_err(|error| format!("call {call}: {error}"))?;
    }
    Ok(())
}

/// Calls a guest with a block that ends badly and one that does not, in turn.
fn recovers(
    subject: &Subject,
    guest: &'static crate::guests::Guest,
    params: &[ExecutorParam],
    bad: &[u8],
    good: &[u8],
) -> Verdict {
    let mut loaded = subject.loaded(guest, params)?;
    let expected = loaded.outcome(&request::params(good));
    ensure!(matches!(expected, Outcome::Valid(_)), "before, the call gives {expected:?}");
    for _ in 0..3 {
        let ended = loaded.outcome(&request::params(bad));
        ensure!(
            matches!(ended, Outcome::Trap | Outcome::Panic(_)),
            "the bad block ends in {ended:?}"
        );
        ensure_eq!(loaded.outcome(&request::params(good)), expected, "a call afterwards");
    }
    Ok(())
}

fn a_call_after_a_trap_is_right(subject: &Subject) -> Verdict {
    recovers(subject, &BIG_OUTPUT, &[], &(1_u32 << 30).encode(), &5_u32.encode())
}

fn a_call_after_a_panic_is_right(subject: &Subject) -> Verdict {
    let good = (0_u8, Vec::<u8>::new(), Vec::<u8>::new(), 0_u32, 0_u32).encode();
    recovers(subject, &MESSAGES, &[], &[2], &good)
}

fn a_call_after_too_deep_a_recursion_is_right(subject: &Subject) -> Verdict {
    recovers(subject, &crate::guests::RECURSION, &[], &u32::MAX.encode(), &100_u32.encode())
}

fn a_call_after_out_of_memory_is_right(subject: &Subject) -> Verdict {
    let little = [ExecutorParam::MaxMemoryPages(100)];
    recovers(subject, &MEMORY_HOG, &little, &(0_u8, 1000_u32).encode(), &(0_u8, 8_u32).encode())
}

fn is_invalid_output(called: &Result<Vec<u8>, ExecuteError>, name: &str) -> Verdict {
    ensure!(matches!(called, Err(ExecuteError::InvalidOutput(_))), "{name:.40?}: {called:?}");
    Ok(())
}

fn an_entry_point_that_is_missing_is_an_invalid_output(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HASHER, &[])?;
    let called = loaded.call_with("no_such_function", b"", ());
    is_invalid_output(&called, "no_such_function")
}

fn any_name_can_be_asked_for(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HASHER, &[])?;
    for name in
        ["", "validate_bloc", "validate_block\0", "Validate_Block", "ü/../🦀", &"x".repeat(100_000)]
    {
        is_invalid_output(&loaded.call_with(name, b"", ()), name)?;
    }
    Ok(())
}

fn a_call_after_a_missing_entry_point_is_right(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HASHER, &[])?;
    for _ in 0..3 {
        is_invalid_output(&loaded.call_with("absent", b"", ()), "absent")?;
        is_right(&mut loaded)?;
    }
    Ok(())
}

fn a_call_that_was_prepared_is_like_any_other(subject: &Subject) -> Verdict {
    for guest in [&ADDER, &BIG_OUTPUT, &HASHER, &MEMORY_HOG, &MESSAGES, &PANICKER] {
        for candidate in subject.candidates(guest)? {
            let load = || subject.loaded(candidate.guest, &candidate.executor_params);
            let mut unprepared = load()?;
            unprepared.check(&candidate)?;
            for name in [ENTRY_POINT, "absent"] {
                let mut loaded = load()?;
                loaded.prepare_call(name);
                // The first instance may be another one than those after it.
                for _ in 0..2 {
                    loaded.check(&candidate)?;
                    let name = &candidate.name;
                    ensure_eq!(loaded.gas_used(), unprepared.gas_used(), "the gas of {name}");
                }
            }
        }
    }
    let mut loaded = subject.loaded(&HASHER, &[])?;
    for name in [ENTRY_POINT, "absent", ENTRY_POINT] {
        loaded.prepare_call(name);
    }
    is_invalid_output(&loaded.call_with("absent", b"", ()), "absent")?;
    is_right(&mut loaded)?;
    loaded.prepare_call("absent");
    is_invalid_output(&loaded.call_with("absent", b"", ()), "absent")?;
    is_right(&mut loaded)
}

fn an_input_of_no_bytes_reaches_the_guest(subject: &Subject) -> Verdict {
    let called = subject.loaded(&PANICKER, &[])?.call(b"");
    ensure!(matches!(called, Err(ExecuteError::Panic(_))), "the call gives {called:?}");
    Ok(())
}

fn a_large_input_reaches_the_guest(subject: &Subject) -> Verdict {
    // The guest takes what it needs of the block, and leaves the rest.
    let mut candidate = Candidate::of(&ADDER).swap_remove(0);
    candidate.params.block_data.0.resize(16 << 20, 7);
    subject.check(&candidate)
}

fn an_input_that_does_not_fit_is_out_of_memory(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HASHER, &[])?;
    for len in [33 << 20, 200 << 20] {
        let called = loaded.call(&vec![1; len]);
        let class = called.as_ref().map(Vec::len);
        ensure!(matches!(called, Err(ExecuteError::OutOfMemory(_))), "{len} bytes: {class:?}");
    }
    let mut loaded = subject.loaded(&HASHER, &[ExecutorParam::MaxMemoryPages(16)])?;
    let called = loaded.call(&vec![1; 10 << 20]).map(|output| output.len());
    ensure!(matches!(called, Err(ExecuteError::OutOfMemory(_))), "too little memory: {called:?}");
    is_right(&mut loaded)
}

fn an_output_of_no_bytes_is_one(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&BIG_OUTPUT, &[])?;
    for size in [0_u32, 1, 63, 64] {
        let output = loaded.call(&request::params(size.encode()).encode());
        let output = output.map_err(|error| format!("{size} bytes: {error:?}"))?;
        // A head and its length; no code; no messages of either kind; two numbers.
        let prefix = if size < 64 { 1 } else { 2 };
        ensure_eq!(output.len(), prefix + size as usize + 1 + 1 + 1 + 4 + 4, "the output's length");
    }
    Ok(())
}

fn a_large_output_is_complete(subject: &Subject) -> Verdict {
    const SIZE: u32 = 16 << 20;
    match subject.loaded(&BIG_OUTPUT, &[])?.run(SIZE) {
        Outcome::Valid(result) => {
            let head = &result.head_data.0;
            ensure_eq!(head.len(), SIZE as usize, "the head's length");
            let wrong = head.iter().enumerate().position(|(place, byte)| *byte != place as u8);
            ensure_eq!(wrong, None, "the first wrong byte");
            Ok(())
        }
        other => Err(format!("the call gives {other:?}")),
    }
}
