//! The one task that owns the host's state.
//!
//! It takes commands from handles and events from the futures that it drives: preparations,
//! executions, fetches of code. What happens inside of those is theirs; what it means for the others
//! is decided here, one step at a time, without locks. Nothing in here waits.
//!
//! [`preparing`] and [`executing`] hold the steps of those two.

mod executing;
mod preparing;

use super::{
    artifacts::{Artifacts, Need, PreparedArtifact, RequestId, Written},
    config::Config,
    execution::Executed,
    hot::{self, HotSet, Load},
    queue::{ExecuteClass, ExecuteQueue, PreparePriority, PrepareQueue},
    request::{ActiveLeavesUpdate, PrepareReport, Validation, ValidationRequest},
};
use crate::{
    Code, CodeSource, PrepareError, Pvf, Trace, TraceId, ValidationError,
    artifact::{ArtifactId, ArtifactStore},
    backend::{self, SelectionError},
    metrics::{Meters, Task},
    primitives::{
        CodeHash, Hash,
        compression::{self, DecompressError},
    },
    text,
    worker::{
        execute::BlankWorker,
        prepare::PrepareWorker,
        spawn::{SpawnError, Spawner, SpawnerHandle},
    },
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{Span, debug_span};

/// A request's place among those that the host holds at once, counted until this is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    meters: Arc<Meters>,
    class: usize,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit, meters: Arc<Meters>, class: usize) -> Self {
        meters.requests[class].inc();
        Self { _permit: permit, meters, class }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.meters.requests[self.class].dec();
    }
}

/// What a handle asks for.
pub(super) enum Command {
    Precheck {
        id: RequestId,
        pvf: Pvf,
        trace: TraceId,
        span: Span,
        reply: oneshot::Sender<Result<PrepareReport, PrepareError>>,
        place: Place,
    },
    Validate {
        id: RequestId,
        request: ValidationRequest,
        trace: Trace,
        span: Span,
        reply: oneshot::Sender<Validation>,
        place: Place,
    },
    HeadsUp {
        id: RequestId,
        pvf: Pvf,
        trace: TraceId,
        span: Span,
    },
    UpdateActiveLeaves(ActiveLeavesUpdate),
}

/// What a future that the loop drives came to.
enum Event {
    Fetched {
        hash: CodeHash,
        code: Result<Code, PrepareError>,
    },
    Prepared {
        artifact: ArtifactId,
        worker: Option<PrepareWorker>,
        result: Option<Result<Written, PrepareError>>,
        /// Artifacts whose functions were of no use, and are gone.
        useless: Vec<ArtifactId>,
    },
    Executed {
        id: RequestId,
        load: Load,
        prepared: PreparedArtifact,
        executed: Box<Executed>,
        class: ExecuteClass,
        took: Duration,
    },
    StandBy(Result<BlankWorker, SpawnError>),
    Done,
}

/// A request that has no answer yet.
struct Request {
    pvf: Pvf,
    goal: Goal,
    stage: Stage,
    /// Whether it had to wait for its artifact.
    waited: bool,
    trace: TraceId,
    /// All that is done for it.
    span: Span,
    /// What it waits for, and since when.
    waiting: Waiting,
    _place: Option<Place>,
}

/// A wait that has not ended.
struct Waiting {
    span: Span,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.span.is_disabled() {
            let took_us = self.since.elapsed().as_micros() as u64;
            tracing::debug!(parent: &self.span, took_us, "waited");
        }
    }
}

impl Waiting {
    fn begin(span: Span) -> Self {
        Self { span, since: Instant::now() }
    }
}

enum Goal {
    Precheck(oneshot::Sender<Result<PrepareReport, PrepareError>>),
    Validate(Box<ValidationRequest>, oneshot::Sender<Validation>),
    HeadsUp,
}

enum Stage {
    New,
    Fetching(CodeHash),
    Preparing(ArtifactId),
    Queued(ArtifactId, PreparedArtifact),
    Running { _cancel: oneshot::Sender<()> },
}

/// A preparation that waits in the queue.
struct Preparation {
    code: Code,
    pvf: Pvf,
    is_precheck: bool,
    /// The request that it is for. Others may have come to wait for it too.
    trace: TraceId,
    span: Span,
    waiting: Waiting,
}

impl Preparation {
    fn task(&self) -> Task {
        if self.is_precheck { Task::Precheck } else { Task::Prepare }
    }
}

