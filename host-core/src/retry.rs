//! The one place that tries again.
//!
//! What went wrong may be the candidate's fault or this machine's. [`next_step`] decides what to do
//! about it, as a pure function; [`validate_with_retry`] carries that out, on anything that
//! validates.

use crate::{
    ActiveLeavesUpdate, InternalError, InvalidCandidate, PossiblyInvalid, PrepareError,
    PrepareReport, Pvf, Validation, ValidationError, ValidationHost, ValidationRequest,
    backend::RuntimeConstructionError,
};
use async_trait::async_trait;
use std::time::Duration;
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
}

/// Validates a candidate, and tries again where that may help: once for each class of error, and
/// never past the execution timeout.
pub async fn validate_with_retry(
    backend: &(impl ValidationBackend + ?Sized),
    request: ValidationRequest,
) -> Validation {
    let start = Instant::now();
    let budget = request.effective_timeout();
    let mut history = History::default();
    loop {
        let mut validation = backend.validate(request.clone()).await;
        let Err(error) = &validation.verdict else { return validation };
        match next_step(error, &mut history, budget.saturating_sub(start.elapsed())) {
            Step::GiveUp => return validation,
            Step::Invalid(reason) => {
                tracing::warn!(%error, %reason, "judging a candidate after retrying");
                validation.verdict = Err(reason.into());
                return validation;
            }
            Step::RetryAfter(delay) => {
                tracing::warn!(%error, delay_ms = delay.as_millis(), "retrying a validation");
                tokio::time::sleep(delay).await;
            }
        }
    }
}

/// How long to wait before trying again what may have been a bad moment of this machine.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What was tried before.
#[derive(Debug, Default)]
struct History {
    worker_death: bool,
    job_death: bool,
    job_error: bool,
    corrupted: bool,
    internal: bool,
    runtime_construction: Option<RuntimeConstructionError>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The error stands.
    GiveUp,
    /// The candidate is invalid for this reason.
    Invalid(InvalidCandidate),
    /// Try again after this time.
    RetryAfter(Duration),
}

