//! The metrics themselves, each resolved to its series once and for all.

use super::{
    labels::{
        self, PREPARE_OUTCOMES, SpawnFailure, Task, WORKER_KINDS, WorkerDeath, place,
        prepare_outcome, verdict_of, verdicts,
    },
    maker::{self, Labels, Maker},
};
use crate::{
    PrepareError, PrepareReport, RetryCause, Validation,
    backend::{self, BackendId},
    host::{
        queue::{ExecuteClass, PreparePriority},
        statistics::Counters,
    },
    worker::protocol::WorkerKind,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{sync::Arc, time::Duration};

/// What one host measures.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) counters: Counters,
    /// By execution class, and then prechecks.
    pub(crate) requests: [Gauge; 5],
    pub(crate) queue_capacity: Gauge,
    pub(crate) prepare_queue: [Gauge; 2],
    pub(crate) execute_queue: [Gauge; 4],
    pub(crate) preparing: Gauge,
    pub(crate) executing: Gauge,
    pub(crate) hot_workers: Gauge,
    pub(crate) hot_workers_size: Gauge,
    pub(crate) standing_by: Gauge,
    pub(crate) cache_artifacts: Gauge,
    pub(crate) cache_failures: Gauge,
    pub(crate) cache_size: Gauge,
    pub(crate) cache_max_size: Gauge,
    pub(crate) insecure: Gauge,
    pub(crate) hot_misses: Counter,
    pub(crate) hot_evictions_for_room: Counter,
    pub(crate) hot_evictions_of_artifact: Counter,
    pub(crate) standby_used: Counter,
    pub(crate) standby_absent: Counter,
    pub(crate) cache_hits: Counter,
    pub(crate) cache_waits: Counter,
    pub(crate) cache_misses: Counter,
    pub(crate) cache_failed: Counter,
    pub(crate) cancellations: Counter,
    pub(crate) log_lines_dropped: Counter,
    /// By [`ExecuteClass`].
    validation: [Histogram; 4],
    backends: Vec<OfBackend>,
    verdicts: Vec<((&'static str, &'static str), Counter)>,
    prechecks: [Counter; PREPARE_OUTCOMES.len()],
    preparations_ended: [Counter; PREPARE_OUTCOMES.len()],
    preparations_cancelled: Counter,
    workers: [Gauge; 2],
    spawns: [Counter; 2],
    spawn_failures: [[Counter; SpawnFailure::ALL.len()]; 2],
    deaths: [[Counter; WorkerDeath::ALL.len()]; 2],
}

/// What is measured for each backend.
#[derive(Debug)]
struct OfBackend {
    id: &'static BackendId,
    waiting: [Histogram; 6],
    running: [Histogram; 6],
    execute_cpu: Histogram,
    execute_memory: Histogram,
    load: Histogram,
    gas: Histogram,
    prepare_cpu: Histogram,
    prepare_memory: Histogram,
    code: Histogram,
    artifact: Histogram,
}

type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

