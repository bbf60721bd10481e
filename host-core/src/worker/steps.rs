//! What a worker and its job did for a request, as events in the span that the host is in. Workers
//! themselves write nothing.
//!
//! The times are theirs, so none is taken for longer than the host has waited. In microseconds. What
//! has taken none was not done.

use super::protocol::{ExecuteSteps, PrepareSteps};
use std::time::Duration;

macro_rules! step {
    ($worker_pid:ident, $took:expr, $message:literal) => {
        let took: Duration = $took;
        if !took.is_zero() {
            let took_us = took.as_micros() as u64;
            tracing::debug!(target: "pvf::worker", worker_pid = $worker_pid, took_us, $message);
        }
    };
}

/// A worker has checked and loaded an artifact.
pub(super) fn loaded(worker_pid: u32, verify: Duration, load: Duration) {
    step!(worker_pid, verify, "checksum computed");
    step!(worker_pid, load.saturating_sub(verify), "artifact loaded");
}

/// A worker has had a candidate executed.
pub(super) fn executed(worker_pid: u32, steps: &ExecuteSteps, elapsed: Duration) {
    let ExecuteSteps { fork, run, job } = *steps;
    step!(worker_pid, fork.min(elapsed), "job forked");
    step!(worker_pid, job.decompress.min(elapsed), "block decompressed");
    step!(worker_pid, job.call.min(elapsed), "code called");
    step!(worker_pid, run.min(elapsed), "job done");
}

/// A worker has had an artifact made, or found that it can't be.
pub(super) fn prepared(worker_pid: u32, steps: &PrepareSteps, elapsed: Duration) {
    let PrepareSteps { fork, run, job } = *steps;
    step!(worker_pid, fork.min(elapsed), "job forked");
    step!(worker_pid, job.decompress.min(elapsed), "code decompressed");
    step!(worker_pid, job.compile.min(elapsed), "code compiled");
    step!(worker_pid, job.check.min(elapsed), "artifact loaded");
    step!(worker_pid, run.min(elapsed), "job done");
}
