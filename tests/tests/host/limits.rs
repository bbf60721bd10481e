//! Limits on time and memory, and what is reported about both.

use crate::{host, host_with};
use pvf_host_core::{
    InternalError, InvalidCandidate, PrepareError, Pvf, ValidationError, ValidationRequest,
    primitives::{ExecutorParam, ExecutorParams, PvfExecKind, PvfPrepKind},
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    OnCall, OnPrepare, Script, eventually, processes,
    request::{approval, backing, hash_head},
    valid_head,
};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);
/// A multiple of [`SHORT`] that no machine is slow enough to reach before the job has used its CPU
/// time.
const FOREVER: u32 = 100_000;

fn within(timeout: Duration, request: ValidationRequest) -> ValidationRequest {
    request.with_timeout(timeout)
}

fn with(param: ExecutorParam, pvf: Pvf) -> Pvf {
    pvf.with_params(ExecutorParams::new(vec![param]))
}

fn prepared_within(kind: PvfPrepKind, limit: Duration, pvf: Pvf) -> Pvf {
    with(ExecutorParam::PvfPrepTimeout(kind, limit.as_millis() as u64), pvf)
}

// Executing

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_never_stops_talking_is_ended_by_its_worker() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    for bytes in [0, 100, 16 << 10] {
        let pvf = Script::call(OnCall::FloodLog(bytes)).pvf();
        let validation = host.validate(within(SHORT, approval(pvf))).await;
        assert_eq!(validation.verdict, Err(InvalidCandidate::HardTimeout.into()), "{bytes}");
        assert!(validation.execute.is_some_and(|report| report.cpu >= SHORT));
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_uses_up_its_cpu_time_is_ended_by_its_worker() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let pvf = Script::call(OnCall::SpinForever).pvf();
    for _ in 0..2 {
        let validation = host.validate(within(SHORT, approval(pvf.clone()))).await;
        let hard_timeout = ValidationError::Invalid(InvalidCandidate::HardTimeout);
        assert_eq!(validation.verdict, Err(hard_timeout));
        assert!(validation.execute.is_some_and(|report| report.cpu >= SHORT));
    }
    // The worker has done nothing wrong.
    assert_eq!(host.statistics().execute_workers_started, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_took_too_much_cpu_time_counts_as_none() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let script = Script::call(OnCall::Spin(60));
    let validation = host.validate(within(SHORT, approval(script.pvf()))).await;
    assert_eq!(validation.verdict, Err(InvalidCandidate::HardTimeout.into()));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_sleeps_is_ended_by_the_clock() {
    let host = host_with(|config| config.wall_clock_factor(4)).await;
    let script = Script::call(OnCall::SleepForever);
    let validation = host.validate(within(SHORT, approval(script.pvf()))).await;
    assert_eq!(validation.verdict, Err(InvalidCandidate::HardTimeout.into()));
    eventually("the job is gone", || host.jobs().is_empty()).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stalls_is_ended_by_the_clock() {
    let host = host().await;
    let request = approval(Script::default().pvf());
    valid_head(host.validate(request.clone()).await);
    let worker = host.worker(WorkerKind::Execute);
    let _stopped = processes::stop(worker).await;
    let validation = host.validate(within(SHORT, request.clone())).await;
    assert_eq!(validation.verdict, Err(InvalidCandidate::HardTimeout.into()));
    // Nobody can say what the job used.
    assert_eq!(validation.execute, None);
    eventually("the worker is gone", || processes::look(worker.as_raw_pid()).is_none()).await;
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limit_of_its_own_a_request_has_that_of_its_kind() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let limit = ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, SHORT.as_millis() as u64);
    let pvf = with(limit, Script::call(OnCall::Spin(60)).pvf());
    let backing = host.validate(backing(pvf.clone(), Default::default())).await;
    assert_eq!(backing.verdict, Err(InvalidCandidate::HardTimeout.into()));
    let approval = approval(pvf);
    assert_eq!(valid_head(host.validate(approval.clone()).await), hash_head(&approval));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_execution_used_is_reported() {
    let host = host().await;
    let mut reports = vec![];
    for call in [OnCall::HashInput, OnCall::Spin(50), OnCall::Allocate(100)] {
        let validation = host.validate(approval(Script::call(call).pvf())).await;
        reports.push(validation.execute.unwrap());
    }
    let [plain, spinning, allocating] = reports[..] else { panic!() };
    assert!(spinning.cpu >= Duration::from_millis(50) && spinning.wall >= spinning.cpu);
    assert!((100 << 20..1 << 30).contains(&allocating.peak_memory), "{allocating:?}");
    assert!(plain.peak_memory < 100 << 20, "{plain:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_limits_that_can_be_expressed_are_no_trouble() {
    let host = host_with(|config| config.wall_clock_factor(u32::MAX)).await;
    let params = ExecutorParams::new(vec![
        ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, u64::MAX),
        ExecutorParam::PvfPrepTimeout(PvfPrepKind::Prepare, u64::MAX),
    ]);
    let request = approval(Script::default().pvf().with_params(params));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    let request = within(Duration::MAX, request);
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

// Preparing

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_uses_up_its_cpu_time_is_ended_by_its_worker() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let worker = host.worker(WorkerKind::Prepare);
    let script = Script::prepare(OnPrepare::SpinForever);
    let error = host.precheck(prepared_within(PvfPrepKind::Precheck, SHORT, script.pvf())).await;
    assert_eq!(error, Err(PrepareError::TimedOut { limit: SHORT }));
    eventually("the job is gone", || host.jobs().is_empty()).await;
    // The worker has done nothing wrong.
    host.precheck(Script::default().pvf()).await.unwrap();
    assert_eq!(host.worker(WorkerKind::Prepare), worker);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_timed_out_is_no_fault_of_the_candidate() {
    let host = host().await;
    let pvf = Script::prepare(OnPrepare::SpinForever).pvf();
    let pvf = prepared_within(PvfPrepKind::Prepare, SHORT, pvf);
    let error = PrepareError::TimedOut { limit: SHORT };
    let validation = host.validate(approval(pvf)).await;
    assert_eq!(validation.verdict, Err(InternalError::Preparation(error).into()));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prechecking_and_preparing_have_limits_of_their_own() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let script = Script::prepare(OnPrepare::Spin { threads: 1, millis: 60 });
    let strict = |pvf| prepared_within(PvfPrepKind::Precheck, SHORT, pvf);
    let error = host.precheck(strict(script.pvf())).await;
    assert_eq!(error, Err(PrepareError::TimedOut { limit: SHORT }));
    let request = approval(strict(script.salt(1).pvf()));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cpu_time_of_all_threads_of_a_preparation_is_added_up() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let script = Script::prepare(OnPrepare::Spin { threads: 4, millis: 30 });
    let sum = Duration::from_millis(4 * 30);
    let report = host.precheck(script.pvf()).await.unwrap();
    assert!(report.cost.cpu >= sum, "{report:?}");
    let limit = sum - Duration::from_millis(20);
    let pvf = prepared_within(PvfPrepKind::Precheck, limit, script.salt(1).pvf());
    assert_eq!(host.precheck(pvf).await, Err(PrepareError::TimedOut { limit }));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_sleeps_is_ended_by_the_clock() {
    let host = host().await;
    let script = Script::prepare(OnPrepare::SleepForever);
    let error = host.precheck(prepared_within(PvfPrepKind::Precheck, SHORT, script.pvf())).await;
    assert_eq!(error, Err(PrepareError::TimedOut { limit: SHORT }));
    eventually("the job is gone", || host.jobs().is_empty()).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepare_worker_that_stalls_is_replaced() {
    let host = host().await;
    let worker = host.worker(WorkerKind::Prepare);
    let _stopped = processes::stop(worker).await;
    let script = Script::default();
    let error = host.precheck(prepared_within(PvfPrepKind::Precheck, SHORT, script.pvf())).await;
    assert_eq!(error, Err(PrepareError::TimedOut { limit: SHORT }));
    eventually("the worker is gone", || processes::look(worker.as_raw_pid()).is_none()).await;
    host.precheck(script.salt(1).pvf()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_memory_that_a_preparation_used_is_reported() {
    let host = host().await;
    let plain = host.precheck(Script::default().pvf()).await.unwrap().cost.peak_memory;
    let script = Script::prepare(OnPrepare::Allocate(200));
    let allocating = host.precheck(script.pvf()).await.unwrap().cost.peak_memory;
    assert!((200 << 20..1 << 30).contains(&allocating), "{allocating}");
    assert!((1 << 20..100 << 20).contains(&plain), "{plain}");
    host.shut_down().await;
}

/// The lowest limit that the relay chain may set, in bytes.
const MEMORY: u64 = 256 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_uses_too_much_memory_fails_for_good() {
    let host = host().await;
    let script = Script::prepare(OnPrepare::Allocate(600));
    let pvf = with(ExecutorParam::PrecheckingMaxMemory(MEMORY), script.pvf());
    let error = PrepareError::OutOfMemory { limit: MEMORY };
    assert_eq!(host.precheck(pvf.clone()).await, Err(error.clone()));
    assert!(error.is_deterministic());
    let validation = host.validate(approval(pvf.clone())).await;
    assert_eq!(validation.verdict, Err(ValidationError::Preparation(error.clone())));
    assert_eq!(host.statistics().preparations, 1);

    let host = host.restart().await;
    assert_eq!(host.precheck(pvf).await, Err(error));
    assert_eq!(host.statistics().preparations, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_needed_too_much_memory_gets_another_chance_when_the_limit_is_raised() {
    let host = host().await;
    let script = Script::prepare(OnPrepare::Allocate(600));
    let limited = |limit| with(ExecutorParam::PrecheckingMaxMemory(limit), script.pvf());
    for limit in [MEMORY, 2 * MEMORY] {
        let error = PrepareError::OutOfMemory { limit };
        assert_eq!(host.precheck(limited(limit)).await, Err(error));
    }
    // With less than what was too little, there is no need to try.
    let error = PrepareError::OutOfMemory { limit: 2 * MEMORY };
    assert_eq!(host.precheck(limited(MEMORY)).await, Err(error));
    assert_eq!(host.statistics().preparations, 2);
    host.precheck(limited(4 * MEMORY)).await.unwrap();
    // The next host knows of the success, not of the failures.
    let host = host.restart().await;
    assert!(host.precheck(limited(4 * MEMORY)).await.unwrap().cached);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_is_given_back_before_anybody_looks_counts_too() {
    let host = host().await;
    // A little above the limit, for the shortest possible time.
    let script = Script::prepare(OnPrepare::Allocate(MEMORY as u32 >> 20));
    for salt in 0..5 {
        let pvf =
            with(ExecutorParam::PrecheckingMaxMemory(MEMORY), script.clone().salt(salt).pvf());
        assert_eq!(host.precheck(pvf).await, Err(PrepareError::OutOfMemory { limit: MEMORY }));
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_a_preparation_protects_still_counts() {
    let host = host().await;
    let script = Script::prepare(OnPrepare::AllocateAndProtect(600));
    let pvf = with(ExecutorParam::PrecheckingMaxMemory(MEMORY), script.pvf());
    assert_eq!(host.precheck(pvf).await, Err(PrepareError::OutOfMemory { limit: MEMORY }));
    let script = Script::prepare(OnPrepare::AllocateAndProtect(160));
    let pvf = with(ExecutorParam::PrecheckingMaxMemory(MEMORY), script.pvf());
    host.precheck(pvf).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_needs_less_than_the_memory_limit_can_be_prepared() {
    let host = host().await;
    let script = Script::prepare(OnPrepare::Allocate(200));
    let pvf = with(ExecutorParam::PrecheckingMaxMemory(MEMORY), script.pvf());
    host.precheck(pvf).await.unwrap();
    host.shut_down().await;
}
