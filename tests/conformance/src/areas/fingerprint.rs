//! What decides whether an artifact made in one place can run in another.

use crate::{
    elsewhere::Task,
    guests::ADDER,
    subject::Subject,
    test::{Verdict, demands, ensure, ensure_eq},
};
use pvf_host_core::{
    backend::{Fingerprint, linked},
    primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams},
};

demands! {
    "fingerprint";
    it_is_the_same_again: "`fingerprint` gives the same for the same parameters, each time.";
    it_is_the_same_in_another_process: "`fingerprint` gives the same in another process of the same \
        program on the same machine: else nothing prepared would survive a restart.";
    it_covers_something: "`fingerprint` is neither one byte over and over, nor the digest of nothing or of \
        the backend's name alone. That it covers the engine's version and settings, as it must, can't be seen \
        from outside of the backend: test it in the backend's crate.";
    it_is_not_that_of_another_backend: "No two linked backends have the same fingerprint: what one has \
        prepared is not for the other.";
    what_changes_artifacts_is_covered: "If other parameters make another artifact of the same code, then \
        the parameters' `prep_hash` or the backend's fingerprint is another one too: by these two the host \
        knows what an artifact is for.";
    parameters_that_change_no_artifact_change_no_fingerprint: "Parameters that an artifact does not depend on, \
        such as limits on time, do not change the fingerprint.";
}

const FINGERPRINT: Task = Task {
    name: "fingerprint::fingerprint",
    run: |subject, _| Ok(of(subject, &ExecutorParams::default())?.0.to_vec()),
};

pub(crate) const TASKS: &[Task] = &[FINGERPRINT];

fn of(subject: &Subject, params: &ExecutorParams) -> Result<Fingerprint, String> {
    (subject.backend()?.fingerprint)(params).map_err(|error| format!("no fingerprint: {error:?}"))
}

/// Parameters that differ from each other in one thing.
fn variants() -> Vec<ExecutorParams> {
    [
        vec![],
        vec![ExecutorParam::StackLogicalMax(1024)],
        vec![ExecutorParam::StackLogicalMax(100_000)],
        vec![ExecutorParam::StackNativeMax(64 << 20)],
        vec![ExecutorParam::MaxMemoryPages(16)],
        vec![ExecutorParam::MaxMemoryPages(8192)],
        vec![ExecutorParam::WasmExtBulkMemory],
        vec![ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163)],
    ]
    .map(ExecutorParams::new)
    .to_vec()
}

fn it_is_the_same_again(subject: &Subject) -> Verdict {
    for params in variants() {
        let first = of(subject, &params)?;
        ensure_eq!(of(subject, &params)?, first, "the second fingerprint for {params:?}");
    }
    Ok(())
}

fn it_is_the_same_in_another_process(subject: &Subject) -> Verdict {
    let here = of(subject, &ExecutorParams::default())?;
    let there = subject.elsewhere(&FINGERPRINT, &[])?;
    ensure!(here.0[..] == there, "another fingerprint in another process");
    Ok(())
}

fn it_covers_something(subject: &Subject) -> Verdict {
    let fingerprint = of(subject, &ExecutorParams::default())?;
    let first = fingerprint.0[0];
    ensure!(fingerprint.0 != [first; 32], "the fingerprint is {first} over and over");
    let name = subject.id.as_str().as_bytes();
    let nothings: [&[&[u8]]; 3] = [&[], &[b""], &[name]];
    for nothing in nothings {
        ensure!(fingerprint != Fingerprint::of(nothing), "the fingerprint covers nothing");
    }
    Ok(())
}

fn it_is_not_that_of_another_backend(subject: &Subject) -> Verdict {
    let own = of(subject, &ExecutorParams::default())?;
    for other in linked().into_iter().filter(|backend| backend.id != subject.id) {
        let theirs = (other.fingerprint)(&ExecutorParams::default());
        ensure!(theirs != Ok(own), "the backend {} has the same fingerprint", other.id);
    }
    Ok(())
}

fn what_changes_artifacts_is_covered(subject: &Subject) -> Verdict {
    let code = subject.code(&ADDER)?;
    let mut seen: Vec<(_, _, Vec<u8>)> = Vec::new();
    for params in variants() {
        let (artifact, fingerprint) = (subject.prepare(code, &params)?, of(subject, &params)?);
        for (others, other_fingerprint, other) in &seen {
            let others: &ExecutorParams = others;
            ensure!(
                params.prep_hash() != others.prep_hash()
                    || fingerprint != *other_fingerprint
                    || artifact == *other,
                "{params:?} make another artifact than {others:?}, and nothing says so"
            );
        }
        seen.push((params, fingerprint, artifact));
    }
    Ok(())
}

fn parameters_that_change_no_artifact_change_no_fingerprint(subject: &Subject) -> Verdict {
    use pvf_host_core::primitives::{PvfExecKind, PvfPrepKind};
    let own = of(subject, &ExecutorParams::default())?;
    for param in [
        ExecutorParam::PvfPrepTimeout(PvfPrepKind::Prepare, 1000),
        ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, 1000),
        ExecutorParam::PrecheckingMaxMemory(1 << 30),
        ExecutorParam::MaxMemoryPages(16),
        ExecutorParam::Backend(subject.id.clone()),
    ] {
        let other = of(subject, &ExecutorParams::new(vec![param.clone()]))?;
        ensure_eq!(other, own, "the fingerprint with {param:?}");
    }
    Ok(())
}
