//! How much memory workers and their jobs may have, and a look at it from outside.
//!
//! The kernel's limit on a process counts what it can write to. Native code may write to memory and
//! then protect it, so that it stays resident and does not count. While such code may run in a worker
//! that prepares or loads, the host looks at what is resident, and ends the worker if it is too much.

use crate::primitives::ExecutorParams;
use std::{fs, future::pending, path::Path, time::Duration};

/// The memory that a prepare job may have whatever was asked for, in bytes. Instrumenting and
/// compiling the largest code that is accepted takes a small part of it.
const PREPARE_MAX: u64 = 16 << 30;

/// The memory that a prepare job may have, in bytes, if `limit` was asked for.
///
/// The job watches the limit that was asked for itself. This one is behind it, for what would come too
/// fast to be seen: the kernel counts memory that is reserved and never touched too, and so it has to
/// be far higher.
pub fn prepare_memory(limit: Option<u64>) -> u64 {
    const SLACK: u64 = 512 << 20;
    limit
        .map_or(PREPARE_MAX, |limit| limit.saturating_mul(2).saturating_add(SLACK).min(PREPARE_MAX))
}

/// Native stack for what is not the guest, in bytes: host functions, the backend and the worker.
pub const HOST_STACK: usize = 4 << 20;

/// The most memory that a guest can have under these parameters, in bytes.
pub fn guest_memory(params: &ExecutorParams) -> u64 {
    /// The bytes of one page of the executor parameters.
    const PAGE_SIZE: u64 = 64 << 10;
    /// What a memory with 32-bit addresses can have.
    const MOST: u64 = 4 << 30;
    (u64::from(params.memory_pages_limit()) * PAGE_SIZE).min(MOST)
}

/// The memory that an execute worker and each of its jobs may have, in bytes.
pub fn process_memory(params: &ExecutorParams) -> u64 {
    /// What the engine holds, the block, and what host functions make of what the guest gives them:
    /// some thirty bytes of one in the worst case, a list of empty pairs.
    const OTHER: u64 = 4 << 30;
    guest_memory(params) + u64::from(params.stack_native_max()) + HOST_STACK as u64 + OTHER
}

/// Ready once a process or a descendant of it has more than `limit` bytes of resident memory.
///
/// A second line of defence: never ready where `/proc` does not show the process.
pub(crate) async fn exceeded(pid: u32, limit: u64) {
    const INTERVAL: Duration = Duration::from_millis(10);
    // That of another PID namespace would show other processes under these numbers.
    let own = fs::read_link("/proc/self");
    if !own.is_ok_and(|own| own == Path::new(&std::process::id().to_string())) {
        return pending().await;
    }
    while !is_exceeded(pid, limit) {
        tokio::time::sleep(INTERVAL).await;
    }
}

fn is_exceeded(pid: u32, limit: u64) -> bool {
    /// Workers may have far fewer, wherever their number is bounded.
    const MOST: usize = 1000;
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&pid) = found.get(at) {
        if resident(pid) > limit {
            return true;
        }
        at += 1;
        if found.len() < MOST {
            found.extend(children(pid));
        }
    }
    false
}

/// The resident memory of a process in bytes, 0 if it can't be known.
fn resident(pid: u32) -> u64 {
    // A first thread that has ended has no memory any more, while others go on with it.
    let of_threads = threads(pid).filter_map(|thread| {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    of_threads.take(1).sum::<u64>().saturating_mul(1024)
}

fn children(pid: u32) -> Vec<u32> {
    let lists = threads(pid).filter_map(|thread| fs::read_to_string(thread.join("children")).ok());
    let parse = |list: String| -> Vec<u32> {
        list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    };
    lists.flat_map(parse).collect()
}

/// The folders of a process's threads, none if it is gone.
fn threads(pid: u32) -> impl Iterator<Item = std::path::PathBuf> {
    let folder = fs::read_dir(format!("/proc/{pid}/task"));
    folder.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io,
        process::{Child, Command, Stdio},
    };

    const LIMIT: u64 = 100 << 20;

    /// Runs a command that writes to a pipe. It does not end before that is read or closed.
    fn start(command: &str) -> Child {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    async fn is_noticed(command: &str) {
        let mut child = start(command);
        exceeded(child.id(), LIMIT).await;
        // Whoever writes to it ends.
        drop(child.stdout.take());
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_with_too_much_resident_memory_is_noticed() {
        is_noticed("exec dd if=/dev/zero bs=200M count=1").await;
    }

    #[tokio::test]
    async fn a_child_with_too_much_resident_memory_is_noticed() {
        is_noticed("dd if=/dev/zero bs=200M count=1; true").await;
        // And a child's child.
        is_noticed("(dd if=/dev/zero bs=200M count=1; true); true").await;
    }

    #[tokio::test]
    async fn processes_that_stay_below_the_limit_are_left_alone() {
        for command in
            ["exec dd if=/dev/zero bs=40M count=5", "dd if=/dev/zero bs=40M count=5; true"]
        {
            let mut child = start(command);
            let pid = child.id();
            let end = tokio::task::spawn_blocking(move || {
                io::copy(&mut child.stdout.take().unwrap(), &mut io::sink()).unwrap();
                assert!(child.wait().unwrap().success());
            });
            tokio::select! {
                () = exceeded(pid, LIMIT) => panic!("it has less"),
                result = end => result.unwrap(),
            }
        }
    }

    #[test]
    fn a_prepare_job_may_have_more_than_was_asked_for_up_to_a_bound() {
        assert_eq!(prepare_memory(Some(256 << 20)), 1 << 30);
        assert_eq!(prepare_memory(Some(u64::MAX)), 16 << 30);
        assert_eq!(prepare_memory(None), 16 << 30);
    }
}
