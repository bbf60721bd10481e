//! A place to run the program in, and what became of a run.
//!
//! Every place has a program of its own, by which all processes of a run are found. After each run
//! they must be gone, and the cache must hold no unfinished file and no lock.

#![expect(unsafe_code, reason = "runs code between fork and exec")]
#![allow(dead_code, unreachable_pub, reason = "each test uses its part of this")]

use serde_json::Value;
use std::{
    fs,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pvf");

/// A directory for a test's files, with a cache in it.
pub struct Place {
    directory: TempDir,
}

/// What became of a run.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let place = Self { directory };
        if fs::hard_link(PROGRAM, place.program()).is_err() {
            // By another process, like a script.
            let copied = Command::new("cp").arg(PROGRAM).arg(place.program()).status();
            assert!(copied.unwrap().success());
        }
        place
    }

    /// A path of the program that no other place has.
    fn program(&self) -> PathBuf {
        self.path("pvf")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A program for the worker's place.
    pub fn script(&self, text: &str) -> String {
        let source = self.write("script.txt", text);
        let script = self.path("script");
        // Another process writes it: a file that this one had open for writing when another test
        // forked could not be executed.
        let installed = Command::new("install").args(["-m", "755", &source]).arg(&script).status();
        assert!(installed.unwrap().success());
        script.to_str().unwrap().to_owned()
    }

    /// Starts the program in a session of its own, without a terminal.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(self.program());
        // SAFETY: between fork and exec there is one system call, and nothing is allocated.
        unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", self.path("xdg"))
            .env("TMPDIR", self.directory.path())
            .env_remove("RUST_LOG")
            // What is measured with real runtimes takes long.
            .env_remove("PVF_FIXTURES")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the program with the cache of this place.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let cache = self.cache();
        self.run_plain(&[arguments, &["--cache-dir", cache.to_str().unwrap()]].concat())
    }

    /// Runs the program with these arguments alone.
    pub fn run_plain(&self, arguments: &[&str]) -> Run {
        self.finish(self.start(arguments))
    }

    pub fn finish(&self, child: Child) -> Run {
        let output = child.wait_with_output().unwrap();
        let run = Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        let left = within(Duration::from_secs(60), || self.processes(), Vec::is_empty);
        assert_eq!(left, [0u32; 0]);
        self.assert_cache_is_clean();
        run
    }

    /// The processes that run the program of this place, or another that is in it.
    pub fn processes(&self) -> Vec<u32> {
        let is_here = |path: &[u8]| path.starts_with(self.directory.path().as_os_str().as_bytes());
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let process = Path::new("/proc").join(&name);
            let program = fs::read_link(process.join("exe")).unwrap_or_default();
            // A script is an argument of another program.
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let is_ours = is_here(program.as_os_str().as_bytes())
                || arguments.split(|byte| *byte == 0).take(2).any(is_here);
            name.to_str()?.parse().ok().filter(|_| is_ours)
        });
        processes.collect()
    }

    pub fn assert_cache_is_clean(&self) {
        let mut directories = vec![self.cache(), self.path("xdg")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().map(Result::unwrap) {
                let name = entry.file_name();
                assert!(!name.to_str().unwrap().starts_with('.'), "left behind: {name:?}");
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                }
            }
        }
    }
}

impl Run {
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    pub fn expect_verdict(&self, verdict: &str, code: i32) -> Value {
        let json = self.expect(code).json();
        assert_eq!(json["verdict"], verdict, "{json}");
        json
    }

    /// Exit code 1, and this kind of reason.
    #[track_caller]
    pub fn expect_invalid(&self, kind: &str) -> Value {
        let json = self.expect_verdict("invalid", 1);
        assert_eq!(json["reason"]["kind"], kind, "{json}");
        assert!(json["result"].is_null());
        json
    }

    /// Exit code 3, and this kind of reason.
    #[track_caller]
    pub fn expect_error(&self, kind: &str) -> Value {
        let json = self.expect_verdict("error", 3);
        assert_eq!(json["reason"]["kind"], kind, "{json}");
        json
    }

    /// Exit code 2, nothing on standard output, and this on standard error.
    #[track_caller]
    pub fn expect_usage(&self, message: &str) {
        self.expect(2);
        assert_eq!(self.stdout, "");
        assert!(self.stderr.contains(message), "{}", self.stderr);
    }
}

/// Looks again and again until what is seen is fine, or the time is over.
pub fn within<T>(limit: Duration, look: impl Fn() -> T, is_fine: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let seen = look();
        if is_fine(&seen) || start.elapsed() > limit {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