impl Meters {
    pub(super) fn new(registry: Option<&mut Registry>) -> Self {
        let make = &mut Maker(registry);
        let requests = make.gauges(
            "pvf_requests",
            "Requests that the host holds, by class: from when they found a place to their answer",
        );
        let queue = make.gauges(
            "pvf_queue_length",
            "Work that waits for a worker: artifacts to be prepared, and candidates to be executed",
        );
        let length = |queue_name, class| {
            queue.get_or_create_owned(&vec![("queue", queue_name), ("class", class)])
        };
        let running = make.gauges("pvf_running_jobs", "Preparations and executions that run");
        let running = |queue| running.get_or_create_owned(&vec![("queue", queue)]);
        let hot = make.counters(
            "pvf_hot_set_lookups",
            "Executions, by whether an idle worker had the artifact loaded",
        );
        let hot = |result| hot.get_or_create_owned(&vec![("result", result)]);
        let evictions = make.counters(
            "pvf_hot_set_evictions",
            "Idle workers let go: to make room for others, or with an artifact that is no more. \
             Those that died are among the deaths of workers",
        );
        let evictions = |cause| evictions.get_or_create_owned(&vec![("cause", cause)]);
        let standby = make.counters(
            "pvf_standby_lookups",
            "Executions that found no worker with their artifact, by whether one stood by",
        );
        let standby = |result| standby.get_or_create_owned(&vec![("result", result)]);
        let lookups = make.counters(
            "pvf_cache_lookups",
            "Questions for an artifact: it is there (hit), on its way (wait), has to be prepared \
             (miss), or can't be had (failed)",
        );
        let lookups = |result| lookups.get_or_create_owned(&vec![("result", result)]);
        let validation = make.histogram(
            Some(Unit::Seconds),
            "pvf_validation",
            "Time from call to verdict of one try, all waiting included",
            maker::long_seconds,
        );
        let validation = ExecuteClass::ALL
            .map(|class| validation.get_or_create_owned(&vec![("kind", class.name())]));
        let verdict = make.counters(
            "pvf_verdicts",
            "Answers to validations, each try by itself, by class and cause",
        );
        let verdicts = verdicts().into_iter().map(|(class, cause)| {
            let labels = vec![("class", class), ("cause", cause)];
            ((class, cause), verdict.get_or_create_owned(&labels))
        });
        let outcomes = |family: Family<Labels, Counter>| {
            PREPARE_OUTCOMES.map(|outcome| family.get_or_create_owned(&vec![("outcome", outcome)]))
        };
        let preparations = make.counters("pvf_preparations", "Preparations that ended, by outcome");
        let preparations_cancelled =
            preparations.get_or_create_owned(&vec![("outcome", "cancelled")]);
        let workers = make.gauges("pvf_workers", "Worker processes, by kind");
        let spawns = make.counters("pvf_worker_spawns", "Workers started that greeted");
        let of_kind = |kind: WorkerKind| vec![("kind", kind.as_str())];
        let spawn_failures =
            make.counters("pvf_worker_spawn_failures", "Workers that could not be started");
        let deaths = make.counters(
            "pvf_worker_deaths",
            "Workers that died, or were killed for what they or their jobs did",
        );
        let backend_info = make.gauges("pvf_backend_info", "Always 1: the linked backends");
        for descriptor in backend::linked() {
            let labels = vec![("backend", descriptor.id.as_str()), ("version", descriptor.version)];
            backend_info.get_or_create(&labels).set(1);
        }
        Self {
            counters: counters(make, hot("hit")),
            requests: ["dispute", "approval", "backing_system_paras", "backing", "precheck"]
                .map(|class| requests.get_or_create_owned(&vec![("class", class)])),
            queue_capacity: make.gauge(
                "pvf_queue_capacity",
                "How many requests of each class the host holds at most; further callers wait",
            ),
            prepare_queue: PreparePriority::ALL.map(|priority| length("prepare", priority.name())),
            execute_queue: ExecuteClass::ALL.map(|class| length("execute", class.name())),
            preparing: running("prepare"),
            executing: running("execute"),
            hot_workers: make.gauge(
                "pvf_hot_workers",
                "Idle execute workers that are kept with their artifact loaded",
            ),
            hot_workers_size: make.gauge_of(
                Unit::Bytes,
                "pvf_hot_workers_artifacts",
                "The sizes of the artifacts that these have loaded, together",
            ),
            standing_by: make.gauge(
                "pvf_standby_workers",
                "Execute workers that stand by without an artifact: 1 or 0",
            ),
            cache_artifacts: make.gauge("pvf_cache_artifacts", "Artifacts in the cache"),
            cache_failures: make
                .gauge("pvf_cache_failures", "Failed preparations that the host remembers"),
            cache_size: make.gauge_of(
                Unit::Bytes,
                "pvf_cache",
                "The size of the cache: of artifacts, and of the functions kept beside them",
            ),
            cache_max_size: make.gauge_of(
                Unit::Bytes,
                "pvf_cache_max",
                "The size above which artifacts are removed that were not needed for long",
            ),
            insecure: make.gauge(
                "pvf_insecure",
                "1 if workers do not keep untrusted code in, and the host runs all the same",
            ),
            hot_misses: hot("miss"),
            hot_evictions_for_room: evictions("room"),
            hot_evictions_of_artifact: evictions("artifact"),
            standby_used: standby("used"),
            standby_absent: standby("absent"),
            cache_hits: lookups("hit"),
            cache_waits: lookups("wait"),
            cache_misses: lookups("miss"),
            cache_failed: lookups("failed"),
            cancellations: make.counter(
                "pvf_cancellations",
                "Requests given up by their caller before they had an answer",
            ),
            log_lines_dropped: make.counter(
                "pvf_guest_log_lines_dropped",
                "Lines that guests logged beyond what is kept",
            ),
            validation,
            backends: of_backends(make),
            verdicts: verdicts.collect(),
            prechecks: outcomes(make.counters("pvf_prechecks", "Answers to prechecks")),
            preparations_ended: outcomes(preparations),
            preparations_cancelled,
            workers: WORKER_KINDS.map(|kind| workers.get_or_create_owned(&of_kind(kind))),
            spawns: WORKER_KINDS.map(|kind| spawns.get_or_create_owned(&of_kind(kind))),
            spawn_failures: WORKER_KINDS.map(|kind| {
                SpawnFailure::ALL.map(|cause| {
                    let labels = vec![("kind", kind.as_str()), ("cause", cause.name())];
                    spawn_failures.get_or_create_owned(&labels)
                })
            }),
            deaths: WORKER_KINDS.map(|kind| {
                WorkerDeath::ALL.map(|cause| {
                    let labels = vec![("kind", kind.as_str()), ("cause", cause.name())];
                    deaths.get_or_create_owned(&labels)
                })
            }),
        }
    }

