//! The one place that tries again.
//!
//! What went wrong may be the candidate's fault or this machine's. [`decide`] says what to do about it,
//! as a pure function; [`validate_with_retry`] carries that out, on anything that validates.

use crate::{
    ActiveLeavesUpdate, InternalError, InvalidCandidate, PossiblyInvalid, PrepareError,
    PrepareReport, Pvf, Trace, Validation, ValidationError, ValidationHost, ValidationRequest,
    text,
};
use async_trait::async_trait;
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// What a node needs of a validation host, so that its tests can put a fake in its place.
#[async_trait]
pub trait ValidationBackend: Send + Sync {
    /// See [`ValidationHost::validate`].
    async fn validate(&self, request: ValidationRequest) -> Validation;

    /// See [`ValidationHost::precheck`].
    async fn precheck(&self, pvf: Pvf) -> Result<PrepareReport, PrepareError>;

    /// See [`ValidationHost::heads_up`].
    async fn heads_up(&self, pvfs: Vec<Pvf>);

    /// See [`ValidationHost::update_active_leaves`].
    async fn update_active_leaves(&self, update: ActiveLeavesUpdate);

    /// Takes note of what [`validate_with_retry`] has decided, for statistics.
    fn note(&self, _decision: &Decision) {}
}

#[async_trait]
impl ValidationBackend for ValidationHost {
    async fn validate(&self, request: ValidationRequest) -> Validation {
        Self::validate(self, request).await
    }

    async fn precheck(&self, pvf: Pvf) -> Result<PrepareReport, PrepareError> {
        Self::precheck(self, pvf).await
    }

    async fn heads_up(&self, pvfs: Vec<Pvf>) {
        Self::heads_up(self, pvfs).await;
    }

    async fn update_active_leaves(&self, update: ActiveLeavesUpdate) {
        Self::update_active_leaves(self, update).await;
    }

    fn note(&self, decision: &Decision) {
        self.count(decision);
    }
}

/// Validates a candidate, and tries again where that may help: once for each cause, and after what may
/// have taken time never past the execution timeout.
///
/// What was tried before is in [`Validation::retried`]. All tries have one name in traces, and each its
/// number.
pub async fn validate_with_retry(
    backend: &(impl ValidationBackend + ?Sized),
    request: ValidationRequest,
) -> Validation {
    let start = Instant::now();
    let budget = request.effective_timeout();
    let mut retried = Vec::new();
    let mut trace = request.trace.unwrap_or_else(Trace::unique);
    loop {
        let request = ValidationRequest { trace: Some(trace), ..request.clone() };
        let mut validation = backend.validate(request).await;
        let (id, attempt) = (trace.id, trace.attempt);
        let Err(error) = &validation.verdict else {
            return Validation { retried, ..validation };
        };
        let decision = decide(error, &retried, budget.saturating_sub(start.elapsed()));
        backend.note(&decision);
        match decision {
            Decision::Stands => return Validation { retried, ..validation },
            Decision::GiveUp(cause) => {
                let error = in_log(error);
                tracing::warn!(%id, attempt, error, %cause, "not trying a validation again");
                return Validation { retried, ..validation };
            }
            Decision::Judge(reason) => {
                tracing::warn!(
                    %id,
                    attempt,
                    error = in_log(error),
                    reason = in_log(&reason),
                    "judging a candidate after retrying"
                );
                validation.verdict = Err(reason.into());
                return Validation { retried, ..validation };
            }
            Decision::Retry { cause, delay } => {
                let delay_ms = delay.as_millis();
                let why = in_log(error);
                tracing::warn!(%id, attempt, error = why, %cause, delay_ms, "trying a validation again");
                retried.push(error.clone());
                trace = trace.next();
                tokio::time::sleep(delay).await;
            }
        }
    }
}

/// One line, whatever a guest has said.
fn in_log(error: &impl fmt::Display) -> String {
    text::clean(&error.to_string())
}

/// Why a validation is tried again. Each cause is good for one retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryCause {
    /// The worker died.
    WorkerDeath,
    /// The job died.
    JobDeath,
    /// Something unexpected happened in the job.
    JobError,
    /// The artifact's file is not what was written.
    CorruptedArtifact,
    /// The artifact could not be loaded.
    RuntimeConstruction,
    /// This machine had a problem.
    Internal,
}

