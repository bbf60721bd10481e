//! Whether a host gives back what it takes of this process. In a program of its own, for all tests of
//! a program share its descriptors and threads.

use futures_util::future::join_all;
use pvf_host_core::worker::protocol::WorkerKind;
use pvf_tests::{
    OnCall, OnLoad, OnPrepare, Scratch, Script, TestHost, eventually, no_sandbox, processes,
    programs,
    request::{approval, approval_of},
};
use std::{fs, time::Duration};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads_of_hosts() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("pvf-")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_leaves_no_descriptor_and_no_thread_behind() {
    let before = descriptors();
    let host = TestHost::new(programs!(), |config| {
        // A job can't kill its worker if anything is held against it.
        config.prepare_workers_soft_max(2).hot_workers_max(3).sandbox(no_sandbox())
    })
    .await;
    assert!(descriptors() > before);
    assert_eq!(threads_of_hosts(), 1);
    let pvf = Script::call(OnCall::AsTheBlockSays).pvf();
    for round in 0..5 {
        let calls = [
            OnCall::HashInput,
            OnCall::Trap,
            OnCall::Abort,
            OnCall::KillWorker,
            OnCall::ReturnBig(1 << 20),
        ];
        join_all(calls.map(|call| host.validate(approval_of(pvf.clone(), call.block())))).await;
        let scripts = [
            Script::default(),
            Script::prepare(OnPrepare::FailToCompile),
            Script::prepare(OnPrepare::Abort),
            Script::load(OnLoad::Fail),
            Script::load(OnLoad::Abort),
        ];
        let requests = scripts.map(|script| approval(script.salt(round).pvf()));
        join_all(requests.map(|request| host.validate(request))).await;
        // Some that have no end of their own.
        let sleeping = host.submit(approval_of(pvf.clone(), OnCall::SleepForever.block())).await;
        let preparing = Script::prepare(OnPrepare::SleepForever).salt(round);
        let preparing = host.submit_precheck(preparing.pvf()).await;
        host.busy_job().await;
        drop((sleeping, preparing));
        host.settle().await;
    }
    for worker in host.workers(WorkerKind::Execute) {
        processes::kill(worker).await;
    }
    assert!(host.statistics().executions >= 35);
    host.shut_down().await;
    assert_eq!(threads_of_hosts(), 0);
    eventually("all descriptors are closed", || descriptors() == before).await;

    // A host that could not be started takes nothing either.
    let scratch = Scratch::new(programs!());
    for script in ["exit 1", "exec cat <&0 >&0", "exec sleep 1000"] {
        scratch.install_script(script);
        let config = scratch.config().spawn_timeout(Duration::from_millis(100));
        scratch.start(config).await.unwrap_err();
    }
    scratch.assert_nothing_is_left().await;
    assert_eq!(threads_of_hosts(), 0);
    eventually("all descriptors are closed", || descriptors() == before).await;
}
