//! The host: takes requests, gives verdicts.
//!
//! [`start`] gives a [`ValidationHost`], which is a handle to be cloned freely, and a future that
//! does the work and has to be spawned. The future owns everything: the cache's lock, the
//! [queues](queue), the [table of artifacts](artifacts), the workers. It ends when the last handle is
//! dropped; by then every process that it started has been reaped.

mod artifacts;
mod config;
mod event_loop;
mod execution;
mod hot;
pub(crate) mod queue;
mod request;
pub(crate) mod statistics;

pub use config::{Config, ConfigBuilder, ConfigError};
pub use request::{
    ActiveLeavesUpdate, ExecuteReport, PrepareReport, Validation, ValidationKind, ValidationRequest,
};
pub use statistics::Statistics;

use crate::{
    InternalError, Metrics, PrepareError, Pvf, Trace, TraceId, ValidationError,
    artifact::{ArtifactStore, BackendInput, CacheLock, Environment, EnvironmentDigest, LockError},
    backend,
    metrics::Meters,
    sandbox::{Finding, Findings, Measures, NotKeptIn, State},
    text,
    worker::{
        execute::BlankWorker,
        prepare::PrepareWorker,
        protocol::{WorkerHello, WorkerKind},
        spawn::{SpawnError, Spawner, WorkerProcess},
    },
};
use artifacts::{Artifacts, RequestId, RetryPolicy};
use event_loop::{Command, EventLoop, Parts, Place};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::{Instrument, info_span};

/// Why a host could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The cache can't be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No worker could be started.
    #[error("{0}")]
    Worker(String),
    /// Workers are not confined as it takes to keep untrusted code in, and the host was not told to
    /// [accept](crate::sandbox::Sandbox::accept_insecure) that.
    #[error("{}", NotKeptIn(missing))]
    Insecure {
        /// Each measure that could not be had, and why.
        missing: Vec<Finding>,
    },
    /// The worker program has other backends than this program.
    #[error("the worker program has the backends {worker}, this program has {host}")]
    Backends {
        /// Names and versions of those in the worker program.
        worker: String,
        /// Names and versions of those in this program.
        host: String,
    },
    /// The kernel or the disk refused something.
    #[error("{action}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// How that failed.
        #[source]
        error: io::Error,
    },
}

/// Starts a host. The future does all the work, until the last handle is dropped.
///
/// # Errors
///
/// When another host uses the cache, when it can't be written to, when no worker can be started, and
/// when workers do not [keep untrusted code in](crate::sandbox::Findings::is_secure).
pub async fn start(
    config: Config,
) -> Result<(ValidationHost, impl Future<Output = ()> + Send + 'static), StartError> {
    let io = |action| move |error| StartError::Io { action, error };
    let cache_dir = std::path::absolute(&config.cache_dir).map_err(io("finding the cache"))?;
    let lock = blocking(move || CacheLock::acquire(&cache_dir)).await?;

    let meters = config.metrics.clone().unwrap_or_else(Metrics::unseen).0;
    let before = meters.counters.snapshot();
    let (spawner, process, environment, findings) =
        start_first_worker(&config, meters.clone()).await?;
    warn_of_missing(&findings);
    meters.insecure.set((!findings.is_secure()).into());
    meters.queue_capacity.set(config.queue_capacity as i64);
    meters.cache_max_size.set(config.prune_limits.max_size.min(i64::MAX as u64) as i64);
    let digest = environment.digest();
    let standby = async {
        if !config.standby_worker {
            return None;
        }
        let standby = BlankWorker::spawn(&spawner.handle()).await;
        standby.inspect_err(|error| tracing::debug!(%error, "no worker stands by")).ok()
    };
    let opened = blocking(move || ArtifactStore::open(lock, environment));
    let (standby, opened) = tokio::join!(standby, opened);
    let (mut store, mut entries) = opened.map_err(io("opening the cache"))?;
    tracing::info!(environment = %digest, artifacts = entries.len(), "validation host started");
    for entry in entries.iter().filter(|entry| entry.content.is_err()) {
        if let Err(problem) = &entry.content {
            tracing::warn!(artifact = %entry.id, %problem, "discarding a file of the cache");
        }
        // If it stays, it is not believed either, and is replaced once its artifact is needed.
        if let Err(error) = store.remove_entry(entry) {
            tracing::warn!(artifact = %entry.id, %error, "can't remove it");
        }
    }

    for entry in &mut entries {
        let Some(functions) = &entry.functions else { continue };
        let Some(problem) = &functions.problem else { continue };
        tracing::debug!(artifact = %entry.id, %problem, "discarding compiled functions");
        store.remove_functions(&entry.id);
        entry.functions = None;
    }

    let store_closed = store.closed();
    let config = Arc::new(config);
    let (commands, inbox) = mpsc::channel(64);
    let (cancellations, cancelled) = mpsc::unbounded_channel();
    let retry =
        RetryPolicy { interval: config.prepare_retry_interval, retries: config.prepare_retries };
    let event_loop = EventLoop::new(Parts {
        config: config.clone(),
        store: Arc::new(store),
        artifacts: Artifacts::new(entries, retry, Instant::now()),
        meters: meters.clone(),
        spawner,
        first_worker: PrepareWorker::new(process),
        standby,
        commands: inbox,
        cancellations: cancelled,
    });
    let capacity = || Arc::new(Semaphore::new(config.queue_capacity));
    let host = ValidationHost {
        commands,
        cancellations,
        places: Arc::new([capacity(), capacity(), capacity(), capacity(), capacity()]),
        next_request: Arc::default(),
        meters,
        before,
        environment: digest,
    };
    let work = async move {
        event_loop.run().await;
        // What was being written when the work ended is complete or gone now, and the cache is free.
        store_closed.await;
    };
    Ok((host, work))
}

