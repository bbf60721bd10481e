//! What a process gives up before it begins.
//!
//! This is the one place where workers and jobs are confined. Each step belongs to one point of a
//! process's life, and is taken for good:
//!
//! * [`begin`]: a worker has just started, and has read nothing;
//! * [`Confinement::of_worker`]: the host has said which [measures](Measure) it wants, and nothing that
//!   an attacker made was read; what the host could not take itself, the worker takes from itself here;
//! * [`Confinement::limit_memory`]: an execute worker knows what it will load, or a prepare job what it
//!   will compile;
//! * [`Confinement::artifact_is_loaded`]: an execute worker needs no executable memory any more;
//! * [`Confinement::enter_job`]: a job has just been forked;
//! * [`Confinement::enter_prepare_job`] and [`Confinement::prepare_job_has_its_threads`]: the same for
//!   a prepare job, which needs threads.

#![expect(unsafe_code, reason = "exchanges descriptors by their numbers")]

mod filter;
mod namespaces;
mod privileges;

use pvf_host_core::{
    backend::Artifact,
    sandbox::{Findings, Measure, Measures, State},
    worker::protocol::WorkerKind,
};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
    sync::atomic::{AtomicI32, Ordering},
};

/// The measures that a worker has taken, for those that are yet to come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confinement {
    holding: Measures,
}

/// The worker, by its id. Its jobs have a copy of this, and other ids: a mark of their own would be a page
/// that each of them had to copy.
static WORKER: AtomicI32 = AtomicI32::new(0);

fn is_worker() -> bool {
    rustix::process::getpid().as_raw_pid() == WORKER.load(Ordering::Relaxed)
}

/// The worker has just started: nothing was read yet.
pub(crate) fn begin() -> io::Result<()> {
    die_with_parent()?;
    WORKER.store(rustix::process::getpid().as_raw_pid(), Ordering::Relaxed);
    // A job catches its panics, has nobody to tell of them, and must not write about them.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_worker() {
            report(panic);
        }
    }));
    Ok(())
}

impl Confinement {
    /// Takes everything from this worker that is among `wanted` and was not taken by the host, whose
    /// `findings` say what was. Gives the findings on all measures.
    ///
    /// The worker must have no other thread.
    pub(crate) fn of_worker(
        kind: WorkerKind,
        wanted: Measures,
        findings: &Findings,
    ) -> (Self, Findings) {
        let mut findings = findings.clone();
        let holds = |more: &str| Ok(State::Holds(more.to_owned()));
        findings.attempt(wanted, Measure::ClosedDescriptors, || {
            close_descriptors(3, u32::MAX).map_err(|error| format!("close_range: {error}"))?;
            holds("")
        });
        namespaces::enter(wanted, &mut findings);
        privileges::change_user(wanted, &mut findings);
        findings.attempt(wanted, Measure::ResourceLimits, || {
            limit_resources(kind).map_err(|error| format!("setrlimit: {error}"))?;
            holds("")
        });
        namespaces::enter_user(wanted, &mut findings);
        // Counted for each user namespace, so that in one of its own only this worker's threads count.
        if findings.holds(Measure::ResourceLimits) {
            let processes = 16 + 2 * crate::cores() as u64;
            let is_counted = findings.holds(Measure::UserNamespace);
            let state = if is_counted && limit(Resource::Nproc, processes).is_ok() {
                State::Holds(format!("{processes} threads"))
            } else {
                State::HoldsInPart("without a limit on threads and processes".into())
            };
            findings.record(Measure::ResourceLimits, state);
        }
        findings.attempt(wanted, Measure::NoNewPrivileges, || {
            rustix::thread::set_no_new_privs(true).map_err(|error| format!("prctl: {error}"))?;
            holds("")
        });
        findings.attempt(wanted, Measure::Landlock, privileges::enter_landlock);
        findings.attempt(wanted, Measure::NoCapabilities, || {
            privileges::drop_capabilities().map_err(|error| format!("capset: {error}"))?;
            holds("")
        });
        findings.attempt(wanted, Measure::EndsWithHost, || {
            // A change of user has made the kernel forget it.
            die_with_parent().map_err(|error| format!("prctl: {error}"))?;
            holds("")
        });
        // These two come later; that they will hold is found out here.
        findings.attempt(wanted, Measure::MemoryLimit, || holds(""));
        findings.attempt(wanted, Measure::NoWriteExecute, || match memory_deny_write_execute(0) {
            Ok(()) => holds("once the artifact is loaded"),
            Err(error) => Err(format!("prctl(PR_SET_MDWE): {error}")),
        });
        findings.attempt(wanted, Measure::SystemCallFilter, || {
            filter::install(filter::Stage::Worker, false)
                .map_err(|error| format!("seccomp: {error}"))?;
            holds("")
        });
        let holding = wanted.iter().filter(|measure| findings.holds(*measure));
        (Self { holding: holding.fold(Measures::none(), Measures::with) }, findings)
    }

    /// As if this process were a worker that has taken all measures: for trying a job's alone.
    pub(crate) fn assumed() -> Self {
        Self { holding: Measures::all() }
    }

    fn holds(self, measure: Measure) -> bool {
        self.holding.contains(measure)
    }

    /// This process, and each that it forks from here on, may have `bytes` of private memory.
    ///
    /// Memory that can only be read does not count, but the kernel's tables for it take a part in 512 of
    /// it. So there is a limit on addresses, too.
    pub(crate) fn limit_memory(self, bytes: u64) -> io::Result<()> {
        /// Engines reserve much more than they ever use, but not that much.
        const RESERVED: u64 = 128 << 30;
        if self.holds(Measure::MemoryLimit) {
            limit(Resource::Data, bytes)?;
            limit(Resource::As, bytes.saturating_add(RESERVED))?;
        }
        Ok(())
    }

