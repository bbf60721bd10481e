//! The backend in workers of a real host, sandboxed as on a validator.

use crate::{
    guests::{
        self, ADDER, Candidate, ENDLESS_LOOP, GUESTS, Guest, HASHER, HOST_CALLS, INTERPRETER,
        Outcome, RECURSION,
    },
    host::Host,
    host_calls::Case,
    processes, request,
    subject::Subject,
    test::{Verdict, demands, ensure, ensure_eq},
};
use parity_scale_codec::Encode;
use pvf_host_core::{
    InvalidCandidate, PrepareError, ValidationError,
    backend::ExecuteError,
    primitives::{ExecutorParam, PvfExecKind, compression},
    worker::protocol::{MAX_RESULT, WorkerKind},
};
use std::fs;

demands! {
    "through_the_host";
    each_guest_passes_a_precheck: "A precheck accepts each guest: it is prepared and its artifact tried in a \
        sandboxed job, with threads that were started before.";
    compressed_code_is_prepared: "Compressed code is decompressed before the backend sees it.";
    garbage_is_refused_for_good: "Garbage is refused as `Prevalidation`, which the host remembers.";
    truncated_code_is_refused_in_order: "Truncated code is refused as `Prevalidation` or `Compilation`, or is \
        accepted; no job dies or panics.";
    adder: "The candidates of the guest `adder` get the right verdicts.";
    big_output: "The candidates of the guest `big-output` get the right verdicts.";
    hasher: "The candidates of the guest `hasher` get the right verdicts.";
    interpreter: "The candidates of the guest `interpreter` get the right verdicts.";
    memory_hog: "The candidates of the guest `memory-hog` get the right verdicts.";
    messages: "The candidates of the guest `messages` get the right verdicts.";
    panicker: "The candidates of the guest `panicker` get the right verdicts, with their words.";
    random_access: "The candidates of the guest `random-access` get the right verdicts.";
    recursion: "The candidates of the guest `recursion` get the right verdicts: no worker or job dies.";
    signatures: "The candidates of the guest `signatures` get the right verdicts.";
    storage_proof: "The candidates of the guest `storage-proof` get the right verdicts.";
    an_endless_loop_is_ended_by_the_host: "A guest that never ends is ended at its time limit, as `HardTimeout`, \
        and the worker serves the next candidate.";
    host_functions_give_what_was_recorded: "Each recorded call of a host function gives the recorded result in \
        a job: under the job's list of system calls.";
    too_large_a_result_is_an_invalid_output: "A result that the host does not take is `InvalidOutput` or a trap \
        of the allocator's, not the death of a job.";
    a_flood_of_log_lines_is_harmless: "A guest that logs far more than the host keeps gets its verdict all the \
        same.";
    another_worker_gives_the_same: "The same candidate gets the same verdict from another worker, that was \
        started after the first was killed.";
    many_at_once_get_the_same: "The same candidate, many times at once in several workers, gets the same \
        verdict each time.";
    a_restarted_host_gives_the_same: "A host that was restarted takes the artifact from its cache and gives \
        the same verdict.";
    artifacts_are_the_same_in_two_caches: "The artifact that a job makes is, byte for byte, the one that \
        `prepare` makes in this process.";
    a_damaged_artifact_is_prepared_anew: "After its file was damaged, an artifact is prepared anew, and the \
        verdict is right.";
    a_missing_artifact_is_prepared_anew: "After its file was removed, an artifact is prepared anew, and the \
        verdict is right.";
    a_job_has_one_thread: "A job that waits for a candidate, with the artifact loaded, has exactly one thread.";
    a_worker_has_no_thread_of_the_backends: "An execute worker that has loaded an artifact has its two \
        threads, the one that waits and the one with the guest's stack, and none of the backend's.";
    gas_is_reported: "With `MaxGas`, the host reports the gas that was used, at most the limit and the same \
        again; if the backend can't meter, the code is refused as `Compilation`.";
    workers_outlive_what_their_jobs_do: "Traps, panics and exhausted limits end jobs and no worker: one worker \
        serves all of a chain's candidates.";
}

fn each_guest_passes_a_precheck(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        for guest in GUESTS {
            let report = host.precheck(host.pvf(guest, &[])?);
            let report = report.map_err(|error| format!("{}: {error:?}", guest.name))?;
            ensure_eq!(report.backend, subject.id, "the backend that prepared {}", guest.name);
        }
        Ok(())
    })
}

fn compressed_code_is_prepared(subject: &Subject) -> Verdict {
    let code =
        compression::compress(subject.code(&ADDER)?, 3).map_err(|error| error.to_string())?;
    subject.with_host(|host| {
        let candidate = Candidate::of(&ADDER).swap_remove(0);
        let validation = host.validate(host.pvf_of(&code, &[]), candidate.params.clone());
        ensure_eq!(Outcome::from(validation.verdict), candidate.expected, "the verdict");
        Ok(())
    })
}

