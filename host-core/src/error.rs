//! Why there is no artifact, or no new head.
//!
//! Every error belongs to one class, and the class says what a node does about it: vote against the
//! candidate, try again, or abstain. Nothing depends on a message's text.

use crate::{
    backend::{ExecuteError, MachineError, RuntimeConstructionError, SelectionError},
    primitives::{CodeHash, compression::DecompressError},
};
use parity_scale_codec::{Decode, Encode};
use std::time::Duration;

/// Why some code has no artifact.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// No backend was found for the code.
    #[error("{0}")]
    Backend(#[from] SelectionError),
    /// The code is compressed, and could not be decompressed within its limit.
    #[error("code blob: {0}")]
    Decompression(String),
    /// The code is not a well-formed program.
    #[error("prevalidation: {0}")]
    Prevalidation(String),
    /// The engine refuses to compile the code.
    #[error("compilation: {0}")]
    Compilation(String),
    /// This machine can't run the engine that compiles the code, or not now. Says nothing about the
    /// code.
    #[error("this machine can't prepare the code: {0}")]
    Machine(#[source] MachineError),
    /// The artifact was made, but can't be loaded.
    #[error("runtime construction: {0}")]
    RuntimeConstruction(#[source] RuntimeConstructionError),
    /// Preparing needs more memory than the executor parameters grant.
    #[error("out of memory: needs more than {limit} bytes")]
    OutOfMemory {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Preparing needs more CPU time than the executor parameters grant, or stalled for a multiple
    /// of it.
    #[error("timed out: needs more than {} ms of CPU time", limit.as_millis())]
    TimedOut {
        /// The limit on CPU time.
        limit: Duration,
    },
    /// The backend panicked.
    #[error("the backend panicked: {0}")]
    Panicked(String),
    /// The job died without an answer.
    #[error("the prepare job died: {0}")]
    JobDied(String),
    /// The worker died, or broke the protocol.
    #[error("prepare worker: {0}")]
    Worker(String),
    /// No worker could be started.
    #[error("prepare worker: {0}")]
    NoWorker(String),
    /// The worker program was replaced while the host ran. Workers that run go on; no more are started
    /// until the host is restarted, since artifacts of the one program are not for the other.
    #[error(
        "the worker program {program} was replaced or removed while the host ran: restart the host"
    )]
    WorkerReplaced {
        /// The program's path.
        program: String,
    },
    /// The artifact could not be stored.
    #[error("artifact store: {0}")]
    Store(String),
    /// The request named the code by its hash alone, and nobody had the code.
    #[error("the code {hash} is not at hand: {reason}")]
    CodeUnavailable {
        /// The code asked for.
        hash: CodeHash,
        /// What the provider said.
        reason: String,
    },
    /// The host has been shut down.
    #[error("the validation host is not running")]
    HostGone,
}

impl PrepareError {
    /// Whether the same code with the same parameters will fail in the same way on every machine.
    ///
    /// Such a failure is remembered and never tried again; any other may pass.
    pub fn is_deterministic(&self) -> bool {
        match self {
            Self::Decompression(_)
            | Self::Prevalidation(_)
            | Self::Compilation(_)
            | Self::OutOfMemory { .. } => true,
            // Code in no format of Polkadot's is refused everywhere. Besides that, what is linked into
            // this node says nothing about the code.
            Self::Backend(SelectionError::NoneAccepts { prefix, .. }) => !prefix.is_known_format(),
            Self::Backend(_) => false,
            // May be due to the code, but also to this machine and its load.
            Self::RuntimeConstruction(_) | Self::TimedOut { .. } | Self::Panicked(_) => false,
            Self::Machine(_)
            | Self::JobDied(_)
            | Self::Worker(_)
            | Self::NoWorker(_)
            | Self::WorkerReplaced { .. }
            | Self::Store(_)
            | Self::CodeUnavailable { .. }
            | Self::HostGone => false,
        }
    }

    /// Whether this is trouble of the host's that shows before or after preparing, and costs nothing to
    /// run into again. It is not remembered: whoever needs the artifact next finds out anew.
    pub fn is_trouble_of_host(&self) -> bool {
        matches!(self, Self::Store(_) | Self::NoWorker(_) | Self::WorkerReplaced { .. })
    }

    /// A short name of the class, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Backend(_) => "backend",
            Self::Decompression(_) => "decompression",
            Self::Prevalidation(_) => "prevalidation",
            Self::Compilation(_) => "compilation",
            Self::Machine(_) => "machine",
            Self::RuntimeConstruction(_) => "runtime_construction",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::TimedOut { .. } => "timed_out",
            Self::Panicked(_) => "panicked",
            Self::JobDied(_) => "job_died",
            Self::Worker(_) | Self::NoWorker(_) => "worker",
            Self::WorkerReplaced { .. } => "worker_replaced",
            Self::Store(_) => "store",
            Self::CodeUnavailable { .. } => "code_unavailable",
            Self::HostGone => "host_gone",
        }
    }
}

