//! The values that labels may have. Each set is fixed: nothing that comes from outside becomes a label.

use crate::{
    PrepareError, Validation, ValidationError, backend::BackendId, host::queue::ExecuteClass,
    primitives::ValidationResult, worker::protocol::WorkerKind,
};

/// What a worker is busy with, and somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Execute(ExecuteClass),
    Precheck,
    Prepare,
}

impl Task {
    pub(super) const ALL: [Self; 6] = [
        Self::Execute(ExecuteClass::Dispute),
        Self::Execute(ExecuteClass::Approval),
        Self::Execute(ExecuteClass::BackingSystemParas),
        Self::Execute(ExecuteClass::Backing),
        Self::Precheck,
        Self::Prepare,
    ];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Execute(class) => class as usize,
            Self::Precheck => 4,
            Self::Prepare => 5,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Execute(class) => class.name(),
            Self::Precheck => "precheck",
            Self::Prepare => "prepare",
        }
    }
}

/// Why a worker is no more that nobody has let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerDeath {
    /// It did what the kernel ends a process for, or panicked.
    Crashed,
    /// It ended in any other way while it had something to do: somebody has killed it.
    Ended,
    /// It ended or spoke while it had nothing to do.
    Idle,
    /// It gave no answer in time, and was killed.
    Stalled,
    /// It or its job used too much memory, and it was killed.
    Memory,
    /// It said what is not in the protocol, or can't be true, and was killed.
    Protocol,
    /// Its job ended in a way that nobody can explain, so it was not trusted any more and killed.
    Suspect,
}

impl WorkerDeath {
    pub(super) const ALL: [Self; 7] = [
        Self::Crashed,
        Self::Ended,
        Self::Idle,
        Self::Stalled,
        Self::Memory,
        Self::Protocol,
        Self::Suspect,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Ended => "ended",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Memory => "memory",
            Self::Protocol => "protocol",
            Self::Suspect => "suspect",
        }
    }
}

/// Why a worker could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpawnFailure {
    Start,
    Handshake,
    Version,
    Insecure,
    Loosened,
    Replaced,
}

impl SpawnFailure {
    pub(super) const ALL: [Self; 6] = [
        Self::Start,
        Self::Handshake,
        Self::Version,
        Self::Insecure,
        Self::Loosened,
        Self::Replaced,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Handshake => "handshake",
            Self::Version => "version",
            Self::Insecure => "insecure",
            Self::Loosened => "loosened",
            Self::Replaced => "replaced",
        }
    }
}

pub(super) const WORKER_KINDS: [WorkerKind; 2] = [WorkerKind::Prepare, WorkerKind::Execute];

/// What preparing came to, or asking for it: a success, or [`PrepareError::kind`].
pub(super) const PREPARE_OUTCOMES: [&str; 16] = [
    "prepared",
    "backend",
    "code_unavailable",
    "compilation",
    "decompression",
    "host_gone",
    "job_died",
    "machine",
    "out_of_memory",
    "panicked",
    "prevalidation",
    "runtime_construction",
    "store",
    "timed_out",
    "worker",
    "worker_replaced",
];

pub(super) fn prepare_outcome<T>(result: &Result<T, PrepareError>) -> usize {
    match result {
        Ok(_) => 0,
        Err(error) => place(&PREPARE_OUTCOMES, |name| *name == error.kind()),
    }
}

/// Classes and causes of verdicts: what [`class`](class_of) and [`ValidationError::kind`] may say together.
pub(super) fn verdicts() -> Vec<(&'static str, &'static str)> {
    const INVALID: [&str; 11] = [
        "hard_timeout",
        "invalid_output",
        "machine",
        "malformed_result",
        "out_of_gas",
        "out_of_memory",
        "oversized_input",
        "panic",
        "pov_decompression_failure",
        "runtime_construction",
        "trap",
    ];
    const POSSIBLY_INVALID: [&str; 4] =
        ["ambiguous_job_death", "ambiguous_worker_death", "job_error", "runtime_construction"];
    // Of those that are no preparation's. The names of some are the same, and so is what to do.
    const INTERNAL: [&str; 3] = ["corrupted_artifact", "io", "unreadable_artifact"];
    // What is the same on every machine.
    const PREPARATION: [&str; 5] =
        ["backend", "compilation", "decompression", "out_of_memory", "prevalidation"];
    // What may pass. That no linked backend is the code's is one of these, or of the above.
    const PASSING: [&str; 11] = [
        "backend",
        "code_unavailable",
        "host_gone",
        "job_died",
        "machine",
        "panicked",
        "runtime_construction",
        "store",
        "timed_out",
        "worker",
        "worker_replaced",
    ];
    let mut all = vec![("valid", "valid")];
    all.extend(INVALID.map(|cause| ("invalid", cause)));
    all.extend(POSSIBLY_INVALID.map(|cause| ("possibly_invalid", cause)));
    all.extend(PREPARATION.map(|cause| ("preparation", cause)));
    all.extend(INTERNAL.map(|cause| ("internal", cause)));
    all.extend(PASSING.map(|cause| ("internal", cause)));
    all.push(("deadline", "execution_deadline"));
    all
}

