//! What preparing makes.

use crate::{
    elsewhere::Task,
    guests::{ADDER, GUESTS, HASHER, MEMORY_HOG, STORAGE_PROOF},
    subject::{Subject, artifact_of, without_panic},
    test::{Verdict, demands, ensure, ensure_eq},
};
use pvf_host_core::{
    backend::{Artifact, Bytes, memory_file},
    primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams, PvfExecKind, PvfPrepKind},
};
use std::io;

demands! {
    "artifacts";
    each_guest_is_prepared: "`prepare` makes an artifact of each guest, neither empty nor longer than \
        `Artifact::MAX_LEN`.";
    the_same_code_makes_the_same_artifact: "`prepare` makes of the same code, byte for byte, the same \
        artifact, each time.";
    another_process_makes_the_same_artifact: "The artifact is, byte for byte, the same from another \
        process: no address, time, number of a process or seed of a hash map is in it.";
    threads_do_not_change_the_artifact: "The artifact is the same with however many threads \
        `start_threads` is asked for, from one to eight.";
    another_stack_limit_is_another_artifact_or_none: "With other parameters of another `prep_hash`, here \
        the limit on the logical stack, a guest can be prepared too.";
    parameters_outside_of_the_prep_hash_change_nothing: "Parameters that are no part of `prep_hash` change \
        no byte of the artifact: the host takes it for all of them.";
    the_gas_is_not_in_the_artifact: "How much gas there is changes no byte of the artifact, only that it is \
        metered may.";
    reusing_makes_the_same_artifact: "`prepare_reusing` makes the artifact that `prepare` makes: without \
        anything to reuse, with what it has written before, and with garbage.";
    reusing_checks_the_code: "`prepare_reusing` refuses what `prevalidate` refuses, as `Prevalidation`.";
    what_was_prepared_can_be_loaded: "`check_runtime_construction` accepts each artifact made just now.";
}

/// Gives the artifact of some code, which is the input, with threads that were started: as many as its
/// first byte says. None if it is 0.
pub(super) const PREPARE: Task = Task { name: "artifacts::prepare", run: prepare_code };

pub(crate) const TASKS: &[Task] = &[PREPARE];

fn prepare_code(subject: &Subject, input: &[u8]) -> Result<Vec<u8>, String> {
    let (threads, code) = input.split_first().ok_or("no input")?;
    if *threads > 0 {
        let started = subject.backend()?.prepare.start_threads((*threads).into());
        started.map_err(|error| format!("can't start {threads} threads: {error}"))?;
    }
    subject.prepare(code, &ExecutorParams::default())
}

fn each_guest_is_prepared(subject: &Subject) -> Verdict {
    for guest in GUESTS {
        let artifact = subject.artifact(guest, &ExecutorParams::default())?;
        let len = artifact.bytes().len();
        ensure!(len as u64 <= Artifact::MAX_LEN, "{}: an artifact of {len} bytes", guest.name);
    }
    Ok(())
}

fn the_same_code_makes_the_same_artifact(subject: &Subject) -> Verdict {
    let params = ExecutorParams::default();
    for guest in [&ADDER, &HASHER, &STORAGE_PROOF] {
        let first = subject.artifact(guest, &params)?;
        let second = subject.prepare(subject.code(guest)?, &params)?;
        ensure!(first.bytes() == second, "{}: another artifact the second time", guest.name);
    }
    Ok(())
}

fn another_process_makes_the_same_artifact(subject: &Subject) -> Verdict {
    let here = subject.artifact(&HASHER, &ExecutorParams::default())?;
    let there = subject.elsewhere(&PREPARE, &[&[0], subject.code(&HASHER)?].concat())?;
    ensure!(here.bytes() == there, "another artifact in another process");
    Ok(())
}

fn threads_do_not_change_the_artifact(subject: &Subject) -> Verdict {
    let here = subject.artifact(&HASHER, &ExecutorParams::default())?;
    for threads in [1, 2, 8] {
        let there = subject.elsewhere(&PREPARE, &[&[threads], subject.code(&HASHER)?].concat())?;
        ensure!(here.bytes() == there, "another artifact with {threads} threads");
    }
    Ok(())
}

fn another_stack_limit_is_another_artifact_or_none(subject: &Subject) -> Verdict {
    for values in [1024, 100_000] {
        let params = ExecutorParams::new(vec![ExecutorParam::StackLogicalMax(values)]);
        let artifact = subject.artifact(&ADDER, &params)?;
        subject.load(&artifact, &params)?;
    }
    Ok(())
}

