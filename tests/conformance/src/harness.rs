//! Runs the tests.

use crate::{
    Guests,
    apart::{self, Processes},
    elsewhere,
    subject::Subject,
    test::{Test, Verdict, tests},
};
use libtest_mimic::{Arguments, Failed, Trial};
use pvf_host_core::backend::BackendId;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How long a test may take, unless something else is said: far longer than any takes on the slowest
/// machine.
pub const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The environment variable that says something else, in whole seconds.
pub const TIME_LIMIT_VARIABLE: &str = "PVF_CONFORMANCE_TIME_LIMIT";

/// The tests that have to pass before any other can say something.
const FIRST: [&str; 2] = ["descriptor::it_is_linked_once", "descriptor::no_guest_is_missing"];

/// What can name a backend.
pub trait BackendName {
    /// The name.
    ///
    /// # Panics
    ///
    /// On text that can't name a backend.
    fn into_id(self) -> BackendId;
}

impl BackendName for BackendId {
    fn into_id(self) -> BackendId {
        self
    }
}

impl BackendName for &'static str {
    fn into_id(self) -> BackendId {
        BackendId::from_static(self)
    }
}

/// The `main` that [`conformance_tests!`](crate::conformance_tests) makes. Directories are made in
/// `scratch`, or else where the system has its temporary ones.
///
/// # Panics
///
/// When the variable [`TIME_LIMIT_VARIABLE`] is no number of seconds.
pub fn main(backend: impl BackendName, guests: Guests, scratch: Option<&str>) -> ExitCode {
    elsewhere::run_if_asked();
    let mut arguments = Arguments::from_args();
    let mut options = Options::default();
    options.scratch = scratch.map_or(options.scratch, PathBuf::from);
    let id = backend.into_id();
    let tests: Vec<_> = tests().filter(|test| test.is_for(&guests)).collect();
    if !arguments.list
        && let Some((name, failure)) = first_failure(&id, &guests, &options)
    {
        // Whatever was chosen: nothing can be said about it.
        (arguments.filter, arguments.skip) = (None, Vec::new());
        let trial = Trial::test(name, || Err(Failed::from(failure)));
        return libtest_mimic::run(&arguments, vec![trial]).exit_code();
    }
    let processes = Arc::new(options.processes(id, guests));
    let trial = |test: &'static Test| {
        let processes = processes.clone();
        Trial::test(test.name, move || run_one(&processes, test).map_err(Failed::from))
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}

fn run_one(processes: &Processes, test: &Test) -> Verdict {
    processes.run(test).map_err(|failure| with_demand(&failure, test))
}

fn with_demand(failure: &str, test: &Test) -> String {
    format!("{failure}\n\nDemanded: {}", test.demand)
}

/// What has to be mended before any other test can say something: a test, and how it fails.
fn first_failure(
    id: &BackendId,
    guests: &Guests,
    options: &Options,
) -> Option<(&'static str, String)> {
    let subject = Subject::new(id.clone(), guests.clone(), options.scratch.clone());
    tests().filter(|test| FIRST.contains(&test.name)).find_map(|test| {
        let failure = apart::run_here(&subject, test).err()?;
        Some((test.name, with_demand(&failure, test)))
    })
}

/// What [`run`] runs, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The names of the tests to be run. None: all of them.
    pub only: Option<Vec<String>>,
    /// How many tests run at once.
    pub threads: usize,
    /// Where directories are made, preferably in the file system that has the program.
    pub scratch: PathBuf,
    /// How long a test may take before it is ended, and has failed.
    pub time_limit: Duration,
}

impl Default for Options {
    /// All tests, as many at once as there are cores, in the system's directory for temporary files, with
    /// the [`TIME_LIMIT`] or what the environment variable [`TIME_LIMIT_VARIABLE`] says.
    ///
    /// # Panics
    ///
    /// When that is no number of seconds, or 0.
    fn default() -> Self {
        let time_limit = std::env::var_os(TIME_LIMIT_VARIABLE).map_or(TIME_LIMIT, |said| {
            let seconds = said.to_str().and_then(|said| said.parse().ok()).filter(|it| *it > 0);
            let seconds = seconds.unwrap_or_else(|| {
                panic!("{TIME_LIMIT_VARIABLE} has to be a number of seconds, and is {said:?}")
            });
            Duration::from_secs(seconds)
        });
        Self {
            only: None,
            threads: thread::available_parallelism().map_or(1, usize::from),
            scratch: std::env::temp_dir(),
            time_limit,
        }
    }
}

impl Options {
    /// These tests alone.
    pub fn only<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.only = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// So many tests run at once.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Directories are made here.
    pub fn scratch(mut self, scratch: impl Into<PathBuf>) -> Self {
        self.scratch = scratch.into();
        self
    }

    /// A test may take so long, which is more than nothing.
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    fn processes(&self, id: BackendId, guests: Guests) -> Processes {
        Processes::new(id, guests, self.scratch.clone(), self.time_limit)
    }
}

/// How a test has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The backend does what is demanded.
    Passed,
    /// It does not: what came instead, and what is demanded.
    Failed(String),
}

/// What came of the tests, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The names of the tests that were run, and how they have ended.
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// The names of the tests that have failed.
    pub fn failed(&self) -> Vec<&'static str> {
        let failed = self.outcomes.iter().filter(|(_, outcome)| *outcome != Outcome::Passed);
        failed.map(|(name, _)| *name).collect()
    }
}

/// Runs the suite on a backend.
///
/// If it is not linked, or a guest is missing, then the test that says so is the only one that is run.
///
/// The program that calls this has called [`run_if_asked`](crate::run_if_asked) first thing in its
/// `main`.
///
/// # Panics
///
/// When a test is named that does not exist.
pub fn run(backend: &BackendId, guests: &Guests, options: &Options) -> Report {
    let chosen: Vec<_> = match &options.only {
        None => tests().filter(|test| test.is_for(guests)).collect(),
        Some(names) => {
            for name in names {
                assert!(tests().any(|test| test.name == name), "there is no test {name}");
            }
            tests().filter(|test| names.iter().any(|name| test.name == name)).collect()
        }
    };
    if let Some((name, failure)) = first_failure(backend, guests, options) {
        return Report { outcomes: vec![(name, Outcome::Failed(failure))] };
    }
    let processes = options.processes(backend.clone(), guests.clone());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(test) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome =
                run_one(&processes, test).map_or_else(Outcome::Failed, |()| Outcome::Passed);
            outcomes.push((test.name, outcome));
        }
        outcomes
    };
    let mut outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    outcomes.sort_by_key(|(name, _)| chosen.iter().position(|test| test.name == *name));
    Report { outcomes }
}
