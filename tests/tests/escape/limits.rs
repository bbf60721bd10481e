//! The resource limits that workers and their jobs have, as the kernel tells them.

use crate::trial::salt;
use pvf_host_core::{
    backend::Artifact,
    primitives::{ExecutorParam, ExecutorParams, PvfPrepKind},
    sandbox::{Measure, Measures, Sandbox},
    try_sandbox,
    worker::protocol::WorkerKind,
};
use pvf_tests::{OnPrepare, Scratch, Script, programs, request::approval, valid_head};
use rustix::process::Pid;
use std::{collections::BTreeMap, fs};

/// By what the kernel calls it: the soft and the hard limit. None stands for no limit.
type Limits = BTreeMap<String, [Option<u64>; 2]>;

/// Those of the process with this number, or of this one, which is called "self".
fn limits(process: &str) -> Limits {
    let text = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let of_line = |line: &str| {
        // The name takes a fixed part of the line, and ends with the last of its spaces.
        let (name, values) = line.split_at(26);
        let mut values = values.split_whitespace().map(|value| match value {
            "unlimited" => None,
            number => Some(number.parse().unwrap()),
        });
        let both = [values.next().unwrap(), values.next().unwrap()];
        (name.trim_end().to_owned(), both)
    };
    text.lines().skip(1).map(of_line).collect()
}

/// What all of them have.
const OF_ALL: [(&str, u64); 6] = [
    ("Max core file size", 0),
    ("Max stack size", 8 << 20),
    ("Max open files", 64),
    ("Max locked memory", 0),
    ("Max msgqueue size", 0),
    ("Max realtime priority", 0),
];

const FILE_SIZE: &str = "Max file size";
const PROCESSES: &str = "Max processes";
/// These bound memory, which the size of an input decides about.
const MEMORY: [&str; 2] = ["Max data size", "Max address space"];

/// Checks what a process may use: these, the processes of its worker, and, of what bounds memory,
/// `memory`.
fn check(process: Pid, file_size: u64, memory: &[&str]) {
    let [own, found] = [limits("self"), limits(&process.as_raw_pid().to_string())];
    let expected = |name: &str, limit: u64| {
        // A limit that was lower stays.
        let limit = own[name][1].map_or(limit, |hard| hard.min(limit));
        assert_eq!(found[name], [Some(limit); 2], "{name} of {process:?}");
    };
    for (name, limit) in OF_ALL {
        expected(name, limit);
    }
    expected(FILE_SIZE, file_size);
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    expected(PROCESSES, 16 + 2 * cores);
    for name in memory {
        let [soft, hard] = found[*name];
        assert!(hard.is_some() && soft == hard, "{name} of {process:?}: {:?}", found[*name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_jobs_have_every_limit_that_they_are_to_have() {
    let scratch = Scratch::new(programs!());
    let config = scratch.config().sandbox(Sandbox::default());
    let findings = try_sandbox(&config.clone().build().unwrap()).await.unwrap();
    let needed = [Measure::ResourceLimits, Measure::UserNamespace, Measure::MemoryLimit];
    if let Some(lacking) = needed.into_iter().find(|measure| !findings.holds(*measure)) {
        println!("skipped: this machine has no {lacking}");
        return;
    }
    let host = scratch.start(config).await.unwrap();
    let pvf = Script::salted(salt()).pvf();
    valid_head(host.validate(approval(pvf)).await);
    host.rest().await;
    check(host.worker(WorkerKind::Execute), 0, &[]);
    let jobs = host.jobs();
    assert!(!jobs.is_empty());
    for job in jobs {
        check(job.pid, 0, &MEMORY);
    }
    let no_end = ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, u64::MAX);
    let pvf = Script::prepare(OnPrepare::SleepForever).salt(salt()).pvf();
    let pvf = pvf.with_params(ExecutorParams::new(vec![no_end]));
    let preparing = host.submit_precheck(pvf).await;
    let job = host.busy_job().await;
    check(host.worker(WorkerKind::Prepare), Artifact::MAX_LEN, &[]);
    check(job, Artifact::MAX_LEN, &MEMORY);
    drop(preparing);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_measure_they_have_what_their_host_has() {
    let scratch = Scratch::new(programs!());
    let off = Measures::none().with(Measure::ResourceLimits);
    let host = scratch.start(scratch.config().sandbox(crate::all_but(off))).await.unwrap();
    let worker = host.worker(WorkerKind::Prepare).as_raw_pid().to_string();
    let [own, found] = [limits("self"), limits(&worker)];
    assert!(own.contains_key(PROCESSES) && own.contains_key(FILE_SIZE), "{own:?}");
    assert_eq!(found, own);
    host.shut_down().await;
}
