//! Processes as an onlooker sees them, and what one can do to them.

use crate::eventually;
use rustix::process::{Pid, Signal};
use std::{fs, path::Path, time::Duration};

/// How much CPU time a process has to use before its use can be told from none.
pub const VISIBLE_CPU_TIME: Duration = Duration::from_millis(20);

/// A process, as it was when it was looked at.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its number in the innermost namespace that it is in.
    pub inner_pid: i32,
    /// The number of its parent.
    pub parent: i32,
    /// The number of its session. 0 if that was made outside of the namespace that is looked from.
    pub session: i32,
    /// The letter by which the kernel names its state: `T` is stopped, `Z` a zombie.
    pub state: char,
    /// The CPU time that it has used.
    pub cpu: Duration,
    /// Its command line. A forked process has that of its parent, a zombie none.
    pub arguments: Vec<String>,
}

impl Process {
    /// Whether it is a child of this process.
    pub fn is_our_child(&self) -> bool {
        self.parent == rustix::process::getpid().as_raw_pid()
    }
}

/// The number of this process where the tests run, which is another than it knows itself by in a
/// namespace. To be asked before the process gives up what it can see of the machine.
///
/// # Panics
///
/// When `/proc` can't be read.
pub fn own_pid() -> u32 {
    let own = fs::read_link("/proc/self").expect("/proc can be read");
    own.to_str().and_then(|pid| pid.parse().ok()).expect("it is a number")
}

/// Whether a process has a descriptor.
pub fn has_descriptor(pid: Pid, descriptor: u32) -> bool {
    let path = format!("/proc/{}/fd/{descriptor}", pid.as_raw_pid());
    // What it leads to need not be a file.
    fs::symlink_metadata(path).is_ok()
}

/// All processes.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc can be read");
    entries.filter_map(|entry| look(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// All processes, zombies apart, with an argument that begins with `path`.
pub fn naming(path: &Path) -> Vec<Process> {
    let path = path.to_str().expect("the tests' paths are UTF-8");
    let mut found = all();
    found.retain(|process| process.arguments.iter().any(|argument| argument.starts_with(path)));
    found
}

/// A process by its number. None if it is gone.
pub fn look(pid: i32) -> Option<Process> {
    let directory = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let status = fs::read_to_string(directory.join("status")).ok()?;
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let command_line = fs::read(directory.join("cmdline")).ok()?;
    // The program's name comes before, in parentheses, and may contain anything.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Process {
        pid: Pid::from_raw(pid)?,
        inner_pid: pids.split_whitespace().next_back()?.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        cpu: Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()),
        arguments: command_line
            .split(|byte| *byte == 0)
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect(),
    })
}

/// Whether a process has ended with all its threads, whether or not its parent has taken notice.
pub fn has_ended(pid: Pid) -> bool {
    let Some(process) = look(pid.as_raw_pid()) else { return true };
    // The first thread is there until the process is reaped, even if others end after it.
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid()));
    matches!(process.state, 'Z' | 'X') && threads.map_or(0, Iterator::count) <= 1
}

/// Has a process killed, which ends before long.
pub(crate) fn send_kill(pid: Pid) {
    // It may have ended just now.
    let _ = rustix::process::kill_process(pid, Signal::KILL);
}

/// Kills a process and waits for its end.
pub async fn kill(pid: Pid) {
    send_kill(pid);
    eventually("a killed process has ended", || has_ended(pid)).await;
}

/// Stops a process until the guard is dropped, and waits until it stands still.
pub async fn stop(pid: Pid) -> Stopped {
    rustix::process::kill_process(pid, Signal::STOP).expect("the process is there");
    let stopped = Stopped(pid);
    eventually("a stopped process stands still", || threads_all_stopped(pid)).await;
    stopped
}

fn threads_all_stopped(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid()));
    threads.expect("the process is there").all(|thread| {
        thread
            .and_then(|thread| fs::read_to_string(thread.path().join("stat")))
            .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    })
}

/// A process that is stopped. Dropping this has it go on.
#[derive(Debug)]
pub struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = rustix::process::kill_process(self.0, Signal::CONT);
    }
}
