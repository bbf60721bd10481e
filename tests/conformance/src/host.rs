//! A real host with the backend under test, in a directory of its own.

use crate::{
    eventually, eventually_some,
    guests::{Candidate, Guest, Outcome},
    processes::{self, Process},
    request,
    subject::{Subject, without_panic},
    test::{Verdict, ensure, ensure_eq},
};
use parity_scale_codec::Encode;
use pvf_host_core::{
    Code, Config, PrepareError, PrepareReport, Pvf, Validation, ValidationHost, ValidationKind,
    ValidationRequest,
    artifact::{Cache, CacheLock},
    primitives::{ExecutorParam, ExecutorParams, ValidationParams},
    worker::{WorkerProgram, protocol::WorkerKind},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::{runtime::Runtime, task::JoinHandle};

/// A multiple of a time limit that no machine is slow enough to reach before the job has used its CPU
/// time.
const FOREVER: u32 = 100_000;

/// A host, and the directory that it is in.
pub(crate) struct Host<'a> {
    subject: &'a Subject,
    directory: tempfile::TempDir,
    runtime: Runtime,
    running: Option<(ValidationHost, JoinHandle<()>)>,
}

impl Subject {
    /// Has a test done with a host, and checks that nothing of the host is left afterwards.
    pub(crate) fn with_host(&self, test: impl FnOnce(&mut Host<'_>) -> Verdict) -> Verdict {
        // Else each request would say so.
        self.backend()?;
        let mut host = Host::new(self)?;
        host.start()?;
        let verdict = without_panic("the test", || test(&mut host)).flatten();
        // What is left over matters less than what is wrong.
        let shut_down = host.shut_down();
        verdict.and(shut_down)
    }
}

impl<'a> Host<'a> {
    fn new(subject: &'a Subject) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("can't set up a host: {error}");
        fs::create_dir_all(&subject.scratch).map_err(failed)?;
        let directory = tempfile::Builder::new()
            .prefix("conformance-")
            .tempdir_in(&subject.scratch)
            .map_err(failed)?;
        // By a path that no other directory's processes have.
        let (program, worker) =
            (std::env::current_exe().map_err(failed)?, directory.path().join("worker"));
        if fs::hard_link(&program, &worker).is_err() {
            // Written by a process of its own: no other process, started at the same time, may have it
            // open for writing, or it could not be executed.
            let copied = Command::new("cp").arg(&program).arg(&worker).status().map_err(failed)?;
            ensure!(copied.success(), "the program can't be copied to {}", worker.display());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { subject, directory, runtime, running: None })
    }

