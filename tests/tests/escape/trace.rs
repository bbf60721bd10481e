//! What a job calls from its first moment to its last, as `strace` sees it.

use crate::listed::listed;
use pvf_host_core::{
    ValidationRequest, backend::BackendId, sandbox::Sandbox, worker::protocol::WorkerKind,
};
use pvf_tests::{
    TestHost, eventually_some,
    guests::{ADDER, Candidate, Outcome},
    programs,
    strace::{self, Strace},
};
use std::collections::BTreeMap;

/// What a job calls before it has its filter, to get it.
const BEFORE: &[&str] = &[
    "close",
    "close_range",
    "dup2",
    "dup3",
    // In a build for debugging, the standard library checks a descriptor before it closes it.
    "fcntl",
    "getpid",
    "getppid",
    "prctl",
    "prlimit64",
    "seccomp",
];

/// The most calls of a job.
const MOST: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_makes_only_listed_calls_and_few_of_them() {
    let all = Candidate::all();
    let is_adder = |it: &&Candidate| it.guest.name == ADDER.name;
    let mut candidates = all.iter().filter(is_adder);
    let candidate = candidates.find(|it| matches!(it.expected, Outcome::Valid(_))).unwrap();
    let mut runs: BTreeMap<&BackendId, _> = BTreeMap::new();
    for (backend, blob) in ADDER.runs() {
        runs.entry(&backend.id).or_insert(blob);
    }
    assert!(!runs.is_empty(), "an engine is linked");
    for (backend, blob) in runs {
        let request = candidate.request(blob, backend);
        let Some(calls) = traced(&request, &candidate.expected).await else { return };
        println!("{backend}: {} calls: {}", calls.len(), calls.join(", "));
        let filtered = calls.iter().position(|call| call == "seccomp");
        let filtered = filtered.expect("a job puts on its filter");
        let (before, after) = calls.split_at(filtered + 1);
        let unlisted: Vec<_> =
            before.iter().filter(|call| !BEFORE.contains(&call.as_str())).collect();
        assert!(unlisted.is_empty(), "{backend}: {unlisted:?} before the filter");
        let listed = listed("Job");
        let unlisted: Vec<_> =
            after.iter().filter(|call| !listed.contains(call.as_str())).collect();
        assert!(unlisted.is_empty(), "{backend}: {unlisted:?}");
        assert!(after.iter().any(|call| call == "read"), "{backend}: it waits for its input");
        assert!(after.iter().any(|call| call == "writev"), "{backend}: it answers");
        assert!(calls.len() < MOST, "{backend}: {} calls", calls.len());
    }
}

/// All calls of a job from fork to exit. None if they can't be traced here.
async fn traced(request: &ValidationRequest, expected: &Outcome) -> Option<Vec<String>> {
    let host = TestHost::new(programs!(), |config| config.sandbox(Sandbox::default())).await;
    let validate = async || {
        let verdict = host.validate(request.clone()).await.verdict;
        assert_eq!(Outcome::from(verdict), *expected);
        host.rest().await;
    };
    validate().await;
    let strace = Strace::attach(host.worker(WorkerKind::Execute)).await?;
    // The jobs that wait now were forked before; the next one is traced from its fork on.
    let waiting: Vec<_> = host.jobs().iter().map(|job| job.pid).collect();
    validate().await;
    let job = host.jobs().into_iter().map(|job| job.pid).find(|job| !waiting.contains(job));
    let path = strace.path_of(job.expect("a job is forked while another one runs"));
    for _ in &waiting {
        validate().await;
    }
    let calls = eventually_some("the job has ended", || strace::calls_to_the_end(&path)).await;
    strace.detach();
    host.shut_down().await;
    Some(calls)
}
