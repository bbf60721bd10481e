//! The kernel's counters of what processes do: by `perf_event_open`.

use perf_event::{
    Builder, Counter,
    events::{Event, Hardware, Software, Tracepoint},
};
use std::{fs, io, process};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    SystemCalls,
    PageFaults,
    ContextSwitches,
    Instructions,
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// This process, with all its threads: the host, and what asks it.
    Host,
    /// A worker that executes, without its jobs.
    Worker,
    /// The worker's jobs.
    Job,
}

impl What {
    pub(super) const ALL: [Self; 4] =
        [Self::SystemCalls, Self::PageFaults, Self::ContextSwitches, Self::Instructions];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SystemCalls => "system calls",
            Self::PageFaults => "page faults",
            Self::ContextSwitches => "context switches",
            Self::Instructions => "instructions",
        }
    }
}

impl Who {
    pub(super) const ALL: [Self; 3] = [Self::Host, Self::Worker, Self::Job];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Worker => "worker",
            Self::Job => "job",
        }
    }
}

/// Counters of one thing.
#[derive(Debug)]
pub(super) struct Counters {
    /// Of each thread of this process.
    host: Vec<Counter>,
    worker: Counter,
    /// The same together with all processes that it forks from now on.
    with_jobs: Counter,
}

/// Counts so far: of the host, the worker, and its jobs.
pub(super) type Counts = [u64; 3];

impl Counters {
    /// Begins to count. Fails with a reason, where the machine or its rules don't allow it.
    pub(super) fn start(what: What, worker: u32) -> Result<Self, String> {
        let failed = |error: io::Error| {
            let why = match (what, error.raw_os_error()) {
                (What::Instructions, Some(NO_ENTRY)) => {
                    "this processor, or virtual machine, has no counter for them"
                }
                (_, Some(NOT_ALLOWED | NO_ACCESS)) => "only root may count them here",
                _ => "the kernel does not count them",
            };
            format!("{why} ({error})")
        };
        let open = |thread: u32, inherit| open(what, thread, inherit).map_err(failed);
        let host = threads().into_iter().map(|thread| open(thread, true));
        Ok(Self {
            host: host.collect::<Result<_, _>>()?,
            worker: open(worker, false)?,
            with_jobs: open(worker, true)?,
        })
    }

    pub(super) fn read(&mut self) -> io::Result<Counts> {
        let mut host = 0;
        for counter in &mut self.host {
            host += counter.read()?;
        }
        let worker = self.worker.read()?;
        Ok([host, worker, self.with_jobs.read()?.saturating_sub(worker)])
    }
}

const NOT_ALLOWED: i32 = 1;
const NO_ENTRY: i32 = 2;
const NO_ACCESS: i32 = 13;

fn open(what: What, thread: u32, inherit: bool) -> io::Result<Counter> {
    match what {
        What::SystemCalls => {
            build(Tracepoint::with_name("raw_syscalls/sys_enter")?, thread, inherit)
        }
        What::PageFaults => build(Software::PAGE_FAULTS, thread, inherit),
        What::ContextSwitches => build(Software::CONTEXT_SWITCHES, thread, inherit),
        What::Instructions => build(Hardware::INSTRUCTIONS, thread, inherit),
    }
}

fn build(event: impl Event, thread: u32, inherit: bool) -> io::Result<Counter> {
    let thread = i32::try_from(thread).map_err(io::Error::other)?;
    Builder::new(event)
        .observe_pid(thread)
        .any_cpu()
        .include_kernel()
        .inherit(inherit)
        .enabled(true)
        .build()
}

fn threads() -> Vec<u32> {
    numbers("/proc/self/task")
}

/// The processes that execute for this one's hosts.
pub(super) fn execute_workers() -> Vec<u32> {
    let is_worker = |pid: &u32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent(*pid) == Some(process::id())
            && arguments.split(|byte| *byte == 0).any(|argument| argument == b"execute")
    };
    numbers("/proc").into_iter().filter(is_worker).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn numbers(directory: &str) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
