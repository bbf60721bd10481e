//! From an artifact to something that can be called.

use super::{Random, lengths};
use crate::{
    elsewhere::Task,
    guests::{ADDER, BIG_OUTPUT, ENDLESS_LOOP, GUESTS, Guest, HASHER, MEMORY_HOG, Outcome},
    subject::{Loaded, Subject, artifact_of, without_panic},
    test::{Verdict, demands, ensure, ensure_eq},
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::{
    backend::LoadError,
    primitives::{ExecutorParam, ExecutorParams},
};
use std::fs;

demands! {
    "loading";
    each_guest_is_loaded: "`load` takes each artifact that `prepare` has made.";
    no_code_of_the_guest_runs: "`load` runs no code of the guest: one whose every call never ends is loaded.";
    loaded_twice_they_are_apart: "An artifact that is loaded twice in one process can be called in both \
        places, in turn, and what the one does does not show in the other.";
    two_artifacts_are_apart: "Two artifacts that are loaded in one process can be called in turn.";
    limits_are_those_of_the_load: "The limits on memory and gas are those of the parameters that `load` \
        gets, whatever other ones with the same `prep_hash` the artifact was prepared with.";
    no_thread_is_left_behind: "After `load` the process has as many threads as before: a fork copies only \
        the one that forks.";
    no_thread_is_started_by_a_call: "`call` starts no thread that outlives it.";
    a_truncated_artifact_is_refused: "`load` refuses an artifact of which only the beginning is there, at many \
        lengths, as `RuntimeConstruction`, and so does \
        `check_runtime_construction`: what helps is to prepare it anew. If but the last few bytes are \
        missing it may be loaded.";
    garbage_is_refused: "`load` refuses bytes without a meaning as `RuntimeConstruction`.";
    another_backends_artifact_is_refused: "`load` refuses what looks like another engine's artifact, \
        and text, as `RuntimeConstruction`.";
    a_flipped_beginning_is_no_crash: "Of an artifact of which one of the first bits flipped, `load` says \
        `RuntimeConstruction`, or loads it if the bit means nothing. There is no panic, and no blame on \
        the machine.";
    a_good_artifact_is_loaded_after_a_bad_one: "After it has refused an artifact, `load` takes a good one.";
}

/// Gives how many threads there are before loading, after it and after a call. The input is an artifact.
const THREADS: Task = Task { name: "loading::threads", run: count_threads };

/// Tries to load each of a list of artifacts, and says which is not refused as it has to be, but for those
/// that need not be refused.
const REFUSED: Task = Task { name: "loading::refused", run: load_bad };

pub(crate) const TASKS: &[Task] = &[THREADS, REFUSED];

fn threads() -> Result<u32, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let number = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    number.and_then(|number| number.trim().parse().ok()).ok_or("no number of threads".to_owned())
}

fn count_threads(subject: &Subject, artifact: &[u8]) -> Result<Vec<u8>, String> {
    let before = threads()?;
    let mut loaded = subject.load(&artifact_of(artifact)?, &ExecutorParams::default())?;
    let after = threads()?;
    ensure!(matches!(loaded.run(Raw(b"\0\0\0\0abc")), Outcome::Valid(_)), "the call fails");
    Ok((before, after, threads()?).encode())
}

