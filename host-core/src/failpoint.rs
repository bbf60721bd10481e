//! Places where something can go wrong, so that tests can make it go wrong there.
//!
//! Host, workers and jobs [`reach`] a [`Point`] just before the step that it is named after. Without
//! the feature `failpoints`, which is for tests alone, nothing happens then, and no code is left of it.

use std::io;

/// A step that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Point {
    // In the host.
    HostSpawn,
    HostHandshake,
    HostSend,
    HostReceive,
    HostRead,
    HostWrite,
    HostSync,
    HostRename,
    HostRemove,
    HostPrune,
    // In a worker.
    WorkerHandshake,
    WorkerReceive,
    WorkerLoad,
    WorkerFork,
    WorkerSend,
    // In a job.
    JobPrepare,
    JobCall,
    JobSend,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::HostSpawn,
        Self::HostHandshake,
        Self::HostSend,
        Self::HostReceive,
        Self::HostRead,
        Self::HostWrite,
        Self::HostSync,
        Self::HostRename,
        Self::HostRemove,
        Self::HostPrune,
        Self::WorkerHandshake,
        Self::WorkerReceive,
        Self::WorkerLoad,
        Self::WorkerFork,
        Self::WorkerSend,
        Self::JobPrepare,
        Self::JobCall,
        Self::JobSend,
    ];
}

/// What happens at a point: an error makes the step fail with it.
pub type Hook = fn(Point) -> io::Result<()>;

#[cfg(feature = "failpoints")]
static HOOK: std::sync::OnceLock<Hook> = std::sync::OnceLock::new();

/// Has `hook` called at every point that this process and its forks reach. Only the first call counts.
#[cfg(feature = "failpoints")]
pub fn set_hook(hook: Hook) {
    let _ = HOOK.set(hook);
}

/// Says that a step is about to be taken.
///
/// # Errors
///
/// When a test wants the step to fail.
#[inline]
pub fn reach(point: Point) -> io::Result<()> {
    #[cfg(feature = "failpoints")]
    if let Some(hook) = HOOK.get() {
        return hook(point);
    }
    let _ = point;
    Ok(())
}
