//! What becomes of a candidate, for everything that can happen while it is executed.

use crate::{host, host_with, validated};
use pvf_host_core::{
    InvalidCandidate, PossiblyInvalid, Pvf, Validation, ValidationError, ValidationRequest,
    backend::ExecuteError,
    primitives::{
        ExecutorParam, ExecutorParams, Hash, PoV, ValidationParamsExtension, blake2_256,
        compression,
    },
    worker::protocol::{MAX_INPUT, MAX_RESULT, WorkerKind},
};
use pvf_tests::{
    OnCall, OnLoad, Script, eventually_some, no_sandbox, processes,
    request::{approval, approval_of, hash_head, input},
    valid_head,
};
use std::sync::Arc;

fn invalid(validation: Validation) -> InvalidCandidate {
    match validation.verdict {
        Err(ValidationError::Invalid(reason)) => reason,
        other => panic!("not invalid: {other:?}"),
    }
}

fn possibly_invalid(validation: Validation) -> PossiblyInvalid {
    match validation.verdict {
        Err(ValidationError::PossiblyInvalid(reason)) => reason,
        other => panic!("not possibly invalid: {other:?}"),
    }
}

fn with_block(request: ValidationRequest, block: Vec<u8>) -> ValidationRequest {
    request.with_pov(Arc::new(PoV { block_data: block.into() }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_candidate_has_the_head_that_its_code_gives() {
    let script = Script::call(OnCall::Return(b"new head".to_vec()));
    let validation = validated(approval(script.pvf())).await;
    assert!(validation.prepare.as_ref().is_some_and(|report| !report.cached));
    assert!(validation.execute.is_some_and(|report| !report.hot));
    assert_eq!(validation.backend, Some(pvf_tests::scripted::ID));
    assert_eq!(valid_head(validation), b"new head");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_is_called_with_the_encoded_parameters() {
    let request = approval_of(Script::default().pvf(), b"block");
    let expected = hash_head(&request);
    assert_eq!(valid_head(validated(request).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_of_the_parameters_reaches_the_code() {
    let extension = ValidationParamsExtension::V3 {
        relay_parent: Hash([1; 32]),
        scheduling_parent: Hash([2; 32]),
    };
    let plain = approval(Script::default().pvf());
    let request = plain.clone().with_extension(extension);
    let expected = hash_head(&request);
    assert_ne!(expected, hash_head(&plain));
    assert_eq!(valid_head(validated(request).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_sees_a_compressed_block_as_if_it_had_never_been_compressed() {
    let plain = approval_of(Script::default().pvf(), vec![5; 1 << 20]);
    let compressed = compression::compress(&plain.pov.block_data.0, 3).unwrap();
    let request = with_block(plain.clone(), compressed);
    assert_eq!(valid_head(validated(request).await), hash_head(&plain));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_code_does_wrong_makes_the_candidate_invalid() {
    let host = host().await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    let mut kinds = vec![];
    for call in [
        OnCall::Trap,
        OnCall::GuestPanic,
        OnCall::InvalidOutput,
        OnCall::OutOfMemory,
        OnCall::OutOfGas,
        OnCall::Garbage,
    ] {
        let validation = host.validate(approval_of(pvf.clone(), call.block())).await;
        assert!(validation.execute.is_some());
        kinds.push(match invalid(validation) {
            InvalidCandidate::Execution(ExecuteError::Trap(_)) => OnCall::Trap,
            InvalidCandidate::Execution(ExecuteError::Panic(_)) => OnCall::GuestPanic,
            InvalidCandidate::Execution(ExecuteError::InvalidOutput(_)) => OnCall::InvalidOutput,
            InvalidCandidate::Execution(ExecuteError::OutOfMemory(_)) => OnCall::OutOfMemory,
            InvalidCandidate::Execution(ExecuteError::OutOfGas) => OnCall::OutOfGas,
            InvalidCandidate::MalformedResult(_) => OnCall::Garbage,
            other => panic!("{other:?}"),
        });
        assert_eq!(kinds.last(), Some(&call));
    }
    // None of that is held against the worker.
    assert_eq!(host.statistics().execute_workers_started, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gas_that_a_candidate_used_is_reported_however_it_ended() {
    let host = host().await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    let metered = pvf.clone().with_params(ExecutorParams::new(vec![ExecutorParam::MaxGas(1000)]));
    let gas_used = async |pvf: &Pvf, block: Vec<u8>| {
        let validation = host.validate(approval_of(pvf.clone(), block)).await;
        validation.execute.expect("it was executed").gas_used
    };
    for (call, expected) in [
        (OnCall::HashInput, Some(500)),
        (OnCall::Trap, Some(500)),
        (OnCall::GuestPanic, Some(500)),
        (OnCall::InvalidOutput, Some(500)),
        (OnCall::OutOfMemory, Some(500)),
        (OnCall::Garbage, Some(500)),
        (OnCall::OutOfGas, Some(1000)),
        // The job did not live to say it.
        (OnCall::BackendPanic, None),
        (OnCall::Abort, None),
    ] {
        assert_eq!(gas_used(&metered, call.block()).await, expected, "{call:?}");
        assert_eq!(gas_used(&pvf, call.block()).await, None, "{call:?} is not metered");
    }
    // The code was never called.
    let no_block = compression::PREFIX.to_vec();
    assert_eq!(gas_used(&metered, no_block).await, None);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metered_and_unmetered_code_are_two_artifacts_whatever_the_limit() {
    let host = host().await;
    let pvf = Script::default().pvf();
    let limits = [None, Some(1), Some(2), Some(u64::MAX), None];
    let cached = [false, false, true, true, true];
    for (limit, cached) in limits.into_iter().zip(cached) {
        let params = ExecutorParams::new(limit.map(ExecutorParam::MaxGas).into_iter().collect());
        let validation = host.validate(approval(pvf.clone().with_params(params))).await;
        assert_eq!(validation.prepare.map(|report| report.cached), Some(cached), "{limit:?}");
    }
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_dies_in_any_way_leaves_the_candidate_possibly_invalid() {
    let host = host().await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    for call in [OnCall::Abort, OnCall::ExitWithoutAnswer, OnCall::Babble] {
        let validation = host.validate(approval_of(pvf.clone(), call.block())).await;
        assert!(validation.execute.is_some());
        let reason = possibly_invalid(validation);
        assert!(matches!(reason, PossiblyInvalid::AmbiguousJobDeath(_)), "{call:?}: {reason:?}");
        // The same code goes on working, for other candidates.
        let good = approval_of(pvf.clone(), OnCall::HashInput.block());
        assert_eq!(valid_head(host.validate(good.clone()).await), hash_head(&good));
    }
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_job_died_is_not_used_again() {
    let host = host().await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    host.validate(approval_of(pvf.clone(), OnCall::Abort.block())).await;
    host.validate(approval_of(pvf, OnCall::HashInput.block())).await;
    let statistics = host.statistics();
    assert_eq!((statistics.execute_workers_started, statistics.hot_hits), (2, 0));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_backend_is_a_job_error() {
    let reason =
        possibly_invalid(validated(approval(Script::call(OnCall::BackendPanic).pvf())).await);
    assert!(matches!(reason, PossiblyInvalid::JobError(_)), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_killed_from_outside_leaves_the_candidate_possibly_invalid() {
    let host = host().await;
    let validation = host.submit(approval(Script::call(OnCall::SleepForever).pvf())).await;
    processes::kill(host.busy_job().await).await;
    let reason = possibly_invalid(validation.await);
    assert!(matches!(reason, PossiblyInvalid::AmbiguousJobDeath(_)), "{reason:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_from_outside_leaves_the_candidate_possibly_invalid() {
    let host = host().await;
    let validation = host.submit(approval(Script::call(OnCall::SleepForever).pvf())).await;
    let job = host.busy_job().await;
    processes::kill(host.worker(WorkerKind::Execute)).await;
    let reason = possibly_invalid(validation.await);
    assert!(matches!(reason, PossiblyInvalid::AmbiguousWorkerDeath(_)), "{reason:?}");
    pvf_tests::eventually("the job ends with its worker", || processes::has_ended(job)).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_its_worker_harms_only_its_own_candidate() {
    // It can't, if anything is held against it.
    let host = host_with(|config| config.sandbox(no_sandbox())).await;
    let reason =
        possibly_invalid(host.validate(approval(Script::call(OnCall::KillWorker).pvf())).await);
    assert!(matches!(reason, PossiblyInvalid::AmbiguousWorkerDeath(_)), "{reason:?}");
    let good = approval(Script::default().pvf());
    assert_eq!(valid_head(host.validate(good.clone()).await), hash_head(&good));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_cannot_be_loaded_or_instantiated_is_thrown_away() {
    let host = host().await;
    for script in [Script::load(OnLoad::Fail), Script::call(OnCall::FailToInstantiate)] {
        let before = host.statistics();
        let reason = possibly_invalid(host.validate(approval(script.pvf())).await);
        assert!(matches!(reason, PossiblyInvalid::RuntimeConstruction(_)), "{reason:?}");
        let after = host.statistics();
        assert_eq!(after.artifacts_discarded - before.artifacts_discarded, 1);
        assert!(host.scratch().entries().is_empty());
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_while_it_loads_leaves_the_candidate_possibly_invalid() {
    let host = host().await;
    let validation = host.submit(approval(Script::load(OnLoad::SleepForever).pvf())).await;
    let worker = eventually_some("a worker loads", || {
        let mut workers = host.scratch().processes();
        workers.retain(|it| host.workers(WorkerKind::Execute).contains(&it.pid));
        workers.into_iter().find(|it| it.cpu >= processes::VISIBLE_CPU_TIME)
    })
    .await;
    processes::kill(worker.pid).await;
    let reason = possibly_invalid(validation.await);
    assert!(matches!(reason, PossiblyInvalid::AmbiguousWorkerDeath(_)), "{reason:?}");
    // Nothing is held against the artifact.
    assert_eq!(host.statistics().artifacts_discarded, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_does_not_decompress_within_the_limit_makes_the_candidate_invalid() {
    let host = host_with(|config| config.pov_limit(1000)).await;
    let pvf = Script::default().pvf();
    let compressed = |len| compression::compress(&vec![0; len], 3).unwrap();
    let fits = approval_of(pvf.clone(), vec![0; 1000]);
    let validation = host.validate(with_block(fits.clone(), compressed(1000))).await;
    assert_eq!(valid_head(validation), hash_head(&fits));
    let mut cut_short = compressed(1000);
    cut_short.pop();
    for block in [compressed(1001), cut_short, compression::PREFIX.to_vec()] {
        let reason = invalid(host.validate(approval_of(pvf.clone(), block)).await);
        assert!(matches!(reason, InvalidCandidate::PovDecompressionFailure(_)), "{reason}");
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_on_decompression_holds_for_compressed_blocks_only() {
    let host = host_with(|config| config.pov_limit(1000)).await;
    let request = approval_of(Script::default().pvf(), vec![0; 1001]);
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_longer_than_any_guest_takes_make_the_candidate_invalid() {
    let host = host().await;
    let pvf = Script::default().pvf();
    let reason = invalid(host.validate(approval_of(pvf.clone(), vec![0; MAX_INPUT])).await);
    assert!(matches!(reason, InvalidCandidate::OversizedInput(_)), "{reason:?}");
    let mut compressed = compression::PREFIX.to_vec();
    compressed.resize(MAX_INPUT, 0);
    let reason = invalid(host.validate(approval_of(pvf.clone(), compressed)).await);
    assert!(matches!(reason, InvalidCandidate::PovDecompressionFailure(_)), "{reason}");
    // The longest that is passed on.
    let rest = input(&approval(pvf.clone())).len() + 3;
    let longest = approval_of(pvf, vec![0; MAX_INPUT - rest]);
    let expected = input(&longest);
    assert_eq!(expected.len(), MAX_INPUT);
    assert_eq!(valid_head(host.validate(longest).await), blake2_256(&expected).0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_head_arrives_whole() {
    let script = Script::call(OnCall::ReturnBig(8 << 20));
    let head = valid_head(validated(approval(script.pvf())).await);
    assert_eq!(head, vec![0x5a; 8 << 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_too_big_for_the_host_is_no_valid_output() {
    let script = Script::call(OnCall::ReturnBig(MAX_RESULT as u32 + 1000));
    let reason = invalid(validated(approval(script.pvf())).await);
    let is_output = matches!(reason, InvalidCandidate::Execution(ExecuteError::InvalidOutput(_)));
    assert!(is_output, "{reason:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_or_a_log_line_too_long_for_a_worker_is_a_job_death() {
    let host = host().await;
    // What an answer needs besides its result is little.
    for call in [
        OnCall::SendAnswer(MAX_RESULT + 1000),
        OnCall::FloodLog(40 << 10),
        OnCall::FloodLog(MAX_RESULT as u32),
    ] {
        let reason = possibly_invalid(host.validate(approval(Script::call(call).pvf())).await);
        assert!(matches!(reason, PossiblyInvalid::AmbiguousJobDeath(_)), "{reason:?}");
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_a_candidate_is_harmless_for_a_terminal() {
    let text = format!("\x1b[2J\nvalid\r{}", "x".repeat(1 << 20));
    let InvalidCandidate::Execution(ExecuteError::Trap(said)) =
        invalid(validated(approval(Script::call(OnCall::TrapWith(text)).pvf())).await)
    else {
        panic!("not a trap");
    };
    assert!(said.starts_with("\\u{1b}[2J\nvalid\\rxxx"), "{}", &said[..20]);
    assert!(said.len() < 20 << 10 && !said.contains(|c: char| c.is_control() && c != '\n'));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_candidate_did_is_unseen_by_the_next() {
    let host = host().await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    let good = approval_of(pvf.clone(), OnCall::HashInput.block());
    for call in [OnCall::HashInput, OnCall::Trap, OnCall::ReturnBig(1 << 20), OnCall::Garbage] {
        host.validate(approval_of(pvf.clone(), call.block())).await;
        assert_eq!(valid_head(host.validate(good.clone()).await), hash_head(&good));
    }
    host.shut_down().await;
}