/// Bytes that are encoded as they are.
struct Raw(&'static [u8]);

impl Encode for Raw {
    fn encode(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

fn load_bad(subject: &Subject, mut artifacts: &[u8]) -> Result<Vec<u8>, String> {
    let artifacts = Vec::<Bad>::decode(&mut artifacts).map_err(|e| e.to_string())?;
    let params = ExecutorParams::default();
    for (what, is_bad, bytes) in artifacts {
        // So that a crash says where.
        eprintln!("with {what}:");
        let artifact = artifact_of(&bytes)?;
        match subject.try_load(&artifact, &params).map_err(|error| format!("{what}: {error}"))? {
            Err(LoadError::RuntimeConstruction(_)) => {}
            Err(error) => return Err(format!("{what}: {error:?}")),
            Ok(_) if is_bad => return Err(format!("{what}: it was loaded")),
            Ok(_) => continue,
        }
        let backend = subject.backend()?.prepare;
        let checked = without_panic("check_runtime_construction", || {
            backend.check_runtime_construction(&artifact, &params)
        })?;
        ensure!(
            matches!(checked, Err(LoadError::RuntimeConstruction(_))),
            "{what}: {checked:?} from check_runtime_construction"
        );
    }
    Ok(vec![])
}

/// What is wrong with an artifact, whether it has to be refused, and its bytes.
type Bad = (String, bool, Vec<u8>);

fn refused(subject: &Subject, artifacts: &[Bad]) -> Verdict {
    subject.elsewhere(&REFUSED, &artifacts.encode()).map(drop)
}

fn each_guest_is_loaded(subject: &Subject) -> Verdict {
    for guest in GUESTS {
        subject.loaded(guest, &[])?;
    }
    Ok(())
}

fn no_code_of_the_guest_runs(subject: &Subject) -> Verdict {
    subject.loaded(&ENDLESS_LOOP, &[]).map(drop)
}

/// Checks that a guest gets as much memory as it should.
fn grows_to(loaded: &mut Loaded, pieces: u32) -> Verdict {
    let got = head_of(loaded.run((GROW, u32::MAX)))?;
    ensure_eq!(got, pieces.to_le_bytes(), "the memory that a guest got, in MiB");
    Ok(())
}

/// The way of the guest [`MEMORY_HOG`] that ends where the machine refuses.
const GROW: u8 = 1;

fn head_of(outcome: Outcome) -> Result<Vec<u8>, String> {
    match outcome {
        Outcome::Valid(result) => Ok(result.head_data.0),
        other => Err(format!("not valid: {other:?}")),
    }
}

fn loaded_twice_they_are_apart(subject: &Subject) -> Verdict {
    let [mut first, mut second] =
        [subject.loaded(&BIG_OUTPUT, &[])?, subject.loaded(&BIG_OUTPUT, &[])?];
    for round in 0..3 {
        for (loaded, size) in [(&mut first, 100_u32), (&mut second, 20_000)] {
            let head = head_of(loaded.run(size))?;
            ensure_eq!(head.len(), size as usize, "the size of the output in round {round}");
        }
    }
    drop(first);
    ensure_eq!(head_of(second.run(5_u32))?, [0, 1, 2, 3, 4], "after the other was dropped");
    Ok(())
}

fn two_artifacts_are_apart(subject: &Subject) -> Verdict {
    let [mut first, mut second] =
        [subject.loaded(&BIG_OUTPUT, &[])?, subject.loaded(&MEMORY_HOG, &[])?];
    for _ in 0..2 {
        ensure_eq!(head_of(first.run(3_u32))?, [0, 1, 2], "the first one's output");
        ensure_eq!(head_of(second.run((GROW, 2_u32)))?, [2, 0, 0, 0], "the second one's output");
    }
    Ok(())
}

fn limits_are_those_of_the_load(subject: &Subject) -> Verdict {
    let [default, little] =
        [vec![], vec![ExecutorParam::MaxMemoryPages(100)]].map(ExecutorParams::new);
    for (prepared_with, loaded_with, pieces) in [(&default, &little, 8), (&little, &default, 129)] {
        let artifact = subject.prepare(subject.code(&MEMORY_HOG)?, prepared_with)?;
        grows_to(&mut subject.load(&artifact_of(&artifact)?, loaded_with)?, pieces)?;
    }
    if subject.meters_gas()? {
        let [much, nothing] =
            [1 << 40, 0].map(|gas| ExecutorParams::new(vec![ExecutorParam::MaxGas(gas)]));
        let artifact = subject.prepare(subject.code(&MEMORY_HOG)?, &much)?;
        let outcome = subject.load(&artifact_of(&artifact)?, &nothing)?.run((GROW, 1_u32));
        ensure_eq!(outcome, Outcome::OutOfGas, "without gas");
    }
    Ok(())
}

/// How many threads there were, see [`THREADS`].
fn counted(subject: &Subject) -> Result<(u32, u32, u32), String> {
    let artifact = subject.artifact(&HASHER, &ExecutorParams::default())?;
    let output = subject.elsewhere(&THREADS, artifact.bytes())?;
    Decode::decode(&mut &output[..]).map_err(|error| error.to_string())
}

fn no_thread_is_left_behind(subject: &Subject) -> Verdict {
    let (before, after, _) = counted(subject)?;
    ensure_eq!(after, before, "the number of threads after loading");
    Ok(())
}

fn no_thread_is_started_by_a_call(subject: &Subject) -> Verdict {
    let (_, before, after) = counted(subject)?;
    ensure_eq!(after, before, "the number of threads after a call");
    Ok(())
}

/// A guest whose artifact is small.
const SMALL: &Guest = &ADDER;

fn a_truncated_artifact_is_refused(subject: &Subject) -> Verdict {
    /// What may be at an artifact's end, and not be missed. The host checks that artifacts are complete.
    const FEW: usize = 16;
    let artifact = subject.artifact(SMALL, &ExecutorParams::default())?;
    let bytes = artifact.bytes();
    let mut bad = Vec::new();
    for len in lengths(bytes.len(), 40).into_iter().filter(|len| *len > 0) {
        let what = format!("the first {len} of {} bytes", bytes.len());
        bad.push((what, len + FEW < bytes.len(), bytes[..len].to_vec()));
    }
    refused(subject, &bad)
}

fn garbage_is_refused(subject: &Subject) -> Verdict {
    let mut bad = Vec::new();
    for len in [1, 10, 1000, 100_000] {
        bad.push((format!("{len} bytes"), true, Random::new(len as u64).bytes(len)));
        bad.push((format!("{len} zeroes"), true, vec![0; len]));
    }
    refused(subject, &bad)
}

fn another_backends_artifact_is_refused(subject: &Subject) -> Verdict {
    let elf = [&b"\x7fELF\x02\x01\x01\xc8"[..], &Random::new(8).bytes(5000)].concat();
    let text = b"an artifact of another backend".to_vec();
    refused(subject, &[("an ELF file".to_owned(), true, elf), ("text".to_owned(), true, text)])
}

fn a_flipped_beginning_is_no_crash(subject: &Subject) -> Verdict {
    let artifact = subject.artifact(SMALL, &ExecutorParams::default())?;
    let mut bad = Vec::new();
    for bit in 0..artifact.bytes().len().min(32) * 8 {
        let mut bytes = artifact.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bad.push((format!("bit {bit} flipped"), false, bytes));
    }
    refused(subject, &bad)
}

fn a_good_artifact_is_loaded_after_a_bad_one(subject: &Subject) -> Verdict {
    let params = ExecutorParams::default();
    let bad = artifact_of(b"this is no artifact")?;
    ensure!(subject.try_load(&bad, &params)?.is_err(), "text was loaded");
    let mut loaded = subject.loaded(&BIG_OUTPUT, &[])?;
    ensure_eq!(head_of(loaded.run(2_u32))?, [0, 1], "the output");
    Ok(())
}