    /// Notes the answer to a validation, and how long it took.
    pub(crate) fn answered(&self, class: ExecuteClass, validation: &Validation, took: Duration) {
        let verdict = verdict_of(validation);
        self.verdicts[place(&self.verdicts, |(listed, _)| *listed == verdict)].1.inc();
        self.validation[class as usize].observe(took.as_secs_f64());
    }

    /// Notes the answer to a precheck.
    pub(crate) fn prechecked(&self, result: &Result<PrepareReport, PrepareError>) {
        self.prechecks[prepare_outcome(result)].inc();
    }

    /// Notes that some work has waited for a worker.
    pub(crate) fn waited(&self, task: Task, backend: &BackendId, time: Duration) {
        if let Some(of) = self.of(backend) {
            of.waiting[task.index()].observe(time.as_secs_f64());
        }
    }

    /// Notes that some work has had its worker.
    pub(crate) fn ran(&self, task: Task, backend: &BackendId, time: Duration) {
        if let Some(of) = self.of(backend) {
            of.running[task.index()].observe(time.as_secs_f64());
        }
    }

    /// Notes what an execution took.
    pub(crate) fn executed(&self, backend: &BackendId, report: &crate::ExecuteReport) {
        let Some(of) = self.of(backend) else { return };
        of.execute_cpu.observe(report.cpu.as_secs_f64());
        of.execute_memory.observe(report.peak_memory as f64);
        if let Some(load) = report.load {
            of.load.observe(load.as_secs_f64());
        }
        if let Some(gas) = report.gas_used {
            of.gas.observe(gas as f64);
        }
    }

    /// Notes what a preparation has made of so much code, and what it took.
    pub(crate) fn prepared(
        &self,
        backend: &BackendId,
        code_len: usize,
        cost: &crate::artifact::PrepareCost,
        artifact_size: u64,
    ) {
        let Some(of) = self.of(backend) else { return };
        of.prepare_cpu.observe(cost.cpu.as_secs_f64());
        of.prepare_memory.observe(cost.peak_memory as f64);
        of.code.observe(code_len as f64);
        of.artifact.observe(artifact_size as f64);
    }

    /// Notes how a preparation ended. None: it was cancelled.
    pub(crate) fn preparation_ended<T>(&self, result: Option<&Result<T, PrepareError>>) {
        match result {
            Some(result) => self.preparations_ended[prepare_outcome(result)].inc(),
            None => self.preparations_cancelled.inc(),
        };
    }

    pub(crate) fn spawn_failed(&self, kind: WorkerKind, cause: SpawnFailure) {
        self.spawn_failures[kind as usize][cause as usize].inc();
    }

    /// Notes that there is no host any more.
    pub(crate) fn rest(&self) {
        let queues = self.prepare_queue.iter().chain(&self.execute_queue);
        let workers = [&self.preparing, &self.executing, &self.hot_workers, &self.hot_workers_size];
        for gauge in queues.chain(workers).chain([&self.standing_by]) {
            gauge.set(0);
        }
    }

    fn of(&self, backend: &BackendId) -> Option<&OfBackend> {
        self.backends.iter().find(|of| of.id == backend)
    }
}

/// A worker process, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct CountedWorker {
    meters: Arc<Meters>,
    kind: WorkerKind,
}

impl CountedWorker {
    /// One that has greeted.
    pub(crate) fn new(meters: Arc<Meters>, kind: WorkerKind) -> Self {
        meters.spawns[kind as usize].inc();
        meters.workers[kind as usize].inc();
        Self { meters, kind }
    }

    pub(crate) fn died(&self, cause: WorkerDeath) {
        self.meters.deaths[self.kind as usize][cause as usize].inc();
    }
}

impl Drop for CountedWorker {
    fn drop(&mut self) {
        self.meters.workers[self.kind as usize].dec();
    }
}

