//! The loop's steps that have candidates executed, and artifacts removed.

use super::{Event, EventLoop, Goal, Request, Stage, Waiting, prepare_report};
use crate::{
    ValidationError,
    artifact::ArtifactId,
    failpoint::{self, Point},
    host::{
        artifacts::{PreparedArtifact, RequestId},
        execution::{Executed, Execution, is_bad_artifact},
        hot::Load,
        request::Validation,
    },
    metrics::Task,
    worker::{execute::BlankWorker, spawn::SpawnError},
};
use futures_util::FutureExt;
use std::time::Instant;
use tokio::sync::oneshot;
use tracing::{Instrument, Span, debug_span};

impl EventLoop {
    pub(super) fn start_executions(&mut self) {
        while self.executing < self.config.execute_workers_max {
            let Some(id) = self.execute_queue.pop() else { return };
            let Some(request) = self.requests.get_mut(&id) else { continue };
            let (cancel, cancelled) = oneshot::channel();
            let stage = std::mem::replace(&mut request.stage, Stage::Running { _cancel: cancel });
            let (Stage::Queued(artifact, prepared), Goal::Validate(validation, _)) =
                (stage, &request.goal)
            else {
                unreachable!("only validations with an artifact are queued for execution");
            };
            let class = validation.kind.class();
            let waiting = std::mem::replace(&mut request.waiting, Waiting::begin(Span::none()));
            let waited = waiting.since.elapsed();
            self.meters.waited(Task::Execute(class), &artifact.backend, waited);
            let load = Load { artifact, params: request.pvf.params.hash() };
            let hot = self.hot.take(&load);
            let standby = if hot.is_none() { self.standby.take() } else { None };
            self.executing += 1;
            let meters = &*self.meters;
            meters.counters.executions.inc();
            if hot.is_some() {
                meters.counters.hot_hits.inc();
            } else {
                meters.hot_misses.inc();
                let found = standby.is_some();
                if found { &meters.standby_used } else { &meters.standby_absent }.inc();
            }
            let execution = Execution {
                artifact: load.artifact.clone(),
                request: (**validation).clone(),
                trace: request.trace,
                store: self.store.clone(),
                spawner: self.spawner.clone(),
                meters: self.meters.clone(),
                pov_limit: self.config.pov_limit,
                load_timeout: self.config.load_timeout,
                wall_clock_factor: self.config.wall_clock_factor,
                standby,
                cancelled,
            };
            let task = async move {
                let start = Instant::now();
                let executed = Box::new(execution.run(hot).await);
                let took = start.elapsed();
                Event::Executed { id, load, prepared, executed, class, took }
            };
            self.tasks.push(task.instrument(request.span.clone()).boxed());
        }
    }

    pub(super) fn on_executed(
        &mut self,
        id: RequestId,
        load: Load,
        prepared: PreparedArtifact,
        executed: Executed,
    ) {
        self.executing -= 1;
        if executed.lacked_room && self.hot.make_room() {
            tracing::warn!("no room for another execute worker: half of the idle ones make room");
            self.queue_again(id, load.artifact, prepared);
            return;
        }
        self.artifacts.release(&load.artifact, prepared.generation);
        let backend = load.artifact.backend.clone();
        if let Some(report) = &executed.report {
            self.meters.executed(&backend, report);
        }
        let artifact = load.artifact.clone();
        if let Err(error) = &executed.verdict
            && is_bad_artifact(error)
        {
            self.discard(&load.artifact, prepared.generation, error);
        } else if let Some(worker) = executed.worker
            && self.artifacts.is_current(&load.artifact, prepared.generation)
        {
            self.hot.insert(load, prepared.size, worker);
        }
        if let Some(Request { goal: Goal::Validate(_, reply), waited, trace, .. }) =
            self.requests.remove(&id)
        {
            let _ = reply.send(Validation {
                verdict: executed.verdict,
                backend: Some(backend),
                prepare: Some(prepare_report(trace, &artifact, &prepared, !waited)),
                execute: executed.report,
                retried: vec![],
                trace: None,
            });
        }
        self.start_executions();
        self.call_standby();
    }

