//! What a warm execution costs in things that can be counted: system calls, sleeps, page faults and
//! memory.
//!
//! Each bound is a little above what was counted when it was set, in a build for development on any of
//! the backends, and holds on a loaded machine as on an idle one. A release takes less. Where a change
//! makes something cheaper, its bound follows.

use pvf_host_core::{ValidationRequest, backend::BackendId, worker::protocol::WorkerKind};
use pvf_tests::{
    TestHost,
    allocation::Counting,
    guests::{ADDER, Candidate, Outcome},
    programs,
    strace::Strace,
};
use rustix::process::Pid;
use std::{collections::BTreeMap, fs};

/// How many executions are counted together.
const EXECUTIONS: usize = 100;

/// Bounds for one execution.
mod most {
    /// System calls of the host, all its threads together.
    pub(super) const HOST_CALLS: usize = 20;
    /// System calls of the worker, from one response to the next.
    pub(super) const WORKER_CALLS: usize = 23;
    /// System calls of the job, from fork to exit.
    pub(super) const JOB_CALLS: usize = 16;
    /// How often a thread of the host goes to sleep.
    pub(super) const HOST_SLEEPS: usize = 9;
    /// How often the worker goes to sleep.
    pub(super) const WORKER_SLEEPS: usize = 4;
    /// Page faults of the worker, which copies what it changes after a fork.
    pub(super) const WORKER_FAULTS: usize = 16;
    /// Page faults of the job. Half of them are for the program's own code.
    pub(super) const JOB_FAULTS: usize = 105;
    /// Pieces of memory that the host allocates.
    pub(super) const ALLOCATIONS: usize = 24;
    /// How much that is, in bytes.
    pub(super) const ALLOCATED: usize = 12 << 10;
}

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// What was counted for each execution.
type Counts = BTreeMap<&'static str, usize>;

/// One test, since what it counts is the whole process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_execution_costs_no_more_than_it_did() {
    let all = Candidate::all();
    let mut of_adder = all.iter().filter(|candidate| candidate.guest.name == ADDER.name);
    let candidate = of_adder.find(|it| matches!(it.expected, Outcome::Valid(_))).unwrap();
    let mut blobs: BTreeMap<&BackendId, _> = BTreeMap::new();
    for (backend, blob) in ADDER.runs() {
        blobs.entry(&backend.id).or_insert(blob);
    }
    assert!(!blobs.is_empty(), "an engine is linked");
    for (backend, blob) in blobs {
        let request = candidate.request(blob, backend);
        let mut counts = Counts::new();
        count(&mut counts, &request, &candidate.expected).await;
        println!("{backend}: {counts:?}");
        let over: Vec<_> = counts
            .iter()
            .filter(|(name, count)| **count > bound(name))
            .map(|(name, count)| format!("{name}: {count}, at most {}", bound(name)))
            .collect();
        assert!(over.is_empty(), "{backend}: {over:#?}");
    }
}

fn bound(name: &str) -> usize {
    match name {
        "host calls" => most::HOST_CALLS,
        "worker calls" => most::WORKER_CALLS,
        "job calls" => most::JOB_CALLS,
        "host sleeps" => most::HOST_SLEEPS,
        "worker sleeps" => most::WORKER_SLEEPS,
        "worker faults" => most::WORKER_FAULTS,
        "job faults" => most::JOB_FAULTS,
        "allocations" => most::ALLOCATIONS,
        "allocated" => most::ALLOCATED,
        name => panic!("no bound for {name}"),
    }
}

async fn count(counts: &mut Counts, request: &ValidationRequest, expected: &Outcome) {
    let host = TestHost::new(programs!(), |config| config).await;
    let execute = async |times: usize| {
        for _ in 0..times {
            let verdict = host.validate(request.clone()).await.verdict;
            assert_eq!(Outcome::from(verdict), *expected);
        }
    };
    // By then all is in place.
    execute(10).await;
    host.rest().await;
    let worker = host.worker(WorkerKind::Execute);
    let own = rustix::process::getpid();

    let before = (ALLOCATOR.allocated(), sleeps(own), sleeps(worker), faults(worker));
    execute(EXECUTIONS).await;
    let after = (ALLOCATOR.allocated(), sleeps(own), sleeps(worker), faults(worker));
    let mut each = |name, before: usize, after: usize| {
        counts.insert(name, (after - before).div_ceil(EXECUTIONS));
    };
    each("allocations", before.0.0, after.0.0);
    each("allocated", before.0.1, after.0.1);
    each("host sleeps", before.1, after.1);
    each("worker sleeps", before.2, after.2);
    each("worker faults", before.3.0, after.3.0);
    each("job faults", before.3.1, after.3.1);

    // One after the other: who is traced is slow, and makes others wait.
    if let Some(strace) = Strace::attach(own).await {
        execute(EXECUTIONS).await;
        let calls = strace.detach().iter().map(|(_, calls)| calls.len()).sum();
        each("host calls", 0, calls);
    }
    host.rest().await;
    if let Some(strace) = Strace::attach(worker).await {
        let threads = threads(worker);
        execute(EXECUTIONS).await;
        host.rest().await;
        let (of_worker, of_jobs): (Vec<_>, Vec<_>) =
            strace.detach().into_iter().partition(|(thread, _)| threads.contains(thread));
        let calls = |of: &[(Pid, Vec<String>)]| of.iter().map(|(_, calls)| calls.len()).sum();
        each("worker calls", 0, calls(&of_worker));
        each("job calls", 0, calls(&of_jobs));
    }
    host.shut_down().await;
}

fn threads(process: Pid) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{}/task", process.as_raw_pid())).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.map(|name| Pid::from_raw(name.to_str().unwrap().parse().unwrap()).unwrap()).collect()
}

/// How often the threads of a process have gone to sleep.
fn sleeps(process: Pid) -> usize {
    let of_thread = |thread: Pid| -> Option<usize> {
        let (process, thread) = (process.as_raw_pid(), thread.as_raw_pid());
        // It may have ended.
        let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status")).ok()?;
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        count.trim().parse().ok()
    };
    threads(process).into_iter().filter_map(of_thread).sum()
}

/// The page faults of a process, and those of the children that it has reaped.
fn faults(process: Pid) -> (usize, usize) {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = fields.split(' ').collect();
    let [own, of_children] = [7, 8].map(|field: usize| fields[field].parse().unwrap());
    (own, of_children)
}
