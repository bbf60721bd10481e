//! What a process gives up before it begins.
//!
//! This is the one place where workers and jobs are confined. Each function is called at one point of
//! a process's life, named after it. What holds today: a process ends with its parent, leaves no core
//! dump, gains no privilege by executing a file, and a job can't reach the host's socket. Namespaces,
//! Landlock and system-call filters belong in here, at the same points.

use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::io;

/// The worker has just started: nothing was read yet.
pub(crate) fn enter_worker() -> io::Result<()> {
    die_with_parent()?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// The job has just been forked by the process `worker`: it has run nothing yet.
///
/// Closes the three standard descriptors: the first is the host's socket, on which a job could forge
/// its worker's answers.
pub(crate) fn enter_job(worker: Pid) -> io::Result<()> {
    die_with_parent()?;
    // If the worker died before that, nothing would end this process.
    if rustix::process::getppid() != Some(worker) {
        return Err(io::Error::other("the worker is gone"));
    }
    // SAFETY: the owner of descriptor 0, the worker's channel, never comes to run in a job, which
    // ends without dropping anything. The standard library's handles for 1 and 2 stay usable: what
    // they do fails.
    if unsafe { libc::close_range(0, 2, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The prepare job is about to compile, with a limit in bytes on what it may have resident.
///
/// The job watches that limit itself. This one is behind it, for what would come too fast to be seen:
/// it counts memory that is reserved and never touched too, and so has to be far higher.
pub(crate) fn limit_prepare_memory(limit: u64) -> io::Result<()> {
    const SLACK: u64 = 512 << 20;
    let limit = Some(limit.saturating_mul(2).saturating_add(SLACK));
    rustix::process::setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit })?;
    Ok(())
}

fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}
