//! The host's end of a prepare worker.

use super::{
    frame::FrameError,
    hearsay::Hearsay,
    memory,
    protocol::{Numbered, PrepareJobError, PrepareRequest, PrepareResponse, WorkerKind},
    spawn::{SpawnError, SpawnerHandle, WorkerProcess},
    steps,
};
use crate::{
    PrepareError, TraceId,
    artifact::PrepareCost,
    backend::{Artifact, BackendPrepareError, FunctionCounts, LoadError, memory_file},
    metrics::WorkerDeath,
};
use rustix::fs::SealFlags;
use std::{
    io::{self, Write},
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// A prepare worker that has nothing to do.
#[derive(Debug)]
pub(crate) struct PrepareWorker(WorkerProcess);

/// An artifact that was just made.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) artifact: Artifact,
    /// Compiled functions to keep for later preparations.
    pub(crate) functions: Option<Artifact>,
    pub(crate) counts: Option<FunctionCounts>,
    pub(crate) cost: PrepareCost,
}

impl PrepareWorker {
    pub(crate) fn new(process: WorkerProcess) -> Self {
        Self(process)
    }

    pub(crate) async fn spawn(spawner: &SpawnerHandle) -> Result<Self, SpawnError> {
        Ok(Self(spawner.spawn(WorkerKind::Prepare).await?.0))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Whether the idle worker has died or spoken out of turn.
    pub(crate) fn is_disturbed(&mut self) -> bool {
        self.0.is_disturbed()
    }

    /// Ready once that is so.
    pub(crate) fn poll_disturbed(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        self.0.poll_disturbed(context)
    }

    /// Has an artifact made of `code`, with the help of what an `earlier` preparation has kept, and gives
    /// the worker back if it is still of use.
    ///
    /// The worker enforces the limit on CPU time; one that gives no answer at all is given up after
    /// `wall_limit`.
    pub(crate) async fn prepare(
        mut self,
        trace: TraceId,
        code: &[u8],
        earlier: Option<&Artifact>,
        request: &PrepareRequest,
        wall_limit: Duration,
    ) -> (Option<Self>, Result<Prepared, PrepareError>) {
        let start = Instant::now();
        let memory = memory::prepare_memory(request.memory_limit);
        let memory_exceeded = self.0.memory_exceeded(memory);
        let exchange = exchange(&mut self.0, trace, code, earlier, request);
        let answer = tokio::select! {
            biased;
            answer = tokio::time::timeout(wall_limit, exchange) => answer,
            () = memory_exceeded => {
                self.0.died(WorkerDeath::Memory);
                let reason = format!("its job used more than {memory} bytes of memory");
                return (None, Err(PrepareError::Worker(reason)));
            }
        };
        let (response, artifact, functions) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(FrameError::Closed)) => {
                let obituary = self.0.died_by_itself().await;
                return (None, Err(PrepareError::Worker(format!("died: {obituary}"))));
            }
            Ok(Err(error)) => {
                self.0.died(WorkerDeath::Protocol);
                return (None, Err(PrepareError::Worker(error.to_string())));
            }
            Err(_) => {
                self.0.died(WorkerDeath::Stalled);
                return (None, Err(PrepareError::TimedOut { limit: request.cpu_limit }));
            }
        };
        let wall = start.elapsed();
        if !response.usage.is_possible(wall) {
            self.0.died(WorkerDeath::Protocol);
            let reason = format!("it claims what is impossible: {:?}", response.usage);
            return (None, Err(PrepareError::Worker(reason)));
        }
        steps::prepared(self.pid(), &response.steps, wall);
        let cost =
            PrepareCost { wall, cpu: response.usage.cpu, peak_memory: response.usage.peak_memory };
        let result = match (response.result, artifact) {
            (Ok(counts), Some(artifact)) => Ok(Prepared { artifact, functions, counts, cost }),
            (Ok(_), None) => {
                self.0.died(WorkerDeath::Protocol);
                return (None, Err(PrepareError::Worker("success without an artifact".into())));
            }
            (Err(error), _) => Err(classify(error.cleaned(), request)),
        };
        // A job that died may have been up to something. Its worker is not trusted again.
        if let Err(PrepareError::JobDied(_)) = result {
            self.0.died(WorkerDeath::Suspect);
            return (None, result);
        }
        (Some(self), result)
    }
}

async fn exchange(
    process: &mut WorkerProcess,
    trace: TraceId,
    code: &[u8],
    earlier: Option<&Artifact>,
    request: &PrepareRequest,
) -> Result<(PrepareResponse, Option<Artifact>, Option<Artifact>), FrameError> {
    let file = sealed_file("pvf-code", code)?;
    let connection = &mut process.connection;
    let id = connection.number_request()?;
    let files: Vec<_> =
        [Some(&file), earlier.map(Artifact::file)].into_iter().flatten().map(AsFd::as_fd).collect();
    connection.send(&Numbered { id, trace, message: request }, &files).await?;
    let (response, descriptors) =
        connection.receive_response::<PrepareResponse>(id, trace, 2).await?;
    let mut descriptors = descriptors.into_iter();
    let artifact = descriptors.next().map(Artifact::from_stranger).transpose()?;
    // What can't be kept is lost, and nothing else is.
    let functions = descriptors.next().and_then(|file| match Artifact::from_stranger(file) {
        Ok(functions) => Some(functions),
        Err(error) => {
            tracing::debug!(%error, "compiled functions are not kept");
            None
        }
    });
    Ok((response, artifact, functions))
}

fn sealed_file(name: &str, bytes: &[u8]) -> io::Result<std::fs::File> {
    let mut file = memory_file(name)?;
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}

fn classify(error: PrepareJobError, request: &PrepareRequest) -> PrepareError {
    match error {
        PrepareJobError::Decompression(reason) => PrepareError::Decompression(reason),
        PrepareJobError::Backend(BackendPrepareError::Prevalidation(reason)) => {
            PrepareError::Prevalidation(reason)
        }
        PrepareJobError::Backend(BackendPrepareError::Compilation(reason)) => {
            PrepareError::Compilation(reason)
        }
        PrepareJobError::Backend(BackendPrepareError::Machine(error))
        | PrepareJobError::Unloadable(LoadError::Machine(error)) => PrepareError::Machine(error),
        PrepareJobError::Unloadable(LoadError::RuntimeConstruction(error)) => {
            PrepareError::RuntimeConstruction(error)
        }
        PrepareJobError::OutOfMemory => {
            PrepareError::OutOfMemory { limit: request.memory_limit.unwrap_or(u64::MAX) }
        }
        PrepareJobError::TimedOut => PrepareError::TimedOut { limit: request.cpu_limit },
        PrepareJobError::Panicked(message) => PrepareError::Panicked(message),
        PrepareJobError::Died(how) => PrepareError::JobDied(how),
        PrepareJobError::Io(reason) => PrepareError::Worker(reason),
    }
}
