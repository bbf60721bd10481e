//! The floor under `pvf bench`: what the execution itself takes, without a host around it.
//!
//! Calling the artifact in one process, and in a process forked for each call, has to be measured
//! in a process that has one thread. So [`measure`] starts this program once more, and [`serve`] is
//! what that one does: it reads a [`Request`] from standard input and prints a [`Floor`] as JSON.

use crate::{
    failure::{Answer, Failure},
    output,
};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_host_core::{
    artifact::{ArtifactId, Cache, EnvironmentDigest},
    backend::Artifact,
    primitives::ExecutorParams,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    process::Stdio,
    time::Duration,
};
use tokio::io::AsyncWriteExt;

/// What to measure.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Request {
    /// Where the host keeps its artifacts.
    pub(crate) cache_dir: Vec<u8>,
    /// The environment that the host found.
    pub(crate) environment: [u8; 32],
    /// The artifact to call.
    pub(crate) artifact: ArtifactId,
    /// The parameters under which to call it.
    pub(crate) params: ExecutorParams,
    /// What to call it with: SCALE-encoded `ValidationParams`.
    pub(crate) input: Vec<u8>,
    /// How many calls of each kind.
    pub(crate) count: u64,
}

/// What each call took, in nanoseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// Called within the process that holds the artifact.
    pub(crate) in_process_ns: Vec<u64>,
    /// Called in a process forked from it.
    pub(crate) forked_ns: Vec<u64>,
}

impl Floor {
    pub(crate) fn extend(&mut self, other: Self) {
        self.in_process_ns.extend(other.in_process_ns);
        self.forked_ns.extend(other.forked_ns);
    }
}

/// Measures in a process of its own. If dropped before it is done, that process is killed.
pub(crate) async fn measure(request: &Request) -> Result<Floor, Failure> {
    let failed =
        |reason: String| Failure::runtime("floor", format!("can't measure the floor: {reason}"));
    let io = |error: io::Error| failed(error.to_string());
    // The kernel's name for this program stays right when its file is replaced.
    let mut child = tokio::process::Command::new("/proc/self/exe")
        .arg("bench-floor")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that has no use for its input says why on standard error.
        let _ = stdin.write_all(&request.encode()).await;
    }
    let output = child.wait_with_output().await.map_err(io)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, words.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Measures in this process.
pub(crate) fn serve() -> Result<Answer, Failure> {
    let failed = |reason: String| Failure::runtime("floor", reason);
    let io = |error: io::Error| failed(error.to_string());
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| io(error.into()))?;
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(io)?;
    let request = Request::decode_all(&mut &bytes[..])
        .map_err(|_| Failure::usage("this is for `pvf bench` to call"))?;
    let artifact = read_artifact(&request).map_err(failed)?;
    let Request { artifact: ArtifactId { backend, .. }, params, input, count, .. } = request;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let floor =
        pvf_workers::floor::measure(&artifact, &backend, &params, &input, count).map_err(failed)?;
    let nanos = |times: Vec<Duration>| times.iter().map(|time| time.as_nanos() as u64).collect();
    output::json(&Floor {
        in_process_ns: nanos(floor.in_process),
        forked_ns: nanos(floor.forked),
    })?;
    Ok(Answer::Yes)
}

fn read_artifact(request: &Request) -> Result<Artifact, String> {
    let cache_dir = OsStr::from_bytes(&request.cache_dir);
    let directory = Cache::new(cache_dir).environment(EnvironmentDigest(request.environment));
    let entries = directory.entries().map_err(|error| error.to_string())?;
    let entry = entries
        .iter()
        .find(|entry| entry.id == request.artifact)
        .ok_or_else(|| format!("the artifact {} is not in the cache", request.artifact))?;
    directory.read(entry).map_err(|error| error.to_string())
}
