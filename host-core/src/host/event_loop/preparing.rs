//! The loop's steps that have artifacts made.

use super::{Event, EventLoop, Preparation, Running, Written};
use crate::{
    Code, PrepareError,
    artifact::{ArtifactId, ArtifactStore},
    backend::Artifact,
    metrics::Meters,
    primitives::PvfPrepKind,
    text,
    worker::{
        prepare::{PrepareWorker, Prepared},
        protocol::PrepareRequest,
        spawn::{SpawnError, SpawnerHandle},
    },
};
use futures_util::FutureExt;
use std::{sync::Arc, time::Instant};
use tokio::sync::oneshot;
use tracing::{Instrument, Span, debug_span};

impl EventLoop {
    pub(super) fn start_preparations(&mut self) {
        while let Some((artifact, preparation)) = self.prepare_queue.pop(self.preparing.len()) {
            self.meters.counters.preparations.inc();
            let (cancel, cancelled) = oneshot::channel();
            let task = preparation.task();
            self.meters.waited(task, &artifact.backend, preparation.waiting.since.elapsed());
            let running = Running {
                cancel,
                task,
                code_len: preparation.code.bytes().len(),
                span: debug_span!(parent: &preparation.span, "preparing", backend = %artifact.backend),
                since: Instant::now(),
            };
            let span = running.span.clone();
            self.preparing.insert(artifact.clone(), running);
            let worker = self.idle_prepare_worker();
            let work = self.prepare(artifact.clone(), preparation, worker);
            let task = async move {
                tokio::select! {
                    Outcome { worker, result, useless } = work => {
                        Event::Prepared { artifact, worker, result: Some(result), useless }
                    },
                    // Dropping the work kills its worker, and with it the job.
                    Ok(()) = cancelled => {
                        Event::Prepared { artifact, worker: None, result: None, useless: vec![] }
                    },
                }
            };
            self.tasks.push(task.instrument(span).boxed());
        }
    }

    fn idle_prepare_worker(&mut self) -> Option<PrepareWorker> {
        loop {
            let mut worker = self.idle_prepare_workers.pop()?;
            if !worker.is_disturbed() {
                return Some(worker);
            }
        }
    }

    fn prepare(
        &self,
        artifact: ArtifactId,
        preparation: Preparation,
        worker: Option<PrepareWorker>,
    ) -> impl Future<Output = Outcome> + use<> {
        let Preparation { code, pvf, is_precheck, trace, .. } = preparation;
        let kind = if is_precheck { PvfPrepKind::Precheck } else { PvfPrepKind::Prepare };
        let request = PrepareRequest {
            backend: artifact.backend.clone(),
            params: (*pvf.params).clone(),
            check_runtime_construction: is_precheck,
            code_limit: self.config.code_limit as u64,
            cpu_limit: pvf.params.pvf_prep_timeout(kind),
            memory_limit: pvf.params.prechecking_max_memory(),
        };
        let wall_limit = request.cpu_limit.saturating_mul(self.config.wall_clock_factor);
        let (spawner, store) = (self.spawner.clone(), self.store.clone());
        let meters = self.meters.clone();
        // What a precheck finds out must not depend on what else was prepared here: code that takes too
        // long when nothing can be reused would be enacted, and then some machine has nothing to reuse.
        let sources = match is_precheck {
            true => vec![],
            false => self.artifacts.functions_for(&artifact, pvf.predecessor),
        };
        async move {
            // What can't be stored need not be made.
            let (place, id) = (store.clone(), artifact.clone());
            let room = tokio::task::spawn_blocking(move || place.check_room(&id)).await;
            if let Err(error) = room.unwrap_or_else(|panic| Err(panic.into())) {
                return Outcome::failed(worker, PrepareError::Store(error.to_string()));
            }
            let (mut earlier, useless) = read_functions(&store, sources).await;
            let mut idle = worker;
            let (worker, result) = loop {
                let worker = match idle.take() {
                    Some(worker) => worker,
                    None => match spawn(&spawner, &meters).await {
                        Ok(worker) => worker,
                        Err(error) => return Outcome { worker: None, result: Err(error), useless },
                    },
                };
                let (worker_pid, reuses) = (worker.pid(), earlier.is_some());
                tracing::debug!(%artifact, worker_pid, reuses, "preparing");
                let (worker, result) = worker
                    .prepare(trace, code.bytes(), earlier.as_ref(), &request, wall_limit)
                    .await;
                match result {
                    // Whatever was reused may be to blame. It must not decide whether there is an artifact.
                    Err(error) if earlier.take().is_some() => {
                        let error = text::clean(&error.to_string());
                        tracing::debug!(%artifact, error, "preparing again in full");
                        idle = worker;
                    }
                    result => break (worker, result),
                }
            };
            let (done, stored) = oneshot::channel();
            let storing = tokio::task::spawn_blocking(move || {
                // If nobody waits any more, it is stored all the same.
                let _ = done.send(store_outcome(&store, &artifact, &code, &result));
                // To free memory files takes nearly as long as to write them. Nobody waits for it.
                drop((earlier, result));
            });
            let result = match stored.await {
                Ok(result) => result,
                Err(_) => {
                    let panic = storing.await.err().map(|panic| panic.to_string());
                    Err(PrepareError::Store(panic.unwrap_or_default()))
                }
            };
            if let Ok(Written { counts: Some(counts), .. }) = &result {
                meters.counters.functions_reused.inc_by(counts.reused.into());
                meters.counters.functions_compiled.inc_by(counts.compiled.into());
            }
            Outcome { worker, result, useless }
        }
    }