    /// The execute worker has loaded its artifact: nothing more becomes executable, in this process, in
    /// all its threads, and in all its jobs.
    pub(crate) fn artifact_is_loaded(self) -> io::Result<()> {
        if self.holds(Measure::NoWriteExecute) {
            const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;
            memory_deny_write_execute(PR_MDWE_REFUSE_EXEC_GAIN)?;
        }
        self.filter_loaded()
    }

    /// The filter of an execute worker that has loaded its artifact, to which that of a job leaves a part.
    pub(crate) fn filter_loaded(self) -> io::Result<()> {
        if self.holds(Measure::SystemCallFilter) {
            filter::install(filter::Stage::Loaded, true)?;
        }
        Ok(())
    }

    /// The execute job has just been forked by the process `worker`: it has run nothing yet. Gives back
    /// the job's `socket`, which is its only descriptor from here on.
    pub(crate) fn enter_job(self, worker: Pid, socket: OwnedFd) -> io::Result<OwnedFd> {
        let socket = self.become_job(worker, socket, None)?;
        if self.holds(Measure::SystemCallFilter) {
            filter::install(filter::Stage::Job, false)?;
        }
        Ok(socket)
    }

    /// The prepare job has just been forked by the process `worker`: it has run nothing yet. Gives back
    /// the job's `socket`, which beside the `outputs`, now at [`OUTPUTS`], is its only descriptor.
    pub(crate) fn enter_prepare_job(
        self,
        worker: Pid,
        socket: OwnedFd,
        outputs: [BorrowedFd<'_>; 2],
    ) -> io::Result<OwnedFd> {
        self.become_job(worker, socket, Some(outputs))
    }

    /// The prepare job has started all threads that it will have. It has still not looked at the code.
    pub(crate) fn prepare_job_has_its_threads(self) -> io::Result<()> {
        if self.holds(Measure::SystemCallFilter) {
            filter::install(filter::Stage::PrepareJob, true)?;
        }
        Ok(())
    }

    /// What every job does first. The host's socket, on which a job could forge its worker's answers,
    /// is at 0: the job's own takes its place, whatever the measures.
    fn become_job(
        self,
        worker: Pid,
        socket: OwnedFd,
        outputs: Option<[BorrowedFd<'_>; 2]>,
    ) -> io::Result<OwnedFd> {
        if self.holds(Measure::EndsWithHost) {
            die_with_parent()?;
            // If the worker died before that, nothing would end this process.
            if rustix::process::getppid() != Some(worker) {
                return Err(io::Error::other("the worker is gone"));
            }
        }
        duplicate(socket.into_raw_fd(), 0)?;
        if let Some(outputs) = outputs {
            for (output, place) in outputs.iter().zip(OUTPUTS) {
                // The second may be at its place already. The first can't be at the second's: it was made
                // before.
                if output.as_raw_fd() != place {
                    duplicate(output.as_raw_fd(), place)?;
                }
            }
        }
        if self.holds(Measure::ClosedDescriptors) {
            match outputs {
                Some(_) => {
                    close_descriptors(2, 2)?;
                    close_descriptors(OUTPUTS[1] as u32 + 1, u32::MAX)?;
                }
                None => close_descriptors(1, u32::MAX)?,
            }
        }
        // SAFETY: it was made just now, and the owner of the worker's descriptor 0, its channel, never
        // comes to run in a job, which ends without dropping anything.
        Ok(unsafe { OwnedFd::from_raw_fd(0) })
    }
}

/// The descriptors of a prepare job's outputs. What the standard library says on descriptor 2 is in none.
pub(crate) const OUTPUTS: [i32; 2] = [1, 3];

/// By the system call alone: the C library's function is in a page that a job needs for nothing else.
fn duplicate(from: i32, to: i32) -> io::Result<()> {
    // SAFETY: always sound. Whoever owned `to` has no more use for it, see the callers.
    match unsafe { libc::syscall(libc::SYS_dup3, from, to, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Closes all descriptors from `first` to `last`.
fn close_descriptors(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: those that are closed are not used any more: a worker calls this before it opens any, and
    // a job never drops what it has of its worker.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    // A limit that is lower already stays.
    let most = rustix::process::getrlimit(resource).maximum;
    let value = Some(most.map_or(value, |most| most.min(value)));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: value, maximum: value })?)
}

/// What neither a worker nor a job ever needs much of.
fn limit_resources(kind: WorkerKind) -> io::Result<()> {
    /// A socket and a descriptor for each job, of which there are a few, and the files that the host has
    /// sent.
    const DESCRIPTORS: u64 = 64;
    /// Of the first thread, which runs no guest. It would count for nothing else.
    const STACK: u64 = 8 << 20;
    limit(Resource::Core, 0)?;
    limit(Resource::Stack, STACK)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    limit(
        Resource::Fsize,
        match kind {
            WorkerKind::Prepare => Artifact::MAX_LEN,
            WorkerKind::Execute => 0,
        },
    )?;
    for none in [Resource::Memlock, Resource::Msgqueue, Resource::Rtprio] {
        limit(none, 0)?;
    }
    Ok(())
}

fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// `PR_SET_MDWE`, or with no flags, whether the kernel knows it.
fn memory_deny_write_execute(flags: libc::c_ulong) -> io::Result<()> {
    const PR_SET_MDWE: libc::c_int = 65;
    const PR_GET_MDWE: libc::c_int = 66;
    let operation = if flags == 0 { PR_GET_MDWE } else { PR_SET_MDWE };
    // SAFETY: both calls take numbers alone, and what the second forbids, no code here does.
    if unsafe { libc::prctl(operation, flags, 0, 0, 0) } == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
