//! The same, each time and everywhere.

use crate::{
    elsewhere::Task,
    guests::{
        ADDER, Candidate, Guest, HASHER, HOST_CALLS, INTERPRETER, MESSAGES, Outcome, PANICKER,
        STORAGE_PROOF,
    },
    host_calls::Case,
    request,
    subject::{ENTRY_POINT, Lines, Subject},
    test::{Verdict, demands, ensure, ensure_eq},
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::primitives::{ExecutorParams, blake2_256};

demands! {
    "determinism";
    an_output_is_the_same_again: "A call with the same input gives, byte for byte, the same output, in the same \
        instance of the artifact and in one that is loaded anew.";
    an_output_is_the_same_in_another_process: "A call with the same input gives, byte for byte, the same \
        output in another process.";
    an_error_is_the_same_again: "A call that fails fails in the same class, each time, and a panic in the same \
        words.";
    a_log_is_the_same_again: "A call with the same input logs the same lines, in the same order.";
    an_artifact_prepared_elsewhere_gives_the_same: "An artifact from another process gives the same outputs as \
        one that was prepared here.";
    the_environment_does_not_matter: "Neither the environment's variables nor the working directory change an \
        artifact or an output.";
}

/// Gives a digest of the outputs of all calls in [`sample`].
const OUTPUTS: Task =
    Task { name: "determinism::outputs", run: |subject, _| Ok(outputs(subject)?.encode()) };

/// The same, in another directory and with variables that engines look for.
const OUTPUTS_IN_ANOTHER_PLACE: Task = Task {
    name: "determinism::outputs_in_another_place",
    run: |subject, _| {
        std::env::set_current_dir("/").map_err(|error| error.to_string())?;
        Ok(outputs(subject)?.encode())
    },
};

pub(crate) const TASKS: &[Task] = &[OUTPUTS, OUTPUTS_IN_ANOTHER_PLACE];

const SAMPLE: &[&Guest] = &[&ADDER, &HASHER, &INTERPRETER, &MESSAGES, &STORAGE_PROOF, &PANICKER];

/// Candidates of several guests.
fn sample() -> impl Iterator<Item = Candidate> {
    SAMPLE.iter().flat_map(|guest| Candidate::of(guest)).filter(|candidate| !candidate.is_metered())
}

/// A digest of each artifact, and of the outputs of the candidates for it.
fn outputs(subject: &Subject) -> Result<Vec<(String, [u8; 32])>, String> {
    let mut outputs = Vec::new();
    for guest in SAMPLE {
        let artifact = subject.artifact(guest, &ExecutorParams::default())?;
        outputs.push((guest.name.to_owned(), blake2_256(artifact.bytes()).0));
    }
    for candidate in sample() {
        let output = subject.loaded(candidate.guest, &[])?.call(&candidate.params.encode());
        let name = format!("{}, {}", candidate.guest.name, candidate.name);
        outputs.push((name, blake2_256(&output.ok().encode()).0));
    }
    Ok(outputs)
}

fn compare(subject: &Subject, there: &[u8]) -> Verdict {
    let there: Vec<(String, [u8; 32])> =
        Decode::decode(&mut &there[..]).map_err(|error| error.to_string())?;
    let here = outputs(subject)?;
    ensure_eq!(there.len(), here.len(), "the number of outputs");
    for ((name, there), (_, here)) in there.iter().zip(&here) {
        ensure!(there == here, "{name}: not the same");
    }
    Ok(())
}

fn an_output_is_the_same_again(subject: &Subject) -> Verdict {
    for candidate in sample() {
        let input = candidate.params.encode();
        let mut loaded = subject.loaded(candidate.guest, &[])?;
        let first = loaded.call(&input);
        let name = &candidate.name;
        for call in 2..4 {
            let next = loaded.call(&input);
            ensure!(
                next.as_ref().ok() == first.as_ref().ok(),
                "{name}: another output in call {call}"
            );
        }
        let anew = subject.loaded(candidate.guest, &[])?.call(&input);
        ensure!(anew.ok() == first.ok(), "{name}: another output when loaded anew");
    }
    Ok(())
}

fn an_output_is_the_same_in_another_process(subject: &Subject) -> Verdict {
    compare(subject, &subject.elsewhere(&OUTPUTS, &[])?)
}

fn the_environment_does_not_matter(subject: &Subject) -> Verdict {
    compare(subject, &subject.elsewhere(&OUTPUTS_IN_ANOTHER_PLACE, &[])?)
}

fn an_error_is_the_same_again(subject: &Subject) -> Verdict {
    for candidate in Candidate::all() {
        let ends = matches!(candidate.expected, Outcome::Trap | Outcome::Panic(_));
        if !ends || candidate.is_metered() {
            continue;
        }
        let mut loaded = subject.loaded(candidate.guest, &candidate.executor_params)?;
        for _ in 0..2 {
            loaded.check(&candidate)?;
        }
    }
    Ok(())
}

fn a_log_is_the_same_again(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&HOST_CALLS, &[])?;
    for case in Case::all().iter().filter(|case| !case.logs.is_empty()) {
        let input = request::params(case.block()).encode();
        let mut runs = Vec::new();
        for _ in 0..2 {
            let lines = Lines::default();
            let _ = loaded.call_with(ENTRY_POINT, &input, lines.clone());
            runs.push(lines.take());
        }
        ensure_eq!(runs[1], runs[0], "the lines of {}", case.name);
    }
    Ok(())
}

fn an_artifact_prepared_elsewhere_gives_the_same(subject: &Subject) -> Verdict {
    let code = subject.code(&HASHER)?;
    let there = subject.elsewhere(&super::artifacts::PREPARE, &[&[0], code].concat())?;
    let artifact = crate::subject::artifact_of(&there)?;
    let mut loaded = subject.load(&artifact, &ExecutorParams::default())?;
    for candidate in Candidate::of(&HASHER) {
        loaded.check(&candidate)?;
    }
    Ok(())
}