    /// Has a validation wait for its execution. It has a hold on the artifact.
    pub(super) fn queue(
        &mut self,
        id: RequestId,
        artifact: ArtifactId,
        prepared: PreparedArtifact,
    ) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let Goal::Validate(validation, _) = &request.goal else { return };
        let class = validation.kind.class();
        request.waiting = Waiting::begin(debug_span!(
            parent: &request.span,
            "waiting",
            reason = "an execute worker",
            class = class.name(),
        ));
        request.stage = Stage::Queued(artifact, prepared);
        self.execute_queue.push(id, class);
    }

    /// Has a request executed that was not tried. It has kept its hold on the artifact.
    fn queue_again(&mut self, id: RequestId, artifact: ArtifactId, prepared: PreparedArtifact) {
        if !self.requests.contains_key(&id) {
            // Nobody waits for it any more.
            self.artifacts.release(&artifact, prepared.generation);
        } else if self.artifacts.is_current(&artifact, prepared.generation) {
            self.queue(id, artifact, prepared);
        } else {
            // It was discarded meanwhile, and has to be prepared first.
            self.advance(id);
        }
        self.start_executions();
    }

    /// Starts a worker that stands by, unless there is one or others have the machine for now.
    fn call_standby(&mut self) {
        if !self.config.standby_worker
            || self.standby.is_some()
            || self.standby_is_coming
            || self.executing > 0
        {
            return;
        }
        self.standby_is_coming = true;
        let spawner = self.spawner.clone();
        let spawned = async move { Event::StandBy(BlankWorker::spawn(&spawner).await) };
        self.tasks.push(spawned.boxed());
    }

    pub(super) fn on_standby(&mut self, spawned: Result<BlankWorker, SpawnError>) {
        self.standby_is_coming = false;
        match spawned {
            Ok(worker) => self.standby = Some(worker),
            // Who needs one tries for itself, and says what is wrong.
            Err(error) => tracing::debug!(%error, "no worker stands by"),
        }
    }

    /// Throws away an artifact that can't be loaded, unless that was about an earlier file than the
    /// one that is there now.
    ///
    /// Those who wait to execute it have no use for it either. If the engine refused it, that is their
    /// answer too, so that all of them together have it prepared anew once, and a second refusal is the
    /// second one for each. If it was lost on disk, nobody needs to know.
    fn discard(&mut self, artifact: &ArtifactId, generation: u64, error: &ValidationError) {
        if !self.artifacts.discard(artifact, generation) {
            return;
        }
        self.hot.discard(artifact);
        self.meters.counters.artifacts_discarded.inc();
        self.measure_cache();
        tracing::warn!(%artifact, %error, "discarding an artifact that can't be read or loaded");
        self.remove_file(artifact);
        let queued = self.requests.iter().filter_map(|(id, request)| match &request.stage {
            Stage::Queued(queued, prepared) => {
                (queued == artifact && prepared.generation == generation).then_some(*id)
            }
            _ => None,
        });
        let mut queued: Vec<_> = queued.collect();
        queued.sort();
        for id in queued {
            self.execute_queue.remove(|other| *other == id);
            match error {
                ValidationError::PossiblyInvalid(_) => self.answer(id, error),
                _ => self.advance(id),
            }
        }
    }

    /// Answers a validation with an error that another one has met.
    fn answer(&mut self, id: RequestId, error: &ValidationError) {
        if let Some(Request { goal: Goal::Validate(_, reply), .. }) = self.requests.remove(&id) {
            // A caller that went away needs no answer.
            let _ = reply.send(Validation::failed(error.clone()));
        }
    }

    /// Removes the file at once, so that it is gone before a new one may be written.
    fn remove_file(&self, artifact: &ArtifactId) {
        if let Err(error) = self.store.remove(artifact) {
            tracing::warn!(%artifact, %error, "can't remove an artifact's file");
        }
    }

    pub(super) fn prune(&mut self) {
        if let Err(error) = failpoint::reach(Point::HostPrune) {
            tracing::warn!(%error, "can't make room in the cache");
            return;
        }
        for artifact in self.artifacts.prune(&self.config.prune_limits) {
            tracing::info!(%artifact, "removing an artifact to make room");
            self.meters.counters.artifacts_pruned.inc();
            self.remove_file(&artifact);
        }
        self.measure_cache();
    }
}