impl fmt::Display for RetryCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WorkerDeath => "worker death",
            Self::JobDeath => "job death",
            Self::JobError => "job error",
            Self::CorruptedArtifact => "corrupted artifact",
            Self::RuntimeConstruction => "runtime construction",
            Self::Internal => "internal",
        })
    }
}

impl RetryCause {
    /// The name in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::WorkerDeath => "worker_death",
            Self::JobDeath => "job_death",
            Self::JobError => "job_error",
            Self::CorruptedArtifact => "corrupted_artifact",
            Self::RuntimeConstruction => "runtime_construction",
            Self::Internal => "internal",
        }
    }

    /// None for what is the same however often it is tried.
    fn of(error: &ValidationError) -> Option<Self> {
        match error {
            ValidationError::PossiblyInvalid(error) => Some(match error {
                PossiblyInvalid::AmbiguousWorkerDeath(_) => Self::WorkerDeath,
                PossiblyInvalid::AmbiguousJobDeath(_) => Self::JobDeath,
                PossiblyInvalid::JobError(_) => Self::JobError,
                PossiblyInvalid::RuntimeConstruction(_) => Self::RuntimeConstruction,
            }),
            ValidationError::Internal(error) => match error {
                // There is no host, or none that can be helped without its operator.
                InternalError::HostGone | InternalError::WorkerReplaced { .. } => None,
                // Remembered for longer than any retry waits, but for what is none of the code's.
                InternalError::Preparation(error) => {
                    error.is_trouble_of_host().then_some(Self::Internal)
                }
                InternalError::CorruptedArtifact(_) => Some(Self::CorruptedArtifact),
                InternalError::Worker(_)
                | InternalError::UnreadableArtifact(_)
                | InternalError::Io(_)
                | InternalError::Machine(_) => Some(Self::Internal),
            },
            ValidationError::Invalid(_)
            | ValidationError::Preparation(_)
            | ValidationError::ExecutionDeadline => None,
        }
    }

    /// How long to wait for a bad moment of this machine to pass. None if there is nothing to wait for:
    /// the artifact has been thrown away, and the next try prepares it anew.
    fn delay(self) -> Option<Duration> {
        match self {
            Self::WorkerDeath | Self::JobDeath | Self::JobError | Self::Internal => {
                Some(Duration::from_secs(1))
            }
            Self::CorruptedArtifact | Self::RuntimeConstruction => None,
        }
    }
}

/// What to do about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing: it is the same however often it is tried.
    Stands,
    /// Nothing any more: it was tried again already, or there is no time left.
    GiveUp(RetryCause),
    /// The candidate is invalid, for this reason.
    Judge(InvalidCandidate),
    /// Try again.
    Retry {
        /// Why.
        cause: RetryCause,
        /// How long to wait before.
        delay: Duration,
    },
}