fn parameters_outside_of_the_prep_hash_change_nothing(subject: &Subject) -> Verdict {
    let default = subject.artifact(&MEMORY_HOG, &ExecutorParams::default())?;
    for param in [
        ExecutorParam::MaxMemoryPages(17),
        ExecutorParam::MaxMemoryPages(8192),
        ExecutorParam::StackNativeMax(64 << 20),
        ExecutorParam::PrecheckingMaxMemory(1 << 30),
        ExecutorParam::PvfPrepTimeout(PvfPrepKind::Prepare, 1000),
        ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 1000),
        ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
        ExecutorParam::Backend(subject.id.clone()),
    ] {
        let params = ExecutorParams::new(vec![param.clone()]);
        let artifact = subject.prepare(subject.code(&MEMORY_HOG)?, &params)?;
        ensure!(default.bytes() == artifact, "another artifact with {param:?}");
    }
    Ok(())
}

fn the_gas_is_not_in_the_artifact(subject: &Subject) -> Verdict {
    if !subject.meters_gas()? {
        return Ok(());
    }
    let [first, second] = [0, i64::MAX as u64].map(|gas| {
        let params = ExecutorParams::new(vec![ExecutorParam::MaxGas(gas)]);
        subject.prepare(subject.code(&ADDER)?, &params)
    });
    ensure!(first? == second?, "another artifact with another MaxGas");
    Ok(())
}

fn reusing_makes_the_same_artifact(subject: &Subject) -> Verdict {
    let params = ExecutorParams::default();
    let backend = subject.backend()?.prepare;
    let code = subject.code(&HASHER)?;
    let plain = subject.artifact(&HASHER, &params)?;
    let prepare = |code: &[u8], earlier: Option<Bytes>| {
        let output = memory_file("kept").map_err(|error| format!("a memory file: {error}"))?;
        let kept = output.try_clone().map_err(|error| format!("a descriptor: {error}"))?;
        let prepared = without_panic("prepare_reusing", || {
            backend.prepare_reusing(code, &params, earlier, Box::new(kept))
        })?;
        let prepared = prepared.map_err(|error| format!("prepare_reusing: {error:?}"))?;
        // It can't be sealed if there is nothing in it.
        let kept = Artifact::seal(output).map(Artifact::into_bytes).unwrap_or_default();
        Ok::<_, String>((prepared.artifact, kept))
    };
    let (artifact, kept) = prepare(code, None)?;
    ensure!(artifact == plain.bytes(), "another artifact with nothing to reuse");
    let (_, of_another) = prepare(subject.code(&ADDER)?, None)?;
    let half = kept.slice(..kept.len() / 2);
    for (what, earlier) in [
        ("its own functions", kept),
        ("another guest's functions", of_another),
        ("half of its functions", half),
        ("garbage", super::Random::new(5).bytes(5000).into()),
        ("no bytes", Bytes::new()),
    ] {
        let (artifact, _) = prepare(code, Some(earlier))?;
        ensure!(artifact == plain.bytes(), "another artifact with {what} to reuse");
    }
    Ok(())
}

fn reusing_checks_the_code(subject: &Subject) -> Verdict {
    use pvf_host_core::backend::BackendPrepareError::Prevalidation;
    let backend = subject.backend()?.prepare;
    for code in [&b""[..], b"hello world", &subject.code(&ADDER)?[..100]] {
        let params = ExecutorParams::default();
        let prepared = without_panic("prepare_reusing", || {
            backend.prepare_reusing(code, &params, None, Box::new(io::sink()))
        })?;
        let class = prepared.map(|preparation| preparation.artifact);
        ensure!(matches!(class, Err(Prevalidation(_))), "{} bytes: {class:?}", code.len());
    }
    Ok(())
}

fn what_was_prepared_can_be_loaded(subject: &Subject) -> Verdict {
    let params = ExecutorParams::default();
    let backend = subject.backend()?.prepare;
    for guest in GUESTS {
        let artifact = artifact_of(subject.artifact(guest, &params)?.bytes())?;
        let checked = without_panic("check_runtime_construction", || {
            backend.check_runtime_construction(&artifact, &params)
        })?;
        ensure_eq!(checked, Ok(()), "{}", guest.name);
    }
    Ok(())
}