/// Why a candidate was not found valid.
///
/// These classes are all there are. Whoever adds one means to break what matches on them: a node has
/// to say what it does about each. The causes within a class may become more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// The candidate is invalid: vote against it.
    #[error("invalid: {0}")]
    Invalid(#[from] InvalidCandidate),
    /// The candidate may be invalid, or this machine may have had a bad moment: try again, and vote
    /// against it if that ends the same way.
    #[error("possibly invalid: {0}")]
    PossiblyInvalid(#[from] PossiblyInvalid),
    /// The code could not be prepared, and never will be. The candidate can't be the cause.
    #[error("preparation: {0}")]
    Preparation(#[source] PrepareError),
    /// Something on this machine went wrong that no candidate can cause: abstain.
    #[error("internal: {0}")]
    Internal(#[from] InternalError),
    /// The candidate can't be backed any more, whatever its verdict: its relay parent is in no
    /// active leaf's ancestry.
    #[error("the execution deadline has passed")]
    ExecutionDeadline,
}

impl ValidationError {
    /// A short name of the cause, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.kind(),
            Self::PossiblyInvalid(error) => error.kind(),
            Self::Preparation(error) => error.kind(),
            Self::Internal(error) => error.kind(),
            Self::ExecutionDeadline => "execution_deadline",
        }
    }
}

impl From<PrepareError> for ValidationError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::WorkerReplaced { program } => {
                InternalError::WorkerReplaced { program }.into()
            }
            error if error.is_deterministic() => Self::Preparation(error),
            error => InternalError::Preparation(error).into(),
        }
    }
}

/// Why a candidate is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCandidate {
    /// The code ran, and did not accept the candidate.
    #[error("{0}")]
    Execution(#[source] ExecuteError),
    /// The code returned something that is no `ValidationResult`.
    #[error("validation result: {0}")]
    MalformedResult(String),
    /// Execution took more CPU time than allowed, or stalled for a multiple of it.
    #[error("hard timeout: execution took more CPU time than it may, or stalled")]
    HardTimeout,
    /// The proof of validity could not be decompressed within its limit.
    #[error("the proof of validity: {0}")]
    PovDecompressionFailure(#[source] DecompressError),
    /// The parameters are longer than any guest's allocator can hold.
    #[error("parameters of {0} bytes can't be passed to the code")]
    OversizedInput(usize),
    /// The artifact could not be loaded, and could not again after it was prepared anew.
    #[error("runtime construction failed twice: {first}; after preparing anew: {second}")]
    RepeatedRuntimeConstruction {
        /// The first error.
        first: RuntimeConstructionError,
        /// The error of the second try.
        #[source]
        second: RuntimeConstructionError,
    },
}

impl InvalidCandidate {
    /// A short name of the cause, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Execution(ExecuteError::RuntimeConstruction(_)) => "runtime_construction",
            Self::Execution(ExecuteError::Machine(_)) => "machine",
            Self::Execution(ExecuteError::Trap(_)) => "trap",
            Self::Execution(ExecuteError::Panic(_)) => "panic",
            Self::Execution(ExecuteError::InvalidOutput(_)) => "invalid_output",
            Self::Execution(ExecuteError::OutOfMemory(_)) => "out_of_memory",
            Self::Execution(ExecuteError::OutOfGas) => "out_of_gas",
            Self::MalformedResult(_) => "malformed_result",
            Self::HardTimeout => "hard_timeout",
            Self::PovDecompressionFailure(_) => "pov_decompression_failure",
            Self::OversizedInput(_) => "oversized_input",
            Self::RepeatedRuntimeConstruction { .. } => "runtime_construction",
        }
    }
}

