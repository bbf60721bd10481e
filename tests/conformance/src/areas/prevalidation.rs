//! Code that is none.

use super::{Random, lengths};
use crate::{
    guests::{ADDER, GUESTS, Guest},
    subject::{Subject, without_panic},
    test::{Verdict, demands, ensure, ensure_eq},
};
use pvf_host_core::{
    backend::BackendPrepareError,
    primitives::{ExecutorParams, compression},
};

demands! {
    "prevalidation";
    guests_are_accepted: "`prevalidate` accepts each guest.";
    no_bytes_are_refused: "`prevalidate` refuses code of no bytes, as `Prevalidation`.";
    garbage_is_refused: "`prevalidate` refuses bytes without a meaning, as `Prevalidation`.";
    a_beginning_alone_is_refused: "`prevalidate` refuses code that begins right, with its magic number, \
        and goes on with nothing or with garbage, as `Prevalidation`.";
    text_is_refused: "`prevalidate` refuses text, also the text form of the language if it has one, as \
        `Prevalidation`.";
    another_format_is_refused: "`prevalidate` refuses programs in another format, as `Prevalidation`.";
    compressed_code_is_refused: "`prevalidate` gets decompressed code. What is still compressed is no \
        program, and refused as `Prevalidation`.";
    truncated_code_is_refused_in_order: "Of a program that ends early, at many places, either \
        `prevalidate` says `Prevalidation`; or what is left is a program, which is prepared or refused \
        as `Compilation`. There is no panic, and no blame on the machine.";
    bits_that_flip_are_no_crash: "Of a program with a bit that flipped, at many places, either \
        `prevalidate` says `Prevalidation`; or what came about is a program, which is prepared or \
        refused as `Compilation`. There is no panic, and no blame on the machine.";
    bytes_that_are_overwritten_are_no_crash: "The same with 16 bytes overwritten.";
    bytes_behind_the_code_are_no_crash: "The same with bytes behind a program.";
    the_answer_is_the_same_again: "`prevalidate` says about the same bytes the same, each time.";
    what_was_accepted_is_the_same_again: "Of damaged code that is accepted, the artifact is the same, \
        each time; that which is refused is refused in the same class.";
}

fn prevalidate(subject: &Subject, code: &[u8]) -> Result<Result<(), BackendPrepareError>, String> {
    let backend = subject.backend()?.prepare;
    without_panic("prevalidating", || backend.prevalidate(code, &ExecutorParams::default()))
}

/// Checks that some code is refused as it has to be.
fn refused(subject: &Subject, what: &str, code: &[u8]) -> Verdict {
    match prevalidate(subject, code)? {
        Err(BackendPrepareError::Prevalidation(_)) => Ok(()),
        other => Err(format!("{what}: {other:?}")),
    }
}

/// Prevalidates and prepares code that is damaged. Checks that what is said is in order.
fn in_order(
    subject: &Subject,
    what: &str,
    code: &[u8],
) -> Result<Result<Vec<u8>, &'static str>, String> {
    let params = ExecutorParams::default();
    let in_job = |error: String| format!("{what}: {error}");
    match prevalidate(subject, code).map_err(in_job)? {
        Ok(()) => {}
        Err(BackendPrepareError::Prevalidation(_)) => return Ok(Err("prevalidation")),
        Err(error) => return Err(format!("{what}: {error:?} from prevalidate")),
    }
    let backend = subject.backend()?.prepare;
    match without_panic("preparing", || backend.prepare(code, &params)).map_err(in_job)? {
        Ok(artifact) => Ok(Ok(artifact)),
        Err(BackendPrepareError::Compilation(_)) => Ok(Err("compilation")),
        Err(error) => Err(format!("{what}: {error:?} from prepare, after prevalidate accepted it")),
    }
}

/// The program with which damage is tried: a small one.
const SMALL: &Guest = &ADDER;

fn guests_are_accepted(subject: &Subject) -> Verdict {
    for guest in GUESTS {
        ensure_eq!(prevalidate(subject, subject.code(guest)?)?, Ok(()), "{}", guest.name);
    }
    Ok(())
}

