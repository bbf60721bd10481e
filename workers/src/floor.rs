//! What executing costs with nothing around it: the floor that the host is measured against.

#![expect(unsafe_code, reason = "forks")]

use crate::{
    execute::{ENTRY_POINT, on_guest_stack},
    job::Job,
};
use pvf_host_core::{
    backend::{self, Artifact, BackendId},
    primitives::ExecutorParams,
    worker::protocol::MAX_RESULT,
};
use std::time::{Duration, Instant};

/// The time of each call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floor {
    /// Instantiating and calling the artifact in this process.
    pub in_process: Vec<Duration>,
    /// Forking this process, which holds the artifact ready, calling it in the child, and reaping
    /// that.
    pub forked: Vec<Duration>,
}

/// Calls an artifact `count` times in either way. The calls may fail, as long as they end.
///
/// Call this in a process that has no other thread: it forks.
///
/// # Errors
///
/// When the artifact can't be loaded, or a child ends without an answer.
pub fn measure(
    artifact: &Artifact,
    backend: &BackendId,
    params: &ExecutorParams,
    input: &[u8],
    count: usize,
) -> Result<Floor, String> {
    let descriptor = backend::find(backend).map_err(|error| error.to_string())?;
    on_guest_stack(params, || {
        let load = || descriptor.execute.load(artifact, params).map_err(|error| error.to_string());
        let (mut called, mut ready) = (load()?, load()?);
        let mut floor = Floor::default();
        for _ in 0..count {
            let start = Instant::now();
            // How the call ends is not what is measured.
            let _ = called.call(ENTRY_POINT, input, Box::new(()));
            floor.in_process.push(start.elapsed());

            let start = Instant::now();
            // SAFETY: the only other thread waits for this one to end.
            let job = unsafe {
                let enter = |_, socket| Ok(socket);
                Job::fork(MAX_RESULT, enter, |socket| {
                    socket.answer(ready.call(ENTRY_POINT, input, Box::new(())).ok())
                })
            };
            let job = job.map_err(|error| format!("can't fork: {error}"))?;
            job.answer::<Option<Vec<u8>>>()?;
            floor.forked.push(start.elapsed());
        }
        Ok(floor)
    })
    .map_err(|error| error.to_string())?
}