/// What may be the candidate's fault or this machine's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PossiblyInvalid {
    /// The worker died while its job ran.
    #[error("ambiguous worker death: {0}")]
    AmbiguousWorkerDeath(String),
    /// The job died without an answer: refused by the sandbox, out of memory, or a crash.
    #[error("ambiguous job death: {0}")]
    AmbiguousJobDeath(String),
    /// Something unexpected happened in the job.
    #[error("job error: {0}")]
    JobError(String),
    /// The artifact could not be loaded or instantiated.
    #[error("runtime construction: {0}")]
    RuntimeConstruction(#[source] RuntimeConstructionError),
}

impl PossiblyInvalid {
    /// A short name of the cause, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AmbiguousWorkerDeath(_) => "ambiguous_worker_death",
            Self::AmbiguousJobDeath(_) => "ambiguous_job_death",
            Self::JobError(_) => "job_error",
            Self::RuntimeConstruction(_) => "runtime_construction",
        }
    }
}

/// What no candidate can cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InternalError {
    /// The code could not be prepared, for a reason that may pass.
    #[error("{0}")]
    Preparation(#[source] PrepareError),
    /// An execute worker could not be started.
    #[error("execute worker: {0}")]
    Worker(String),
    /// See [`PrepareError::WorkerReplaced`].
    #[error(
        "the worker program {program} was replaced or removed while the host ran: restart the host"
    )]
    WorkerReplaced {
        /// The program's path.
        program: String,
    },
    /// The artifact on disk is not what was written. It was thrown away.
    #[error("corrupted artifact: {0}")]
    CorruptedArtifact(String),
    /// The disk failed to give an artifact back. The artifact was thrown away.
    #[error("{0}")]
    UnreadableArtifact(String),
    /// The kernel refused something.
    #[error("{0}")]
    Io(String),
    /// This machine can't run the code, or not now, and this is why.
    #[error("this machine can't run the code: {0}")]
    Machine(#[source] MachineError),
    /// The host has been shut down.
    #[error("the validation host is not running")]
    HostGone,
}

impl InternalError {
    /// A short name of the cause, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Preparation(error) => error.kind(),
            Self::Worker(_) => "worker",
            Self::WorkerReplaced { .. } => "worker_replaced",
            Self::CorruptedArtifact(_) => "corrupted_artifact",
            Self::UnreadableArtifact(_) => "unreadable_artifact",
            Self::Io(_) => "io",
            Self::Machine(_) => "machine",
            Self::HostGone => "host_gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
        error.source().map_or(error, innermost)
    }

    #[test]
    fn an_error_leads_to_the_one_that_caused_it() {
        let machine = || MachineError("no memory".into());
        let construction = || RuntimeConstructionError("damaged".into());
        let errors: [ValidationError; 6] = [
            InvalidCandidate::Execution(ExecuteError::Machine(machine())).into(),
            InternalError::Machine(machine()).into(),
            InternalError::Preparation(PrepareError::Machine(machine())).into(),
            PossiblyInvalid::RuntimeConstruction(construction()).into(),
            ValidationError::Preparation(PrepareError::RuntimeConstruction(construction())),
            InvalidCandidate::RepeatedRuntimeConstruction {
                first: RuntimeConstructionError("before".into()),
                second: construction(),
            }
            .into(),
        ];
        for error in errors {
            let cause = innermost(&error);
            match cause.downcast_ref::<MachineError>() {
                Some(error) => assert_eq!(*error, machine()),
                None => assert_eq!(cause.downcast_ref(), Some(&construction()), "{error:?}"),
            }
        }
    }
}
