//! Starting worker processes, and making sure that each one ends.

use super::{
    WORKER_ARGUMENT,
    connection::{Connection, watch},
    control_group::{ControlGroup, ControlGroups},
    frame::FrameError,
    memory,
    process::{Child, Starter},
    protocol::{
        FileIdentity, HostHello, PACKAGE_VERSION, PROTOCOL_VERSION, WorkerHello, WorkerKind,
    },
};
use crate::{
    failpoint::{self, Point},
    metrics::{CountedWorker, Meters, SpawnFailure, WorkerDeath},
    sandbox::{Finding, Findings, Measure, Measures, NotKeptIn, Sandbox, State},
    text,
};
use rustix::{
    fs::{Mode, OFlags},
    net::{AddressFamily, SocketFlags, SocketType},
    pipe::PipeFlags,
    process::Signal,
};
use std::{
    fmt, io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Context, Poll},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// The program that is started as a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerProgram {
    /// The very program that runs the host, which must call `pvf_workers::run_if_worker` first
    /// thing in its `main`. It is found through the kernel, so that it is the same one even after
    /// its file was replaced.
    #[default]
    CurrentExecutable,
    /// A program of its own. If it is replaced by another build while the host runs, no more workers
    /// are started: artifacts were made by the one before, and for it.
    Path(PathBuf),
}

impl WorkerProgram {
    /// The path to start, and to read the program's bytes from.
    pub fn path(&self) -> &Path {
        match self {
            Self::CurrentExecutable => Path::new("/proc/self/exe"),
            Self::Path(path) => path,
        }
    }
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The program could not be started at all.
    #[error("can't start the worker program {}: {error}", path.display())]
    Start { path: PathBuf, error: io::Error },
    /// It started, and did not greet as a worker does.
    #[error("the worker program {} did not report ready: {reason}", path.display())]
    Handshake { path: PathBuf, reason: String },
    /// It is a worker, but not one of this host's version.
    #[error(
        "the worker program {} has version {worker} (protocol {worker_protocol}), this host has \
         {PACKAGE_VERSION} (protocol {PROTOCOL_VERSION})",
        path.display()
    )]
    Version { path: PathBuf, worker: String, worker_protocol: u32 },
    /// It does not keep untrusted code in.
    #[error("{}", NotKeptIn(missing))]
    Insecure { missing: Vec<Finding> },
    /// It is confined worse than the first one.
    #[error("a worker lost a measure that the first one has: {0}")]
    Loosened(Finding),
    /// It is another program than the one that the host was started with.
    #[error(
        "the worker program {program} was replaced or removed while the host ran: restart the host"
    )]
    Replaced { program: String },
    /// The host is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

impl SpawnError {
    /// What it counts as. None if it is no failure.
    fn failure(&self) -> Option<SpawnFailure> {
        match self {
            Self::Start { .. } => Some(SpawnFailure::Start),
            Self::Handshake { .. } => Some(SpawnFailure::Handshake),
            Self::Version { .. } => Some(SpawnFailure::Version),
            Self::Insecure { .. } => Some(SpawnFailure::Insecure),
            Self::Loosened(_) => Some(SpawnFailure::Loosened),
            Self::Replaced { .. } => Some(SpawnFailure::Replaced),
            Self::ShuttingDown => None,
        }
    }
}

