//! What a test tells the process with the host, and what that tells the test: a line of JSON each,
//! written at once, so that a process that is killed leaves no half of one behind.

use pvf_host_core::{InternalError, PrepareError, PrepareReport, Validation, ValidationError};
use serde::{Deserialize, Serialize};

/// What the process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Start a host.
    Start {
        /// How much room it has for artifacts, in bytes. None: more than it needs.
        room: Option<u64>,
    },
    /// Ask for all that belongs to a round of the [workload](crate::workload), at once.
    Load {
        /// Its number.
        round: u32,
    },
    /// Ask for what was prepared before, and then for ever new artifacts, until somebody puts an end
    /// to it.
    Churn {
        /// Where random numbers start.
        seed: u64,
        /// What the first new artifact is called.
        first_new: u64,
        /// Artifacts that are to be asked for alone.
        known: Vec<u64>,
        /// Artifacts that are to be executed as well.
        execute: Vec<u64>,
    },
    /// Shut the host down.
    ShutDown,
}

/// What the process tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A host was started.
    Ready,
    /// None could be started.
    NotStarted(String),
    /// The host is about to be asked.
    Asked {
        /// The number of the request.
        ask: u32,
    },
    /// The host has answered.
    Answered {
        /// The number of the request.
        ask: u32,
        /// The answer.
        answer: Answer,
    },
    /// Everything of a round was answered.
    Done {
        /// The number of the round.
        round: u32,
    },
    /// The host is about to be asked for an artifact.
    Wanted {
        /// Which one.
        salt: u64,
    },
    /// The artifact is there.
    There {
        /// Which one.
        salt: u64,
        /// Whether it was there before.
        cached: bool,
        /// What executing it gave, if it was.
        answer: Option<Answer>,
    },
    /// All known artifacts are there.
    Recovered {
        /// How many the host had to prepare.
        preparations: u64,
    },
    /// There is no host any more.
    Ended {
        /// How many descriptors the process had before there was one.
        descriptors_before: usize,
        /// How many it has now.
        descriptors_after: usize,
        /// How many threads the host has left behind.
        threads: usize,
        /// How many child processes it has left behind.
        children: usize,
    },
}

/// How the host answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The candidate is valid and has this head.
    Valid(Vec<u8>),
    /// It is invalid.
    Invalid(Reason),
    /// It may be.
    PossiblyInvalid(Reason),
    /// Its code can't be prepared.
    Preparation(Reason),
    /// The machine is to blame.
    Internal(Reason),
    /// The same, and its code could not be prepared for that.
    Unprepared(Reason),
    /// It comes too late.
    Deadline,
    /// The code may be enacted.
    Accepted,
    /// It may not, now and for ever.
    Rejected(Reason),
    /// Nobody can say whether it may.
    Unclear(Reason),
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The class, as in `kind()` of the host's errors.
    pub kind: String,
    /// The whole text.
    pub text: String,
}

impl From<Validation> for Answer {
    fn from(validation: Validation) -> Self {
        let error = match validation.verdict {
            Ok(result) => return Self::Valid(result.head_data.0),
            Err(error) => error,
        };
        let reason = Reason { kind: error.kind().to_owned(), text: error.to_string() };
        match error {
            ValidationError::Invalid(_) => Self::Invalid(reason),
            ValidationError::PossiblyInvalid(_) => Self::PossiblyInvalid(reason),
            ValidationError::Preparation(_) => Self::Preparation(reason),
            ValidationError::Internal(InternalError::Preparation(_)) => Self::Unprepared(reason),
            ValidationError::Internal(_) => Self::Internal(reason),
            ValidationError::ExecutionDeadline => Self::Deadline,
        }
    }
}

impl From<Result<PrepareReport, PrepareError>> for Answer {
    fn from(result: Result<PrepareReport, PrepareError>) -> Self {
        let Err(error) = result else { return Self::Accepted };
        let reason = Reason { kind: error.kind().to_owned(), text: error.to_string() };
        if error.is_deterministic() { Self::Rejected(reason) } else { Self::Unclear(reason) }
    }
}