/// What a verdict means to who asked for it.
pub(super) fn class_of(verdict: &Result<ValidationResult, ValidationError>) -> &'static str {
    match verdict {
        Ok(_) => "valid",
        Err(ValidationError::Invalid(_)) => "invalid",
        Err(ValidationError::PossiblyInvalid(_)) => "possibly_invalid",
        Err(ValidationError::Preparation(_)) => "preparation",
        Err(ValidationError::Internal(_)) => "internal",
        Err(ValidationError::ExecutionDeadline) => "deadline",
    }
}

/// Class and cause.
pub(super) fn verdict_of(validation: &Validation) -> (&'static str, &'static str) {
    let cause = validation.verdict.as_ref().err().map_or("valid", ValidationError::kind);
    (class_of(&validation.verdict), cause)
}

/// Where in a list something is. A test shows that there is nothing that is in none.
pub(super) fn place<T>(all: &[T], is_it: impl FnMut(&T) -> bool) -> usize {
    all.iter().position(is_it).unwrap_or_default()
}

/// The names of the linked backends.
pub(super) fn backends() -> impl Iterator<Item = &'static BackendId> {
    crate::backend::linked().into_iter().map(|descriptor| &descriptor.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        InternalError, InvalidCandidate, PossiblyInvalid,
        backend::{
            CodePrefix, ExecuteError, MachineError, RuntimeConstructionError, SelectionError,
        },
        primitives::{Hash, compression::DecompressError},
    };
    use std::{collections::HashSet, time::Duration};

    fn machine() -> MachineError {
        MachineError(String::new())
    }

    fn construction() -> RuntimeConstructionError {
        RuntimeConstructionError(String::new())
    }

    /// One error of each class. Whoever adds one is reminded by the compiler to add it here.
    fn prepare_errors() -> Vec<PrepareError> {
        let text = String::new;
        let none_accepts = |code: &[u8]| SelectionError::NoneAccepts {
            prefix: CodePrefix::of(code),
            linked: vec![],
        };
        let id = BackendId::from_static("x");
        let all = vec![
            PrepareError::Backend(SelectionError::NotLinked { id, linked: vec![] }),
            PrepareError::Backend(none_accepts(b"nothing")),
            PrepareError::Decompression(text()),
            PrepareError::Prevalidation(text()),
            PrepareError::Compilation(text()),
            PrepareError::Machine(machine()),
            PrepareError::RuntimeConstruction(construction()),
            PrepareError::OutOfMemory { limit: 1 },
            PrepareError::TimedOut { limit: Duration::ZERO },
            PrepareError::Panicked(text()),
            PrepareError::JobDied(text()),
            PrepareError::Worker(text()),
            PrepareError::NoWorker(text()),
            PrepareError::WorkerReplaced { program: text() },
            PrepareError::Store(text()),
            PrepareError::CodeUnavailable { hash: Hash([0; 32]).into(), reason: text() },
            PrepareError::HostGone,
        ];
        for error in &all {
            match error {
                PrepareError::Backend(_)
                | PrepareError::Decompression(_)
                | PrepareError::Prevalidation(_)
                | PrepareError::Compilation(_)
                | PrepareError::Machine(_)
                | PrepareError::RuntimeConstruction(_)
                | PrepareError::OutOfMemory { .. }
                | PrepareError::TimedOut { .. }
                | PrepareError::Panicked(_)
                | PrepareError::JobDied(_)
                | PrepareError::Worker(_)
                | PrepareError::NoWorker(_)
                | PrepareError::WorkerReplaced { .. }
                | PrepareError::Store(_)
                | PrepareError::CodeUnavailable { .. }
                | PrepareError::HostGone => {}
            }
        }
        all
    }

    fn invalid() -> Vec<InvalidCandidate> {
        let text = String::new;
        let executed = [
            ExecuteError::RuntimeConstruction(construction()),
            ExecuteError::Machine(machine()),
            ExecuteError::Trap(text()),
            ExecuteError::Panic(text()),
            ExecuteError::InvalidOutput(text()),
            ExecuteError::OutOfMemory(text()),
            ExecuteError::OutOfGas,
        ];
        for error in &executed {
            match error {
                ExecuteError::RuntimeConstruction(_)
                | ExecuteError::Machine(_)
                | ExecuteError::Trap(_)
                | ExecuteError::Panic(_)
                | ExecuteError::InvalidOutput(_)
                | ExecuteError::OutOfMemory(_)
                | ExecuteError::OutOfGas => {}
            }
        }
        let mut all = vec![
            InvalidCandidate::MalformedResult(text()),
            InvalidCandidate::HardTimeout,
            InvalidCandidate::PovDecompressionFailure(DecompressError::Invalid),
            InvalidCandidate::OversizedInput(0),
            InvalidCandidate::RepeatedRuntimeConstruction {
                first: construction(),
                second: construction(),
            },
        ];
        for error in &all {
            match error {
                InvalidCandidate::Execution(_)
                | InvalidCandidate::MalformedResult(_)
                | InvalidCandidate::HardTimeout
                | InvalidCandidate::PovDecompressionFailure(_)
                | InvalidCandidate::OversizedInput(_)
                | InvalidCandidate::RepeatedRuntimeConstruction { .. } => {}
            }
        }
        all.extend(executed.map(InvalidCandidate::Execution));
        all
    }

    fn possibly_invalid() -> Vec<PossiblyInvalid> {
        let text = String::new;
        let all = vec![
            PossiblyInvalid::AmbiguousWorkerDeath(text()),
            PossiblyInvalid::AmbiguousJobDeath(text()),
            PossiblyInvalid::JobError(text()),
            PossiblyInvalid::RuntimeConstruction(construction()),
        ];
        for error in &all {
            match error {
                PossiblyInvalid::AmbiguousWorkerDeath(_)
                | PossiblyInvalid::AmbiguousJobDeath(_)
                | PossiblyInvalid::JobError(_)
                | PossiblyInvalid::RuntimeConstruction(_) => {}
            }
        }
        all
    }

    fn internal() -> Vec<InternalError> {
        let text = String::new;
        let all = vec![
            InternalError::Worker(text()),
            InternalError::WorkerReplaced { program: text() },
            InternalError::CorruptedArtifact(text()),
            InternalError::UnreadableArtifact(text()),
            InternalError::Io(text()),
            InternalError::Machine(machine()),
            InternalError::HostGone,
        ];
        for error in &all {
            match error {
                InternalError::Preparation(_)
                | InternalError::Worker(_)
                | InternalError::WorkerReplaced { .. }
                | InternalError::CorruptedArtifact(_)
                | InternalError::UnreadableArtifact(_)
                | InternalError::Io(_)
                | InternalError::Machine(_)
                | InternalError::HostGone => {}
            }
        }
        all
    }

    #[test]
    fn every_class_of_error_has_its_label_and_no_label_is_without() {
        let errors = prepare_errors().into_iter().map(ValidationError::from);
        let errors = errors
            .chain(invalid().into_iter().map(ValidationError::from))
            .chain(possibly_invalid().into_iter().map(ValidationError::from))
            .chain(internal().into_iter().map(ValidationError::from))
            .chain([ValidationError::ExecutionDeadline]);
        let found: HashSet<_> = errors.map(Validation::failed).map(|it| verdict_of(&it)).collect();
        let mut listed: HashSet<_> = verdicts().into_iter().collect();
        assert_eq!(listed.len(), verdicts().len());
        assert!(listed.remove(&("valid", "valid")));
        assert_eq!(found, listed);
    }

    #[test]
    fn every_outcome_of_preparing_has_its_label() {
        let found: HashSet<_> = prepare_errors()
            .into_iter()
            .map(|error| PREPARE_OUTCOMES[prepare_outcome::<()>(&Err(error))])
            .collect();
        let listed: HashSet<_> = PREPARE_OUTCOMES.into_iter().skip(1).collect();
        assert_eq!(found, listed);
        assert_eq!(PREPARE_OUTCOMES[prepare_outcome(&Ok(()))], "prepared");
        for error in prepare_errors() {
            assert_eq!(PREPARE_OUTCOMES[prepare_outcome::<()>(&Err(error.clone()))], error.kind());
        }
    }

    #[test]
    fn tasks_are_listed_in_their_order() {
        for (at, task) in Task::ALL.into_iter().enumerate() {
            assert_eq!(task.index(), at);
        }
    }
}