/// The one thread that starts workers, and the one that waits for their ends.
///
/// A worker asks the kernel to be killed when the thread that started it ends. Threads of an async
/// runtime come and go; this one lives as long as the host. Dropping the spawner waits until every
/// worker that it started has been reaped: [`WorkerProcess`]es must be dropped before it.
#[derive(Debug)]
pub(crate) struct Spawner {
    handle: SpawnerHandle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
pub(crate) struct SpawnerHandle {
    program: PathBuf,
    /// The file of that name when the host was started. None if it could not be looked at.
    configured: Option<FileIdentity>,
    /// None before the first worker.
    build: Arc<Mutex<Option<Build>>>,
    timeout: Duration,
    sandbox: Arc<Sandbox>,
    meters: Arc<Meters>,
    tasks: mpsc::Sender<Task>,
}

enum Task {
    Spawn(WorkerKind, oneshot::Sender<io::Result<Spawned>>),
    /// Carried out by being dropped, so that it is when nobody takes it from the channel any more.
    Reap(Doomed),
    ShutDown,
}

struct Spawned {
    process: OwnedProcess,
    socket: OwnedFd,
    stderr: OwnedFd,
    /// What came of the measures that the host takes.
    findings: Findings,
}

impl Spawner {
    /// Starts the thread. A worker that has not greeted after `timeout` is given up.
    pub(crate) fn new(
        program: &WorkerProgram,
        timeout: Duration,
        sandbox: &Sandbox,
        meters: Arc<Meters>,
    ) -> io::Result<Self> {
        let (tasks, inbox) = mpsc::channel();
        let program = program.path().to_owned();
        let mut workshop = Workshop {
            program: program.clone(),
            starter: Starter::new(sandbox.measures()),
            measures: sandbox.measures(),
            control_groups: sandbox.control_group().map(ControlGroups::new),
            tasks: tasks.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("pvf-spawner".into())
            .spawn(move || workshop.run(&inbox))?;
        let configured = FileIdentity::of(&program).ok();
        let build = Arc::default();
        let sandbox = Arc::new(sandbox.clone());
        let handle = SpawnerHandle { program, configured, build, timeout, sandbox, meters, tasks };
        Ok(Self { handle, thread: Some(thread) })
    }

    pub(crate) fn handle(&self) -> SpawnerHandle {
        self.handle.clone()
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // Everything sent before this is carried out before the thread ends.
        let _ = self.handle.tasks.send(Task::ShutDown);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The program that the first worker ran. Artifacts are made by it, and for it alone.
#[derive(Debug, Clone)]
struct Build {
    /// The file that was seen last to have this content.
    file: FileIdentity,
    digest: [u8; 32],
    /// How that worker was confined. No other may be confined worse.
    findings: Findings,
}

/// What the spawner's thread works with.
struct Workshop {
    program: PathBuf,
    starter: Starter,
    control_groups: Option<ControlGroups>,
    measures: Measures,
    tasks: mpsc::Sender<Task>,
}

impl Workshop {
    fn run(&mut self, inbox: &mpsc::Receiver<Task>) {
        while let Ok(task) = inbox.recv() {
            match task {
                Task::Spawn(kind, reply) => {
                    if let Err(Ok(spawned)) = reply.send(self.spawn(kind)) {
                        // Nobody waits for it any more.
                        spawned.process.reap();
                    }
                }
                Task::Reap(doomed) => drop(doomed),
                Task::ShutDown => break,
            }
        }
    }

    fn spawn(&mut self, kind: WorkerKind) -> io::Result<Spawned> {
        failpoint::reach(Point::HostSpawn)?;
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        // Nobody reads this pipe until the worker is dead, so a worker that fills it must not block.
        let (stderr, their_stderr) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let nowhere =
            rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        let group = self.control_group(kind);
        let arguments = [WORKER_ARGUMENT, kind.as_str()];
        let (child, mut findings) =
            self.starter.start(&self.program, &arguments, [theirs, nowhere, their_stderr])?;
        // It waits for the host's greeting, and so is in the group before it does anything.
        findings.attempt(self.measures, Measure::ControlGroup, || match &group {
            Some(Ok(group)) => group.admit(child.pid()),
            Some(Err(reason)) => Err(reason.clone()),
            None => Ok(State::NotNeeded("none was configured".into())),
        });
        let doomed = Doomed { child, _group: group.and_then(Result::ok) };
        let process = OwnedProcess { doomed: Some(doomed), tasks: self.tasks.clone() };
        Ok(Spawned { process, socket: ours, stderr, findings })
    }

    /// None if there is to be none.
    fn control_group(&self, kind: WorkerKind) -> Option<Result<ControlGroup, String>> {
        let groups = self.control_groups.as_ref()?;
        self.measures.contains(Measure::ControlGroup).then(|| groups.make(kind))
    }
}

/// A process that is killed and reaped, in the thread that drops this. All in its group is killed with
/// it: a worker's jobs end with it by themselves, but a program that was configured by mistake may have
/// started others.
#[derive(Debug)]
struct Doomed {
    child: Child,
    /// Dropped after the process has been reaped.
    _group: Option<ControlGroup>,
}

impl Drop for Doomed {
    fn drop(&mut self) {
        /// A process with all its memory is gone in far less.
        const LIMIT: Duration = Duration::from_secs(10);
        self.child.kill();
        // Not for ever: one that the kernel keeps from ending must not keep others from being started.
        // Fails only if somebody else has reaped it.
        if let Ok(false) = self.child.wait_at_most(LIMIT) {
            let worker_pid = self.child.pid().as_raw_pid();
            tracing::error!(worker_pid, "a worker that was killed does not end");
        }
    }
}

/// A process that was started, wherever on its way it is. Dropping this kills the process; the
/// spawner's thread reaps it.
#[derive(Debug)]
struct OwnedProcess {
    /// Taken when this is dropped.
    doomed: Option<Doomed>,
    tasks: mpsc::Sender<Task>,
}

impl OwnedProcess {
    fn child(&mut self) -> &mut Child {
        &mut self.doomed.as_mut().expect("it is there until this is dropped").child
    }

    /// Kills and reaps the process in this thread.
    fn reap(mut self) {
        drop(self.doomed.take());
    }

    /// How the process ended, which must have happened. It is reaped by this.
    fn status(&mut self) -> Option<ExitStatus> {
        // What it has left of its group.
        self.child().kill();
        self.child().try_wait().ok()?
    }
}

impl Drop for OwnedProcess {
    fn drop(&mut self) {
        if let Some(doomed) = self.doomed.take() {
            doomed.child.kill();
            // Without a spawner, it is reaped here.
            let _ = self.tasks.send(Task::Reap(doomed));
        }
    }
}

impl SpawnerHandle {
    /// Starts a worker and greets it.
    pub(crate) async fn spawn(
        &self,
        kind: WorkerKind,
    ) -> Result<(WorkerProcess, WorkerHello), SpawnError> {
        let mut result = self.try_spawn(kind).await;
        // Whatever goes wrong with another program, that is why.
        let may_be_why =
            !matches!(result, Ok(_) | Err(SpawnError::ShuttingDown | SpawnError::Replaced { .. }));
        if may_be_why
            && self.build().is_some()
            && FileIdentity::of(&self.program).ok() != self.configured
        {
            result = Err(self.replaced());
        }
        if let Err(error) = &result
            && let Some(cause) = error.failure()
        {
            self.meters.spawn_failed(kind, cause);
        }
        result
    }

    /// The digest of the program that the workers run. None before the first one has greeted.
    pub(crate) fn build_digest(&self) -> Option<[u8; 32]> {
        self.build().map(|build| build.digest)
    }

    fn build(&self) -> Option<Build> {
        self.build.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replaced(&self) -> SpawnError {
        SpawnError::Replaced { program: self.program.display().to_string() }
    }

    async fn try_spawn(
        &self,
        kind: WorkerKind,
    ) -> Result<(WorkerProcess, WorkerHello), SpawnError> {
        let path = || self.program.clone();
        let (reply, spawned) = oneshot::channel();
        self.tasks.send(Task::Spawn(kind, reply)).map_err(|_| SpawnError::ShuttingDown)?;
        let spawned = spawned.await.map_err(|_| SpawnError::ShuttingDown)?;
        let start = |error| SpawnError::Start { path: path(), error };
        let Spawned { mut process, socket, stderr, findings } = spawned.map_err(start)?;
        let mut process = WorkerProcess {
            pid: process.child().pid().as_raw_pid().unsigned_abs(),
            process,
            stderr,
            has_memory_limit: self.sandbox.measures().contains(Measure::MemoryLimit),
            connection: Connection::new(socket).map_err(start)?,
            counted: None,
        };
        let hello = HostHello {
            magic: HostHello::MAGIC,
            protocol: PROTOCOL_VERSION,
            expected_program: self.build().map(|build| build.file),
            measures: self.sandbox.measures(),
            findings,
        };
        let reason = match tokio::time::timeout(self.timeout, process.greet(&hello)).await {
            Ok(Ok(mut hello)) => {
                hello.findings.clean();
                self.check(&hello)?;
                process.counted = Some(CountedWorker::new(self.meters.clone(), kind));
                let kind = kind.as_str();
                tracing::debug!(worker_pid = process.pid, kind, "worker started");
                return Ok((process, hello));
            }
            Ok(Err(FrameError::Closed)) => process.obituary().await.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", self.timeout.as_secs_f32()),
        };
        Err(SpawnError::Handshake { path: path(), reason: text::clean_and_cut(&reason) })
    }

    /// Whether a worker is one of this host's version, and of the same build as those before it.
    fn check(&self, hello: &WorkerHello) -> Result<(), SpawnError> {
        let path = self.program.clone();
        if hello.magic != WorkerHello::MAGIC {
            return Err(SpawnError::Handshake { path, reason: "it is no worker".into() });
        }
        if (hello.protocol, hello.package.as_str()) != (PROTOCOL_VERSION, PACKAGE_VERSION) {
            let (worker, worker_protocol) = (text::clean_and_cut(&hello.package), hello.protocol);
            return Err(SpawnError::Version { path, worker, worker_protocol });
        }
        if !hello.findings.is_secure() && !self.sandbox.accepts_insecure() {
            return Err(SpawnError::Insecure { missing: hello.findings.wanting().collect() });
        }
        let mut build = self.build.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(build) = &*build
            && let Some(lost) = build.findings.first_lost_in(&hello.findings)
        {
            return Err(SpawnError::Loosened(lost));
        }
        match (&mut *build, hello.build) {
            (Some(build), _) if hello.program == build.file => Ok(()),
            // The same bytes in another file.
            (Some(build), Some(digest)) if digest == build.digest => {
                build.file = hello.program;
                Ok(())
            }
            (Some(_), _) => Err(self.replaced()),
            (first @ None, Some(digest)) => {
                let findings = hello.findings.clone();
                *first = Some(Build { file: hello.program, digest, findings });
                Ok(())
            }
            (None, None) => {
                let reason = "it did not say what program it runs".into();
                Err(SpawnError::Handshake { path, reason })
            }
        }
    }
}

/// How a worker ended.
#[derive(Debug)]
pub(crate) struct Obituary {
    status: Option<ExitStatus>,
    last_words: String,
}

impl Obituary {
    /// Whether it brought its end about by what it did: it panicked, or did what the kernel ends a
    /// process for. If not, somebody else ended it, or it had no host to work for.
    pub(crate) fn is_crash(&self) -> bool {
        /// Of a Rust program that panicked.
        const PANIC: i32 = 101;
        let crashes = [
            Signal::ABORT,
            Signal::BUS,
            Signal::FPE,
            Signal::ILL,
            Signal::SEGV,
            Signal::SYS,
            Signal::TRAP,
        ];
        self.status.is_some_and(|status| {
            status.code() == Some(PANIC)
                || crashes.iter().any(|signal| status.signal() == Some(signal.as_raw()))
        })
    }
}

impl fmt::Display for Obituary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.status {
            Some(status) => fmt::Display::fmt(status, f)?,
            None => f.write_str("unknown status")?,
        }
        if self.last_words.is_empty() { Ok(()) } else { write!(f, ": {}", self.last_words) }
    }
}

/// A worker process. Dropping it kills it; the spawner's thread reaps it.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    pid: u32,
    process: OwnedProcess,
    stderr: OwnedFd,
    has_memory_limit: bool,
    pub(crate) connection: Connection,
    /// None before it has greeted.
    counted: Option<CountedWorker>,
}

impl WorkerProcess {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Counts it among those that nobody has let go.
    pub(crate) fn died(&self, cause: WorkerDeath) {
        if let Some(counted) = &self.counted {
            counted.died(cause);
        }
    }

