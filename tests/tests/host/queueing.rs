//! Which work comes first, how much is done at once, and what waits.

use crate::host_with;
use futures_util::{StreamExt, stream::FuturesUnordered};
use pvf_host_core::{
    ActiveLeavesUpdate, ValidationError, primitives::Hash, worker::protocol::WorkerKind,
};
use pvf_tests::{
    Script, TestHost, processes,
    request::{approval, approval_of, backing, dispute, hash_head, system_backing},
    valid_head,
};
use std::time::Duration;

const LEAF: Hash = Hash([1; 32]);
const OTHER_LEAF: Hash = Hash([2; 32]);
const ANCESTOR: Hash = Hash([3; 32]);

fn activate(leaf: Hash, ancestors: &[Hash]) -> ActiveLeavesUpdate {
    ActiveLeavesUpdate::new(Some((leaf, ancestors.to_vec())), vec![])
}

// Preparing

async fn host_with_prepare_caps(soft: usize, hard: usize) -> TestHost {
    host_with(|config| config.prepare_workers_soft_max(soft).prepare_workers_hard_max(hard)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn critical_preparations_may_pass_the_soft_cap() {
    let host = host_with_prepare_caps(1, 2).await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let running = host.submit_precheck(Script::salted(0).pvf()).await;
    let waiting = host.submit_precheck(Script::salted(1).pvf()).await;
    let backing = host.submit(backing(Script::salted(2).pvf(), LEAF)).await;
    assert_eq!(host.statistics().preparations, 1);
    let approval = approval(Script::salted(3).pvf());
    assert_eq!(valid_head(host.validate(approval.clone()).await), hash_head(&approval));
    let dispute = dispute(Script::salted(4).pvf());
    assert_eq!(valid_head(host.validate(dispute.clone()).await), hash_head(&dispute));
    // What is not critical has waited.
    assert_eq!(host.statistics().preparations, 3);
    drop(stopped);
    running.await.unwrap();
    waiting.await.unwrap();
    backing.await.verdict.unwrap();
    assert_eq!(host.statistics().preparations, 5);
    // The worker above the soft cap is not kept.
    assert_eq!(host.workers(WorkerKind::Prepare).len(), 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_the_hard_cap() {
    let host = host_with_prepare_caps(1, 1).await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let running = host.submit_precheck(Script::salted(0).pvf()).await;
    let approval = host.submit(approval(Script::salted(1).pvf())).await;
    assert_eq!(host.statistics().preparations, 1);
    drop(stopped);
    running.await.unwrap();
    approval.await.verdict.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_becomes_critical_when_an_approval_joins_it() {
    let host = host_with_prepare_caps(1, 1).await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let mut prechecks = FuturesUnordered::new();
    for salt in 0..4 {
        let precheck = host.submit_precheck(Script::salted(salt).pvf()).await;
        prechecks.push(async move { (salt, precheck.await.unwrap()) });
    }
    let approval = host.submit(approval(Script::salted(3).pvf())).await;
    drop(stopped);
    let mut order = vec![];
    while let Some((salt, _)) = prechecks.next().await {
        order.push(salt);
    }
    assert_eq!(order, [0, 3, 1, 2]);
    approval.await.verdict.unwrap();
    assert_eq!(host.statistics().preparations, 4);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_preparation_starts_at_once_when_an_approval_joins_it_and_the_hard_cap_allows() {
    let host = host_with_prepare_caps(1, 2).await;
    let stopped = processes::stop(host.worker(WorkerKind::Prepare)).await;
    let running = host.submit_precheck(Script::salted(0).pvf()).await;
    let waiting = host.submit_precheck(Script::salted(1).pvf()).await;
    host.validate(approval(Script::salted(1).pvf())).await.verdict.unwrap();
    waiting.await.unwrap();
    drop(stopped);
    running.await.unwrap();
    host.shut_down().await;
}

// Executing

#[tokio::test(flavor = "multi_thread")]
async fn each_class_gets_its_share_and_none_is_starved() {
    const EACH: usize = 20;
    let host = host_with(|config| config.execute_workers_max(1)).await;
    let pvf = Script::default().pvf();
    host.precheck(pvf.clone()).await.unwrap();
    let holder = host.occupy().await;
    let mut waiting = FuturesUnordered::new();
    let classes = [
        system_backing(pvf.clone(), LEAF),
        backing(pvf.clone(), LEAF),
        approval(pvf.clone()),
        dispute(pvf),
    ];
    for request in classes {
        for _ in 0..EACH {
            let validation = host.submit(request.clone()).await;
            waiting.push(async move {
                validation.await.verdict.unwrap();
                request.kind
            });
        }
    }
    drop(holder);
    let mut order = vec![];
    while let Some(kind) = waiting.next().await {
        order.push(dispute_approval_system_backing(kind));
    }
    assert_eq!(order.len(), 4 * EACH);
    let count = |window: &[usize]| {
        let mut counts = [0; 4];
        window.iter().for_each(|class| counts[*class] += 1);
        counts
    };
    // The holder had the first slot of the first window.
    let (first, rest) = order.split_at(11);
    let first = count(first);
    assert!(first.iter().all(|slots| *slots > 0), "{first:?}");
    assert!(first[0] > first[1] && first[1] >= first[2], "{first:?}");
    assert_eq!(count(&rest[..12]), [7, 3, 1, 1]);
    // Candidates of the same code need one worker.
    assert_eq!(host.statistics().execute_workers_started, 2);
    host.shut_down().await;
}

fn dispute_approval_system_backing(kind: pvf_host_core::ValidationKind) -> usize {
    use pvf_host_core::ValidationKind::*;
    match kind {
        Dispute => 0,
        Approval => 1,
        BackingSystemParas { .. } => 2,
        Backing { .. } => 3,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_executed_at_once_than_configured() {
    let host = host_with(|config| config.execute_workers_max(2)).await;
    let first = host.occupy().await;
    let second = host.occupy().await;
    let waiting = host.submit(dispute(Script::default().pvf())).await;
    host.precheck(Script::default().pvf()).await.unwrap();
    host.settle().await;
    assert_eq!(host.statistics().executions, 2);
    drop(second);
    waiting.await.verdict.unwrap();
    drop(first);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_candidates_at_once_each_get_their_own_verdict() {
    let host = host_with(|config| config.execute_workers_max(2)).await;
    let scripts: Vec<_> = (0..5).map(Script::salted).collect();
    let requests = (0..100_u32).map(|n| {
        let pvf = scripts[n as usize % scripts.len()].pvf();
        approval_of(pvf, n.to_le_bytes().repeat(n as usize * 50))
    });
    let mut validations: FuturesUnordered<_> = requests
        .map(|request| {
            let host = host.handle();
            tokio::spawn(async move {
                assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
            })
        })
        .collect();
    while let Some(validation) = validations.next().await {
        validation.unwrap();
    }
    let statistics = host.statistics();
    assert_eq!((statistics.preparations, statistics.executions), (5, 100));
    host.shut_down().await;
}

// Bounds

#[tokio::test(flavor = "multi_thread")]
async fn a_full_class_makes_its_callers_wait_and_no_others() {
    let host = host_with(|config| config.queue_capacity(1)).await;
    let pvf = Script::default().pvf();
    host.precheck(pvf.clone()).await.unwrap();
    let holder = host.occupy().await;
    // There is a worker free, but no place among the approvals.
    let second = host.submit(approval(pvf.clone())).await;
    host.validate(dispute(pvf.clone())).await.verdict.unwrap();
    host.validate(backing(pvf.clone(), LEAF)).await.verdict.unwrap();
    host.validate(system_backing(pvf, LEAF)).await.verdict.unwrap();
    assert_eq!(host.statistics().executions, 4);
    drop(holder);
    second.await.verdict.unwrap();
    assert_eq!(host.statistics().executions, 5);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_for_a_place_can_go_away() {
    let host = host_with(|config| config.queue_capacity(1)).await;
    let pvf = Script::default().pvf();
    host.precheck(pvf.clone()).await.unwrap();
    let holder = host.occupy().await;
    let second = host.submit(approval(pvf.clone())).await;
    let third = host.submit(approval(pvf)).await;
    drop(second);
    drop(holder);
    third.await.verdict.unwrap();
    assert_eq!(host.statistics().executions, 2);
    host.shut_down().await;
}

// Deadlines

#[tokio::test(flavor = "multi_thread")]
async fn backing_that_waits_to_be_executed_is_dropped_with_its_relay_parent() {
    let host = host_with(|config| config.execute_workers_max(1)).await;
    let pvf = Script::default().pvf();
    host.precheck(pvf.clone()).await.unwrap();
    host.update_active_leaves(activate(LEAF, &[ANCESTOR])).await;
    let holder = host.occupy().await;
    let on_leaf = host.submit(backing(pvf.clone(), LEAF)).await;
    let on_ancestor = host.submit(system_backing(pvf.clone(), ANCESTOR)).await;
    let on_other = host.submit(backing(pvf.clone(), OTHER_LEAF)).await;
    let unaffected = [host.submit(approval(pvf.clone())).await, host.submit(dispute(pvf)).await];
    // The leaf goes; one of its ancestors may still be built on.
    let update = ActiveLeavesUpdate::new(Some((OTHER_LEAF, vec![ANCESTOR])), vec![LEAF]);
    host.update_active_leaves(update).await;
    assert_eq!(on_leaf.await.verdict, Err(ValidationError::ExecutionDeadline));
    drop(holder);
    on_ancestor.await.verdict.unwrap();
    on_other.await.verdict.unwrap();
    for validation in unaffected {
        validation.await.verdict.unwrap();
    }
    // The holder, and all but the one that was dropped.
    assert_eq!(host.statistics().executions, 1 + 4);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backing_that_waits_for_its_artifact_is_dropped_with_its_relay_parent() {
    let host = host_with_prepare_caps(1, 1).await;
    let worker = host.worker(WorkerKind::Prepare);
    let stopped = processes::stop(worker).await;
    host.update_active_leaves(activate(LEAF, &[])).await;
    let alone = host.submit(backing(Script::salted(0).pvf(), LEAF)).await;
    let shared = host.submit(backing(Script::salted(1).pvf(), LEAF)).await;
    let approval = host.submit(approval(Script::salted(1).pvf())).await;
    let update = ActiveLeavesUpdate::new(None, vec![LEAF]);
    host.update_active_leaves(update).await;
    for late in [alone, shared] {
        assert_eq!(late.await.verdict, Err(ValidationError::ExecutionDeadline));
    }
    // The preparation that nobody needs any more was stopped, though its worker stood still.
    approval.await.verdict.unwrap();
    drop(stopped);
    assert_eq!(host.statistics().executions, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backing_that_is_being_executed_may_end_after_its_deadline() {
    let host = host_with(|config| config).await;
    host.update_active_leaves(activate(LEAF, &[])).await;
    let pvf = Script::default().pvf();
    host.validate(backing(pvf.clone(), LEAF)).await.verdict.unwrap();
    let stopped = processes::stop(host.worker(WorkerKind::Execute)).await;
    let request = backing(pvf, LEAF).with_timeout(Duration::from_secs(600));
    let running = host.submit(request).await;
    let update = ActiveLeavesUpdate::new(None, vec![LEAF]);
    host.update_active_leaves(update).await;
    host.settle().await;
    drop(stopped);
    running.await.verdict.unwrap();
    host.shut_down().await;
}
