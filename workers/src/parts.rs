//! Parts of a worker, one by one, for benchmarks and the conformance suite. No interface: they change with
//! it.

#![expect(unsafe_code, reason = "forks")]

use crate::{confine::Confinement, job::Job};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::worker::protocol::MAX_RESULT;

/// Forks this process, has the child do the work and answer, and reaps it. A child that is confined
/// first takes all measures from itself that a job does.
///
/// Call this in a process that has no other thread that runs.
///
/// # Errors
///
/// When there is no room for another process, or it ends without an answer.
pub fn fork<T: Encode + Decode>(is_confined: bool, work: impl FnOnce() -> T) -> Result<T, String> {
    let enter = |parent, socket| {
        if !is_confined {
            return Ok(socket);
        }
        // Its worker has done both, and the job's filter counts on it.
        rustix::thread::set_no_new_privs(true)?;
        let confinement = Confinement::assumed();
        confinement.filter_loaded()?;
        confinement.enter_job(parent, socket)
    };
    // SAFETY: the caller vouches for this process having no other thread that runs.
    let job = unsafe { Job::fork(MAX_RESULT, enter, |socket| socket.answer(work())) };
    job.map_err(|error| format!("can't fork: {error}"))?.answer()
}