fn garbage_is_refused_for_good(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        let begin = &subject.code(&ADDER)?[..8];
        let garbage = super::Random::new(9).bytes(1000);
        for code in [&garbage[..], &[begin, &garbage].concat()] {
            let answer = host.precheck(host.pvf_of(code, &[]));
            ensure!(matches!(answer, Err(PrepareError::Prevalidation(_))), "{answer:?}");
            let verdict = host.validate(host.pvf_of(code, &[]), request::params([])).verdict;
            ensure!(
                matches!(
                    verdict,
                    Err(ValidationError::Preparation(PrepareError::Prevalidation(_)))
                ),
                "{verdict:?}"
            );
        }
        Ok(())
    })
}

fn truncated_code_is_refused_in_order(subject: &Subject) -> Verdict {
    let code = subject.code(&ADDER)?;
    subject.with_host(|host| {
        for part in 1..8 {
            let len = code.len() * part / 8;
            let answer = host.precheck(host.pvf_of(&code[..len], &[]));
            ensure!(
                matches!(
                    answer,
                    Ok(_) | Err(PrepareError::Prevalidation(_) | PrepareError::Compilation(_))
                ),
                "the first {len} bytes: {answer:?}"
            );
        }
        Ok(())
    })
}

/// Has all candidates of a guest validated.
fn all(subject: &Subject, guest: &'static Guest) -> Verdict {
    subject.with_host(|host| {
        for candidate in subject.candidates(guest)? {
            host.check(&candidate)?;
        }
        Ok(())
    })
}

of_each_guest!(all);

fn an_endless_loop_is_ended_by_the_host(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        let limit = [ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 50)];
        for _ in 0..2 {
            let outcome = host.run(&ENDLESS_LOOP, &limit, ())?;
            ensure_eq!(outcome, Outcome::HardTimeout, "the verdict");
        }
        let started = host.handle().statistics().execute_workers_started;
        ensure_eq!(started, 1, "the number of workers that were started");
        Ok(())
    })
}

fn host_functions_give_what_was_recorded(subject: &Subject) -> Verdict {
    let blob = subject.guests.blob(&HOST_CALLS)?;
    let mut cases = Case::all();
    cases.retain(|case| case.is_for(&blob));
    subject.with_host(|host| {
        for case in &cases {
            let params: Vec<_> = case.executor_params().iter().cloned().collect();
            let pvf = host.pvf(&HOST_CALLS, &params)?;
            let outcome = match host.validate(pvf, request::params(case.block())).verdict {
                Ok(result) => Ok(result.head_data.0),
                Err(ValidationError::Invalid(InvalidCandidate::Execution(error))) => Err(error),
                Err(error) => return Err(format!("{}: {error:?}", case.name)),
            };
            case.check(outcome.as_deref())?;
        }
        Ok(())
    })
}

fn too_large_a_result_is_an_invalid_output(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        for size in [MAX_RESULT as u32 - 100, MAX_RESULT as u32 + 1, 31 << 20, 1 << 30] {
            let pvf = host.pvf(&guests::BIG_OUTPUT, &[])?;
            let verdict = host.validate(pvf, request::params(size.encode())).verdict;
            let is_right = match &verdict {
                Ok(result) => {
                    u64::from(size) < MAX_RESULT && result.head_data.0.len() == size as usize
                }
                Err(ValidationError::Invalid(InvalidCandidate::Execution(error))) => {
                    matches!(error, ExecuteError::InvalidOutput(_) | ExecuteError::Trap(_))
                }
                Err(_) => false,
            };
            ensure!(is_right, "{size} bytes: {:?}", verdict.map(|_| "valid"));
        }
        Ok(())
    })
}

fn a_flood_of_log_lines_is_harmless(subject: &Subject) -> Verdict {
    let cases = Case::all();
    let case = cases.iter().find(|case| case.calls.len() == 1 && case.logs.len() == 1);
    let call = case.ok_or("no case logs a line")?.calls[0].clone();
    subject.with_host(|host| {
        let outcome = host.run(&HOST_CALLS, &[], vec![call; 20_000])?;
        ensure!(matches!(outcome, Outcome::Valid(_)), "the verdict is {outcome:?}");
        Ok(())
    })
}

/// A candidate that is valid.
fn valid() -> Candidate {
    Candidate::of(&HASHER).swap_remove(1)
}

fn another_worker_gives_the_same(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        let first = host.check(&valid())?;
        for _ in 0..2 {
            host.kill_execute_workers();
            // The host may notice only now.
            let request = host.request(&valid())?;
            let second = host.validate_with_retry(request);
            ensure_eq!(second.verdict, first.verdict, "the verdict of another worker");
        }
        let started = host.handle().statistics().execute_workers_started;
        ensure!(started >= 3, "only {started} workers were started");
        Ok(())
    })
}

fn many_at_once_get_the_same(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        let first = host.check(&valid())?;
        let requests = vec![host.request(&valid())?; 16];
        for validation in host.validate_all(requests)? {
            ensure_eq!(validation.verdict, first.verdict, "the verdict");
        }
        Ok(())
    })
}

