//! How code becomes an artifact, and what happens when it does not.

use crate::{host, host_with};
use pvf_host_core::{
    Code, InternalError, PrepareError, Pvf, ValidationError,
    artifact::{Cache, EntryContent},
    backend::{BackendId, SelectionError},
    primitives::{ExecutorParam, ExecutorParams, compression},
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    OnLoad, OnPrepare, Script, eventually, processes,
    request::{approval, hash_head},
    scripted, valid_head,
};
use std::{fs, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn params(params: impl Into<Vec<ExecutorParam>>) -> ExecutorParams {
    ExecutorParams::new(params.into())
}

fn on(backend: &BackendId, pvf: Pvf) -> Pvf {
    pvf.with_params(params([ExecutorParam::Backend(backend.clone())]))
}

/// What a validation says about code that is not prepared.
fn verdict(error: PrepareError) -> ValidationError {
    if error.is_deterministic() {
        ValidationError::Preparation(error)
    } else {
        ValidationError::Internal(InternalError::Preparation(error))
    }
}

// Once for all

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_need_the_same_artifact_share_one_preparation() {
    let host = host().await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let request = approval(Script::default().pvf());
    host.heads_up([request.pvf.clone()]).await;
    let mut validations = vec![];
    let mut prechecks = vec![];
    for _ in 0..10 {
        validations.push(host.submit(request.clone()).await);
        prechecks.push(host.submit_precheck(request.pvf.clone()).await);
    }
    drop(stopped);
    for validation in validations {
        let validation = validation.await;
        assert!(!validation.prepare.as_ref().unwrap().cached);
        assert_eq!(valid_head(validation), hash_head(&request));
    }
    for precheck in prechecks {
        assert!(!precheck.await.unwrap().cached);
    }
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_once_is_there_for_all_that_follows() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    let first = host.precheck(request.pvf.clone()).await.unwrap();
    let second = host.precheck(request.pvf.clone()).await.unwrap();
    let third = host.validate(request).await.prepare.unwrap();
    assert_eq!([first.cached, second.cached, third.cached], [false, true, true]);
    // What it took is told all the same.
    assert_eq!([second.cost, third.cost], [first.cost; 2]);
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_announced_by_a_heads_up_is_prepared_without_a_request() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    host.heads_up([request.pvf.clone()]).await;
    eventually("the artifact is there", || host.scratch().entries().len() == 1).await;
    host.precheck(request.pvf.clone()).await.unwrap();
    assert!(host.validate(request).await.prepare.unwrap().cached);
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_parameters_that_change_the_artifact_need_one_of_their_own() {
    let host = host().await;
    let with = |param| Script::default().pvf().with_params(params([param]));
    host.precheck(Script::default().pvf()).await.unwrap();
    for same in [ExecutorParam::MaxMemoryPages(100), ExecutorParam::StackNativeMax(1 << 20)] {
        assert!(host.precheck(with(same)).await.unwrap().cached);
    }
    for other in [ExecutorParam::StackLogicalMax(2000), ExecutorParam::WasmExtBulkMemory] {
        assert!(!host.precheck(with(other)).await.unwrap().cached);
    }
    assert_eq!(host.scratch().entries().len(), 3);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_artifact_is_stored_and_loaded() {
    const BYTES: u32 = 40 << 20;
    let host = host().await;
    let request = approval(Script::prepare(OnPrepare::SucceedWithPadding(BYTES)).pvf());
    let validation = host.validate(request.clone()).await;
    assert!(validation.prepare.as_ref().unwrap().artifact_size > BYTES.into());
    assert_eq!(valid_head(validation), hash_head(&request));
    host.shut_down().await;
}

// Failures

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_own_error() {
    let host = host().await;
    for prepare in [
        OnPrepare::RejectInPrevalidation,
        OnPrepare::FailToCompile,
        OnPrepare::Panic,
        OnPrepare::Abort,
        OnPrepare::ExitWithoutAnswer,
    ] {
        let pvf = Script::prepare(prepare.clone()).pvf();
        let error = host.precheck(pvf.clone()).await.unwrap_err();
        let is_expected = match prepare {
            OnPrepare::RejectInPrevalidation => matches!(error, PrepareError::Prevalidation(_)),
            OnPrepare::FailToCompile => matches!(error, PrepareError::Compilation(_)),
            OnPrepare::Panic => matches!(error, PrepareError::Panicked(_)),
            _ => matches!(error, PrepareError::JobDied(_)),
        };
        assert!(is_expected, "{prepare:?}: {error:?}");
        assert_eq!(host.validate(approval(pvf)).await.verdict, Err(verdict(error)));
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_depends_on_the_code_alone_is_remembered_even_by_the_next_host() {
    let mut host = host_with(|config| config.prepare_retry_interval(Duration::ZERO)).await;
    let scripts = [OnPrepare::RejectInPrevalidation, OnPrepare::FailToCompile];
    let pvfs = scripts.map(|prepare| Script::prepare(prepare).pvf());
    let mut errors = vec![];
    for pvf in &pvfs {
        errors.push(host.precheck(pvf.clone()).await.unwrap_err());
    }
    for preparations in [2, 0] {
        for (pvf, error) in pvfs.iter().zip(&errors) {
            assert!(error.is_deterministic());
            let expected = Err(ValidationError::Preparation(error.clone()));
            assert_eq!(host.validate(approval(pvf.clone())).await.verdict, expected);
            assert_eq!(host.precheck(pvf.clone()).await.as_ref(), Err(error));
        }
        assert_eq!(host.statistics().preparations, preparations);
        host = host.restart().await;
    }
    let entries = host.scratch().entries();
    assert!(entries.iter().all(|e| matches!(e.content, Ok(EntryContent::Failure(..)))));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_not_remembered_by_the_next_host() {
    let host = host_with(|config| config.prepare_retry_interval(DAY)).await;
    let request = approval(Script::prepare(OnPrepare::Abort).pvf());
    for _ in 0..2 {
        let verdict = host.validate(request.clone()).await.verdict;
        assert!(matches!(
            verdict,
            Err(ValidationError::Internal(InternalError::Preparation(PrepareError::JobDied(_))))
        ));
        assert_eq!(host.statistics().preparations, 1);
    }
    assert!(host.scratch().entries().is_empty());
    let host = host.restart().await;
    host.validate(request).await.verdict.unwrap_err();
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again_as_often_as_configured() {
    let host =
        host_with(|config| config.prepare_retry_interval(Duration::ZERO).prepare_retries(3)).await;
    let request = approval(Script::prepare(OnPrepare::Abort).pvf());
    for _ in 0..2 {
        let verdict = host.validate(request.clone()).await.verdict;
        assert!(matches!(
            verdict,
            Err(ValidationError::Internal(InternalError::Preparation(PrepareError::JobDied(_))))
        ));
        assert_eq!(host.statistics().preparations, 1 + 3);
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precheck_tries_once() {
    let host = host_with(|config| config.prepare_retry_interval(Duration::ZERO)).await;
    let pvf = Script::prepare(OnPrepare::Abort).pvf();
    for _ in 0..2 {
        let answer = host.precheck(pvf.clone()).await;
        assert!(matches!(answer, Err(PrepareError::JobDied(_))), "{answer:?}");
    }
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_whose_worker_was_killed_is_done_again() {
    let host = host_with(|config| config.prepare_retry_interval(Duration::ZERO)).await;
    let worker = host.worker(WorkerKind::Prepare);
    let _stopped = processes::stop(worker).await;
    let request = approval(Script::default().pvf());
    let validation = host.submit(request.clone()).await;
    processes::kill(worker).await;
    assert_eq!(valid_head(validation.await), hash_head(&request));
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_it_is_time_to_try_again_the_last_failure_is_the_answer() {
    let host = host_with(|config| config.prepare_retry_interval(DAY)).await;
    let worker = host.worker(WorkerKind::Prepare);
    let _stopped = processes::stop(worker).await;
    let request = approval(Script::default().pvf());
    let validation = host.submit(request.clone()).await;
    processes::kill(worker).await;
    let first = validation.await.verdict.unwrap_err();
    assert!(matches!(
        first,
        ValidationError::Internal(InternalError::Preparation(PrepareError::Worker(_)))
    ));
    assert_eq!(host.validate(request).await.verdict, Err(first));
    assert_eq!(host.statistics().preparations, 1);
    // Other code is not affected.
    host.precheck(Script::salted(1).pvf()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepare_job_killed_from_outside_takes_its_worker_along() {
    let host = host().await;
    let worker = host.worker(WorkerKind::Prepare);
    let precheck = host.submit_precheck(Script::prepare(OnPrepare::SleepForever).pvf()).await;
    processes::kill(host.busy_job().await).await;
    let answer = precheck.await;
    assert!(matches!(answer, Err(PrepareError::JobDied(_))), "{answer:?}");
    // It may be that the job was up to something.
    eventually("the worker is gone", || processes::look(worker.as_raw_pid()).is_none()).await;
    host.precheck(Script::default().pvf()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_whose_artifact_cannot_be_loaded_fails_its_precheck() {
    let host = host().await;
    let answer = host.precheck(Script::load(OnLoad::Fail).pvf()).await;
    assert!(matches!(answer, Err(PrepareError::RuntimeConstruction(_))), "{answer:?}");
    let answer = host.precheck(Script::load(OnLoad::Panic).pvf()).await;
    assert!(matches!(answer, Err(PrepareError::Panicked(_))), "{answer:?}");
    let answer = host.precheck(Script::load(OnLoad::Abort).pvf()).await;
    assert!(matches!(answer, Err(PrepareError::JobDied(_))), "{answer:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_was_loaded_on_the_way_is_not_loaded_again_for_its_precheck() {
    let host = host().await;
    let script =
        Script { prepare: OnPrepare::SayItWasLoaded, load: OnLoad::Fail, ..Script::default() };
    host.precheck(script.pvf()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_cannot_be_stored_is_no_fault_of_the_candidate() {
    let host = host().await;
    let environments = Cache::new(host.scratch().cache()).environments().unwrap();
    fs::remove_dir_all(environments[0].path()).unwrap();
    fs::write(environments[0].path(), "in the way").unwrap();
    let verdict = host.validate(approval(Script::default().pvf())).await.verdict;
    assert!(matches!(
        verdict,
        Err(ValidationError::Internal(InternalError::Preparation(PrepareError::Store(_))))
    ));
    // A failure that can't be written down is one all the same.
    let precheck = Script::prepare(OnPrepare::FailToCompile).pvf();
    let answer = host.precheck(precheck.clone()).await;
    assert!(matches!(answer, Err(PrepareError::Store(_))), "{answer:?}");
    fs::remove_file(environments[0].path()).unwrap();
    let answer = host.precheck(precheck).await;
    assert!(matches!(answer, Err(PrepareError::Compilation(_))), "{answer:?}");
    host.shut_down().await;
}

// Compressed code

#[tokio::test(flavor = "multi_thread")]
async fn compressed_code_is_decompressed_within_its_limit() {
    let script = Script::default().bytes();
    let bloated = [script.clone(), vec![0; 100_000]].concat();
    let code = |bytes: &[u8]| Code::new(compression::compress(bytes, 3).unwrap());
    let host = host_with(|config| config.code_limit(script.len())).await;
    let request = approval(Pvf::new(code(&script)));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    let answer = host.precheck(Pvf::new(code(&bloated))).await;
    assert!(matches!(answer, Err(PrepareError::Decompression(_))), "{answer:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_no_compressed_data_behind_the_prefix_fails_to_decompress() {
    let host = host().await;
    let code = Code::new([&compression::PREFIX[..], b"nonsense"].concat());
    let answer = host.precheck(on(&scripted::ID, Pvf::new(code))).await;
    assert!(matches!(answer, Err(PrepareError::Decompression(_))), "{answer:?}");
    host.shut_down().await;
}

// Choice of the backend

#[tokio::test(flavor = "multi_thread")]
async fn code_without_a_backend_is_refused_before_any_work() {
    let host = host().await;
    let unknown = BackendId::from_static("unknown");
    let shared = Pvf::new(Code::new(Script::default().shared_bytes()));
    for (pvf, kind) in [
        (Pvf::new(Code::new(*b"what is this?")), "none accepts"),
        (on(&unknown, Script::default().pvf()), "not linked"),
        (shared, "ambiguous"),
    ] {
        let error = host.precheck(pvf.clone()).await.unwrap_err();
        let PrepareError::Backend(reason) = &error else { panic!("{error:?}") };
        let is_expected = match reason {
            SelectionError::NoneAccepts { .. } => kind == "none accepts",
            SelectionError::NotLinked { id, .. } => kind == "not linked" && *id == unknown,
            SelectionError::Ambiguous(ids) => {
                kind == "ambiguous" && *ids == [scripted::ID, scripted::TWIN_ID]
            }
            _ => false,
        };
        assert!(is_expected, "{reason:?}");
        let validation = host.validate(approval(pvf)).await;
        assert_eq!(validation.verdict, Err(verdict(error)));
    }
    assert_eq!(host.statistics(), Default::default());
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_code_at_all_is_no_program() {
    let host = host().await;
    let empty = || Pvf::new(Code::new(*b""));
    for pvf in [empty(), on(&scripted::ID, empty())] {
        let answer = host.precheck(pvf).await;
        assert!(matches!(answer, Err(PrepareError::Prevalidation(_))), "{answer:?}");
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_that_the_parameters_name_is_used_and_its_artifacts_are_kept_apart() {
    let host = host().await;
    let shared = Pvf::new(Code::new(Script::default().shared_bytes()));
    for backend in [scripted::ID, scripted::TWIN_ID] {
        let request = approval(on(&backend, shared.clone()));
        let validation = host.validate(request.clone()).await;
        assert_eq!(validation.backend, Some(backend));
        assert_eq!(valid_head(validation), hash_head(&request));
    }
    let mut backends: Vec<_> =
        host.scratch().entries().into_iter().map(|entry| entry.id.backend).collect();
    backends.sort();
    assert_eq!(backends, [scripted::ID, scripted::TWIN_ID]);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_no_backend_recognises_goes_to_the_default_one() {
    let host = host_with(|config| config.default_backend(Some(scripted::TWIN_ID))).await;
    let answer = host.precheck(Pvf::new(Code::new(*b"what is this?"))).await;
    assert!(matches!(answer, Err(PrepareError::Prevalidation(_))), "{answer:?}");
    assert_eq!(host.scratch().entries()[0].id.backend, scripted::TWIN_ID);
    // What is recognised does not.
    assert_eq!(host.precheck(Script::default().pvf()).await.unwrap().backend, scripted::ID);
    host.shut_down().await;
}