    pub(super) fn on_prepared(
        &mut self,
        artifact: &ArtifactId,
        worker: Option<PrepareWorker>,
        result: Option<Result<Written, PrepareError>>,
    ) {
        let running = self.preparing.remove(artifact);
        if self.idle_prepare_workers.len() + self.preparing.len() < self.prepare_queue.soft_cap() {
            self.idle_prepare_workers.extend(worker);
        }
        if let Some(result) = result {
            self.prepared_for.remove(artifact);
            self.meters.preparation_ended(Some(&result));
            let backend = &artifact.backend;
            let span = running.map_or_else(Span::none, |running| {
                self.meters.ran(running.task, backend, running.since.elapsed());
                if let Ok(Written { size, cost, .. }) = &result {
                    self.meters.prepared(backend, running.code_len, cost, *size);
                }
                running.span
            });
            match &result {
                Ok(Written { size, cost, counts, .. }) => tracing::info!(
                    parent: &span,
                    %artifact, size, wall_ms = cost.wall.as_millis(), cpu_ms = cost.cpu.as_millis(),
                    reused = counts.map(|counts| counts.reused),
                    compiled = counts.map(|counts| counts.compiled),
                    "prepared"
                ),
                Err(error) => {
                    let error = text::clean(&error.to_string());
                    tracing::warn!(parent: &span, %artifact, error, "preparing failed");
                }
            }
            // That is not remembered: who asks again finds out anew.
            let trouble = result.as_ref().err().filter(|error| error.is_trouble_of_host()).cloned();
            let waiting = self.artifacts.finish(artifact, result, Instant::now());
            for id in waiting {
                match &trouble {
                    Some(error) => self.fail(id, error.clone()),
                    None => self.advance(id),
                }
            }
            // Not before those who waited have laid their hands on it.
            self.prune();
        }
        self.start_preparations();
    }
}

/// What preparing came to.
struct Outcome {
    /// The worker, if it is still of use.
    worker: Option<PrepareWorker>,
    result: Result<Written, PrepareError>,
    /// Artifacts whose functions were of no use, and are gone.
    useless: Vec<ArtifactId>,
}

impl Outcome {
    fn failed(worker: Option<PrepareWorker>, error: PrepareError) -> Self {
        Self { worker, result: Err(error), useless: vec![] }
    }
}

async fn spawn(spawner: &SpawnerHandle, meters: &Meters) -> Result<PrepareWorker, PrepareError> {
    meters.counters.prepare_workers_started.inc();
    PrepareWorker::spawn(spawner).await.map_err(|error| match error {
        SpawnError::Replaced { program } => PrepareError::WorkerReplaced { program },
        error => PrepareError::NoWorker(error.to_string()),
    })
}

/// The first functions that hold, and the artifacts beside which there were others that do not.
async fn read_functions(
    store: &Arc<ArtifactStore>,
    sources: Vec<ArtifactId>,
) -> (Option<Artifact>, Vec<ArtifactId>) {
    if sources.is_empty() {
        return (None, vec![]);
    }
    let store = store.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut useless = vec![];
        for source in sources {
            match store.read_functions(&source) {
                Ok(functions) => return (Some(functions), useless),
                Err(problem) => {
                    tracing::debug!(artifact = %source, %problem, "compiled functions are of no use");
                    useless.push(source);
                }
            }
        }
        (None, useless)
    });
    read.await.unwrap_or_default()
}

/// Puts on disk what preparing came to, as far as it is to be remembered.
fn store_outcome(
    store: &ArtifactStore,
    id: &ArtifactId,
    code: &Code,
    result: &Result<Prepared, PrepareError>,
) -> Result<Written, PrepareError> {
    match result {
        &Ok(Prepared { ref artifact, ref functions, counts, cost }) => {
            let sizes = store
                .write(id, artifact, functions.as_ref(), code.prefix(), cost)
                .map_err(|error| PrepareError::Store(error.to_string()))?;
            Ok(Written { size: sizes.artifact, functions_size: sizes.functions, counts, cost })
        }
        Err(error) => {
            // Whether code decompresses depends on a limit that the next host may set differently.
            let is_worth_keeping =
                error.is_deterministic() && !matches!(error, PrepareError::Decompression(_));
            if is_worth_keeping && let Err(io) = store.write_failure(id, error, code.prefix()) {
                tracing::warn!(artifact = %id, error = %io, "can't remember a failure on disk");
            }
            Err(error.clone())
        }
    }
}
