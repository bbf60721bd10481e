//! The loop's steps that have artifacts made.

use super::{Event, EventLoop, Preparation};
use crate::{
    Code, PrepareError,
    artifact::{ArtifactId, ArtifactStore, PrepareCost},
    primitives::PvfPrepKind,
    text,
    worker::{
        prepare::{PrepareWorker, Prepared},
        protocol::PrepareRequest,
        spawn::SpawnError,
    },
};
use futures_util::FutureExt;
use std::time::Instant;
use tokio::sync::oneshot;

impl EventLoop {
    pub(super) fn start_preparations(&mut self) {
        while let Some((artifact, preparation)) = self.prepare_queue.pop(self.preparing.len()) {
            self.counters.preparations.increment();
            let (cancel, cancelled) = oneshot::channel();
            self.preparing.insert(artifact.clone(), cancel);
            let worker = self.idle_prepare_worker();
            let work = self.prepare(artifact.clone(), preparation, worker);
            let task = async move {
                tokio::select! {
                    (worker, result) = work => {
                        Event::Prepared { artifact, worker, result: Some(result) }
                    },
                    // Dropping the work kills its worker, and with it the job.
                    Ok(()) = cancelled => Event::Prepared { artifact, worker: None, result: None },
                }
            };
            self.tasks.push(task.boxed());
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
    ) -> impl Future<Output = (Option<PrepareWorker>, Result<(u64, PrepareCost), PrepareError>)> + use<>
    {
        let Preparation { code, pvf, is_precheck } = preparation;
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
        let counters = self.counters.clone();
        async move {
            // What can't be stored need not be made.
            let (place, id) = (store.clone(), artifact.clone());
            let room = tokio::task::spawn_blocking(move || place.check_room(&id)).await;
            if let Err(error) = room.unwrap_or_else(|panic| Err(panic.into())) {
                return (worker, Err(PrepareError::Store(error.to_string())));
            }
            let worker = match worker {
                Some(worker) => worker,
                None => {
                    counters.prepare_workers_started.increment();
                    match PrepareWorker::spawn(&spawner).await {
                        Ok(worker) => worker,
                        Err(SpawnError::Replaced { program }) => {
                            return (None, Err(PrepareError::WorkerReplaced { program }));
                        }
                        Err(error) => {
                            return (None, Err(PrepareError::NoWorker(error.to_string())));
                        }
                    }
                }
            };
            let worker_pid = worker.pid();
            tracing::debug!(%artifact, worker_pid, "preparing");
            let (worker, result) = worker.prepare(code.bytes(), &request, wall_limit).await;
            let stored = tokio::task::spawn_blocking(move || {
                store_outcome(&store, &artifact, &code, result)
            });
            let result = stored.await.unwrap_or_else(|e| Err(PrepareError::Store(e.to_string())));
            (worker, result)
        }
    }

    pub(super) fn on_prepared(
        &mut self,
        artifact: &ArtifactId,
        worker: Option<PrepareWorker>,
        result: Option<Result<(u64, PrepareCost), PrepareError>>,
    ) {
        self.preparing.remove(artifact);
        if self.idle_prepare_workers.len() + self.preparing.len() < self.prepare_queue.soft_cap() {
            self.idle_prepare_workers.extend(worker);
        }
        if let Some(result) = result {
            match &result {
                Ok((size, cost)) => tracing::info!(
                    %artifact, size, wall_ms = cost.wall.as_millis(), cpu_ms = cost.cpu.as_millis(),
                    "prepared"
                ),
                Err(error) => {
                    let error = text::clean(&error.to_string());
                    tracing::warn!(%artifact, error, "preparing failed");
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

/// Puts on disk what preparing came to, as far as it is to be remembered.
fn store_outcome(
    store: &ArtifactStore,
    id: &ArtifactId,
    code: &Code,
    result: Result<Prepared, PrepareError>,
) -> Result<(u64, PrepareCost), PrepareError> {
    match result {
        Ok(Prepared { artifact, cost }) => {
            let size = store
                .write(id, &artifact, code.prefix(), cost)
                .map_err(|error| PrepareError::Store(error.to_string()))?;
            Ok((size, cost))
        }
        Err(error) => {
            // Whether code decompresses depends on a limit that the next host may set differently.
            let is_worth_keeping =
                error.is_deterministic() && !matches!(error, PrepareError::Decompression(_));
            if is_worth_keeping && let Err(io) = store.write_failure(id, &error, code.prefix()) {
                tracing::warn!(artifact = %id, error = %io, "can't remember a failure on disk");
            }
            Err(error)
        }
    }
}