/// Finds out which environment a host would be in that was started with this configuration. Starts a
/// worker for that, and ends it; takes no cache. The worker does nothing but greet, so no measure is
/// taken.
///
/// # Errors
///
/// When no worker can be started.
pub async fn detect_environment(config: &Config) -> Result<Environment, StartError> {
    let mut config = config.clone();
    config.sandbox = config.sandbox.only(Measures::none()).accept_insecure();
    let meters = Metrics::unseen().0;
    let (_spawner, _process, environment, _) = start_first_worker(&config, meters).await?;
    Ok(environment)
}

/// Finds out which measures a worker takes that is started with this configuration, even if they are
/// too few. Starts a worker for that, and ends it; takes no cache.
///
/// # Errors
///
/// When no worker can be started.
pub async fn try_sandbox(config: &Config) -> Result<Findings, StartError> {
    let mut config = config.clone();
    config.sandbox = config.sandbox.accept_insecure();
    let meters = Metrics::unseen().0;
    let (_spawner, _process, _, findings) = start_first_worker(&config, meters).await?;
    Ok(findings)
}

/// Starts what starts workers, and a first one, and says which environment they are in, and how the worker
/// is confined. The worker has to be dropped before what started it.
async fn start_first_worker(
    config: &Config,
    meters: Arc<Meters>,
) -> Result<(Spawner, WorkerProcess, Environment, Findings), StartError> {
    let io = |action| move |error| StartError::Io { action, error };
    let spawner =
        Spawner::new(&config.worker_program, config.spawn_timeout, &config.sandbox, meters)
            .map_err(io("starting a thread"))?;
    let (process, hello) =
        spawner.handle().spawn(WorkerKind::Prepare).await.map_err(|error| match error {
            SpawnError::Insecure { missing } => StartError::Insecure { missing },
            error => StartError::Worker(error.to_string()),
        })?;
    check_backends(&hello)?;
    let backends = hello.backends.into_iter().map(|linked| {
        let fingerprint = linked.fingerprint.map_or_else(
            || Err("the worker did not work it out".into()),
            |result| result.map_err(|error| text::clean_and_cut(&error.to_string())),
        );
        BackendInput { id: linked.id, version: linked.version, fingerprint }
    });
    let program = spawner.handle().build_digest().expect("a worker has greeted");
    let environment =
        Environment::detect(program, backends.collect()).map_err(io("looking at this machine"))?;
    Ok((spawner, process, environment, hello.findings))
}

