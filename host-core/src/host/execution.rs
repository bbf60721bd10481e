//! One execution: from an artifact on disk, or a worker that has it loaded, to a verdict.

use super::request::{ExecuteReport, ValidationRequest};
use crate::{
    InternalError, InvalidCandidate, PossiblyInvalid, TraceId, ValidationError,
    artifact::{ArtifactId, ArtifactStore, ReadError},
    backend::{ExecuteError, LoadError, LogLevel, RuntimeConstructionError},
    metrics::Meters,
    primitives::{
        ValidationContext, ValidationResult,
        compression::{self, DecompressError},
    },
    text,
    worker::{
        execute::{BlankWorker, ExecuteWorker, NoWorker, RunError, is_lack_of_room},
        protocol::{ExecuteRequest, ExecuteResponse, JobOutcome, MAX_INPUT},
        spawn::{SpawnError, SpawnerHandle},
    },
};
use parity_scale_codec::DecodeAll;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use tracing::{Instrument, debug_span};

/// All that an execution needs.
pub(crate) struct Execution {
    pub(crate) artifact: ArtifactId,
    pub(crate) request: ValidationRequest,
    pub(crate) trace: TraceId,
    pub(crate) store: Arc<ArtifactStore>,
    pub(crate) spawner: SpawnerHandle,
    pub(crate) meters: Arc<Meters>,
    pub(crate) pov_limit: usize,
    pub(crate) load_timeout: Duration,
    pub(crate) wall_clock_factor: u32,
    /// A worker that stands by. Used if none has the artifact loaded.
    pub(crate) standby: Option<BlankWorker>,
    /// Resolves when nobody wants the verdict any more.
    pub(crate) cancelled: oneshot::Receiver<()>,
}

/// How an execution ended.
pub(crate) struct Executed {
    pub(crate) verdict: Result<ValidationResult, ValidationError>,
    pub(crate) report: Option<ExecuteReport>,
    /// The worker, if it may be used again.
    pub(crate) worker: Option<ExecuteWorker>,
    /// Whether the machine had no room for another worker, so that nothing was tried.
    pub(crate) lacked_room: bool,
}

impl Executed {
    fn without_job(error: impl Into<ValidationError>) -> Self {
        Self { verdict: Err(error.into()), report: None, worker: None, lacked_room: false }
    }
}

/// Why no worker was started.
struct NotStarted {
    error: ValidationError,
    lacked_room: bool,
}

impl<E: Into<ValidationError>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self { error: error.into(), lacked_room: false }
    }
}

impl From<NotStarted> for Executed {
    fn from(NotStarted { error, lacked_room }: NotStarted) -> Self {
        Self { lacked_room, ..Self::without_job(error) }
    }
}

