//! The node as its operator sees it: it validates, answers Prometheus, and leaves nothing behind.

use pvf_book::{Block, Folder, commands, pages};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pvf-example-node");

/// Long, for a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(120);

/// A directory with a program of its own, by which its processes are found.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        if fs::hard_link(PROGRAM, place.program()).is_err() {
            fs::copy(PROGRAM, place.program()).unwrap();
        }
        place
    }

    fn program(&self) -> PathBuf {
        self.0.path().join("node")
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(["--metrics", "127.0.0.1:0", "--cache-dir"]).arg(self.cache()).args(arguments);
        command.env_remove("RUST_LOG").env("TMPDIR", self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the node to its end. Gives what it has logged.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {log}", output.status);
        self.assert_nothing_is_left();
        log
    }

    fn start(&self, arguments: &[&str]) -> Node {
        // Nobody reads the log: it must not fill a pipe.
        let log = fs::File::create(self.0.path().join("log")).unwrap();
        let mut child = self.command(arguments).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("metrics are at http://").expect("an address");
        let address = address.strip_suffix("/metrics").expect("a path").to_owned();
        Node { child, address }
    }

    fn processes(&self) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let process = entry.ok()?.path();
            let program = fs::read_link(process.join("exe")).ok()?;
            program.starts_with(self.0.path()).then(|| process.display().to_string())
        });
        processes.collect()
    }

    /// No process, no unfinished file in the cache, and no lock on it.
    fn assert_nothing_is_left(&self) {
        assert_eq!(self.processes(), [""; 0]);
        drop(pvf_host_core::artifact::CacheLock::acquire(&self.cache()).unwrap());
        let mut folders = vec![self.cache()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                assert!(!entry.file_name().to_str().unwrap().starts_with('.'), "{entry:?}");
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    }
}

struct Node {
    child: Child,
    address: String,
}

impl Node {
    /// The status line and all that follows.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (status, rest) = answer.split_once("\r\n").unwrap();
        (status.to_owned(), rest.to_owned())
    }

    /// The sum of all series of a metric that have these labels.
    fn metric(&self, series: &str) -> f64 {
        let (status, answer) = self.get("/metrics");
        assert_eq!(status, "HTTP/1.1 200 OK");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let lines = answer.lines().filter(|line| {
            line.split([' ', '{']).next() == Some(name)
                && labels.split(',').all(|label| line.contains(label))
        });
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < DEADLINE, "it does not come to that");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn good_candidates_are_voted_for_and_bad_ones_against_on_every_backend() {
    let mut backends = 0;
    for backend in ["polkavm", "polkavm-interpreter", "wasmi", "wasmtime"] {
        let place = Place::new();
        let help = place.command(&["--help"]).output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap();
        let (_, values) = help.split_once("[possible values: ").unwrap();
        let (values, _) = values.split_once(']').unwrap();
        if !values.split(", ").any(|it| it == backend) {
            continue;
        }
        backends += 1;
        let log = place.run(&["--backend", backend, "--candidates", "12"]);
        assert_eq!(log.matches(" for the candidate").count(), 11, "{log}");
        assert_eq!(log.matches(" against the candidate").count(), 1, "{log}");
        assert!(log.contains(backend), "{log}");
    }
    assert!(backends > 0);
}

#[test]
fn prometheus_learns_what_the_node_does() {
    let place = Place::new();
    let node = place.start(&[]);
    node.wait_until(|node| node.metric("pvf_verdicts_total{class=\"valid\"") >= 20.0);
    assert!(node.metric("pvf_verdicts_total{class=\"invalid\"") >= 2.0);
    assert!(node.metric("pvf_prechecks_total{outcome=\"prepared\"") >= 1.0);
    assert_eq!(node.metric("pvf_insecure"), 0.0);
    let (status, _) = node.get("/");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert!(node.end(Signal::TERM).success());
    place.assert_nothing_is_left();
}

#[test]
fn a_signal_ends_the_node_and_all_its_processes_at_any_time() {
    let place = Place::new();
    // At its very start, and while it validates.
    for signal in [Signal::INT, Signal::TERM] {
        let node = place.start(&[]);
        assert!(node.end(signal).success());
        place.assert_nothing_is_left();
        let node = place.start(&[]);
        node.wait_until(|node| node.metric("pvf_verdicts_total{class=\"valid\"") >= 1.0);
        assert!(node.end(signal).success());
        place.assert_nothing_is_left();
    }
}

#[test]
fn somebody_who_says_nothing_keeps_nobody_from_asking_and_the_node_from_ending() {
    let place = Place::new();
    let node = place.start(&[]);
    let silent = [(); 4].map(|()| TcpStream::connect(&node.address).unwrap());
    assert_eq!(node.get("/metrics").0, "HTTP/1.1 200 OK");
    assert!(node.end(Signal::INT).success());
    drop(silent);
    place.assert_nothing_is_left();
}

/// How the book says that the node is started.
const START: &str = "cargo run --release -p pvf-example-node -- ";

#[test]
fn the_book_starts_the_node_as_it_can_be_started() {
    let mut count = 0;
    for block in pages().iter().flat_map(|page| page.blocks()).filter(|it| it.has("node")) {
        for command in commands(&block.text) {
            assert!(command.text.starts_with(START), "{}: {}", block.place(), command.text);
        }
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = Folder::new(directory.path()).unwrap();
        folder.add_program("pvf-example-node", Path::new(PROGRAM)).unwrap();
        let text = block.text.replace(START, "pvf-example-node ");
        folder.check(&Block { text, ..block }, None).unwrap();
        count += 1;
    }
    assert!(count > 0, "the book does not say how the node is started");
}
