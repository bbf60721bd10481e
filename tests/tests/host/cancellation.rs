//! Callers that go away before they have their answer.

use crate::{host, host_with};
use pvf_host_core::{InternalError, PrepareError, ValidationError, worker::protocol::WorkerKind};
use pvf_tests::{
    OnCall, OnPrepare, Script, eventually, processes,
    request::{approval, approval_of, dispute, hash_head},
    valid_head,
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_in_the_queue_costs_no_execution() {
    let host = host_with(|config| config.execute_workers_max(1)).await;
    let pvf = Script::default().pvf();
    host.precheck(pvf.clone()).await.unwrap();
    let holder = host.occupy().await;
    let cancelled = host.submit(dispute(pvf.clone())).await;
    let kept = host.submit(approval(pvf)).await;
    drop(cancelled);
    host.settle().await;
    drop(holder);
    kept.await.verdict.unwrap();
    assert_eq!(host.statistics().executions, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_execution_is_ended_and_its_place_and_worker_go_to_the_next() {
    let host = host_with(|config| config.execute_workers_max(1)).await;
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    let sleeping = approval_of(pvf.clone(), OnCall::SleepForever.block());
    let validation = host.submit(sleeping).await;
    let job = host.busy_job().await;
    let next = approval_of(pvf, OnCall::HashInput.block());
    let waiting = host.submit(next.clone()).await;
    drop(validation);
    assert_eq!(valid_head(waiting.await), hash_head(&next));
    assert!(processes::has_ended(job));
    assert_eq!(host.statistics().execute_workers_started, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_nobody_waits_for_is_stopped() {
    let host = host().await;
    let script = Script::prepare(OnPrepare::SleepForever);
    let precheck = host.submit_precheck(script.pvf()).await;
    let validation = host.submit(approval(script.pvf())).await;
    let job = host.busy_job().await;
    drop(precheck);
    host.settle().await;
    assert!(!processes::has_ended(job));
    drop(validation);
    eventually("the job is gone", || processes::has_ended(job)).await;
    // Nothing is remembered of it, and others are prepared.
    host.precheck(Script::default().pvf()).await.unwrap();
    assert_eq!(host.scratch().entries().len(), 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_in_the_queue_that_nobody_waits_for_never_starts() {
    let host = host().await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let running = host.submit_precheck(Script::salted(0).pvf()).await;
    let cancelled = host.submit_precheck(Script::salted(1).pvf()).await;
    let kept = host.submit_precheck(Script::salted(2).pvf()).await;
    drop(cancelled);
    host.settle().await;
    drop(stopped);
    running.await.unwrap();
    kept.await.unwrap();
    assert_eq!(host.statistics().preparations, 2);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_goes_on_for_those_who_stay() {
    let host = host().await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let pvf = Script::default().pvf();
    let leaving = host.submit_precheck(pvf.clone()).await;
    let staying = host.submit(approval(pvf.clone())).await;
    drop(leaving);
    host.settle().await;
    drop(stopped);
    valid_head(staying.await);
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_asked_for_ahead_is_not_stopped_by_a_request_that_leaves() {
    let host = host().await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let pvf = Script::default().pvf();
    host.heads_up([pvf.clone()]).await;
    drop(host.submit(approval(pvf)).await);
    host.settle().await;
    drop(stopped);
    eventually("the artifact is there", || host.scratch().entries().len() == 1).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_preparation_can_be_asked_for_again_at_once() {
    let host = host().await;
    for salt in 0..20 {
        let pvf = Script::salted(salt).pvf();
        // However far it has come when it is cancelled, that never harms the next.
        drop(host.submit_precheck(pvf.clone()).await);
        host.precheck(pvf.clone()).await.unwrap();
        assert_eq!(host.scratch().entries().len() as u64, salt + 1);
        // Nothing runs any more that the host does not know of.
        host.precheck(pvf).await.unwrap();
    }
    eventually("there is one worker and no job", || {
        host.workers(WorkerKind::Prepare).len() == 1 && host.jobs().is_empty()
    })
    .await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_cancelled_at_any_point_of_its_workers_start() {
    let host = host().await;
    for step in 0..100 {
        // The worker of the preparation before was killed with it: this one needs a new one.
        let script = Script::prepare(OnPrepare::SpinForever).salt(step);
        let precheck = host.submit_precheck(script.pvf()).await;
        tokio::time::sleep(Duration::from_micros(step * 30)).await;
        drop(precheck);
    }
    for step in 0..100 {
        let script = Script::call(OnCall::SpinForever).salt(step % 10);
        let validation = host.submit(approval(script.pvf())).await;
        tokio::time::sleep(Duration::from_micros(step * 30)).await;
        drop(validation);
    }
    // What may be left of them is looked for by this.
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_last_handle_is_dropped_ends_in_the_middle_of_its_work() {
    let host = host_with(|config| config.prepare_workers_soft_max(2)).await;
    host.heads_up([
        Script::prepare(OnPrepare::SleepForever).pvf(),
        Script::prepare(OnPrepare::SpinForever).pvf(),
    ])
    .await;
    eventually("both preparations run", || host.jobs().len() == 2).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_cancelled_at_once() {
    let host = host().await;
    let mut submitted = vec![];
    for salt in 0..5 {
        for call in [OnCall::HashInput, OnCall::SleepForever, OnCall::Spin(5)] {
            submitted.push(host.submit(approval(Script::call(call).salt(salt).pvf())).await);
        }
    }
    drop(submitted);
    host.settle().await;
    // The host is as good as new.
    for salt in 0..5 {
        let request = approval(Script::salted(salt).pvf());
        assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_started_for_a_host_that_has_gone_since_ends_too() {
    let mut host = host_with(|config| config.prepare_workers_soft_max(2)).await;
    let preparing = host.submit_precheck(Script::prepare(OnPrepare::SleepForever).pvf()).await;
    host.busy_job().await;
    // One that never greets is on its way to become a worker for as long as one likes.
    host.scratch().install_script("sleep 1000; true");
    let starting = host.submit_precheck(Script::default().pvf()).await;
    eventually("it was started", || host.workers(WorkerKind::Prepare).len() == 2).await;
    host.drop_work().await;
    for precheck in [preparing, starting] {
        assert_eq!(precheck.await, Err(PrepareError::HostGone));
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_host_whose_work_was_dropped_are_told_so() {
    let mut host = host_with(|config| config.queue_capacity(2).execute_workers_max(1)).await;
    let sleeping = approval(Script::call(OnCall::SleepForever).pvf());
    let running = host.occupy().await;
    host.busy_job().await;
    let queued = host.submit(sleeping.clone()).await;
    let without_place = host.submit(sleeping.clone()).await;
    let preparing = host.submit_precheck(Script::prepare(OnPrepare::SleepForever).pvf()).await;
    host.drop_work().await;
    let gone = Err(ValidationError::Internal(InternalError::HostGone));
    for validation in [running, queued, without_place] {
        assert_eq!(validation.await.verdict, gone);
    }
    assert_eq!(preparing.await, Err(PrepareError::HostGone));
    // And so is everybody who comes later.
    assert_eq!(host.validate(sleeping.clone()).await.verdict, gone);
    assert_eq!(host.precheck(sleeping.pvf.clone()).await, Err(PrepareError::HostGone));
    host.heads_up([sleeping.pvf]).await;
    host.update_active_leaves(Default::default()).await;
    host.shut_down().await;
}