impl Execution {
    /// Runs the candidate, in `hot` if there is one, else in a new worker.
    pub(crate) async fn run(mut self, hot: Option<ExecuteWorker>) -> Executed {
        let start = Instant::now();
        let (mut worker, mut load) = match hot {
            Some(worker) => (worker, None),
            None => match self.start_worker().await {
                Ok((worker, load)) => (worker, Some(load)),
                Err(not_started) => return not_started.into(),
            },
        };
        let (span, response) = loop {
            let job = match self.write_input(&mut worker) {
                Ok(job) => job,
                Err(error) => {
                    return Executed { worker: Some(worker), ..Executed::without_job(error) };
                }
            };
            let wall_limit = job.cpu_limit.saturating_mul(self.wall_clock_factor);
            let cancelled = async {
                // The sender is dropped only with the whole host.
                if (&mut self.cancelled).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let span = debug_span!("executing", worker_pid = worker.pid(), hot = load.is_none());
            let run = worker.run(self.trace, job, wall_limit, cancelled);
            match run.instrument(span.clone()).await {
                Ok(response) => break (span, response),
                // A worker may die while it has nothing to do. That says nothing about the
                // candidate, which has not run.
                Err(RunError::NotStarted(reason)) if load.is_none() => {
                    tracing::warn!(
                        worker_pid = worker.pid(),
                        reason,
                        "idle execute worker had died"
                    );
                    (worker, load) = match self.start_worker().await {
                        Ok((worker, load)) => (worker, Some(load)),
                        Err(not_started) => return not_started.into(),
                    };
                }
                Err(RunError::Stalled) => {
                    tracing::warn!(worker_pid = worker.pid(), "execute worker stalled");
                    return Executed::without_job(InvalidCandidate::HardTimeout);
                }
                Err(error @ (RunError::NotStarted(_) | RunError::Died(_))) => {
                    let reason = error.to_string();
                    tracing::warn!(worker_pid = worker.pid(), reason, "execute worker died");
                    return Executed::without_job(PossiblyInvalid::AmbiguousWorkerDeath(reason));
                }
            }
        };
        span.in_scope(|| self.log_guest(&response));
        let report = ExecuteReport {
            trace: self.trace,
            wall: start.elapsed(),
            cpu: response.usage.cpu,
            peak_memory: response.usage.peak_memory,
            gas_used: response.gas_used,
            load,
            hot: load.is_none(),
        };
        let verdict = judge(response.outcome);
        if let Err(ValidationError::PossiblyInvalid(reason)) = &verdict {
            let (artifact, worker_pid) = (&self.artifact, worker.pid());
            tracing::warn!(%artifact, worker_pid, %reason, "a job ended without a verdict");
        }
        // After what nobody can explain, nothing of the process is trusted any more.
        let is_suspect = matches!(
            verdict,
            Err(ValidationError::Internal(InternalError::Worker(_))
                | ValidationError::PossiblyInvalid(
                    PossiblyInvalid::AmbiguousJobDeath(_) | PossiblyInvalid::JobError(_)
                ))
        );
        if is_suspect {
            worker.is_suspect();
        }
        let worker = (!is_suspect).then_some(worker);
        Executed { verdict, report: Some(report), worker, lacked_room: false }
    }

    async fn start_worker(&mut self) -> Result<(ExecuteWorker, Duration), NotStarted> {
        let span = debug_span!("loading", backend = %self.artifact.backend);
        self.load().instrument(span).await
    }

    async fn load(&mut self) -> Result<(ExecuteWorker, Duration), NotStarted> {
        let (store, id) = (self.store.clone(), self.artifact.clone());
        let read = tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            store.read(&id).map(|stored| (stored, start.elapsed()))
        });
        let standby = self.standby.take();
        let stood_by = standby.is_some();
        let blank = async {
            match standby {
                Some(worker) => Ok(worker),
                None => BlankWorker::spawn(&self.spawner).await,
            }
        };
        let (read, mut blank) = tokio::join!(read, blank);
        // One that has died while it stood by says nothing about the candidate.
        if stood_by && blank.as_mut().is_ok_and(BlankWorker::is_disturbed) {
            blank = BlankWorker::spawn(&self.spawner).await;
        }
        let (stored, reading) = match read.unwrap_or_else(|panic| Err(ReadError::Io(panic.into())))
        {
            Ok(read) => read,
            Err(error @ (ReadError::Corrupted(_) | ReadError::Missing)) => {
                return Err(InternalError::CorruptedArtifact(error.to_string()).into());
            }
            // The same bytes may be read from another place of the disk, once they are prepared anew.
            Err(ReadError::Disk(error)) => {
                return Err(InternalError::UnreadableArtifact(error.to_string()).into());
            }
            Err(ReadError::Io(error)) => {
                let lacked_room = is_lack_of_room(&error);
                let error = InternalError::Io(format!("reading the artifact: {error}")).into();
                return Err(NotStarted { error, lacked_room });
            }
        };
        let params = &self.request.pvf.params;
        let backend = &self.artifact.backend;
        self.meters.counters.execute_workers_started.inc();
        tracing::debug!(took_us = reading.as_micros() as u64, "artifact read");
        let loaded = match blank {
            Ok(blank) => {
                let (trace, limit) = (self.trace, self.load_timeout);
                ExecuteWorker::load(blank, trace, backend, params, &stored, limit).await
            }
            Err(error) => Err(error.into()),
        };
        let loaded = loaded.map(|(worker, loading)| (worker, reading + loading));
        loaded.map_err(|error| {
            let lacked_room = error.is_lack_of_room();
            let error = match error {
                NoWorker::Corrupted => InternalError::CorruptedArtifact(error.to_string()).into(),
                NoWorker::Load(LoadError::RuntimeConstruction(error)) => {
                    PossiblyInvalid::RuntimeConstruction(error).into()
                }
                NoWorker::Load(LoadError::Machine(error)) => InternalError::Machine(error).into(),
                NoWorker::Died(reason) => PossiblyInvalid::AmbiguousWorkerDeath(reason).into(),
                NoWorker::Crashed(_) => {
                    let error = RuntimeConstructionError(error.to_string());
                    PossiblyInvalid::RuntimeConstruction(error).into()
                }
                NoWorker::Spawn(SpawnError::Replaced { program }) => {
                    InternalError::WorkerReplaced { program }.into()
                }
                NoWorker::Spawn(_) | NoWorker::Io(_) | NoWorker::TimedOut(_) => {
                    InternalError::Worker(error.to_string()).into()
                }
            };
            NotStarted { error, lacked_room }
        })
    }

    /// Puts the parameters where the job will read them.
    fn write_input(&self, worker: &mut ExecuteWorker) -> Result<ExecuteRequest, ValidationError> {
        let request = &self.request;
        let block: &[u8] = request.pov.block_data.as_ref();
        let data = &request.persisted_validation_data;
        // Far above what any guest takes, and far below what SCALE can't express.
        let rough_len = block.len().saturating_add(AsRef::<[u8]>::as_ref(&data.parent_head).len());
        let is_compressed = compression::is_compressed(block);
        let context = ValidationContext::new(data, request.extension);
        if rough_len > MAX_INPUT || context.encoded_len(block.len()) > MAX_INPUT {
            return Err(if is_compressed {
                InvalidCandidate::PovDecompressionFailure(DecompressError::Invalid).into()
            } else {
                InvalidCandidate::OversizedInput(rough_len).into()
            });
        }
        let input_len = context.encoded_len(block.len());
        let input = &mut worker.input()[..input_len];
        let place = context.encode_around(block.len(), input);
        input[place.clone()].copy_from_slice(block);
        Ok(ExecuteRequest {
            input_len: input_len as u64,
            compressed_block: is_compressed.then(|| place.into()),
            pov_limit: self.pov_limit as u64,
            cpu_limit: request.effective_timeout(),
        })
    }

    fn log_guest(&self, response: &ExecuteResponse) {
        let (id, artifact) = (self.trace, &self.artifact);
        for line in response.log.lines() {
            let (target, message) = (text::clean(&line.target), text::clean(&line.message));
            macro_rules! event {
                ($level:ident) => {
                    tracing::event!(
                        target: "pvf::guest",
                        tracing::Level::$level,
                        %id,
                        %artifact,
                        guest_target = %target,
                        "{message}"
                    )
                };
            }
            match line.level {
                LogLevel::Error => event!(ERROR),
                LogLevel::Warn => event!(WARN),
                LogLevel::Info => event!(INFO),
                LogLevel::Debug => event!(DEBUG),
                LogLevel::Trace => event!(TRACE),
            }
        }
        let dropped = response.log.dropped();
        if dropped > 0 {
            self.meters.log_lines_dropped.inc_by(dropped);
            tracing::warn!(%id, %artifact, dropped, "the guest logged more than is kept");
        }
    }
}

