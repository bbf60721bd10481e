//! What a validator does about a verdict.
//!
//! This is what to copy into a node of your own. Every class of verdict has its place here, and the
//! compiler says so if there is ever another: a class that nobody thought of must not become a vote.

use pvf_host_core::{InternalError, Validation, ValidationError, primitives::ValidationResult};

/// What a validator does.
#[derive(Debug)]
pub(crate) enum Vote {
    /// Votes for the candidate. Its new head and its messages are the relay chain's to check.
    For(ValidationResult),
    /// Votes against it. Who is asked to approve it raises a dispute thereby.
    Against(String),
    /// Does not vote: nothing is known about the candidate.
    Abstain(Abstention),
}

/// Why a validator does not vote.
#[derive(Debug)]
pub(crate) enum Abstention {
    /// The code that is on chain can't be prepared here. The candidate can't be the cause, so it is no
    /// reason to vote against it. Somebody has to look why prechecking let this code pass.
    Code(String),
    /// This machine has a problem, which may have passed when the next candidate comes.
    Machine(String),
    /// This machine has a problem that does not pass by itself: the node has to be restarted.
    Restart(String),
    /// The candidate came too late to be of use to anybody. No problem at all.
    TooLate,
}

/// What to do about what [`validate_with_retry`](pvf_host_core::validate_with_retry) gave. What may help
/// by being tried again has been tried again there.
pub(crate) fn vote(validation: Validation) -> Vote {
    match validation.verdict {
        Ok(result) => Vote::For(result),
        // It is the candidate's fault: it would be everywhere.
        Err(ValidationError::Invalid(reason)) => Vote::Against(reason.to_string()),
        // It may have been this machine's fault, but it has happened twice.
        Err(ValidationError::PossiblyInvalid(reason)) => Vote::Against(reason.to_string()),
        Err(ValidationError::Preparation(error)) => {
            Vote::Abstain(Abstention::Code(error.to_string()))
        }
        Err(ValidationError::Internal(error)) => Vote::Abstain(match error {
            InternalError::WorkerReplaced { .. } | InternalError::HostGone => {
                Abstention::Restart(error.to_string())
            }
            // All others, and those that there will be. No internal error is ever a vote.
            _ => Abstention::Machine(error.to_string()),
        }),
        Err(ValidationError::ExecutionDeadline) => Vote::Abstain(Abstention::TooLate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::{
        InvalidCandidate, PossiblyInvalid, PrepareError, backend::MachineError,
        primitives::ValidationResult,
    };

    fn vote_on(verdict: Result<ValidationResult, ValidationError>) -> Vote {
        vote(Validation::new(verdict))
    }

    #[test]
    fn only_a_valid_candidate_is_voted_for_and_only_a_bad_one_against() {
        assert!(matches!(vote_on(Ok(ValidationResult::default())), Vote::For(_)));
        for bad in [
            ValidationError::from(InvalidCandidate::HardTimeout),
            PossiblyInvalid::AmbiguousJobDeath("again".into()).into(),
        ] {
            assert!(matches!(vote_on(Err(bad)), Vote::Against(_)));
        }
    }

    #[test]
    fn what_says_nothing_about_the_candidate_is_no_vote() {
        let machine = || MachineError("no memory".into());
        let vote = vote_on(Err(ValidationError::Preparation(PrepareError::Machine(machine()))));
        assert!(matches!(vote, Vote::Abstain(Abstention::Code(_))));
        let vote = vote_on(Err(InternalError::Machine(machine()).into()));
        assert!(matches!(vote, Vote::Abstain(Abstention::Machine(_))));
        let vote = vote_on(Err(InternalError::HostGone.into()));
        assert!(matches!(vote, Vote::Abstain(Abstention::Restart(_))));
        let vote = vote_on(Err(ValidationError::ExecutionDeadline));
        assert!(matches!(vote, Vote::Abstain(Abstention::TooLate)));
    }
}
