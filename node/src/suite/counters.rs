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
    /// The workers that execute, without their jobs. One of them does; another may stand by.
    Worker,
    /// The workers' jobs.
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
    /// Of each thread, like the others.
    host: Vec<Counter>,
    worker: Vec<Counter>,
    /// The same together with all processes that it forks from now on.
    with_jobs: Vec<Counter>,
}

/// Counts so far: of the host, the worker, and its jobs.
pub(super) type Counts = [u64; 3];

impl Counters {
    /// Begins to count. Fails with a reason, where the machine or its rules don't allow it.
    pub(super) fn start(what: What, workers: &[u32]) -> Result<Self, String> {
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
        let open = |processes: &[u32], inherit| {
            let threads = processes.iter().flat_map(|pid| numbers(&format!("/proc/{pid}/task")));
            let counters = threads.map(|thread| open(what, thread, inherit));
            counters.collect::<Result<Vec<_>, _>>().map_err(failed)
        };
        Ok(Self {
            host: open(&[process::id()], true)?,
            worker: open(workers, false)?,
            with_jobs: open(workers, true)?,
        })
    }

    pub(super) fn read(&mut self) -> io::Result<Counts> {
        let sum = |counters: &mut [Counter]| -> io::Result<u64> {
            counters.iter_mut().map(|counter| counter.read()).sum()
        };
        let worker = sum(&mut self.worker)?;
        Ok([sum(&mut self.host)?, worker, sum(&mut self.with_jobs)?.saturating_sub(worker)])
    }
}

const NOT_ALLOWED: i32 = 1;
const NO_ENTRY: i32 = 2;
const NO_ACCESS: i32 = 13;

fn open(what: What, thread: u32, inherit: bool) -> io::Result<Counter> {
    match what {
        What::SystemCalls => build(Tracepoint::with_id(system_call_event()?), thread, inherit),
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

/// The kernel's number for the event that a system call begins.
fn system_call_event() -> io::Result<u64> {
    // The file system is in one place or the other, or not mounted.
    let read = |place| fs::read_to_string(format!("{place}/events/raw_syscalls/sys_enter/id"));
    let text = read("/sys/kernel/tracing").or_else(|_| read("/sys/kernel/debug/tracing"))?;
    text.trim().parse().map_err(io::Error::other)
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
