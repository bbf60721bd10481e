//! What is tried again, with a made-up host first, and then with a real one.

use crate::{host, host_with};
use async_trait::async_trait;
use pvf_host_core::{
    ActiveLeavesUpdate, InternalError, InvalidCandidate, PossiblyInvalid, PrepareError,
    PrepareReport, Pvf, Validation, ValidationBackend, ValidationError, ValidationRequest,
    backend::RuntimeConstructionError, primitives::ValidationResult, validate_with_retry,
};
use pvf_tests::{
    OnCall, OnLoad, OnPrepare, Script, processes, refusals,
    request::{approval, hash_head},
    valid_head,
};
use std::{collections::VecDeque, sync::Mutex, time::Duration};
use tokio::time::Instant;

type Verdict = Result<ValidationResult, ValidationError>;

/// Gives these verdicts, one after the other, each after some time.
struct Fake {
    verdicts: Mutex<VecDeque<Verdict>>,
    takes: Duration,
}

#[async_trait]
impl ValidationBackend for Fake {
    async fn validate(&self, _: ValidationRequest) -> Validation {
        tokio::time::sleep(self.takes).await;
        let verdict = self.verdicts.lock().unwrap().pop_front();
        let verdict = verdict.expect("no more attempts than expected");
        Validation::new(verdict)
    }

    async fn precheck(&self, _: Pvf) -> Result<PrepareReport, PrepareError> {
        unreachable!("a validation is no precheck")
    }

    async fn heads_up(&self, _: Vec<Pvf>) {}

    async fn update_active_leaves(&self, _: ActiveLeavesUpdate) {}
}

/// The verdict in the end, when each attempt takes that long and ends like this; how many attempts
/// there were; and the time from the first attempt's end to the last one's begin.
async fn retried(
    request: ValidationRequest,
    takes: Duration,
    verdicts: impl IntoIterator<Item = Verdict>,
) -> (Verdict, usize, Duration) {
    let verdicts: VecDeque<_> = verdicts.into_iter().collect();
    let offered = verdicts.len();
    let fake = Fake { verdicts: Mutex::new(verdicts), takes };
    let start = Instant::now();
    let verdict = validate_with_retry(&fake, request).await.verdict;
    let attempts = offered - fake.verdicts.lock().unwrap().len();
    (verdict, attempts, start.elapsed() - takes * attempts as u32)
}

fn construction(reason: &str) -> RuntimeConstructionError {
    RuntimeConstructionError(reason.into())
}

fn possibly(error: PossiblyInvalid) -> Verdict {
    Err(error.into())
}

fn internal(error: InternalError) -> Verdict {
    Err(error.into())
}

fn valid() -> Verdict {
    Ok(ValidationResult::default())
}

fn any() -> ValidationRequest {
    approval(Script::default().pvf())
}

fn corrupted() -> Verdict {
    internal(InternalError::CorruptedArtifact("x".into()))
}