/// A preparation that runs.
struct Running {
    /// Stops it.
    cancel: oneshot::Sender<()>,
    task: Task,
    code_len: usize,
    span: Span,
    since: Instant,
}

pub(super) struct EventLoop {
    config: Arc<Config>,
    store: Arc<ArtifactStore>,
    meters: Arc<Meters>,
    spawner: SpawnerHandle,

    commands: mpsc::Receiver<Command>,
    cancellations: mpsc::UnboundedReceiver<RequestId>,

    requests: HashMap<RequestId, Request>,
    artifacts: Artifacts,
    /// Who waits for code, by its hash.
    fetching: HashMap<CodeHash, Vec<RequestId>>,
    prepare_queue: PrepareQueue<ArtifactId, Preparation>,
    /// Preparations that run.
    preparing: HashMap<ArtifactId, Running>,
    /// For whom artifacts are prepared that wait for that, or are.
    prepared_for: HashMap<ArtifactId, TraceId>,
    idle_prepare_workers: Vec<PrepareWorker>,
    execute_queue: ExecuteQueue<RequestId>,
    executing: usize,
    hot: HotSet,
    /// An execute worker that waits for an artifact.
    standby: Option<BlankWorker>,
    standby_is_coming: bool,
    /// Each active leaf with those of its ancestors on which candidates may build.
    active_leaves: HashMap<Hash, Vec<Hash>>,

    tasks: FuturesUnordered<BoxFuture<'static, Event>>,
    /// Last, so that it is dropped after everything that holds a worker: it waits for their ends.
    _spawner: Spawner,
}

/// What [`EventLoop::new`] starts from.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<ArtifactStore>,
    pub(super) artifacts: Artifacts,
    pub(super) meters: Arc<Meters>,
    pub(super) spawner: Spawner,
    pub(super) first_worker: PrepareWorker,
    pub(super) standby: Option<BlankWorker>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) cancellations: mpsc::UnboundedReceiver<RequestId>,
}

impl EventLoop {
    pub(super) fn new(parts: Parts) -> Self {
        let config = parts.config;
        let max_count = hot::that_fit(config.hot_workers_max);
        let max_size = config.hot_workers_max_size;
        Self {
            store: parts.store,
            hot: HotSet::new(max_count, max_size, parts.meters.clone()),
            meters: parts.meters,
            spawner: parts.spawner.handle(),
            commands: parts.commands,
            cancellations: parts.cancellations,
            requests: HashMap::new(),
            artifacts: parts.artifacts,
            fetching: HashMap::new(),
            prepare_queue: PrepareQueue::new(
                config.prepare_workers_soft_max,
                config.prepare_workers_hard_max,
            ),
            preparing: HashMap::new(),
            prepared_for: HashMap::new(),
            idle_prepare_workers: vec![parts.first_worker],
            execute_queue: ExecuteQueue::new(),
            executing: 0,
            standby: parts.standby,
            standby_is_coming: false,
            active_leaves: HashMap::new(),
            tasks: FuturesUnordered::new(),
            _spawner: parts.spawner,
            config,
        }
    }

    /// Runs until the last handle is dropped. Then all workers are killed and reaped.
    pub(super) async fn run(mut self) {
        let mut prune_timer = tokio::time::interval(self.config.prune_interval);
        self.measure_cache();
        loop {
            self.measure();
            let Self { tasks, hot, standby, idle_prepare_workers, commands, cancellations, .. } =
                &mut self;
            let disturbed = std::future::poll_fn(|context| {
                hot.poll_disturbed(context);
                standby.take_if(|worker| {
                    let is_disturbed = worker.poll_disturbed(context).is_ready();
                    if is_disturbed {
                        tracing::warn!(
                            worker_pid = worker.pid(),
                            "execute worker on stand-by died"
                        );
                    }
                    is_disturbed
                });
                idle_prepare_workers
                    .retain_mut(|worker| worker.poll_disturbed(context).is_pending());
                Poll::<()>::Pending
            });
            tokio::select! {
                biased;
                Some(event) = tasks.next() => self.on_event(event),
                Some(id) = cancellations.recv() => {
                    self.meters.cancellations.inc();
                    self.on_cancelled(id);
                }
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                _ = prune_timer.tick() => self.prune(),
                () = disturbed => {},
            }
        }
        let meters = self.meters.clone();
        drop(self);
        meters.rest();
    }