/// Whether the artifact is of no use: it has to be prepared anew.
pub(crate) fn is_bad_artifact(error: &ValidationError) -> bool {
    matches!(
        error,
        ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(_))
            | ValidationError::Internal(
                InternalError::CorruptedArtifact(_) | InternalError::UnreadableArtifact(_)
            )
    )
}

fn judge(outcome: JobOutcome) -> Result<ValidationResult, ValidationError> {
    Err(match outcome {
        JobOutcome::Result(bytes) => match ValidationResult::decode_all(&mut &bytes[..]) {
            Ok(result) => return Ok(result),
            // The job has decoded and encoded it before; this is not what it wrote.
            Err(error) => PossiblyInvalid::JobError(format!("its result: {error}")).into(),
        },
        JobOutcome::MalformedResult(reason) => InvalidCandidate::MalformedResult(reason).into(),
        JobOutcome::Failed(ExecuteError::RuntimeConstruction(error)) => {
            PossiblyInvalid::RuntimeConstruction(error).into()
        }
        // The worker has found nothing of the kind, so it may be a lie.
        JobOutcome::Failed(error @ ExecuteError::Machine(_)) => {
            PossiblyInvalid::JobError(error.to_string()).into()
        }
        JobOutcome::Failed(error) => InvalidCandidate::Execution(error).into(),
        JobOutcome::PovDecompressionFailure(error) => {
            InvalidCandidate::PovDecompressionFailure(error).into()
        }
        JobOutcome::TimedOut => InvalidCandidate::HardTimeout.into(),
        JobOutcome::Panicked(reason) => PossiblyInvalid::JobError(reason).into(),
        JobOutcome::Died(reason) => PossiblyInvalid::AmbiguousJobDeath(reason).into(),
        JobOutcome::Machine(error) => InternalError::Machine(error).into(),
        // Only its own caller cancels a job, and that one has gone.
        JobOutcome::Cancelled => InternalError::HostGone.into(),
    })
}
