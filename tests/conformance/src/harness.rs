//! Runs the tests.

use crate::{
    Guests, elsewhere,
    subject::{Subject, on_guest_stack},
    test::{Test, tests},
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
};

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
pub fn main(backend: impl BackendName, guests: Guests, scratch: Option<&str>) -> ExitCode {
    elsewhere::run_if_asked();
    let scratch = scratch.map_or_else(std::env::temp_dir, PathBuf::from);
    let tests: Vec<_> = tests().filter(|test| test.is_for(&guests)).collect();
    let subject = Arc::new(Subject::new(backend.into_id(), guests, scratch));
    let trial = |test: &'static Test| {
        let subject = subject.clone();
        Trial::test(test.name, move || run_one(&subject, test).map_err(Failed::from))
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}

fn run_one(subject: &Subject, test: &Test) -> Result<(), String> {
    on_guest_stack(|| (test.run)(subject))
        .map_err(|failure| format!("{failure}\n\nDemanded: {}", test.demand))
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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            only: None,
            threads: thread::available_parallelism().map_or(1, usize::from),
            scratch: std::env::temp_dir(),
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

/// Runs the suite on a backend that is linked.
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
    let subject = Subject::new(backend.clone(), guests.clone(), options.scratch.clone());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(test) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome =
                run_one(&subject, test).map_or_else(Outcome::Failed, |()| Outcome::Passed);
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