fn no_bytes_are_refused(subject: &Subject) -> Verdict {
    refused(subject, "no bytes", b"")
}

fn garbage_is_refused(subject: &Subject) -> Verdict {
    for len in [1, 4, 8, 100, 10_000, 1_000_000] {
        refused(subject, &format!("{len} bytes"), &Random::new(len as u64).bytes(len))?;
        refused(subject, &format!("{len} zeroes"), &vec![0; len])?;
    }
    Ok(())
}

fn a_beginning_alone_is_refused(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    for len in 1..=4 {
        refused(subject, &format!("the first {len} bytes"), &code[..len.min(code.len())])?;
    }
    for len in 4..=8 {
        let garbage = [&code[..len], &Random::new(7).bytes(1000)].concat();
        refused(subject, &format!("the first {len} bytes and garbage"), &garbage)?;
    }
    Ok(())
}

fn text_is_refused(subject: &Subject) -> Verdict {
    refused(subject, "text", b"hello world, this is no code")?;
    refused(subject, "a module as text", b"(module (memory 1) (func (export \"validate_block\")))")
}

fn another_format_is_refused(subject: &Subject) -> Verdict {
    let own = subject.code(SMALL)?;
    for blob in SMALL.blobs {
        if own.get(..4) != blob.code.get(..4) {
            refused(subject, blob.name, blob.code)?;
        }
    }
    Ok(())
}

fn compressed_code_is_refused(subject: &Subject) -> Verdict {
    let code = compression::compress(subject.code(SMALL)?, 3).map_err(|error| error.to_string())?;
    refused(subject, "compressed code", &code)
}

fn truncated_code_is_refused_in_order(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    for len in lengths(code.len(), 200) {
        let _ =
            in_order(subject, &format!("the first {len} of {} bytes", code.len()), &code[..len])?;
    }
    Ok(())
}

fn bits_that_flip_are_no_crash(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    let mut random = Random::new(1);
    for place in lengths(code.len(), 80) {
        let (mut code, bit) = (code.to_vec(), random.below(8));
        code[place] ^= 1 << bit;
        let _ = in_order(subject, &format!("bit {bit} of byte {place}"), &code)?;
    }
    Ok(())
}

fn bytes_that_are_overwritten_are_no_crash(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    let mut random = Random::new(2);
    for place in lengths(code.len().saturating_sub(16), 80) {
        let mut code = code.to_vec();
        code[place..place + 16].copy_from_slice(&random.bytes(16));
        let _ = in_order(subject, &format!("16 bytes at {place}"), &code)?;
    }
    Ok(())
}

fn bytes_behind_the_code_are_no_crash(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    for len in [1, 2, 7, 64, 5000] {
        let more = [code, &Random::new(3).bytes(len)].concat();
        let _ = in_order(subject, &format!("{len} bytes more"), &more)?;
        let zeroes = [code, &vec![0; len]].concat();
        let _ = in_order(subject, &format!("{len} zeroes more"), &zeroes)?;
    }
    Ok(())
}

fn the_answer_is_the_same_again(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    for len in lengths(code.len(), 50).into_iter().chain([code.len()]) {
        let answers = [prevalidate(subject, &code[..len])?, prevalidate(subject, &code[..len])?];
        ensure_eq!(answers[0], answers[1], "the second answer about the first {len} bytes");
    }
    Ok(())
}

fn what_was_accepted_is_the_same_again(subject: &Subject) -> Verdict {
    let code = subject.code(SMALL)?;
    let mut random = Random::new(4);
    for _ in 0..60 {
        let (mut code, place) = (code.to_vec(), random.below(code.len()));
        code[place] ^= 1 << random.below(8);
        let what = format!("byte {place}");
        let [first, second] = [in_order(subject, &what, &code)?, in_order(subject, &what, &code)?];
        ensure!(first == second, "{what}, flipped: not the same again");
    }
    Ok(())
}