/// Says which measures are missing: where untrusted code is not kept in, each of them in a warning; else
/// all in one, and why only to those who ask. Those that nobody wanted are named together.
fn warn_of_missing(findings: &Findings) {
    let is_secure = findings.is_secure();
    let (switched_off, missing): (Vec<_>, Vec<_>) =
        findings.wanting().partition(|finding| finding.state == State::SwitchedOff);
    let names = |findings: &[Finding]| {
        let names: Vec<_> = findings.iter().map(|finding| finding.measure.name()).collect();
        names.join(", ")
    };
    for Finding { measure, state } in &missing {
        if is_secure {
            tracing::info!(%measure, %state, "workers lack a measure");
        } else {
            tracing::warn!(%measure, %state, "INSECURE: workers lack a measure");
        }
    }
    if is_secure && !missing.is_empty() {
        let missing = names(&missing);
        tracing::warn!(%missing, "workers lack some measures: `pvf doctor` says why");
    }
    let partly = |finding: &Finding| matches!(finding.state, State::HoldsInPart(_));
    for Finding { measure, state } in findings.iter().filter(partly) {
        tracing::warn!(%measure, %state, "workers have a measure only in part");
    }
    if !switched_off.is_empty() {
        let measures = names(&switched_off);
        if is_secure {
            tracing::warn!(%measures, "measures are switched off");
        } else {
            tracing::warn!(%measures, "INSECURE: measures are switched off");
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Host and worker must agree on what a backend's name means.
fn check_backends(hello: &WorkerHello) -> Result<(), StartError> {
    let host: Vec<_> =
        backend::linked().iter().map(|b| format!("{} {}", b.id, b.version)).collect();
    let worker: Vec<_> = hello.backends.iter().map(|b| format!("{} {}", b.id, b.version)).collect();
    if host == worker {
        Ok(())
    } else {
        let list = |names: Vec<String>| {
            if names.is_empty() { "(none)".into() } else { text::clean_and_cut(&names.join(", ")) }
        };
        Err(StartError::Backends { worker: list(worker), host: list(host) })
    }
}

/// A handle to a host. Cheap to clone.
///
/// Dropping one of its futures before it is done cancels the work that no one else waits for.
#[derive(Debug, Clone)]
pub struct ValidationHost {
    commands: mpsc::Sender<Command>,
    cancellations: mpsc::UnboundedSender<RequestId>,
    /// Places for requests: one set for each execution class, and one for prechecks.
    places: Arc<[Arc<Semaphore>; 5]>,
    next_request: Arc<AtomicU64>,
    meters: Arc<Meters>,
    /// What had been counted when the host was started.
    before: Statistics,
    environment: EnvironmentDigest,
}

/// Where in `places` those of prechecks are.
const PRECHECKS: usize = 4;

impl ValidationHost {
    /// Says whether code can be prepared, within the stricter limits that hold before it is enacted.
    /// On success the artifact is there.
    ///
    /// # Errors
    ///
    /// Vote against the code if the error [is deterministic](PrepareError::is_deterministic).
    pub async fn precheck(&self, pvf: Pvf) -> Result<PrepareReport, PrepareError> {
        let trace = TraceId::unique();
        let span = info_span!("precheck", id = %trace, code_hash = %pvf.code.hash());
        let of_request = span.clone();
        let command =
            |id, reply, place| Command::Precheck { id, pvf, trace, span: of_request, reply, place };
        async {
            let start = Instant::now();
            let answer = self.ask(PRECHECKS, command).await.unwrap_or(Err(PrepareError::HostGone));
            self.meters.prechecked(&answer);
            let took_us = start.elapsed().as_micros() as u64;
            let outcome = answer.as_ref().map_or_else(PrepareError::kind, |_| "prepared");
            tracing::debug!(outcome, took_us, "prechecked");
            answer
        }
        .instrument(span)
        .await
    }

    /// Validates a candidate: prepares its code if need be, executes it, and gives the verdict.
    ///
    /// This tries once. See [`validate_with_retry`](crate::validate_with_retry).
    pub async fn validate(&self, request: ValidationRequest) -> Validation {
        let trace = request.trace.unwrap_or_else(Trace::unique);
        let class = request.kind.class();
        let span = info_span!(
            "validation",
            id = %trace.id,
            attempt = trace.attempt,
            kind = class.name(),
            code_hash = %request.pvf.code.hash(),
        );
        let of_request = span.clone();
        let command = |id, reply, place| Command::Validate {
            id,
            request,
            trace,
            span: of_request,
            reply,
            place,
        };
        async {
            let start = Instant::now();
            let answer = self.ask(class as usize, command).await;
            let answer = answer.unwrap_or_else(|| Validation::failed(InternalError::HostGone));
            let took = start.elapsed();
            self.meters.answered(class, &answer, took);
            let cause = answer.verdict.as_ref().map_or_else(ValidationError::kind, |_| "valid");
            tracing::debug!(verdict = cause, took_us = took.as_micros() as u64, "validated");
            Validation { trace: Some(trace), ..answer }
        }
        .instrument(span)
        .await
    }

    /// Has artifacts prepared that will be needed soon. Returns once that is on its way.
    pub async fn heads_up(&self, pvfs: impl IntoIterator<Item = Pvf>) {
        for pvf in pvfs {
            let (id, trace) = (self.next_id(), TraceId::unique());
            let span = info_span!("heads_up", id = %trace, code_hash = %pvf.code.hash());
            // A host that is gone prepares nothing.
            let _ = self.commands.send(Command::HeadsUp { id, pvf, trace, span }).await;
        }
    }

    /// Says which relay-chain blocks candidates may still build on. Those that wait to be backed on
    /// any other are dropped.
    pub async fn update_active_leaves(&self, update: ActiveLeavesUpdate) {
        let _ = self.commands.send(Command::UpdateActiveLeaves(update)).await;
    }

    /// What the host has done so far.
    pub fn statistics(&self) -> Statistics {
        self.meters.counters.snapshot().since(&self.before)
    }

    /// Counts a decision to retry, or not to.
    pub(crate) fn count(&self, decision: &crate::Decision) {
        self.meters.counters.count(decision);
    }

    /// The environment that this host's artifacts belong to.
    pub fn environment(&self) -> EnvironmentDigest {
        self.environment
    }

    async fn place(&self, class: usize) -> Option<Place> {
        let permit = self.places[class].clone().acquire_owned().await.ok()?;
        Some(Place::new(permit, self.meters.clone(), class))
    }

    fn next_id(&self) -> RequestId {
        RequestId(self.next_request.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for a place, sends a command, and waits for its answer. Nothing if the host is gone.
    async fn ask<T>(
        &self,
        class: usize,
        command: impl FnOnce(RequestId, oneshot::Sender<T>, Place) -> Command,
    ) -> Option<T> {
        let place = self.place(class).await?;
        let id = self.next_id();
        let (reply, answer) = oneshot::channel();
        // From here on, going away is something that the host has to be told.
        let mut guard = CancelOnDrop { id, cancellations: Some(&self.cancellations) };
        self.commands.send(command(id, reply, place)).await.ok()?;
        let answer = answer.await.ok();
        guard.cancellations = None;
        answer
    }
}

struct CancelOnDrop<'a> {
    id: RequestId,
    cancellations: Option<&'a mpsc::UnboundedSender<RequestId>>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cancellations) = self.cancellations {
            let _ = cancellations.send(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, ConfigError, ValidationError, backend::BackendDescriptor};

    #[test]
    fn what_a_node_holds_can_go_to_any_of_its_threads() {
        fn check<T: Send + Sync + std::fmt::Debug + 'static>() {}
        check::<ValidationHost>();
        check::<Config>();
        check::<ConfigBuilder>();
        check::<Code>();
        check::<Pvf>();
        check::<ValidationRequest>();
        check::<Validation>();
        check::<Result<PrepareReport, PrepareError>>();
        check::<ValidationError>();
        check::<StartError>();
        check::<ConfigError>();
        check::<LockError>();
        check::<Statistics>();
        check::<Environment>();
        check::<BackendDescriptor>();
    }
}