/// What to do about an error with `time_left` of the execution timeout, and notes that it was done.
fn next_step(error: &ValidationError, history: &mut History, time_left: Duration) -> Step {
    let first = |tried: &mut bool| !std::mem::replace(tried, true);
    let (is_first, delay) = match error {
        ValidationError::PossiblyInvalid(error) => match error {
            PossiblyInvalid::AmbiguousWorkerDeath(_) => {
                (first(&mut history.worker_death), RETRY_DELAY)
            }
            PossiblyInvalid::AmbiguousJobDeath(_) => (first(&mut history.job_death), RETRY_DELAY),
            PossiblyInvalid::JobError(_) => (first(&mut history.job_error), RETRY_DELAY),
            // The host has thrown the artifact away; the next try prepares it anew.
            PossiblyInvalid::CorruptedArtifact(_) => {
                (first(&mut history.corrupted), Duration::ZERO)
            }
            PossiblyInvalid::RuntimeConstruction(second) => {
                match history.runtime_construction.replace(second.clone()) {
                    None => (true, Duration::ZERO),
                    Some(first) => {
                        let second = second.clone();
                        return Step::Invalid(InvalidCandidate::RepeatedRuntimeConstruction {
                            first,
                            second,
                        });
                    }
                }
            }
        },
        // What will fail again, or has no host to try it on.
        ValidationError::Internal(
            InternalError::HostGone
            | InternalError::Preparation(
                PrepareError::Backend(_)
                | PrepareError::CodeUnavailable { .. }
                | PrepareError::HostGone
                | PrepareError::TimedOut { .. },
            ),
        ) => return Step::GiveUp,
        ValidationError::Internal(_) => (first(&mut history.internal), RETRY_DELAY),
        ValidationError::Invalid(_)
        | ValidationError::Preparation(_)
        | ValidationError::ExecutionDeadline => return Step::GiveUp,
    };
    if is_first && delay < time_left { Step::RetryAfter(delay) } else { Step::GiveUp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::{CodeHash, Hash};

    const PLENTY: Duration = Duration::from_secs(12);

    fn runtime_construction(reason: &str) -> RuntimeConstructionError {
        RuntimeConstructionError(reason.into())
    }

    fn transient() -> Vec<(ValidationError, Duration)> {
        let text = String::new;
        vec![
            (PossiblyInvalid::AmbiguousWorkerDeath(text()).into(), RETRY_DELAY),
            (PossiblyInvalid::AmbiguousJobDeath(text()).into(), RETRY_DELAY),
            (PossiblyInvalid::JobError(text()).into(), RETRY_DELAY),
            (PossiblyInvalid::CorruptedArtifact(text()).into(), Duration::ZERO),
            (InternalError::Worker(text()).into(), RETRY_DELAY),
            (InternalError::Io(text()).into(), RETRY_DELAY),
            (PrepareError::JobDied(text()).into(), RETRY_DELAY),
            (PrepareError::Store(text()).into(), RETRY_DELAY),
        ]
    }

    #[test]
    fn each_class_is_tried_once_more_and_then_stands() {
        for (error, delay) in transient() {
            let mut history = History::default();
            assert_eq!(next_step(&error, &mut history, PLENTY), Step::RetryAfter(delay), "{error}");
            assert_eq!(next_step(&error, &mut history, PLENTY), Step::GiveUp, "{error}");
        }
    }

    #[test]
    fn one_class_does_not_use_up_the_retry_of_another() {
        let mut history = History::default();
        let errors = transient();
        // The last four are all internal errors.
        for (error, delay) in &errors[..5] {
            assert_eq!(next_step(error, &mut history, PLENTY), Step::RetryAfter(*delay));
        }
        for (error, _) in &errors {
            assert_eq!(next_step(error, &mut history, PLENTY), Step::GiveUp);
        }
    }

    #[test]
    fn no_retry_goes_past_the_time_that_is_left() {
        for (error, delay) in transient() {
            let step = next_step(&error, &mut History::default(), delay);
            assert_eq!(step, Step::GiveUp, "{error}");
            let left = delay + Duration::from_millis(1);
            let step = next_step(&error, &mut History::default(), left);
            assert_eq!(step, Step::RetryAfter(delay), "{error}");
        }
    }

    #[test]
    fn what_a_retry_can_not_change_stands_at_once() {
        let hash = CodeHash::from(Hash::default());
        let errors: Vec<ValidationError> = vec![
            InvalidCandidate::HardTimeout.into(),
            InvalidCandidate::MalformedResult(String::new()).into(),
            ValidationError::ExecutionDeadline,
            PrepareError::Compilation(String::new()).into(),
            PrepareError::CodeUnavailable { hash, reason: String::new() }.into(),
            InternalError::HostGone.into(),
        ];
        for error in errors {
            assert_eq!(next_step(&error, &mut History::default(), PLENTY), Step::GiveUp, "{error}");
        }
    }

    #[test]
    fn a_second_runtime_construction_error_is_the_candidates_and_names_both() {
        let mut history = History::default();
        let error =
            |reason| PossiblyInvalid::RuntimeConstruction(runtime_construction(reason)).into();
        assert_eq!(
            next_step(&error("first"), &mut history, PLENTY),
            Step::RetryAfter(Duration::ZERO)
        );
        // Whatever happens in between.
        let death = PossiblyInvalid::AmbiguousJobDeath(String::new()).into();
        assert_eq!(next_step(&death, &mut history, PLENTY), Step::RetryAfter(RETRY_DELAY));
        assert_eq!(
            next_step(&error("second"), &mut history, PLENTY),
            Step::Invalid(InvalidCandidate::RepeatedRuntimeConstruction {
                first: runtime_construction("first"),
                second: runtime_construction("second"),
            })
        );
    }
}