/// Decides what to do about an error, after the errors that were `retried` before and with `time_left`
/// of the execution timeout.
///
/// An artifact that could not be loaded has cost no execution, whatever time has passed since the
/// candidate came: to try that again needs no time left. Its preparation alone may take longer than
/// candidates may be executed.
fn decide(error: &ValidationError, retried: &[ValidationError], time_left: Duration) -> Decision {
    let Some(cause) = RetryCause::of(error) else { return Decision::Stands };
    let before = retried.iter().find(|error| RetryCause::of(error) == Some(cause));
    match (before, error) {
        (
            Some(ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(first))),
            ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(second)),
        ) => Decision::Judge(InvalidCandidate::RepeatedRuntimeConstruction {
            first: first.clone(),
            second: second.clone(),
        }),
        (Some(_), _) => Decision::GiveUp(cause),
        (None, _) => match cause.delay() {
            None => Decision::Retry { cause, delay: Duration::ZERO },
            Some(delay) if delay < time_left => Decision::Retry { cause, delay },
            Some(_) => Decision::GiveUp(cause),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{MachineError, RuntimeConstructionError},
        primitives::{CodeHash, Hash},
    };

    const PLENTY: Duration = Duration::from_secs(12);
    const LATER: Duration = Duration::from_secs(1);
    const AT_ONCE: Duration = Duration::ZERO;

    fn construction(reason: &str) -> RuntimeConstructionError {
        RuntimeConstructionError(reason.into())
    }

    /// Every error that may pass, with its cause, and when it is tried again.
    fn table() -> Vec<(ValidationError, RetryCause, Duration)> {
        use RetryCause::*;
        let text = String::new;
        vec![
            (PossiblyInvalid::AmbiguousWorkerDeath(text()).into(), WorkerDeath, LATER),
            (PossiblyInvalid::AmbiguousJobDeath(text()).into(), JobDeath, LATER),
            (PossiblyInvalid::JobError(text()).into(), JobError, LATER),
            (InternalError::CorruptedArtifact(text()).into(), CorruptedArtifact, AT_ONCE),
            (
                PossiblyInvalid::RuntimeConstruction(construction("")).into(),
                RuntimeConstruction,
                AT_ONCE,
            ),
            (InternalError::Worker(text()).into(), Internal, LATER),
            (InternalError::Io(text()).into(), Internal, LATER),
            (InternalError::UnreadableArtifact(text()).into(), Internal, LATER),
            (InternalError::Machine(MachineError(text())).into(), Internal, LATER),
            (PrepareError::Store(text()).into(), Internal, LATER),
            (PrepareError::NoWorker(text()).into(), Internal, LATER),
        ]
    }

    /// Every error that stands.
    fn standing() -> Vec<ValidationError> {
        let (text, hash) = (String::new, CodeHash::from(Hash::default()));
        vec![
            InvalidCandidate::HardTimeout.into(),
            InvalidCandidate::MalformedResult(text()).into(),
            ValidationError::ExecutionDeadline,
            PrepareError::Compilation(text()).into(),
            PrepareError::CodeUnavailable { hash, reason: text() }.into(),
            PrepareError::JobDied(text()).into(),
            PrepareError::Worker(text()).into(),
            PrepareError::Machine(MachineError(text())).into(),
            PrepareError::TimedOut { limit: PLENTY }.into(),
            PrepareError::WorkerReplaced { program: text() }.into(),
            InternalError::WorkerReplaced { program: text() }.into(),
            InternalError::HostGone.into(),
        ]
    }

    #[test]
    fn each_cause_is_good_for_one_retry_whatever_else_was_tried() {
        let table = table();
        for (error, cause, delay) in &table {
            let retry = Decision::Retry { cause: *cause, delay: *delay };
            let (same, others): (Vec<_>, Vec<_>) =
                table.iter().partition(|(_, other, _)| other == cause);
            let errors = |rows: Vec<&(ValidationError, RetryCause, Duration)>| {
                rows.into_iter().map(|(error, ..)| error.clone()).collect::<Vec<_>>()
            };
            let (same, others) = (errors(same), errors(others));
            assert_eq!(decide(error, &[], PLENTY), retry);
            assert_eq!(decide(error, &others, PLENTY), retry);
            for before in same {
                let tried: Vec<_> = others.iter().cloned().chain([before]).collect();
                let decision = decide(error, &tried, PLENTY);
                if *cause == RetryCause::RuntimeConstruction {
                    assert!(matches!(decision, Decision::Judge(_)), "{decision:?}");
                } else {
                    assert_eq!(decision, Decision::GiveUp(*cause));
                }
            }
        }
    }

    #[test]
    fn what_has_to_wait_is_not_tried_past_the_time_that_is_left() {
        for (error, cause, delay) in table() {
            let retry = Decision::Retry { cause, delay };
            assert_eq!(decide(&error, &[], delay + Duration::from_millis(1)), retry);
            let late = decide(&error, &[], delay);
            assert_eq!(late, if delay == AT_ONCE { retry } else { Decision::GiveUp(cause) });
        }
    }

    #[test]
    fn what_a_retry_can_not_change_stands() {
        for error in standing() {
            assert_eq!(decide(&error, &[], PLENTY), Decision::Stands, "{error}");
        }
    }

    #[test]
    fn a_second_runtime_construction_error_is_the_candidates_and_names_both() {
        let error = |reason| {
            ValidationError::from(PossiblyInvalid::RuntimeConstruction(construction(reason)))
        };
        // Whatever happens in between.
        let death = PossiblyInvalid::AmbiguousJobDeath(String::new()).into();
        assert_eq!(
            decide(&error("second"), &[error("first"), death], AT_ONCE),
            Decision::Judge(InvalidCandidate::RepeatedRuntimeConstruction {
                first: construction("first"),
                second: construction("second"),
            })
        );
    }
}
