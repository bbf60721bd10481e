//! Hosts to test, in directories of their own.

use crate::{
    DEADLINE, eventually, eventually_some,
    manners::{Manners, Place},
    processes::{self, Process, VISIBLE_CPU_TIME},
    request::approval,
    script::{OnCall, Script},
};
use futures_util::{FutureExt, future::BoxFuture};
use pvf_host_core::{
    Config, ConfigBuilder, PrepareError, PrepareReport, Pvf, StartError, Validation,
    ValidationHost, ValidationRequest,
    artifact::{Cache, CacheEntry},
    backend::BackendId,
    primitives::{ExecutorParam, ExecutorParams},
    sandbox::{Measures, Sandbox},
    validate_with_retry,
    worker::{WorkerProgram, protocol::WorkerKind},
};
use rustix::process::Pid;
use std::{
    fmt, fs,
    ops::Deref,
    path::{Path, PathBuf},
    pin::Pin,
    process::Command,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{runtime::Handle, task::JoinHandle};

/// What cargo has built for the tests. See [`programs!`](crate::programs).
#[derive(Debug, Clone, Copy)]
pub struct Programs {
    /// The worker program with the scripted backends.
    pub worker: &'static Path,
    /// The worker program without.
    pub bare_worker: &'static Path,
    /// Where to put directories, preferably beside the programs.
    pub scratch: &'static Path,
}

/// A directory with a cache and a worker program. Removed with the last clone.
#[derive(Debug, Clone)]
pub struct Scratch(Arc<TempDir>);

impl Scratch {
    /// A new directory with the tests' worker program and an empty cache.
    pub fn new(programs: Programs) -> Self {
        let directory = tempfile::Builder::new().prefix("host-").tempdir_in(programs.scratch);
        let scratch = Self(Arc::new(directory.expect("a directory can be made")));
        scratch.install_worker(programs.worker);
        scratch
    }

    /// Makes `program` the worker program, by a path that no other directory's processes have.
    pub fn install_worker(&self, program: &Path) {
        let path = self.worker();
        let _ = fs::remove_file(&path);
        if fs::hard_link(program, &path).is_err() {
            // Like a script, below.
            let copied = Command::new("cp").arg(program).arg(&path).status();
            assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        }
    }

    /// The path of the worker program.
    pub fn worker(&self) -> PathBuf {
        self.0.path().join("worker")
    }

    /// The path of the cache.
    pub fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// A configuration for a host here.
    pub fn config(&self) -> ConfigBuilder {
        Config::builder(self.cache())
            .worker_program(WorkerProgram::Path(self.worker()))
            // A machine that runs many tests at once may be slow.
            .spawn_timeout(Duration::from_secs(60))
            // Tests tell who works for whom.
            .standby_worker(false)
    }

    /// Starts a host.
    ///
    /// # Errors
    ///
    /// See [`pvf_host_core::start`].
    ///
    /// # Panics
    ///
    /// When no host can be set up so.
    pub async fn start(&self, config: ConfigBuilder) -> Result<TestHost, StartError> {
        let checked = config.clone().build().expect("a host can be set up so");
        let (host, work) = pvf_host_core::start(checked).await?;
        Ok(TestHost {
            host: Some(host),
            work: Some(tokio::spawn(work)),
            config,
            scratch: self.clone(),
        })
    }

    /// All processes that were started from here, zombies apart.
    pub fn processes(&self) -> Vec<Process> {
        processes::naming(self.0.path())
    }

    /// What artifacts and remembered failures are on disk, of all environments.
    pub fn entries(&self) -> Vec<CacheEntry> {
        let environments = Cache::new(self.cache()).environments().expect("the cache can be read");
        let entries = environments.iter().map(|environment| environment.entries());
        entries.flat_map(|entries| entries.expect("an environment can be read")).collect()
    }

    /// The path of the only artifact of some code.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn artifact(&self, script: &Script) -> PathBuf {
        let hash = script.code().hash();
        let mut entries = self.entries();
        entries.retain(|entry| entry.id.code_hash == hash);
        let [entry] = &entries[..] else { panic!("not one artifact, but {entries:?}") };
        entry.path.clone()
    }

    /// Files in the cache that are not complete.
    pub fn temporary_files(&self) -> Vec<PathBuf> {
        pvf_conformance::temporary_files(&self.cache())
    }

    /// Makes a shell script the worker program.
    pub fn install_script(&self, script: &str) {
        let path = self.worker();
        let _ = fs::remove_file(&path);
        // Written by a process of its own: no other test's process, started at the same time, may
        // have it open for writing, or it could not be executed.
        let written = Command::new("/bin/sh")
            .args([
                "-c",
                "printf '#!/bin/sh\n%s\n' \"$1\" > \"$2\" && chmod +x \"$2\"",
                "sh",
                script,
            ])
            .arg(&path)
            .status();
        assert!(written.is_ok_and(|status| status.success()), "the script can be written");
    }

    /// Replaces the worker program by one that does the same, but is a byte longer.
    pub fn rebuild_worker(&self) {
        self.copy_program(&self.worker(), "x");
    }

    /// Replaces a program by a copy of itself with `more` at its end.
    pub fn copy_program(&self, program: &Path, more: &str) {
        const SCRIPT: &str =
            r#"cp "$1" "$1.new" && printf %s "$2" >> "$1.new" && mv "$1.new" "$1""#;
        let copied =
            Command::new("/bin/sh").args(["-c", SCRIPT, "sh"]).arg(program).arg(more).status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be replaced");
    }

    /// Gives bad manners to the workers that are started from now on.
    pub fn teach(&self, manners: Manners) {
        manners.teach(&self.worker());
    }

    /// Gives bad manners to the next worker that is started and comes by this place.
    pub fn teach_one(&self, place: Place, manners: Manners) {
        manners.teach_one(place, &self.worker());
    }

    /// The process that has misbehaved, once the worker taught last has begun to.
    pub fn culprit(&self) -> Option<i32> {
        Manners::culprit(&self.worker())
    }

    /// Makes the workers that are started from now on good again.
    pub fn forget_manners(&self) {
        Manners::forget(&self.worker());
    }

    /// Removes the worker program.
    pub fn remove_worker(&self) {
        fs::remove_file(self.worker()).expect("the worker program can be removed");
    }

    /// Checks that no host has left anything.
    ///
    /// # Panics
    ///
    /// When one has.
    pub async fn assert_nothing_is_left(&self) {
        pvf_conformance::assert_nothing_is_left(self.0.path(), &self.cache()).await;
    }
}

