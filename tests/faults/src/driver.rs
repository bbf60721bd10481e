//! The test's side: a process with a host, what it tells, and what is done to it.

use crate::{
    board::{Board, Fault, Plan, Waiting},
    journal::{Command, Event},
};
use pvf_host_core::{
    artifact::{Cache, CacheLock, EntryContent, EntryProblem},
    primitives::CodeHash,
    worker::WORKER_ARGUMENT,
};
use pvf_tests::{
    Programs, Scratch,
    processes::{self, Process},
};
use rustix::process::{Pid, Signal};
use std::{
    collections::HashSet,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Far longer than anything takes on the slowest machine: only a bug makes a test wait this long.
const DEADLINE: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(1);

/// The programs of this package.
#[derive(Debug, Clone, Copy)]
pub struct FaultPrograms {
    /// The process with the host.
    pub host: &'static Path,
    /// The worker program.
    pub worker: &'static Path,
    /// Where to put directories.
    pub scratch: &'static Path,
}

/// The [`FaultPrograms`] that belong to the integration test in which this is
/// written.
#[macro_export]
macro_rules! fault_programs {
    () => {
        $crate::driver::FaultPrograms {
            host: env!("CARGO_BIN_EXE_pvf-fault-host").as_ref(),
            worker: env!("CARGO_BIN_EXE_pvf-fault-worker").as_ref(),
            scratch: env!("CARGO_TARGET_TMPDIR").as_ref(),
        }
    };
}

impl FaultPrograms {
    /// A new directory with a worker program and an empty cache.
    pub fn scratch(&self) -> Scratch {
        let (worker, scratch) = (self.worker, self.scratch);
        Scratch::new(Programs { worker, bare_worker: worker, scratch })
    }
}

/// A process with a host in it. Killed when dropped.
#[derive(Debug)]
pub struct HostProcess<'a> {
    scratch: &'a Scratch,
    board: Option<&'a Board>,
    /// Who is to be killed when somebody waits for that.
    plan: Option<Plan>,
    child: Child,
    commands: Option<ChildStdin>,
    journal: Receiver<Event>,
}

impl<'a> HostProcess<'a> {
    /// Starts the process.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    pub fn start(programs: FaultPrograms, scratch: &'a Scratch, board: Option<&'a Board>) -> Self {
        let mut child = std::process::Command::new(programs.host)
            .args([scratch.cache(), scratch.worker()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let commands = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (sender, journal) = channel();
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("lines are written as a whole");
                // The test may have seen enough.
                let _ = sender.send(event);
            }
        });
        Self { scratch, board, plan: None, child, commands, journal }
    }

    /// Tells the process to do something. If it is dead, that shows in its journal.
    pub fn tell(&mut self, command: &Command) {
        let mut line = serde_json::to_vec(command).expect("a command can be written");
        line.push(b'\n');
        if let Some(commands) = &mut self.commands {
            let _ = commands.write_all(&line);
        }
    }

    /// Puts a plan into effect.
    pub fn arm(&mut self, plan: Plan) {
        self.plan = Some(plan);
        self.board.expect("there is a board").arm(plan);
    }

    /// Ends that.
    pub fn disarm(&mut self) {
        self.plan = None;
        let board = self.board.expect("there is a board");
        board.disarm();
        for waiting in board.waiting() {
            board.release(&waiting, false);
        }
    }

    /// The next that the process tells; nothing once it is dead and has told all.
    ///
    /// # Panics
    ///
    /// When it tells nothing.
    pub fn event(&mut self) -> Option<Event> {
        self.event_within(DEADLINE).expect("the host does something")
    }

    /// The same, with a limit. Nothing at all when the time is over.
    pub fn event_within(&mut self, limit: Duration) -> Option<Option<Event>> {
        let start = Instant::now();
        loop {
            self.serve_board();
            match self.journal.recv_timeout(INTERVAL) {
                Ok(event) => return Some(Some(event)),
                Err(RecvTimeoutError::Disconnected) => return Some(None),
                Err(RecvTimeoutError::Timeout) if start.elapsed() >= limit => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        // Fails only if it is dead.
        let _ = self.child.kill();
    }

    /// Waits until the process is dead, and says whether it was killed.
    ///
    /// # Panics
    ///
    /// When it ended in another way, and not because it had nothing more to do.
    pub fn wait(mut self) -> bool {
        drop(self.commands.take());
        let status = self.child.wait().expect("it is our child");
        let is_killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(is_killed || status.success(), "the process with the host: {status}");
        is_killed
    }

    /// Kills those for whose deaths somebody waits.
    fn serve_board(&mut self) {
        let (Some(board), Some(plan)) = (self.board, self.plan) else { return };
        for waiting in board.waiting() {
            let victims = self.victims(plan, &waiting);
            for victim in &victims {
                // It may have ended just now.
                let _ = rustix::process::kill_process(*victim, Signal::KILL);
            }
            for victim in &victims {
                wait_until("a killed process has ended", || processes::has_ended(*victim));
            }
            board.release(&waiting, !victims.is_empty());
        }
    }

    fn victims(&self, plan: Plan, waiting: &Waiting) -> Vec<Pid> {
        let host = Pid::from_child(&self.child);
        let all = self.scratch.processes();
        let pids = |of: Vec<&Process>| of.iter().map(|process| process.pid).collect::<Vec<_>>();
        let workers: Vec<_> = all.iter().filter(|process| is_worker(process, host)).collect();
        let is_of = |process: &Process, parents: &[&Process]| {
            parents.iter().any(|parent| parent.pid.as_raw_pid() == process.parent)
        };
        let jobs: Vec<_> = all.iter().filter(|process| is_of(process, &workers)).collect();
        let is_owner = |process: &&Process| process.pid.as_raw_pid() == waiting.owner;
        let job = jobs
            .iter()
            .copied()
            .find(|job| job.parent == waiting.owner && job.inner_pid == waiting.inner_pid);
        match plan.fault {
            Fault::Fail | Fault::Delay => vec![],
            Fault::KillHost => vec![host],
            Fault::KillWorker if waiting.owner == host.as_raw_pid() => pids(workers),
            Fault::KillWorker => pids(workers.into_iter().filter(is_owner).collect()),
            Fault::KillJob => job.map_or_else(|| pids(jobs), |job| vec![job.pid]),
        }
    }
}

impl Drop for HostProcess<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_worker(process: &Process, host: Pid) -> bool {
    process.parent == host.as_raw_pid()
        && process.arguments.iter().any(|argument| argument == WORKER_ARGUMENT)
}

/// Waits until `is_so`.
///
/// # Panics
///
/// When that does not happen.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until: {what}");
        thread::sleep(INTERVAL);
    }
}