fn a_restarted_host_gives_the_same(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        let first = host.check(&valid())?;
        for _ in 0..2 {
            host.restart()?;
            let again = host.check(&valid())?;
            ensure_eq!(again.verdict, first.verdict, "the verdict after a restart");
            let is_cached = again.prepare.as_ref().is_some_and(|report| report.cached);
            ensure!(is_cached, "the artifact was prepared again: {:?}", again.prepare);
        }
        Ok(())
    })
}

/// The only artifact's file.
fn only_artifact(host: &Host<'_>) -> Result<std::path::PathBuf, String> {
    match &host.artifacts()?[..] {
        [path] => Ok(path.clone()),
        other => Err(format!("not one artifact, but {other:?}")),
    }
}

fn artifacts_are_the_same_in_two_caches(subject: &Subject) -> Verdict {
    let here = subject.artifact(&HASHER, &Default::default())?;
    subject.with_host(|host| {
        host.check(&valid())?;
        let file = fs::read(only_artifact(host)?).map_err(|error| error.to_string())?;
        let payload = &file[file.len().saturating_sub(here.bytes().len())..];
        ensure!(payload == here.bytes(), "the job has made another artifact");
        Ok(())
    })
}

/// Does something to an artifact's file, and validates anew.
fn recovers(subject: &Subject, damage: fn(&std::path::Path) -> std::io::Result<()>) -> Verdict {
    subject.with_host(|host| {
        let first = host.check(&valid())?;
        damage(&only_artifact(host)?).map_err(|error| error.to_string())?;
        // A worker has it loaded, and would not look.
        host.restart()?;
        let again = host.validate_with_retry(host.request(&valid())?);
        ensure_eq!(again.verdict, first.verdict, "the verdict");
        Ok(())
    })
}

fn a_damaged_artifact_is_prepared_anew(subject: &Subject) -> Verdict {
    recovers(subject, |path| {
        let mut bytes = fs::read(path)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes)
    })?;
    recovers(subject, |path| {
        let bytes = fs::read(path)?;
        fs::write(path, &bytes[..bytes.len() - 1])
    })
}

fn a_missing_artifact_is_prepared_anew(subject: &Subject) -> Verdict {
    recovers(subject, |path| fs::remove_file(path))
}

fn threads(process: &processes::Process) -> Result<usize, String> {
    let path = format!("/proc/{}/task", process.pid.as_raw_pid());
    Ok(fs::read_dir(path).map_err(|error| error.to_string())?.count())
}

fn a_job_has_one_thread(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        host.check(&valid())?;
        ensure_eq!(threads(&host.waiting_job())?, 1, "the number of threads of a job");
        Ok(())
    })
}

fn a_worker_has_no_thread_of_the_backends(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        host.check(&valid())?;
        let workers = host.workers(WorkerKind::Execute);
        let [worker] = &workers[..] else { return Err(format!("not one worker: {workers:?}")) };
        ensure_eq!(threads(worker)?, 2, "the number of threads of a worker");
        Ok(())
    })
}

fn gas_is_reported(subject: &Subject) -> Verdict {
    const LIMIT: u64 = 1 << 30;
    subject.with_host(|host| {
        let validate = |gas: u64, rounds: u32| {
            let pvf = host.pvf(&INTERPRETER, &[ExecutorParam::MaxGas(gas)])?;
            Ok::<_, String>(host.validate(pvf, request::params(rounds.encode())))
        };
        let first = validate(LIMIT, 2)?;
        if !subject.meters_gas()? {
            let is_refused = matches!(
                first.verdict,
                Err(ValidationError::Preparation(PrepareError::Compilation(_)))
            );
            ensure!(is_refused, "the verdict is {:?}", first.verdict);
            return Ok(());
        }
        let used = |validation: &pvf_host_core::Validation| {
            validation.execute.as_ref().and_then(|report| report.gas_used)
        };
        let needed = used(&first).ok_or("no gas is reported")?;
        ensure!(0 < needed && needed <= LIMIT, "{needed} of {LIMIT} was used");
        ensure_eq!(used(&validate(LIMIT, 2)?), Some(needed), "the gas used the second time");
        let starved = validate(needed - 1, 2)?;
        ensure_eq!(used(&starved), Some(needed - 1), "the gas used when there is too little");
        ensure_eq!(Outcome::from(starved.verdict), Outcome::OutOfGas, "with too little gas");
        Ok(())
    })
}

fn workers_outlive_what_their_jobs_do(subject: &Subject) -> Verdict {
    subject.with_host(|host| {
        for (block, is_right) in
            [(0_u32, true), (u32::MAX, false), (10, true), (1_000_000, false), (10, true)]
        {
            let outcome = host.run(&RECURSION, &[], block)?;
            let is_valid = matches!(outcome, Outcome::Valid(_));
            ensure!(is_valid == is_right, "{block} deep: {outcome:?}");
            ensure!(is_valid || outcome == Outcome::Trap, "{block} deep: {outcome:?}");
        }
        let started = host.handle().statistics().execute_workers_started;
        ensure_eq!(started, 1, "the number of workers that were started");
        Ok(())
    })
}