fn of_backends(make: &mut Maker<'_>) -> Vec<OfBackend> {
    let seconds = Some(Unit::Seconds);
    let waiting: Histograms = make.histogram(
        seconds.clone(),
        "pvf_waiting",
        "Time that work waited in a queue for a worker",
        maker::seconds,
    );
    let running = make.histogram(
        seconds.clone(),
        "pvf_running",
        "Time from leaving the queue to the end, with the start of a worker if there was none",
        maker::seconds,
    );
    let execute_cpu = make.histogram(
        seconds.clone(),
        "pvf_execute_cpu",
        "CPU time of the jobs that execute candidates",
        maker::seconds,
    );
    let execute_memory = make.histogram(
        Some(Unit::Bytes),
        "pvf_execute_peak_memory",
        "The most memory that such a job had resident",
        maker::bytes,
    );
    let load = make.histogram(
        seconds.clone(),
        "pvf_load",
        "Time to read an artifact, and to check and load it in a new worker",
        maker::seconds,
    );
    let gas = make.histogram(None, "pvf_gas_used", "Gas used, where it is metered", maker::gas);
    let prepare_cpu = make.histogram(
        seconds,
        "pvf_prepare_cpu",
        "CPU time of the jobs that have made an artifact, all their threads together",
        maker::long_seconds,
    );
    let prepare_memory = make.histogram(
        Some(Unit::Bytes),
        "pvf_prepare_peak_memory",
        "The most memory that such a job had resident",
        maker::bytes,
    );
    let code = make.histogram(
        Some(Unit::Bytes),
        "pvf_prepare_code",
        "The size of the code that an artifact was made of, compressed if it came so",
        maker::bytes,
    );
    let artifact = make.histogram(
        Some(Unit::Bytes),
        "pvf_artifact",
        "The size of the artifacts that were made",
        maker::bytes,
    );
    let of_backend = |id: &'static BackendId| {
        let backend = ("backend", id.as_str());
        let one = |family: &Histograms| family.get_or_create_owned(&vec![backend]);
        let all = |family: &Histograms| {
            Task::ALL.map(|task| family.get_or_create_owned(&vec![("kind", task.name()), backend]))
        };
        OfBackend {
            id,
            waiting: all(&waiting),
            running: all(&running),
            execute_cpu: one(&execute_cpu),
            execute_memory: one(&execute_memory),
            load: one(&load),
            gas: one(&gas),
            prepare_cpu: one(&prepare_cpu),
            prepare_memory: one(&prepare_memory),
            code: one(&code),
            artifact: one(&artifact),
        }
    };
    labels::backends().map(of_backend).collect()
}

fn counters(make: &mut Maker<'_>, hot_hits: Counter) -> Counters {
    let functions = make.counters(
        "pvf_prepare_functions",
        "Functions of prepared code, as far as backends keep them: reused or compiled",
    );
    let functions = |origin| functions.get_or_create_owned(&vec![("origin", origin)]);
    let removals = make.counters(
        "pvf_cache_evictions",
        "Artifacts removed from the cache: to make room, or since they could not be read or loaded",
    );
    let removals = |cause| removals.get_or_create_owned(&vec![("cause", cause)]);
    let retries = make.counters("pvf_retries", "Validations tried again, by cause");
    let retries = |cause: RetryCause| retries.get_or_create_owned(&vec![("cause", cause.label())]);
    Counters {
        preparations: make.counter("pvf_preparations_started", "Preparations started"),
        functions_reused: functions("reused"),
        functions_compiled: functions("compiled"),
        executions: make.counter("pvf_executions", "Executions that left the queue"),
        prepare_workers_started: Counter::default(),
        execute_workers_started: make
            .counter("pvf_loads", "Times that a new worker was given an artifact to load"),
        hot_hits,
        code_fetches: make.counter("pvf_code_fetches", "Times the code provider was asked"),
        artifacts_pruned: removals("room"),
        artifacts_discarded: removals("unusable"),
        retries_after_worker_death: retries(RetryCause::WorkerDeath),
        retries_after_job_death: retries(RetryCause::JobDeath),
        retries_after_job_error: retries(RetryCause::JobError),
        retries_after_corrupted_artifact: retries(RetryCause::CorruptedArtifact),
        retries_after_runtime_construction: retries(RetryCause::RuntimeConstruction),
        retries_after_internal_error: retries(RetryCause::Internal),
        retries_given_up: make.counter(
            "pvf_retries_given_up",
            "Validations whose error may pass, and that were not tried again any more",
        ),
        judged_after_runtime_construction: make.counter(
            "pvf_judged_after_runtime_construction",
            "Candidates found invalid because their artifact could not be loaded twice",
        ),
    }
}