/// Waits until no process of a directory is left, and its cache is free.
///
/// A process that ends has no command line any more when it still has its files: who was killed
/// between being forked and executing its program holds the lock a moment longer than one sees it.
///
/// # Panics
///
/// When it is not.
pub fn assert_no_process_is_left(scratch: &Scratch) {
    wait_until("no process is left", || scratch.processes().is_empty());
    wait_until("the cache is free", || CacheLock::acquire(&scratch.cache()).is_ok());
}

/// What is listed in a cache.
#[derive(Debug, Default)]
pub struct Listed {
    /// The code of the artifacts that are whole.
    pub whole: HashSet<CodeHash>,
    /// The code of those that are not, and what is wrong with each.
    pub broken: Vec<(CodeHash, String)>,
    /// Files that are neither artifacts nor remembered failures, and that are not to be there.
    pub others: Vec<PathBuf>,
}

impl Listed {
    /// Reads all of a cache.
    ///
    /// # Panics
    ///
    /// When it can't be read.
    pub fn read(scratch: &Scratch) -> Self {
        let mut listed = Self::default();
        let environments = Cache::new(scratch.cache()).environments();
        for environment in environments.expect("the cache can be read") {
            let files = fs::read_dir(environment.path()).expect("an environment can be read");
            let paths = files.map(|file| file.expect("it can be read").path());
            let is_other = |path: &PathBuf| path.file_name().is_some_and(|n| n != "environment");
            listed.others.extend(paths.filter(is_other));
            for entry in environment.entries().expect("an environment can be read") {
                listed.others.retain(|path| *path != entry.path);
                if let Some(functions) = &entry.functions {
                    listed.others.retain(|path| *path != functions.path);
                    if let Err(problem) = environment.check_functions(&entry) {
                        listed.broken.push((entry.id.code_hash, problem.to_string()));
                    }
                }
                let hash = entry.id.code_hash;
                let is_whole = match &entry.content {
                    Ok(EntryContent::Failure(..)) => continue,
                    Ok(EntryContent::Artifact(_)) => environment.read(&entry).map(drop),
                    Err(problem) => Err(EntryProblem::Io(io::Error::other(problem.to_string()))),
                };
                match is_whole {
                    Ok(()) => drop(listed.whole.insert(hash)),
                    Err(problem) => listed.broken.push((hash, problem.to_string())),
                }
            }
        }
        listed
    }
}
