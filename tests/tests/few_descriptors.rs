//! A host whose process may open no more descriptors. In a program of its own, for that is a limit on all
//! of a process.

use pvf_host_core::worker::protocol::WorkerKind;
use pvf_tests::{Script, TestHost, programs, request::approval, valid_head};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, File};

fn limit_descriptors(current: Option<u64>) {
    setrlimit(Resource::Nofile, Rlimit { current, ..getrlimit(Resource::Nofile) }).unwrap();
}

/// Opens as many as it can, under a limit close to what is open.
fn open_all() -> Vec<File> {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let highest = open.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let highest: u64 = highest.map(|number| number.parse().unwrap()).max().unwrap();
    limit_descriptors(Some(highest + 8));
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

async fn validate(host: &TestHost, salt: u64) -> bool {
    let validation = host.validate(approval(Script::salted(salt).pvf())).await;
    let hot = validation.execute.as_ref().is_some_and(|report| report.hot);
    valid_head(validation);
    hot
}

async fn idle_workers_make_room_when_the_kernel_has_none_for_another() {
    let before = getrlimit(Resource::Nofile).current;
    let host = TestHost::new(programs!(), |config| config).await;
    // Prepared already, so that nothing else is to be started later.
    for salt in 0..6 {
        host.precheck(Script::salted(salt).pvf()).await.unwrap();
    }
    for salt in 0..5 {
        assert!(!validate(&host, salt).await);
    }
    assert_eq!(host.workers(WorkerKind::Execute).len(), 5);
    let mut fillers = open_all();
    // Enough for nothing but the first steps of a start.
    fillers.truncate(fillers.len() - 3);
    assert!(!validate(&host, 5).await, "a worker was started for it");
    drop(fillers);
    limit_descriptors(before);
    assert!(host.workers(WorkerKind::Execute).len() <= 3, "half of five made room");
    assert!(validate(&host, 4).await, "the one that was used last was kept");
    host.shut_down().await;
}

async fn half_of_the_descriptors_are_left_to_others() {
    let before = getrlimit(Resource::Nofile).current;
    limit_descriptors(Some(120));
    let host = TestHost::new(programs!(), |config| config).await;
    limit_descriptors(before);
    let fit = 120 / 2 / 3;
    for salt in 0..fit + 3 {
        validate(&host, salt).await;
    }
    host.settle().await;
    assert_eq!(host.workers(WorkerKind::Execute).len() as u64, fit);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_kept_only_as_long_as_there_are_descriptors_for_others() {
    idle_workers_make_room_when_the_kernel_has_none_for_another().await;
    half_of_the_descriptors_are_left_to_others().await;
}