/// What is tried once more, and how long after.
fn transient() -> Vec<(Verdict, Duration)> {
    const LATER: Duration = Duration::from_secs(1);
    let preparation = |error| internal(InternalError::Preparation(error));
    vec![
        (possibly(PossiblyInvalid::AmbiguousWorkerDeath("x".into())), LATER),
        (possibly(PossiblyInvalid::AmbiguousJobDeath("x".into())), LATER),
        (possibly(PossiblyInvalid::JobError("x".into())), LATER),
        (corrupted(), Duration::ZERO),
        (internal(InternalError::Worker("x".into())), LATER),
        (internal(InternalError::Io("x".into())), LATER),
        (preparation(PrepareError::NoWorker("x".into())), LATER),
        (preparation(PrepareError::Store("x".into())), LATER),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_once_more_after_its_time() {
    for (error, delay) in transient() {
        let attempts = [error.clone(), valid(), valid()];
        assert_eq!(retried(any(), Duration::ZERO, attempts).await, (valid(), 2, delay));
        let attempts = [error.clone(), error.clone(), valid()];
        assert_eq!(retried(any(), Duration::ZERO, attempts).await, (error, 2, delay));
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_change_is_not_tried_again() {
    let hash = Script::default().code().hash();
    let unavailable = PrepareError::CodeUnavailable { hash, reason: "x".into() };
    let timed_out = PrepareError::TimedOut { limit: Duration::ZERO };
    for verdict in [
        valid(),
        Err(InvalidCandidate::HardTimeout.into()),
        Err(InvalidCandidate::OversizedInput(0).into()),
        Err(ValidationError::Preparation(PrepareError::Prevalidation("x".into()))),
        Err(ValidationError::ExecutionDeadline),
        internal(InternalError::HostGone),
        internal(InternalError::Preparation(unavailable)),
        internal(InternalError::Preparation(timed_out)),
        internal(InternalError::Preparation(PrepareError::Worker("x".into()))),
        internal(InternalError::Preparation(PrepareError::JobDied("x".into()))),
        internal(InternalError::WorkerReplaced { program: "x".into() }),
    ] {
        let attempts = [verdict.clone(), valid()];
        let outcome = retried(any(), Duration::ZERO, attempts).await;
        assert_eq!(outcome, (verdict, 1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn each_class_of_error_has_a_retry_of_its_own() {
    let mut classes = transient();
    // Those that are internal share one.
    classes.truncate(5);
    let delay = classes.iter().map(|(_, delay)| *delay).sum();
    let errors = classes.into_iter().map(|(error, _)| error);
    let outcome = retried(any(), Duration::ZERO, errors.chain([valid()])).await;
    assert_eq!(outcome, (valid(), 6, delay));
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_to_load_makes_the_candidate_invalid() {
    let first = possibly(PossiblyInvalid::RuntimeConstruction(construction("first")));
    let second = possibly(PossiblyInvalid::RuntimeConstruction(construction("second")));
    let judged = Err(ValidationError::Invalid(InvalidCandidate::RepeatedRuntimeConstruction {
        first: construction("first"),
        second: construction("second"),
    }));
    let outcome = retried(any(), Duration::ZERO, [first.clone(), second, valid()]).await;
    assert_eq!(outcome, (judged, 2, Duration::ZERO));
    let outcome = retried(any(), Duration::ZERO, [first, valid()]).await;
    assert_eq!(outcome, (valid(), 2, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_when_the_execution_timeout_has_passed() {
    let seconds = Duration::from_secs;
    let within = |timeout| any().with_timeout(seconds(timeout));
    for (error, delay) in transient() {
        let attempts = [error.clone(), valid()];
        let (_, count, _) = retried(within(10), seconds(8), attempts.clone()).await;
        assert_eq!(count, 2);
        for takes in [9, 10, 1000] {
            // With a second left, there is no time to wait for one. An artifact that was thrown away
            // has cost no execution.
            let (verdict, count, _) = retried(within(10), seconds(takes), attempts.clone()).await;
            let expected = if delay.is_zero() { (valid(), 2) } else { (error.clone(), 1) };
            assert_eq!((verdict, count), expected);
        }
    }
    // The last of two classes comes too late, too.
    let attempts = [corrupted(), possibly(PossiblyInvalid::JobError("x".into())), valid()];
    assert_eq!(retried(within(10), seconds(5), attempts).await.1, 2);
}

// With a real host

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_can_not_be_loaded_twice_makes_the_candidate_invalid() {
    let host = host().await;
    for script in [Script::load(OnLoad::Fail), Script::call(OnCall::FailToInstantiate)] {
        let before = host.statistics().preparations;
        let verdict = validate_with_retry(&*host, approval(script.pvf())).await.verdict;
        assert!(matches!(
            verdict,
            Err(ValidationError::Invalid(InvalidCandidate::RepeatedRuntimeConstruction { .. }))
        ));
        assert_eq!(host.statistics().preparations - before, 2);
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_loads_after_it_was_prepared_anew_is_as_good_as_any() {
    use pvf_host_core::worker::protocol::WorkerKind;
    let host = host().await;
    // What the worker that is there prepares does not load; what its successor prepares does.
    let worker = host.worker(WorkerKind::Prepare);
    let first_worker = OnLoad::FailIfPreparedBy(worker.as_raw_pid().unsigned_abs());
    let request = approval(Script::load(first_worker).pvf());
    let verdict = host.validate(request.clone()).await.verdict;
    assert!(matches!(
        verdict,
        Err(ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(_)))
    ));
    processes::kill(worker).await;
    let validation = validate_with_retry(&*host, request.clone()).await;
    assert_eq!(valid_head(validation), hash_head(&request));
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_whose_job_died_once_gets_its_verdict() {
    let host = host().await;
    let request = approval(Script::call(OnCall::Spin(300)).pvf());
    let validation = host.retry(request.clone());
    processes::kill(host.busy_job().await).await;
    assert_eq!(valid_head(validation.await.unwrap()), hash_head(&request));
    assert_eq!(host.statistics().executions, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_always_kills_its_job_is_given_up_after_the_second_time() {
    let host = host_with(|config| config.execute_workers_max(1)).await;
    let request = approval(Script::call(OnCall::Abort).pvf());
    let verdict = validate_with_retry(&*host, request).await.verdict;
    assert!(matches!(
        verdict,
        Err(ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousJobDeath(_)))
    ));
    assert_eq!(host.statistics().executions, 2);
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_refuses_an_artifact_once_is_asked_again_after_preparing_anew() {
    let host = host().await;
    let request = approval(Script::load(OnLoad::FailIfRefused).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    refusals::order(&host.scratch().worker(), 1);
    let validation = validate_with_retry(&*host, request.clone()).await;
    assert!(matches!(
        &validation.retried[..],
        [ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(_))]
    ));
    assert_eq!(valid_head(validation), hash_head(&request));
    let statistics = host.statistics();
    assert_eq!(statistics.preparations, 2);
    assert_eq!(statistics.retries_after_runtime_construction, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_refuses_an_artifact_twice_makes_the_candidate_invalid() {
    let host = host().await;
    let request = approval(Script::load(OnLoad::FailIfRefused).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    refusals::order(&host.scratch().worker(), 2);
    let verdict = validate_with_retry(&*host, request.clone()).await.verdict;
    let Err(ValidationError::Invalid(reason)) = verdict else { panic!("{verdict:?}") };
    assert_eq!(
        reason.to_string(),
        "runtime construction failed twice: refused; after preparing anew: refused"
    );
    assert_eq!(host.statistics().preparations, 2);
    assert_eq!(host.statistics().judged_after_runtime_construction, 1);
    // The next candidate is none the worse.
    let validation = validate_with_retry(&*host, request.clone()).await;
    assert!(validation.retried.is_empty());
    assert_eq!(valid_head(validation), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preparing_anew_is_no_reason_to_run_out_of_time() {
    let host = host().await;
    let script = Script {
        load: OnLoad::FailIfRefused,
        ..Script::prepare(OnPrepare::Spin { threads: 1, millis: 200 })
    };
    // Less than preparing takes.
    let timeout = Some(Duration::from_millis(100));
    let request = approval(script.pvf()).with_timeout(timeout);
    refusals::order(&host.scratch().worker(), 1);
    let validation = validate_with_retry(&*host, request.clone()).await;
    assert_eq!(validation.retried.len(), 1);
    assert_eq!(valid_head(validation), hash_head(&request));
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_candidates_of_an_artifact_that_is_refused_need_one_new_preparation() {
    let host = host_with(|config| config.hot_workers_max(0).execute_workers_max(3)).await;
    let request = approval(Script::load(OnLoad::FailIfRefused).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    refusals::order(&host.scratch().worker(), 1);
    let validations = (0..20).map(|_| host.retry(request.clone()));
    for validation in futures_util::future::join_all(validations).await {
        assert_eq!(valid_head(validation.unwrap()), hash_head(&request));
    }
    let statistics = host.statistics();
    assert_eq!(statistics.preparations, 2);
    assert_eq!(statistics.artifacts_discarded, 1);
    // Those that had not begun did not have to find out for themselves.
    assert!(statistics.executions <= 20 + 3, "{statistics:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_candidates_of_an_artifact_that_is_always_refused_need_one_new_preparation() {
    const COUNT: usize = 20;
    let host = host_with(|config| config.hot_workers_max(0).execute_workers_max(3)).await;
    let request = approval(Script::load(OnLoad::Fail).pvf());
    // All of them are there before the first one is executed.
    host.heads_up([request.pvf.clone()]).await;
    let holders = [host.occupy().await, host.occupy().await, host.occupy().await];
    let validations: Vec<_> = (0..COUNT).map(|_| host.retry(request.clone())).collect();
    host.settle().await;
    drop(holders);
    for validation in futures_util::future::join_all(validations).await {
        let verdict = validation.unwrap().verdict;
        assert!(
            matches!(
                verdict,
                Err(ValidationError::Invalid(InvalidCandidate::RepeatedRuntimeConstruction { .. }))
            ),
            "{verdict:?}"
        );
    }
    // The holders have one of their own. Who was being executed when the first was refused may come so
    // late that the second one has been refused already.
    let preparations = host.statistics().preparations - 1;
    assert!((2..=2 + 2).contains(&preparations), "{preparations}");
    assert_eq!(host.statistics().judged_after_runtime_construction, COUNT as u64);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_crashes_while_it_loads_has_its_artifact_prepared_anew() {
    for on_load in [OnLoad::Panic, OnLoad::Abort] {
        let host = host().await;
        let verdict =
            validate_with_retry(&*host, approval(Script::load(on_load).pvf())).await.verdict;
        let Err(ValidationError::Invalid(reason)) = verdict else { panic!("{verdict:?}") };
        assert!(matches!(reason, InvalidCandidate::RepeatedRuntimeConstruction { .. }));
        assert!(reason.to_string().contains("crashed while it loaded the artifact"), "{reason}");
        assert_eq!(host.statistics().preparations, 2);
        host.shut_down().await;
    }
}
