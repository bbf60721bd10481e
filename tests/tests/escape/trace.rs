//! What a job calls from its first moment to its last, as `strace` sees it.

use crate::listed::listed;
use pvf_host_core::{
    ValidationRequest, backend::BackendId, sandbox::Sandbox, worker::protocol::WorkerKind,
};
use pvf_tests::{
    TestHost, eventually, eventually_some,
    guests::{ADDER, Candidate, Outcome},
    programs,
};
use rustix::process::{Pid, Signal};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

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

/// Whether it is an error that something is missing for a test.
fn is_required() -> bool {
    std::env::var_os("PVF_REQUIRE_STRACE").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_makes_only_listed_calls_and_few_of_them() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        assert!(!is_required(), "there is no strace");
        println!("skipped: there is no strace");
        return;
    }
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
        let Some(calls) = traced(&request, &candidate.expected).await else {
            assert!(!is_required(), "strace can't trace a worker");
            println!("skipped: strace can't trace a worker");
            return;
        };
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
    let host = TestHost::new(programs!(), |config| config.sandbox = Sandbox::default()).await;
    let validate = async || {
        let verdict = host.validate(request.clone()).await.verdict;
        assert_eq!(Outcome::from(verdict), *expected);
        host.rest().await;
    };
    validate().await;
    let worker = host.worker(WorkerKind::Execute);
    let directory = tempfile::tempdir().unwrap();
    let prefix = directory.path().join("trace");
    let mut strace = Strace::attach(worker, &prefix).await?;
    // The jobs that wait now were forked before; the next one is traced from its fork on.
    let waiting: Vec<_> = host.jobs().iter().map(|job| job.pid).collect();
    validate().await;
    let job = host.jobs().into_iter().map(|job| job.pid).find(|job| !waiting.contains(job));
    let job = job.expect("a job is forked while another one runs");
    for _ in &waiting {
        validate().await;
    }
    let path = prefix.with_extension(job.as_raw_pid().to_string());
    let trace = eventually_some("the job has ended", || {
        let trace = fs::read_to_string(&path).ok()?;
        trace.lines().last()?.starts_with("+++ ").then_some(trace)
    })
    .await;
    strace.detach();
    host.shut_down().await;
    let calls = trace.lines().filter_map(|line| {
        let name = line.split('(').next()?;
        let is_call = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_call && line.contains('(')).then(|| name.to_owned())
    });
    Some(calls.collect())
}

/// The program, tracing a process and all that it forks.
struct Strace(Child);

impl Strace {
    async fn attach(process: Pid, prefix: &Path) -> Option<Self> {
        let child = Command::new("strace")
            .args(["-ff", "-q", "-o"])
            .arg(prefix)
            .args(["-p", &process.as_raw_pid().to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("there was a strace just now");
        let mut strace = Self(child);
        let mut is_gone = false;
        eventually("strace has attached, or given up", || {
            is_gone = strace.0.try_wait().is_ok_and(|status| status.is_some());
            is_gone || is_traced(process)
        })
        .await;
        (!is_gone).then_some(strace)
    }

    fn detach(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
        let _ = self.0.wait();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether all threads of a process are traced.
fn is_traced(process: Pid) -> bool {
    let threads =
        fs::read_dir(format!("/proc/{}/task", process.as_raw_pid())).into_iter().flatten();
    let statuses =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    let mut statuses = statuses.peekable();
    statuses.peek().is_some()
        && statuses.all(|status| {
            let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
            tracer.is_some_and(|tracer| tracer.trim() != "0")
        })
}