    /// Whether the worker, which has nothing to do, has died or spoken out of turn. It is of no more use
    /// then, and counted as dead.
    pub(crate) fn is_disturbed(&mut self) -> bool {
        let is_disturbed = self.connection.is_disturbed();
        if is_disturbed {
            self.died(WorkerDeath::Idle);
        }
        is_disturbed
    }

    /// Ready once that is so.
    pub(crate) fn poll_disturbed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let disturbed = self.connection.poll_disturbed(context);
        if disturbed.is_ready() {
            self.died(WorkerDeath::Idle);
        }
        disturbed
    }

    /// Ready once the worker or a job of it has more than `limit` bytes of resident memory. Never if
    /// there is to be no limit.
    pub(crate) fn memory_exceeded(&self, limit: u64) -> impl Future<Output = ()> + use<> {
        let (pid, has_limit) = (self.pid, self.has_memory_limit);
        async move {
            if has_limit {
                memory::exceeded(pid, limit).await;
            } else {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn greet(&mut self, hello: &HostHello) -> Result<WorkerHello, FrameError> {
        failpoint::reach(Point::HostHandshake)?;
        self.connection.send(hello, &[]).await?;
        Ok(self.connection.receive().await?.0)
    }

    /// Ends the process and says how it ended, with the last of what it wrote to standard error.
    pub(crate) async fn obituary(&mut self) -> Obituary {
        // A worker that closed its socket is about to exit: give it the time to do so by itself, so
        // that its own status is seen.
        const GRACE: Duration = Duration::from_millis(500);
        let child = self.process.child();
        if let Ok(pidfd) = child.pidfd().try_clone().and_then(watch)
            && tokio::time::timeout(GRACE, pidfd.readable()).await.is_err()
        {
            child.kill();
            // Not for ever: one that the kernel keeps from ending is not waited for.
            let _ = tokio::time::timeout(GRACE, pidfd.readable()).await;
        }
        Obituary { status: self.process.status(), last_words: self.last_words() }
    }

    /// The same for one that has ended while it had something to do, which is counted.
    pub(crate) async fn died_by_itself(&mut self) -> Obituary {
        let obituary = self.obituary().await;
        self.died(if obituary.is_crash() { WorkerDeath::Crashed } else { WorkerDeath::Ended });
        obituary
    }

    /// What the process wrote to standard error, as far as it fitted into the pipe.
    fn last_words(&self) -> String {
        /// Enough for a panic's message.
        const LIMIT: usize = 2048;
        debug_assert!(
            rustix::fs::fcntl_getfl(&self.stderr).is_ok_and(|f| f.contains(OFlags::NONBLOCK))
        );
        let mut buffer = vec![0; LIMIT];
        let len = rustix::io::read(&self.stderr, &mut buffer).unwrap_or(0);
        text::clean_and_cut(String::from_utf8_lossy(&buffer[..len]).trim())
    }
}