    /// Notes how much of everything there is.
    fn measure(&self) {
        let meters = &*self.meters;
        for priority in PreparePriority::ALL {
            let len = self.prepare_queue.len(priority);
            meters.prepare_queue[priority as usize].set(len as i64);
        }
        for class in ExecuteClass::ALL {
            meters.execute_queue[class as usize].set(self.execute_queue.len(class) as i64);
        }
        meters.preparing.set(self.preparing.len() as i64);
        meters.executing.set(self.executing as i64);
        meters.hot_workers.set(self.hot.len() as i64);
        meters.hot_workers_size.set(self.hot.size() as i64);
        meters.standing_by.set(self.standby.is_some().into());
    }

    /// Notes what is in the cache. To be called when that has changed.
    fn measure_cache(&self) {
        let totals = self.artifacts.totals();
        self.meters.cache_artifacts.set(totals.artifacts as i64);
        self.meters.cache_failures.set(totals.failures as i64);
        self.meters.cache_size.set(totals.size as i64);
    }

    fn on_command(&mut self, command: Command) {
        let (id, pvf, goal, trace, span, place) = match command {
            Command::Precheck { id, pvf, trace, span, reply, place } => {
                (id, pvf, Goal::Precheck(reply), trace, span, Some(place))
            }
            Command::Validate { id, request, trace, span, reply, place } => {
                let pvf = request.pvf.clone();
                (id, pvf, Goal::Validate(Box::new(request), reply), trace.id, span, Some(place))
            }
            Command::HeadsUp { id, pvf, trace, span } => {
                (id, pvf, Goal::HeadsUp, trace, span, None)
            }
            Command::UpdateActiveLeaves(update) => return self.update_active_leaves(update),
        };
        let request = Request {
            pvf,
            goal,
            stage: Stage::New,
            waited: false,
            trace,
            span,
            waiting: Waiting::begin(Span::none()),
            _place: place,
        };
        self.requests.insert(id, request);
        self.advance(id);
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Fetched { hash, code } => self.on_fetched(&hash, &code),
            Event::Prepared { artifact, worker, result, useless } => {
                for artifact in &useless {
                    self.artifacts.forget_functions(artifact);
                }
                self.on_prepared(&artifact, worker, result);
            }
            Event::Executed { id, load, prepared, executed, class, took } => {
                self.meters.ran(Task::Execute(class), &load.artifact.backend, took);
                self.on_executed(id, load, prepared, *executed);
            }
            Event::StandBy(spawned) => self.on_standby(spawned),
            Event::Done => {}
        }
    }

    /// Takes a request as far as it can go without waiting: to a queue, to those who wait for an
    /// artifact or for code, or to its answer.
    fn advance(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(&id) else { return };
        let artifact = match self.identify(&request.pvf) {
            Ok(Some(artifact)) => artifact,
            Ok(None) => return self.fetch(id),
            Err(error) => return self.fail(id, error),
        };
        let may_retry = !matches!(request.goal, Goal::Precheck(_));
        match self.artifacts.need(&artifact, id, may_retry, Instant::now()) {
            Need::Ready(prepared) => {
                self.meters.cache_hits.inc();
                self.on_ready(id, artifact, prepared);
            }
            Need::Failed(error) if !grants_more_memory(&request.pvf, &error) => {
                self.meters.cache_failed.inc();
                self.fail(id, error);
            }
            Need::Wait => {
                self.meters.cache_waits.inc();
                let prepared_for = self.prepared_for.get(&artifact).map(tracing::field::display);
                tracing::debug!(
                    parent: &request.span,
                    %artifact,
                    prepared_for,
                    "the artifact is on its way"
                );
                self.wait(id, &artifact);
            }
            Need::Prepare | Need::Failed(_) => match &request.pvf.code {
                CodeSource::Hash(_) => self.fetch(id),
                CodeSource::Bytes(code) => {
                    self.meters.cache_misses.inc();
                    let span = debug_span!(
                        parent: &request.span,
                        "waiting",
                        reason = "a prepare worker",
                        backend = %artifact.backend,
                    );
                    let preparation = Preparation {
                        code: code.clone(),
                        pvf: request.pvf.clone(),
                        is_precheck: matches!(request.goal, Goal::Precheck(_)),
                        trace: request.trace,
                        span: request.span.clone(),
                        waiting: Waiting::begin(span),
                    };
                    self.prepared_for.insert(artifact.clone(), request.trace);
                    self.artifacts.begin(&artifact, id, code.prefix().clone());
                    let priority = self.wait(id, &artifact);
                    self.prepare_queue.push(artifact, preparation, priority);
                    self.start_preparations();
                }
            },
        }
    }

    /// The artifact that a PVF needs. Nothing if the code is needed to find out.
    fn identify(&self, pvf: &Pvf) -> Result<Option<ArtifactId>, PrepareError> {
        if let CodeSource::Bytes(code) = &pvf.code
            && code.bytes().is_empty()
        {
            return Err(PrepareError::Prevalidation("the code is empty".into()));
        }
        let code_hash = pvf.code.hash();
        let explicit = pvf.params.backend();
        let backend = match (explicit, &pvf.code) {
            (Some(id), _) => backend::find(id)?,
            (None, code) => {
                let prefix = match code {
                    CodeSource::Bytes(code) => code.prefix(),
                    CodeSource::Hash(hash) => match self.artifacts.prefix(hash) {
                        Some(prefix) => prefix,
                        None => return Ok(None),
                    },
                };
                let default = self.config.default_backend.as_ref();
                backend::select(None, prefix, default).map_err(|error| why_none(code, error))?
            }
        };
        let prep_hash = pvf.params.prep_hash();
        Ok(Some(ArtifactId { code_hash, prep_hash, backend: backend.id.clone() }))
    }

    /// Notes that a request waits for an artifact, and makes that as urgent as the request.
    fn wait(&mut self, id: RequestId, artifact: &ArtifactId) -> PreparePriority {
        let Some(request) = self.requests.get_mut(&id) else { return PreparePriority::Normal };
        request.waited = true;
        request.stage = Stage::Preparing(artifact.clone());
        request.waiting = Waiting::begin(debug_span!(
            parent: &request.span,
            "waiting",
            reason = "an artifact",
            backend = %artifact.backend,
        ));
        let priority = match &request.goal {
            Goal::Validate(request, _) => request.kind.prepare_priority(),
            Goal::Precheck(_) | Goal::HeadsUp => PreparePriority::Normal,
        };
        if priority == PreparePriority::Critical {
            self.prepare_queue.raise(artifact);
            self.start_preparations();
        }
        priority
    }

    fn on_ready(&mut self, id: RequestId, artifact: ArtifactId, prepared: PreparedArtifact) {
        if self.artifacts.should_touch(&artifact) {
            let (store, artifact) = (self.store.clone(), artifact.clone());
            let touched = tokio::task::spawn_blocking(move || store.touch(&artifact));
            self.tasks.push(touched.map(|_| Event::Done).boxed());
        }
        let Some(request) = self.requests.get(&id) else { return };
        match &request.goal {
            Goal::Precheck(_) | Goal::HeadsUp => {
                let report = prepare_report(request.trace, &artifact, &prepared, !request.waited);
                if let Some(Request { goal: Goal::Precheck(reply), .. }) = self.requests.remove(&id)
                {
                    // A caller that went away needs no answer.
                    let _ = reply.send(Ok(report));
                }
            }
            Goal::Validate(..) => {
                self.artifacts.acquire(&artifact);
                self.queue(id, artifact, prepared);
                self.start_executions();
            }
        }
    }

    /// Answers a request that gets no artifact.
    fn fail(&mut self, id: RequestId, error: PrepareError) {
        let Some(Request { goal, span, .. }) = self.requests.remove(&id) else { return };
        match goal {
            Goal::Precheck(reply) => drop(reply.send(Err(error))),
            Goal::Validate(_, reply) => drop(reply.send(Validation::failed(error))),
            Goal::HeadsUp => {
                let error = text::clean(&error.to_string());
                tracing::debug!(
                    parent: &span,
                    error,
                    "an artifact asked for ahead could not be prepared"
                );
            }
        }
    }

    // Code

    fn fetch(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let hash = request.pvf.code.hash();
        let Some(provider) = self.config.code_provider.clone() else {
            let reason = "this host has no code provider".into();
            return self.fail(id, PrepareError::CodeUnavailable { hash, reason });
        };
        request.waited = true;
        request.stage = Stage::Fetching(hash);
        request.waiting =
            Waiting::begin(debug_span!(parent: &request.span, "waiting", reason = "code"));
        match self.fetching.entry(hash) {
            // It is on its way, even if those who asked for it have gone.
            Entry::Occupied(mut waiting) => return waiting.get_mut().push(id),
            Entry::Vacant(nobody) => nobody.insert(vec![id]),
        };
        self.meters.counters.code_fetches.inc();
        let fetch = async move {
            let unavailable = |reason| PrepareError::CodeUnavailable { hash, reason };
            let code = match provider.code(hash).await {
                Ok(bytes) => match tokio::task::spawn_blocking(move || Code::new(bytes)).await {
                    Ok(code) if code.hash() == hash => Ok(code),
                    Ok(code) => Err(unavailable(format!("the provider gave {}", code.hash()))),
                    Err(error) => Err(unavailable(error.to_string())),
                },
                Err(reason) => Err(unavailable(reason)),
            };
            Event::Fetched { hash, code }
        };
        self.tasks.push(fetch.boxed());
    }

    fn on_fetched(&mut self, hash: &CodeHash, code: &Result<Code, PrepareError>) {
        for id in self.fetching.remove(hash).unwrap_or_default() {
            match code {
                Ok(code) => {
                    if let Some(request) = self.requests.get_mut(&id) {
                        request.pvf.code = code.clone().into();
                        self.advance(id);
                    }
                }
                Err(error) => self.fail(id, error.clone()),
            }
        }
    }

    // What is no longer wanted

    fn on_cancelled(&mut self, id: RequestId) {
        let Some(request) = self.requests.remove(&id) else { return };
        tracing::debug!(parent: &request.span, "given up");
        match request.stage {
            Stage::New => {}
            Stage::Fetching(hash) => {
                if let Some(waiting) = self.fetching.get_mut(&hash) {
                    waiting.retain(|waiting| *waiting != id);
                }
            }
            Stage::Preparing(artifact) => {
                if self.artifacts.abandon(&artifact, id) {
                    self.prepared_for.remove(&artifact);
                    if self.prepare_queue.remove(&artifact).is_some() {
                        self.meters.preparation_ended::<()>(None);
                    }
                    if let Some(running) = self.preparing.remove(&artifact) {
                        self.meters.preparation_ended::<()>(None);
                        let _ = running.cancel.send(());
                    }
                }
            }
            Stage::Queued(artifact, prepared) => {
                self.artifacts.release(&artifact, prepared.generation);
                self.execute_queue.remove(|queued| *queued == id);
            }
            Stage::Running { _cancel: cancel } => drop(cancel.send(())),
        }
    }

    fn update_active_leaves(&mut self, update: ActiveLeavesUpdate) {
        for leaf in &update.deactivated {
            self.active_leaves.remove(leaf);
        }
        self.active_leaves.extend(update.activated);
        let is_active = |hash: &Hash| {
            self.active_leaves
                .iter()
                .any(|(leaf, ancestors)| leaf == hash || ancestors.contains(hash))
        };
        let late: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| match (&request.goal, &request.stage) {
                // What runs is allowed to end.
                (_, Stage::Running { .. }) => false,
                (Goal::Validate(validation, _), _) => {
                    validation.kind.deadline().is_some_and(|relay_parent| !is_active(&relay_parent))
                }
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let Some(request) = self.requests.get_mut(&id) else { continue };
            let goal = std::mem::replace(&mut request.goal, Goal::HeadsUp);
            self.on_cancelled(id);
            if let Goal::Validate(_, reply) = goal {
                let _ = reply.send(Validation::failed(ValidationError::ExecutionDeadline));
            }
        }
    }
}

fn prepare_report(
    trace: TraceId,
    artifact: &ArtifactId,
    prepared: &PreparedArtifact,
    cached: bool,
) -> PrepareReport {
    PrepareReport {
        trace,
        backend: artifact.backend.clone(),
        cached,
        cost: prepared.cost,
        artifact_size: prepared.size,
        functions: prepared.counts,
    }
}

/// Whether a preparation failed for want of memory that this PVF would have. The limit is no part of
/// an artifact's identity, and may be raised.
fn grants_more_memory(pvf: &Pvf, error: &PrepareError) -> bool {
    let PrepareError::OutOfMemory { limit } = error else { return false };
    pvf.params.prechecking_max_memory().is_none_or(|granted| granted > *limit)
}

/// Why no backend was found: that the code itself is none is the better reason.
fn why_none(code: &CodeSource, error: SelectionError) -> PrepareError {
    let CodeSource::Bytes(code) = code else { return error.into() };
    if compression::is_compressed(code.bytes()) && code.prefix().as_bytes().is_empty() {
        PrepareError::Decompression(DecompressError::Invalid.to_string())
    } else {
        error.into()
    }
}
