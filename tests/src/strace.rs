//! System calls of running processes, as `strace` sees them.

use crate::eventually;
use rustix::process::{Pid, Signal};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// `strace`, tracing a process, all its threads and all that it forks. Dropping it ends it.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    output: TempDir,
}

impl Strace {
    /// Traces a process from here on. Nothing if that can't be done here, which is an error if the
    /// environment variable `PVF_REQUIRE_STRACE` is set.
    ///
    /// # Panics
    ///
    /// When no temporary directory can be made, or `strace` is required and can't trace.
    pub async fn attach(process: Pid) -> Option<Self> {
        let strace = Self::try_attach(process).await;
        if strace.is_none() {
            let is_required = std::env::var_os("PVF_REQUIRE_STRACE").is_some();
            assert!(!is_required, "strace can't trace a process");
            println!("skipped: strace can't trace a process");
        }
        strace
    }

    async fn try_attach(process: Pid) -> Option<Self> {
        let output = tempfile::tempdir().expect("there is room for a directory");
        let child = Command::new("strace")
            .args(["-ff", "-q", "-o"])
            .arg(output.path().join("trace"))
            .args(["-p", &process.as_raw_pid().to_string()])
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut strace = Self { child, output };
        let mut is_gone = false;
        eventually("strace has attached, or given up", || {
            is_gone = strace.child.try_wait().is_ok_and(|status| status.is_some());
            is_gone || is_traced(process)
        })
        .await;
        (!is_gone).then_some(strace)
    }

    /// Where what a thread calls is written to, one line for each call.
    pub fn path_of(&self, thread: Pid) -> PathBuf {
        self.output.path().join("trace").with_extension(thread.as_raw_pid().to_string())
    }

    /// Leaves the processes alone, and gives what each thread has called, by its number.
    ///
    /// # Panics
    ///
    /// When the output can't be read.
    pub fn detach(mut self) -> Vec<(Pid, Vec<String>)> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
        let _ = self.child.wait();
        let files = fs::read_dir(self.output.path()).expect("the output can be listed");
        let calls = files.map(|file| {
            let path = file.expect("the output can be listed").path();
            let thread = path.extension().and_then(|number| number.to_str()?.parse().ok());
            let thread = thread.and_then(Pid::from_raw).expect("it is named after a thread");
            (thread, calls(&fs::read_to_string(path).expect("the output can be read")))
        });
        calls.collect()
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names of the calls in what `strace` has written about one thread.
fn calls(trace: &str) -> Vec<String> {
    let calls = trace.lines().filter_map(|line| {
        let (name, _) = line.split_once('(')?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| name.to_owned())
    });
    calls.collect()
}

/// What one thread has called up to its end. Nothing before that.
pub fn calls_to_the_end(path: &Path) -> Option<Vec<String>> {
    let trace = fs::read_to_string(path).ok()?;
    trace.lines().last()?.starts_with("+++ ").then(|| calls(&trace))
}

/// Whether all threads of a process are traced.
fn is_traced(process: Pid) -> bool {
    let threads =
        fs::read_dir(format!("/proc/{}/task", process.as_raw_pid())).into_iter().flatten();
    let statuses =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    let mut statuses = statuses.peekable();
    statuses.peek().is_some()
        && statuses.all(|status| {
            let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
            tracer.is_some_and(|tracer| tracer.trim() != "0")
        })
}
