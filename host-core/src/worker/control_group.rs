//! A control group for each worker: what it and its jobs use together is bounded by the kernel.

use super::protocol::WorkerKind;
use crate::sandbox::State;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::Pid,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The most that a worker and its jobs may use together.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Memory, in bytes: the private memory of all, and what they have in memory files.
    memory_max: u64,
    /// Processes and threads.
    processes_max: u32,
}

impl Bounds {
    /// Far above what any work takes: each job has stricter limits of its own. This is for what gets
    /// around them.
    const fn of(kind: WorkerKind) -> Self {
        match kind {
            WorkerKind::Execute => Self { memory_max: 8 << 30, processes_max: 64 },
            WorkerKind::Prepare => Self { memory_max: 16 << 30, processes_max: 512 },
        }
    }
}

/// What a worker's control group is called, before the host's process number and a number of its own.
const PREFIX: &str = "pvf-";

/// The number of the next group that this process makes. All its hosts count on, so that they can share
/// a directory.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A directory for the workers' control groups.
#[derive(Debug)]
pub(super) struct ControlGroups(PathBuf);

impl ControlGroups {
    /// Takes a directory, and removes from it what hosts that were killed have left.
    pub(super) fn new(directory: &Path) -> Self {
        let groups = Self(directory.to_owned());
        if groups.check().is_ok() {
            for group in groups.abandoned() {
                // Fails if another host has a worker in it.
                let _ = fs::remove_dir(group);
            }
        }
        groups
    }

    /// Groups that this process has not made.
    fn abandoned(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let is_abandoned = |name: &str| {
            let Some((host, number)) = name.strip_prefix(PREFIX).and_then(|it| it.split_once('-'))
            else {
                return false;
            };
            let (Ok(host), Ok(number)) = (host.parse::<u32>(), number.parse::<u64>()) else {
                return false;
            };
            host != std::process::id() || number >= NEXT.load(Relaxed)
        };
        entries
            .filter(|entry| entry.file_name().to_str().is_some_and(is_abandoned))
            .map(|entry| entry.path())
            .collect()
    }

    /// Makes a group for a worker.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub(super) fn make(&self, kind: WorkerKind) -> Result<ControlGroup, String> {
        self.check()?;
        let lacking = self.enable_controllers();
        let path = loop {
            let number = NEXT.fetch_add(1, Relaxed);
            let path = self.0.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => break path,
                // Left by another host that had the same process number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("can't make {}: {error}", path.display())),
            }
        };
        let mut group = ControlGroup { path, set: vec![], missing: lacking.into_iter().collect() };
        let Bounds { memory_max, processes_max } = Bounds::of(kind);
        if group.bound("memory.max", &memory_max.to_string()) {
            group.set.push(format!("memory {}", gibibytes(memory_max)));
        }
        group.bound("memory.swap.max", "0");
        if group.bound("pids.max", &processes_max.to_string()) {
            group.set.push(format!("{processes_max} processes"));
        }
        group.bound("cgroup.max.descendants", "0");
        Ok(group)
    }

    /// Whether there can be control groups in the directory.
    fn check(&self) -> Result<(), String> {
        /// Of a cgroup v2 file system, from the kernel's `magic.h`.
        const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
        let path = self.0.display();
        match rustix::fs::statfs(&self.0) {
            Ok(stat) if stat.f_type as u64 == CGROUP2_SUPER_MAGIC => Ok(()),
            Ok(_) => Err(format!("{path} is no directory of a cgroup v2 file system")),
            Err(errno) => Err(format!("can't look at {path}: {errno}")),
        }
    }

    /// Has the groups in this directory bound memory and processes. What is in the way of that, if
    /// something is.
    fn enable_controllers(&self) -> Option<String> {
        const NEEDED: [&str; 2] = ["memory", "pids"];
        let lacking_in = |file: &str| {
            let content = fs::read_to_string(self.0.join(file)).unwrap_or_default();
            let has = |controller: &str| content.split_whitespace().any(|it| it == controller);
            NEEDED.into_iter().filter(|controller| !has(controller)).collect::<Vec<_>>()
        };
        const ENABLED: &str = "cgroup.subtree_control";
        let lacking = lacking_in(ENABLED);
        if lacking.is_empty() {
            return None;
        }
        let path = self.0.display();
        let unavailable = lacking_in("cgroup.controllers");
        if !unavailable.is_empty() {
            return Some(format!(
                "{path} lacks the controllers {}: enable them in {ENABLED} of each directory above",
                unavailable.join(" and ")
            ));
        }
        let enable: Vec<_> = lacking.iter().map(|controller| format!("+{controller}")).collect();
        let enable = enable.join(" ");
        let error = write(&self.0.join(ENABLED), &enable).err()?;
        Some(format!(
            "the controllers {} are not enabled, and the host can't ({error}): write \"{enable}\" to \
             {path}/{ENABLED}, while no process is in {path} itself",
            lacking.join(" and ")
        ))
    }
}

/// A control group. Dropping this kills what is left in it and removes it.
#[derive(Debug)]
pub(super) struct ControlGroup {
    path: PathBuf,
    /// What is bounded.
    set: Vec<String>,
    /// What is not, and why.
    missing: Vec<String>,
}

impl ControlGroup {
    /// Writes to one of the group's files, if it is there. Whether that was done.
    fn bound(&mut self, file: &str, content: &str) -> bool {
        match write(&self.path.join(file), content) {
            Ok(()) => true,
            // Its controller is missing, which is said already, or it has no such bound.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.missing.push(format!("can't set {file}: {error}"));
                false
            }
        }
    }

    /// Puts a process, and all that it starts from here on, into the group.
    ///
    /// # Errors
    ///
    /// Why it can't be bounded, or not as it should.
    pub(super) fn admit(&self, process: Pid) -> Result<State, String> {
        write(&self.path.join("cgroup.procs"), &process.as_raw_pid().to_string()).map_err(
            |error| format!("can't put a process into {}: {error}", self.path.display()),
        )?;
        if self.missing.is_empty() {
            Ok(State::Holds(self.set.join(", ")))
        } else {
            Err(self.missing.join("; "))
        }
    }

    /// Removes the group once nothing is left in it. Gives up when that takes longer than it can
    /// reasonably take for what was killed to end.
    fn remove(&self) -> io::Result<()> {
        const ATTEMPTS: u32 = 20;
        const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let events = File::open(self.path.join("cgroup.events"))?;
        for _ in 0..ATTEMPTS {
            // Any change from here on ends the wait below.
            events.read_at(&mut [0; 64], 0)?;
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                result => return result,
            }
            let mut changes = [PollFd::new(&events, PollFlags::PRI)];
            let _ = poll(&mut changes, Some(&INTERVAL));
        }
        fs::remove_dir(&self.path)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // The kernel has it from 5.14. Without, and without a PID namespace, only what left the
        // worker's process group can still be there.
        let _ = write(&self.path.join("cgroup.kill"), "1");
        if let Err(error) = self.remove() {
            let group = self.path.display();
            tracing::warn!(%group, %error, "a worker's control group is left");
        }
    }
}

/// Writes to a file of the kernel's, all at once.
fn write(path: &Path, content: &str) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(content.as_bytes())
}

fn gibibytes(bytes: u64) -> String {
    format!("{} GiB", bytes as f64 / f64::from(1 << 30))
}
