//! The floor under `pvf bench`: what the work itself takes, without a host around it.
//!
//! Calling the artifact in one process, and in a process forked for each call, has to be measured
//! in a process that has one thread; and preparing code, in one that did nothing else before. So
//! [`measure`], [`copies`] and [`prepare_alone`] start this program once more, and [`serve`] is
//! what that one does: it reads a [`Task`] from standard input and prints what it found as JSON.

use crate::{
    failure::{Answer, Failure},
    output,
};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_host_core::{
    artifact::{ArtifactId, Cache, EnvironmentDigest},
    backend::{Artifact, BackendId},
    primitives::ExecutorParams,
};
use pvf_workers::floor;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    process::Stdio,
    time::Duration,
};
use tokio::io::AsyncWriteExt;

/// What such a process is to do.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
enum Task {
    /// Call an artifact; the answer is a [`Floor`].
    Call(Request),
    /// Copy so many bytes into fresh memory, so many times; the answer is [`Copies`].
    Copy { len: u64, count: u64 },
    /// Prepare code, which is not compressed; the answer is [`Alone`].
    Prepare { code: Vec<u8>, backend: BackendId, params: ExecutorParams },
}

/// Which calls to measure.
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
    /// The CPU time of both processes together, for each call in a forked one.
    pub(crate) forked_cpu_ns: Vec<u64>,
}

/// What each copy took, in nanoseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Copies {
    /// Into pages of the usual size.
    pub(crate) small_pages_ns: Vec<u64>,
    /// Into memory for which huge pages were asked.
    pub(crate) huge_pages_ns: Vec<u64>,
}

/// What preparing takes with nothing around it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Alone {
    /// What comes before the engine compiles, in nanoseconds.
    pub(crate) before_ns: u64,
    /// What the engine takes, in nanoseconds.
    pub(crate) engine_ns: u64,
    /// The most memory that the process had resident, in bytes.
    pub(crate) peak_memory: u64,
}

impl Floor {
    pub(crate) fn extend(&mut self, other: Self) {
        self.in_process_ns.extend(other.in_process_ns);
        self.forked_ns.extend(other.forked_ns);
        self.forked_cpu_ns.extend(other.forked_cpu_ns);
    }
}

/// Has an artifact called.
pub(crate) async fn measure(request: Request) -> Result<Floor, Failure> {
    in_process(&Task::Call(request)).await
}

/// Has `len` bytes copied into fresh memory, `count` times.
pub(crate) async fn copies(len: usize, count: usize) -> Result<Copies, Failure> {
    in_process(&Task::Copy { len: len as u64, count: count as u64 }).await
}

/// Has code prepared by a backend, with no host around it. The code is not compressed.
pub(crate) async fn prepare_alone(
    code: &[u8],
    backend: &BackendId,
    params: &ExecutorParams,
) -> Result<Alone, Failure> {
    let (code, backend, params) = (code.to_vec(), backend.clone(), params.clone());
    in_process(&Task::Prepare { code, backend, params }).await
}

/// Measures in a process of its own. If dropped before it is done, that process is killed.
async fn in_process<T: DeserializeOwned>(task: &Task) -> Result<T, Failure> {
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
        let _ = stdin.write_all(&task.encode()).await;
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
    let task = Task::decode_all(&mut &bytes[..])
        .map_err(|_| Failure::usage("this is for `pvf bench` to call"))?;
    let nanos =
        |times: &[Duration]| times.iter().map(|time| time.as_nanos() as u64).collect::<Vec<_>>();
    let number = |count| usize::try_from(count).unwrap_or(usize::MAX);
    match task {
        Task::Call(request) => {
            let artifact = read_artifact(&request).map_err(failed)?;
            let Request { artifact: ArtifactId { backend, .. }, params, input, count, .. } =
                request;
            let floor = floor::measure(&artifact, &backend, &params, &input, number(count))
                .map_err(failed)?;
            output::json(&Floor {
                in_process_ns: nanos(&floor.in_process),
                forked_ns: nanos(&floor.forked),
                forked_cpu_ns: nanos(&floor.forked_cpu),
            })?;
        }
        Task::Copy { len, count } => {
            let copies = floor::copies(number(len), number(count)).map_err(failed)?;
            output::json(&Copies {
                small_pages_ns: nanos(&copies.small_pages),
                huge_pages_ns: nanos(&copies.huge_pages),
            })?;
        }
        Task::Prepare { code, backend, params } => {
            let alone = floor::prepare_alone(&code, &backend, &params).map_err(failed)?;
            let [before_ns, engine_ns] =
                [alone.before, alone.engine].map(|time| time.as_nanos() as u64);
            output::json(&Alone { before_ns, engine_ns, peak_memory: alone.peak_memory })?;
        }
    }
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
