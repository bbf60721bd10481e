//! The host's end of an execute worker.

#![expect(unsafe_code, reason = "maps a memory file")]

use super::{
    connection::Connection,
    frame::FrameError,
    hearsay::Hearsay,
    memory,
    protocol::{
        ExecuteMessage, ExecuteRequest, ExecuteResponse, LoadRequest, LoadResponse, MAX_FRAME,
        MAX_INPUT, MAX_LOG, MAX_RESULT, Numbered, WorkerKind,
    },
    spawn::{Obituary, SpawnError, SpawnerHandle, WorkerProcess},
    steps,
};
use crate::{
    TraceId,
    artifact::StoredArtifact,
    backend::{BackendId, LoadError, memory_file},
    metrics::WorkerDeath,
    primitives::ExecutorParams,
};
use memmap2::{MmapMut, MmapOptions};
use rustix::{fs::SealFlags, io::Errno};
use std::{
    fs::File,
    io,
    os::fd::AsFd,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// An execute worker that has been given no artifact.
#[derive(Debug)]
pub(crate) struct BlankWorker(WorkerProcess);

impl BlankWorker {
    pub(crate) async fn spawn(spawner: &SpawnerHandle) -> Result<Self, SpawnError> {
        Ok(Self(spawner.spawn(WorkerKind::Execute).await?.0))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Whether it has died or spoken out of turn.
    pub(crate) fn is_disturbed(&mut self) -> bool {
        self.0.is_disturbed()
    }

    /// Ready once that is so.
    pub(crate) fn poll_disturbed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_disturbed(context)
    }
}

/// An execute worker that has loaded its artifact and has nothing to do.
#[derive(Debug)]
pub(crate) struct ExecuteWorker {
    process: WorkerProcess,
    /// Shared with the worker and its jobs, who can't write. Changed only while no job runs.
    input: MmapMut,
}

/// Why there is no worker that holds the artifact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoWorker {
    #[error("{0}")]
    Spawn(#[from] SpawnError),
    #[error("no memory for a job's input: {0}")]
    Io(#[from] io::Error),
    #[error("the worker died while it loaded the artifact: {0}")]
    Died(String),
    /// The engine can't take the artifact, and was not able to say so.
    #[error("the worker crashed while it loaded the artifact: {0}")]
    Crashed(Obituary),
    #[error("the artifact's checksum does not match")]
    Corrupted,
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error("loading took more than {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}

/// Whether the kernel would have done it if this machine, or this process, held less.
pub(crate) fn is_lack_of_room(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    )
}

impl NoWorker {
    /// Whether another would be there if this machine, or this process, held fewer of them.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        match self {
            Self::Spawn(SpawnError::Start { error, .. }) | Self::Io(error) => {
                is_lack_of_room(error)
            }
            _ => false,
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The worker was dead, or had broken the protocol, before it was asked: nothing has run.
    #[error("before it was asked: {0}")]
    NotStarted(String),
    /// The worker died with its job, or broke the protocol.
    #[error("{0}")]
    Died(String),
    /// No answer within the limit on wall-clock time.
    #[error("no answer")]
    Stalled,
}

impl ExecuteWorker {
    /// Has a worker load an artifact. Says how long the loading took.
    pub(crate) async fn load(
        BlankWorker(mut process): BlankWorker,
        trace: TraceId,
        backend: &BackendId,
        params: &ExecutorParams,
        stored: &StoredArtifact,
        limit: Duration,
    ) -> Result<(Self, Duration), NoWorker> {
        let (input_file, input) = input_file()?;
        let message = LoadRequest {
            backend: backend.clone(),
            params: params.clone(),
            key: stored.key,
            checksum: stored.checksum,
        };
        let memory = memory::process_memory(params);
        let memory_exceeded = process.memory_exceeded(memory);
        let start = Instant::now();
        let exchange = async {
            let descriptors = [stored.artifact.file().as_fd(), input_file.as_fd()];
            let id = process.connection.number_request()?;
            process.connection.send(&Numbered { id, trace, message }, &descriptors).await?;
            process.connection.receive_response::<LoadResponse>(id, trace, 0).await
        };
        let answer = tokio::select! {
            biased;
            answer = tokio::time::timeout(limit, exchange) => answer,
            () = memory_exceeded => {
                process.died(WorkerDeath::Memory);
                return Err(NoWorker::Died(format!("used more than {memory} bytes of memory")));
            }
        };
        let elapsed = start.elapsed();
        match answer {
            Ok(Ok((LoadResponse::Ready { load, .. }, _))) if load > elapsed => {
                process.died(WorkerDeath::Protocol);
                Err(NoWorker::Died(format!("it claims to have loaded for {load:?}")))
            }
            Ok(Ok((LoadResponse::Ready { load, verify }, _))) => {
                process.connection.set_limit(MAX_RESULT + MAX_FRAME + MAX_LOG as u64);
                steps::loaded(process.pid(), verify.min(load), load);
                Ok((Self { process, input }, load))
            }
            Ok(Ok((LoadResponse::Corrupted, _))) => Err(NoWorker::Corrupted),
            Ok(Ok((LoadResponse::Failed(error), _))) => Err(error.cleaned().into()),
            Ok(Err(FrameError::Closed)) => Err(match process.died_by_itself().await {
                obituary if obituary.is_crash() => NoWorker::Crashed(obituary),
                obituary => NoWorker::Died(obituary.to_string()),
            }),
            Ok(Err(error)) => {
                process.died(WorkerDeath::Protocol);
                Err(NoWorker::Died(error.to_string()))
            }
            Err(_) => {
                process.died(WorkerDeath::Stalled);
                Err(NoWorker::TimedOut(limit))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The memory that the next job will take its input from.
    pub(crate) fn input(&mut self) -> &mut [u8] {
        &mut self.input
    }

    /// Counts it as one that is not trusted any more.
    pub(crate) fn is_suspect(&self) {
        self.process.died(WorkerDeath::Suspect);
    }

    /// Runs a job on the input. `cancelled` kills the job; its response still comes.
    pub(crate) async fn run(
        &mut self,
        trace: TraceId,
        request: ExecuteRequest,
        wall_limit: Duration,
        cancelled: impl Future<Output = ()>,
    ) -> Result<ExecuteResponse, RunError> {
        let start = Instant::now();
        let exchange = exchange(&mut self.process.connection, trace, request, cancelled);
        let answer = tokio::time::timeout(wall_limit, exchange).await;
        let elapsed = start.elapsed();
        match answer {
            Ok(Ok(response)) if response.usage.is_possible(elapsed) => {
                steps::executed(self.pid(), &response.steps, elapsed);
                let outcome = response.outcome.cleaned();
                Ok(ExecuteResponse { outcome, ..response })
            }
            Ok(Ok(ExecuteResponse { usage, .. })) => {
                self.process.died(WorkerDeath::Protocol);
                Err(RunError::Died(format!("it claims what is impossible: {usage:?}")))
            }
            Ok(Err(NoResponse::Unasked(error))) => {
                self.process.died(WorkerDeath::Idle);
                Err(RunError::NotStarted(error.to_string()))
            }
            Ok(Err(NoResponse::Asked(FrameError::Closed))) => {
                Err(RunError::Died(self.process.died_by_itself().await.to_string()))
            }
            Ok(Err(NoResponse::Asked(error))) => {
                self.process.died(WorkerDeath::Protocol);
                Err(RunError::Died(error.to_string()))
            }
            Err(_) => {
                self.process.died(WorkerDeath::Stalled);
                Err(RunError::Stalled)
            }
        }
    }

    /// Whether the idle worker has died or spoken out of turn.
    pub(crate) fn is_disturbed(&mut self) -> bool {
        self.process.is_disturbed()
    }

    /// Ready once that is so.
    pub(crate) fn poll_disturbed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.process.poll_disturbed(context)
    }
}

/// When a request went wrong.
enum NoResponse {
    Unasked(FrameError),
    Asked(FrameError),
}

async fn exchange(
    connection: &mut Connection,
    trace: TraceId,
    request: ExecuteRequest,
    cancelled: impl Future<Output = ()>,
) -> Result<ExecuteResponse, NoResponse> {
    let id = connection.number_request().map_err(NoResponse::Unasked)?;
    let request = ExecuteMessage::Execute(Numbered { id, trace, message: request });
    connection.send(&request, &[]).await.map_err(NoResponse::Unasked)?;
    tokio::select! {
        biased;
        response = connection.receive_response(id, trace, 0) => {
            return response.map(|(response, _)| response).map_err(NoResponse::Asked);
        },
        () = cancelled => {},
    }
    connection.send(&ExecuteMessage::Cancel, &[]).await.map_err(NoResponse::Asked)?;
    let response = connection.receive_response(id, trace, 0).await;
    response.map(|(response, _)| response).map_err(NoResponse::Asked)
}

/// A memory file that we alone can write to, through the map.
fn input_file() -> io::Result<(File, MmapMut)> {
    let file = memory_file("pvf-input")?;
    file.set_len(MAX_INPUT as u64)?;
    // SAFETY: the seals below forbid the worker to change content or size, and we make no other
    // map, so what the map shows changes through it alone.
    let map = unsafe { MmapOptions::new().len(MAX_INPUT).map_mut(&file)? };
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::GROW | SealFlags::SHRINK | SealFlags::FUTURE_WRITE | SealFlags::SEAL,
    )?;
    Ok((file, map))
}