    fn start(&mut self) -> Verdict {
        let config = Config::builder(self.cache())
            .worker_program(WorkerProgram::Path(self.directory.path().join("worker")))
            .wall_clock_factor(FOREVER)
            // A machine that runs many tests at once may be slow.
            .spawn_timeout(Duration::from_secs(60))
            // So that one can tell who works.
            .standby_worker(false)
            .build()
            .map_err(|error| error.to_string())?;
        let (host, work) = self
            .runtime
            .block_on(pvf_host_core::start(config))
            .map_err(|error| format!("the host does not start: {error}"))?;
        self.running = Some((host, self.runtime.spawn(work)));
        Ok(())
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    /// The running host.
    ///
    /// # Panics
    ///
    /// Between its end and its start.
    pub(crate) fn handle(&self) -> &ValidationHost {
        &self.running.as_ref().expect("it runs").0
    }

    fn shut_down(&mut self) -> Verdict {
        let Some((host, work)) = self.running.take() else { return Ok(()) };
        drop(host);
        self.runtime.block_on(async {
            let ended = tokio::time::timeout(crate::DEADLINE, work).await;
            ended.map_err(|_| "the host does not end")?.map_err(|error| error.to_string())
        })?;
        let (directory, cache) = (self.directory.path(), self.cache());
        let left = || self.runtime.block_on(assert_nothing_is_left(directory, &cache));
        without_panic("looking at what the host has left", left)
    }

    /// Ends the host and starts another one in the same directory.
    pub(crate) fn restart(&mut self) -> Verdict {
        self.shut_down()?;
        self.start()
    }

    /// A guest's code, for this backend and with these parameters.
    pub(crate) fn pvf(&self, guest: &Guest, params: &[ExecutorParam]) -> Result<Pvf, String> {
        self.subject.code(guest).map(|code| self.pvf_of(code, params))
    }

    /// Any code, for this backend and with these parameters.
    pub(crate) fn pvf_of(&self, code: &[u8], params: &[ExecutorParam]) -> Pvf {
        let mut params = params.to_vec();
        params.push(ExecutorParam::Backend(self.subject.id.clone()));
        Pvf::new(Code::new(code)).with_params(ExecutorParams::new(params))
    }

    pub(crate) fn precheck(&self, pvf: Pvf) -> Result<PrepareReport, PrepareError> {
        self.runtime.block_on(self.handle().precheck(pvf))
    }

    pub(crate) fn validate(&self, pvf: Pvf, params: ValidationParams) -> Validation {
        let request = ValidationRequest::from_params(pvf, params, ValidationKind::Approval);
        self.runtime.block_on(self.handle().validate(request))
    }

    /// Validates as a validator does.
    pub(crate) fn validate_with_retry(&self, request: ValidationRequest) -> Validation {
        self.runtime.block_on(pvf_host_core::validate_with_retry(self.handle(), request))
    }

    /// Validates several candidates at once.
    pub(crate) fn validate_all(
        &self,
        requests: Vec<ValidationRequest>,
    ) -> Result<Vec<Validation>, String> {
        self.runtime.block_on(async {
            let host = self.handle();
            let spawn = |request| {
                let host = host.clone();
                tokio::spawn(async move { host.validate(request).await })
            };
            let running: Vec<_> = requests.into_iter().map(spawn).collect();
            let mut validations = Vec::new();
            for validation in running {
                validations.push(validation.await.map_err(|error| error.to_string())?);
            }
            Ok(validations)
        })
    }

    /// Validates a block, and gives what came of it.
    pub(crate) fn run(
        &self,
        guest: &Guest,
        params: &[ExecutorParam],
        block: impl Encode,
    ) -> Result<Outcome, String> {
        let pvf = self.pvf(guest, params)?;
        Ok(self.validate(pvf, request::params(block.encode())).verdict.into())
    }

    /// A request to validate a candidate.
    pub(crate) fn request(&self, candidate: &Candidate) -> Result<ValidationRequest, String> {
        Ok(candidate.request(&self.subject.guests.blob(candidate.guest)?, &self.subject.id))
    }

    /// Checks that a candidate ends as it has to, and gives all that the host says.
    pub(crate) fn check(&self, candidate: &Candidate) -> Result<Validation, String> {
        let request = self.request(candidate)?;
        let validation = self.runtime.block_on(self.handle().validate(request));
        let outcome = Outcome::from(validation.verdict.clone());
        let what = format!("{}, {}", candidate.guest.name, candidate.name);
        ensure_eq!(outcome, candidate.expected, "{what}");
        Ok(validation)
    }

    /// The worker processes of a kind.
    pub(crate) fn workers(&self, kind: WorkerKind) -> Vec<Process> {
        let mut workers = processes::naming(self.directory.path());
        workers.retain(|p| p.is_our_child() && p.arguments.iter().any(|a| a == kind.as_str()));
        workers
    }

    /// Kills the execute workers, and waits for their end.
    pub(crate) fn kill_execute_workers(&self) {
        for worker in self.workers(WorkerKind::Execute) {
            self.runtime.block_on(processes::kill(worker.pid));
        }
    }

    /// A job of an execute worker that waits for a candidate, and has taken all measures from itself.
    pub(crate) fn waiting_job(&self) -> Process {
        self.runtime.block_on(eventually_some("a job waits for a candidate", || {
            let workers = self.workers(WorkerKind::Execute);
            let is_job = |process: &Process| {
                workers.iter().any(|worker| worker.pid.as_raw_pid() == process.parent)
            };
            processes::naming(self.directory.path()).into_iter().find(|process| {
                is_job(process)
                    && process.state == 'S'
                    && !processes::has_descriptor(process.pid, 2)
            })
        }))
    }

    /// The files of artifacts in the cache.
    pub(crate) fn artifacts(&self) -> Result<Vec<PathBuf>, String> {
        let environments = Cache::new(self.cache()).environments().map_err(|e| e.to_string())?;
        let mut paths = Vec::new();
        for environment in environments {
            let entries = environment.entries().map_err(|error| error.to_string())?;
            paths.extend(entries.into_iter().map(|entry| entry.path));
        }
        Ok(paths)
    }
}

/// Checks that no host has left anything in its directory, of which the cache is a part.
///
/// # Panics
///
/// When one has.
pub async fn assert_nothing_is_left(directory: &Path, cache: &Path) {
    let mut found = processes::naming(directory);
    found.retain(Process::is_our_child);
    assert!(found.is_empty(), "a host has ended before its workers: {found:?}");
    // A job ends with its worker, but nobody waits for it.
    eventually("no job is left", || processes::naming(directory).is_empty()).await;
    let is_unreaped = |process: &Process| process.is_our_child() && process.state == 'Z';
    // Those of other tests are reaped too, while we look.
    let mut zombies = processes::all();
    zombies.retain(is_unreaped);
    eventually("no zombie is left", || {
        zombies.retain(|zombie| {
            processes::look(zombie.pid.as_raw_pid()).as_ref().is_some_and(is_unreaped)
        });
        zombies.is_empty()
    })
    .await;
    assert_eq!(temporary_files(cache), [] as [PathBuf; 0], "temporary files are left");
    if cache.is_dir() {
        CacheLock::acquire(cache).expect("the lock is free");
    }
}

/// Files in a cache that are not complete.
pub fn temporary_files(cache: &Path) -> Vec<PathBuf> {
    let environments = Cache::new(cache).environments().unwrap_or_default();
    let mut directories: Vec<_> = environments.iter().map(|e| e.path().to_owned()).collect();
    directories.push(cache.to_owned());
    let files = directories.iter().filter_map(|directory| fs::read_dir(directory).ok());
    let paths = files.flatten().map(|file| file.expect("a directory can be read").path());
    let is_temporary = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".pvf-tmp-"))
    };
    paths.filter(is_temporary).collect()
}
