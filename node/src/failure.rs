//! How a command ends, and what is said when it can't do what it was asked to.

use crate::output;
use pvf_host_core::{ConfigError, StartError, artifact::LockError};
use serde_json::json;
use std::process::ExitCode;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Valid, accepted, or done.
    Yes,
    /// Invalid, rejected, or damaged.
    No,
    /// There is no telling.
    Unknown,
}

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        Self::from(match answer {
            Answer::Yes => 0,
            Answer::No => 1,
            Answer::Unknown => 3,
        })
    }
}

/// Why a command came to no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for makes no sense: the user has to ask differently.
    Usage(String),
    /// It made sense, and could not be done.
    Runtime {
        /// A short name of the cause, for machines.
        kind: &'static str,
        /// The cause, for people, and what to do about it.
        message: String,
    },
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn runtime(kind: &'static str, message: impl Into<String>) -> Self {
        Self::Runtime { kind, message: message.into() }
    }

    /// Says it, on standard error and, if that is what reads the result, on standard output.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        match self {
            Self::Usage(message) => {
                output::error(message);
                ExitCode::from(2)
            }
            Self::Runtime { kind, message } => {
                output::error(message);
                if json {
                    let reason = json!({ "kind": kind, "message": message });
                    // Nothing is left to be tried if that fails too.
                    let _ = output::json(&json!({ "verdict": "error", "reason": reason }));
                }
                Answer::Unknown.into()
            }
        }
    }
}

/// Only what was asked for can make a configuration impossible.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let (kind, hint) = match &error {
            StartError::Lock(lock) => return lock.into(),
            StartError::Worker(_) => (
                "worker",
                "--worker-program must name this program, or another one of the same version that \
                 serves as a worker",
            ),
            StartError::Insecure { .. } => (
                "insecure",
                "`pvf doctor` says what each of these needs; with --insecure it goes on all the same, \
                 and code that breaks out of its engine can do whatever this user can",
            ),
            StartError::Backends { .. } => {
                ("backends", "build the program given by --worker-program with the same features")
            }
            _ => ("io", "run with -v to see how far it came"),
        };
        Self::runtime(kind, format!("{error}\n  hint: {hint}"))
    }
}

impl From<&LockError> for Failure {
    fn from(error: &LockError) -> Self {
        let (kind, hint) = match error {
            LockError::InUse(_) => {
                ("cache_in_use", "wait until the other one has ended, or name another --cache-dir")
            }
            LockError::Unusable { .. } => {
                ("cache_unusable", "name a directory that can be written with --cache-dir")
            }
            _ => ("cache", "name another directory with --cache-dir"),
        };
        Self::runtime(kind, format!("{error}\n  hint: {hint}"))
    }
}
