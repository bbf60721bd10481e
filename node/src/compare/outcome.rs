//! What became of a candidate, in the terms by which backends are compared.

use super::difference;
use crate::case::ExpectedVerdict;
use parity_scale_codec::Encode;
use pvf_host_core::{
    InvalidCandidate, PossiblyInvalid, ValidationError,
    backend::ExecuteError,
    primitives::{ValidationResult, blake2_256},
};
use serde::{Deserialize, Serialize};

/// A verdict, as the host gives it.
pub(crate) type Verdict = Result<ValidationResult, ValidationError>;

/// What backends have to agree on besides the result: the verdict and, of an invalid candidate, in
/// which way it is. The words of an error are the engine's own, and are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Valid,
    Trap,
    OutOfMemory,
    OutOfGas,
    InvalidOutput,
    Timeout,
    InvalidPov,
    OversizedInput,
    RuntimeConstruction,
    Ambiguous,
    /// The code can't be prepared, here or elsewhere.
    Rejected,
    /// There is no telling, and so nothing to compare.
    Unknown,
}

impl Class {
    pub(crate) fn of(verdict: &Verdict) -> Self {
        let Err(error) = verdict else { return Self::Valid };
        match error {
            ValidationError::Invalid(error) => match error {
                InvalidCandidate::Execution(error) => match error {
                    ExecuteError::RuntimeConstruction(_) => Self::RuntimeConstruction,
                    ExecuteError::Machine(_) => Self::Unknown,
                    ExecuteError::Trap(_) | ExecuteError::Panic(_) => Self::Trap,
                    ExecuteError::InvalidOutput(_) => Self::InvalidOutput,
                    ExecuteError::OutOfMemory(_) => Self::OutOfMemory,
                    ExecuteError::OutOfGas => Self::OutOfGas,
                    _ => Self::Unknown,
                },
                InvalidCandidate::MalformedResult(_) => Self::InvalidOutput,
                InvalidCandidate::HardTimeout => Self::Timeout,
                InvalidCandidate::PovDecompressionFailure(_) => Self::InvalidPov,
                InvalidCandidate::OversizedInput(_) => Self::OversizedInput,
                InvalidCandidate::RepeatedRuntimeConstruction { .. } => Self::RuntimeConstruction,
                _ => Self::Unknown,
            },
            ValidationError::PossiblyInvalid(error) => match error {
                PossiblyInvalid::RuntimeConstruction(_) => Self::RuntimeConstruction,
                // A worker's death, a job's, or an error in it.
                _ => Self::Ambiguous,
            },
            ValidationError::Preparation(_) => Self::Rejected,
            ValidationError::Internal(_) | ValidationError::ExecutionDeadline => Self::Unknown,
        }
    }

    /// In the words of a case's author. None if there is no verdict.
    pub(crate) fn verdict(self) -> Option<ExpectedVerdict> {
        match self {
            Self::Valid => Some(ExpectedVerdict::Valid),
            Self::Rejected => Some(ExpectedVerdict::Rejected),
            Self::Unknown => None,
            _ => Some(ExpectedVerdict::Invalid),
        }
    }

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Trap => "invalid: trap or panic",
            Self::OutOfMemory => "invalid: out of memory",
            Self::OutOfGas => "invalid: out of gas",
            Self::InvalidOutput => "invalid: no proper output",
            Self::Timeout => "invalid: timeout",
            Self::InvalidPov => "invalid: block can't be decompressed",
            Self::OversizedInput => "invalid: input too large",
            Self::RuntimeConstruction => "invalid: runtime construction",
            Self::Ambiguous => "invalid: ambiguous failure",
            Self::Rejected => "code rejected",
            Self::Unknown => "could not tell",
        }
    }

    /// Whether the code ran to an end of its own, so that its time means something.
    pub(crate) fn is_timed(self) -> bool {
        matches!(
            self,
            Self::Valid | Self::Trap | Self::OutOfMemory | Self::OutOfGas | Self::InvalidOutput
        )
    }
}

/// What became of a candidate on one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) class: Class,
    /// The error's short name, of one that is not valid.
    pub(crate) kind: Option<String>,
    /// The error's words, of one that is not valid.
    pub(crate) message: Option<String>,
    /// The new head as far as it is shown, of a valid one.
    pub(crate) head: Option<String>,
    /// A digest of the encoded result, of a valid one.
    pub(crate) digest: Option<String>,
}

impl Outcome {
    pub(crate) fn of(verdict: &Verdict) -> Self {
        /// More than that of an error is in nobody's interest.
        const MAX_MESSAGE: usize = 500;
        let result = verdict.as_ref().ok();
        let error = verdict.as_ref().err();
        Self {
            class: Class::of(verdict),
            kind: error.map(|error| error.kind().to_owned()),
            message: error.map(|error| error.to_string().chars().take(MAX_MESSAGE).collect()),
            head: result.map(|result| difference::beginning(&result.head_data.0)),
            digest: result.map(|result| blake2_256(&result.encode()).to_string()),
        }
    }

    /// Whether the other is the same as far as backends have to agree.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        (self.class, &self.digest) == (other.class, &other.digest)
    }

    /// The class, with the new head or the words of the error.
    pub(crate) fn describe(&self) -> String {
        match self.head.as_ref().or(self.message.as_ref()) {
            Some(more) => format!("{} ({more})", self.class.words()),
            None => self.class.words().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::{InternalError, PrepareError, primitives::HeadData};

    #[test]
    fn outcomes_agree_by_class_and_result_whatever_the_engines_words_are() {
        let trap = |words: &str| -> Verdict {
            Err(InvalidCandidate::Execution(ExecuteError::Trap(words.into())).into())
        };
        let panic = Err(InvalidCandidate::Execution(ExecuteError::Panic("oh".into())).into());
        let gas = Err(InvalidCandidate::Execution(ExecuteError::OutOfGas).into());
        let valid = |head: u8, watermark| -> Verdict {
            Ok(ValidationResult {
                head_data: HeadData(vec![head]),
                hrmp_watermark: watermark,
                ..Default::default()
            })
        };
        let agree = |a: &Verdict, b: &Verdict| Outcome::of(a).agrees_with(&Outcome::of(b));
        assert!(agree(&trap("unreachable"), &trap("division by zero")));
        assert!(agree(&trap("unreachable"), &panic));
        assert!(!agree(&trap("unreachable"), &gas));
        assert!(agree(&valid(1, 1), &valid(1, 1)));
        assert!(!agree(&valid(1, 1), &valid(2, 1)));
        assert!(!agree(&valid(1, 1), &valid(1, 2)));
        assert!(!agree(&valid(1, 1), &gas));
    }

    #[test]
    fn classes_have_the_verdicts_that_people_write() {
        let class = |error: ValidationError| Class::of(&Err(error));
        let rejected = class(ValidationError::Preparation(PrepareError::Compilation("".into())));
        assert_eq!(rejected.verdict(), Some(ExpectedVerdict::Rejected));
        let unknown = class(InternalError::HostGone.into());
        assert_eq!((unknown, unknown.verdict()), (Class::Unknown, None));
        let died = class(PossiblyInvalid::AmbiguousJobDeath("".into()).into());
        assert_eq!(died.verdict(), Some(ExpectedVerdict::Invalid));
        assert!(!died.is_timed());
        assert_eq!(Class::Valid.verdict(), Some(ExpectedVerdict::Valid));
        let late = class(InvalidCandidate::HardTimeout.into());
        assert_eq!(late.verdict(), Some(ExpectedVerdict::Invalid));
        assert!(!late.is_timed());
    }
}