/// A host under test.
///
/// Shut it down at a test's end with [`shut_down`](Self::shut_down); dropping it does that too, in a
/// multi-threaded runtime.
pub struct TestHost {
    host: Option<ValidationHost>,
    work: Option<JoinHandle<()>>,
    config: ConfigBuilder,
    scratch: Scratch,
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost").field("scratch", &self.scratch).finish_non_exhaustive()
    }
}

impl Deref for TestHost {
    type Target = ValidationHost;

    fn deref(&self) -> &ValidationHost {
        self.host.as_ref().expect("the host is there until it is shut down")
    }
}

impl TestHost {
    /// A host in a new directory, set up by `configure`.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    pub async fn new(
        programs: Programs,
        configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    ) -> Self {
        let scratch = Scratch::new(programs);
        scratch.start(configure(scratch.config())).await.expect("a host can be started")
    }

    /// The directory that it is in.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// A handle to the host. It has to be dropped before the host is shut down.
    pub fn handle(&self) -> ValidationHost {
        (**self).clone()
    }

    /// Shuts the host down, by dropping its handle, and checks that nothing of it is left.
    pub async fn shut_down(mut self) {
        self.finish().await;
    }

    /// Ends the host as the end of its runtime would: the future that does the work is dropped.
    /// Handles get no more answers.
    pub async fn drop_work(&mut self) {
        let work = self.work.take().expect("it is dropped once");
        work.abort();
        assert!(work.await.is_err_and(|error| error.is_cancelled()), "the work had ended before");
    }

    /// Shuts the host down and starts another one in the same directory.
    pub async fn restart(self) -> Self {
        self.restart_with(|config| config).await
    }

    /// The same with another configuration.
    pub async fn restart_with(
        mut self,
        configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    ) -> Self {
        let (scratch, config) = (self.scratch.clone(), self.config.clone());
        self.finish().await;
        scratch.start(configure(config)).await.expect("a host can be started again")
    }

    async fn finish(&mut self) {
        self.host = None;
        if let Some(work) = self.work.take() {
            // It does not end if a handle was kept.
            in_time(work).await.expect("the host does not panic");
        }
        self.scratch.assert_nothing_is_left().await;
    }

    /// Asks for a validation, and returns once the host has taken note of it.
    pub async fn submit(&self, request: ValidationRequest) -> Submitted<Validation> {
        let host = self.handle();
        self.submit_any(async move { host.validate(request).await }).await
    }

    /// Has a candidate validated, with retries, while the test goes on.
    pub fn retry(&self, request: ValidationRequest) -> JoinHandle<Validation> {
        let host = self.handle();
        tokio::spawn(async move { validate_with_retry(&host, request).await })
    }

    /// Asks for a precheck, and returns once the host has taken note of it.
    pub async fn submit_precheck(
        &self,
        pvf: Pvf,
    ) -> Submitted<Result<PrepareReport, PrepareError>> {
        let host = self.handle();
        self.submit_any(async move { host.precheck(pvf).await }).await
    }

    async fn submit_any<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Submitted<T> {
        let mut future = future.boxed();
        // One look at it has it send its command.
        let looked = std::future::poll_fn(|context| Poll::Ready(future.poll_unpin(context)));
        let first = tokio::task::unconstrained(looked).await;
        match first {
            // The host may be that fast.
            Poll::Ready(answer) => Submitted(std::future::ready(answer).boxed()),
            Poll::Pending => {
                self.settle().await;
                Submitted(in_time(future).boxed())
            }
        }
    }

    /// Waits until the host has taken note of all that was asked of it, and of all that was
    /// cancelled.
    pub async fn settle(&self) {
        // The host takes commands in their order, so an answer to one means that those before it were
        // seen. A cancellation takes another way: it was seen when a second command is taken.
        for _ in 0..2 {
            let nobody = ExecutorParam::Backend(BackendId::from_static("nobody"));
            let refused = Script::default().pvf().with_params(ExecutorParams::new(vec![nobody]));
            let answer = self.precheck(refused).await;
            assert!(matches!(answer, Err(PrepareError::Backend(_))), "{answer:?}");
        }
    }

    /// The worker processes of a kind.
    pub fn workers(&self, kind: WorkerKind) -> Vec<Pid> {
        let mut workers = self.scratch.processes();
        workers.retain(|p| p.is_our_child() && p.arguments.iter().any(|a| a == kind.as_str()));
        workers.iter().map(|worker| worker.pid).collect()
    }

    /// The only worker process of a kind.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn worker(&self, kind: WorkerKind) -> Pid {
        let workers = self.workers(kind);
        let [worker] = workers[..] else { panic!("not one worker, but {workers:?}") };
        worker
    }

    /// The job processes of all workers, those that wait for something to do included.
    pub fn jobs(&self) -> Vec<Process> {
        let mut jobs = self.scratch.processes();
        let workers: Vec<_> =
            jobs.iter().filter(|p| p.is_our_child()).map(|p| p.pid.as_raw_pid()).collect();
        jobs.retain(|process| workers.contains(&process.parent));
        jobs
    }

    /// Waits until each execute worker has nothing to do: then it has jobs, all of which wait for a
    /// candidate, and have given up the worker's descriptors.
    pub async fn rest(&self) {
        let waits = |job: &&Process| job.state == 'S' && !processes::has_descriptor(job.pid, 2);
        eventually("each execute worker has jobs, and all of them wait", || {
            let jobs = self.jobs();
            self.workers(WorkerKind::Execute).iter().all(|worker| {
                let own = || jobs.iter().filter(|job| job.parent == worker.as_raw_pid());
                own().count() > 0 && own().all(|job| waits(&job))
            })
        })
        .await;
    }

    /// Waits until a job does something that takes CPU time, and gives its process.
    pub async fn busy_job(&self) -> Pid {
        eventually_some("a job is busy", || {
            self.jobs().into_iter().find(|job| job.cpu >= VISIBLE_CPU_TIME)
        })
        .await
        .pid
    }

    /// Has a call that never ends take one of the places for executions, until what is returned is
    /// dropped.
    pub async fn occupy(&self) -> Submitted<Validation> {
        let before = self.statistics().executions;
        let never_ends = approval(Script::call(OnCall::SleepForever).pvf());
        let request = never_ends.with_timeout(Duration::MAX);
        let holder = self.submit(request).await;
        eventually("the holder has been given its place", || {
            self.statistics().executions == before + 1
        })
        .await;
        holder
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        if self.host.is_some() && !std::thread::panicking() {
            tokio::task::block_in_place(|| Handle::current().block_on(self.finish()));
        }
    }
}

/// A request that the host has taken note of. Dropping it cancels it.
pub struct Submitted<T>(BoxFuture<'static, T>);

impl<T> Future for Submitted<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.0.poll_unpin(context)
    }
}

impl<T> fmt::Debug for Submitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Submitted")
    }
}

/// No measure against what workers and jobs do.
pub fn no_sandbox() -> Sandbox {
    Sandbox::default().only(Measures::none()).accept_insecure()
}

/// What a future comes to, if it does before only a bug can be the reason.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("there is an answer in time")
}

/// The head of a candidate that was found valid.
///
/// # Panics
///
/// When it was not.
pub fn valid_head(validation: Validation) -> Vec<u8> {
    match validation.verdict {
        Ok(result) => result.head_data.0,
        Err(error) => panic!("not valid: {error:?}"),
    }
}
