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
    /// Far above what any work takes: each job has stricter limits of its own. This is for what
    /// gets around them.
    const fn of(kind: WorkerKind) -> Self {
        match kind {
            WorkerKind::Execute => Self { memory_max: 8 << 30, processes_max: 64 },
            WorkerKind::Prepare => Self { memory_max: 16 << 30, processes_max: 512 },
        }
    }
}

/// What a worker's control group is called, before the host's process number and a number of its
/// own.
const PREFIX: &str = "pvf-";

/// The number of the next group that this process makes. All its hosts count on, so that they can
/// share a directory.
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
    /// Why it can't be bounded at all.
    pub(super) fn admit(&self, process: Pid) -> Result<State, String> {
        write(&self.path.join("cgroup.procs"), &process.as_raw_pid().to_string()).map_err(
            |error| format!("can't put a process into {}: {error}", self.path.display()),
        )?;
        let (set, missing) = (self.set.join(", "), self.missing.join("; "));
        match (set.is_empty(), missing.is_empty()) {
            (_, true) => Ok(State::Holds(set)),
            (false, false) => Ok(State::HoldsInPart(format!("{set}; {missing}"))),
            (true, false) => Err(missing),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// A directory for groups, removed with all that is in it.
    struct Directory(PathBuf);

    impl Directory {
        /// None where there is no cgroup v2 file system, or none that can be written to.
        fn new(name: &str) -> Option<Self> {
            let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
            let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            let mount = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"));
            let name = format!("test-{name}-{}", std::process::id());
            let path = mount.map(|fields| Path::new(fields[1]).join(name));
            let path = path.filter(|path| fs::create_dir(path).is_ok());
            if path.is_none() {
                println!("skipped: there is no cgroup v2 directory that can be written to");
            }
            path.map(Self)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap().map(Result::unwrap);
            let entries = entries.filter(|entry| entry.file_type().unwrap().is_dir());
            let mut names: Vec<_> =
                entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            for name in self.names() {
                let _ = fs::remove_dir(self.0.join(name));
            }
            fs::remove_dir(&self.0).unwrap();
        }
    }

    fn sleep() -> Child {
        Command::new("/bin/sleep").arg("1000").spawn().unwrap()
    }

    fn group_of(process: &Child) -> String {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap();
        groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
    }

    #[test]
    fn a_group_bounds_who_is_admitted_and_takes_all_in_it_along() {
        let Some(directory) = Directory::new("bounds") else { return };
        let groups = ControlGroups::new(&directory.0);
        for kind in [WorkerKind::Prepare, WorkerKind::Execute] {
            let group = groups.make(kind).unwrap();
            let [name] = &directory.names()[..] else { panic!("{:?}", directory.names()) };
            let mut processes = [sleep(), sleep()];
            for process in &processes {
                assert!(!group_of(process).ends_with(name));
                let state = group.admit(Pid::from_child(process));
                assert!(group_of(process).ends_with(name));
                check(&directory, &group, kind, &state);
            }
            let path = group.path.clone();
            let bound = |file| fs::read_to_string(path.join(file)).unwrap();
            assert_eq!(bound("cgroup.max.descendants"), "0\n");
            drop(group);
            assert_eq!(directory.names(), [] as [String; 0]);
            for process in &mut processes {
                assert!(!process.wait().unwrap().success());
            }
        }
    }

    /// Checks what is said of a group, and that it is so.
    fn check(
        directory: &Directory,
        group: &ControlGroup,
        kind: WorkerKind,
        state: &Result<State, String>,
    ) {
        let has = |file: &str, controller| {
            let content = fs::read_to_string(directory.0.join(file)).unwrap();
            content.split_whitespace().any(|it| it == controller)
        };
        let Bounds { memory_max, processes_max } = Bounds::of(kind);
        let memory = ("memory", "memory.max", memory_max.to_string());
        let pids = ("pids", "pids.max", processes_max.to_string());
        let (mut there, mut absent) = (0, 0);
        for (controller, file, bound) in [memory, pids] {
            let set = fs::read_to_string(group.path.join(file));
            if has("cgroup.controllers", controller) {
                assert_eq!(set.unwrap().trim_end(), bound);
                there += 1;
            } else {
                assert_eq!(set.unwrap_err().kind(), io::ErrorKind::NotFound);
                absent += 1;
                let reason = match state {
                    Err(reason) | Ok(State::HoldsInPart(reason)) => reason,
                    Ok(other) => panic!("{other:?}"),
                };
                assert!(reason.contains(controller), "{reason}");
                assert!(reason.contains("cgroup.subtree_control"), "{reason}");
            }
        }
        assert_eq!(state.is_err(), there == 0, "{state:?}");
        if absent == 0 {
            let [gibibytes, processes] = match kind {
                WorkerKind::Prepare => [16, 512],
                WorkerKind::Execute => [8, 64],
            };
            let more = format!("memory {gibibytes} GiB, {processes} processes");
            assert_eq!(*state, Ok(State::Holds(more)));
        } else {
            println!("skipped: bounds that this machine does not have");
        }
    }

    #[test]
    fn only_what_hosts_that_are_gone_have_left_is_removed() {
        let Some(directory) = Directory::new("left") else { return };
        let own = ControlGroups::new(&directory.0).make(WorkerKind::Execute).unwrap();
        let own_name = own.path.file_name().unwrap().to_str().unwrap().to_owned();
        // The last are left by one that had the number that this process has.
        let later = format!("pvf-{}-{}", std::process::id(), u64::MAX);
        let in_use = "pvf-4194305-1";
        for name in ["pvf-4194305-0", in_use, "pvf-4194305", "pvf-x-0", "other", &later] {
            fs::create_dir(directory.0.join(name)).unwrap();
        }
        let mut process = sleep();
        fs::write(directory.0.join(in_use).join("cgroup.procs"), process.id().to_string()).unwrap();
        ControlGroups::new(&directory.0);
        let mut expected = ["other", "pvf-4194305", "pvf-x-0", in_use, &own_name];
        expected.sort_unstable();
        assert_eq!(directory.names(), expected);
        process.kill().unwrap();
        process.wait().unwrap();
    }

    #[test]
    fn an_ordinary_directory_or_none_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("pvf-4194305-0");
        fs::create_dir(&left).unwrap();
        let missing = directory.path().join("missing");
        for path in [directory.path(), &missing, Path::new("/dev/null")] {
            let reason = ControlGroups::new(path).make(WorkerKind::Execute).unwrap_err();
            assert!(reason.contains(path.to_str().unwrap()), "{reason}");
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        assert!(left.is_dir());
    }
}
