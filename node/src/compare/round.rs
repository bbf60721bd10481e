//! One case, executed once on every backend.

use super::{
    Outcome,
    difference::{self, Difference},
    outcome::Verdict,
};
use crate::case::Expected;
use serde::{Deserialize, Serialize};

/// What is measured, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Nothing is prepared yet.
    Prepare,
    /// The artifact is prepared, and no worker has it loaded.
    First,
    /// A worker has it loaded.
    Warm,
    /// Nothing but the outcome and the time is of interest.
    Replay,
}

impl Phase {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Prepare => "preparing",
            Self::First => "executing first",
            Self::Warm => "executing warm",
            Self::Replay => "replaying",
        }
    }
}

/// One execution of a case on each backend that accepts its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) phase: Phase,
    /// The case's place in the plan.
    pub(crate) case: usize,
    /// How many rounds of this phase and case came before.
    pub(crate) run: usize,
    /// One for each backend of the plan, if it took part.
    pub(crate) samples: Vec<Option<Sample>>,
    pub(crate) divergences: Vec<Divergence>,
}

/// One execution. Times are in nanoseconds, memory in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// From the request to the answer. None if it says nothing, because the code did not run to an
    /// end of its own or it was tried again.
    pub(crate) wall: Option<u64>,
    /// Whether a worker had the artifact loaded.
    pub(crate) hot: bool,
    pub(crate) load: Option<u64>,
    pub(crate) cpu: Option<u64>,
    pub(crate) peak_memory: Option<u64>,
    pub(crate) gas: Option<u64>,
    /// If the artifact was prepared for this.
    pub(crate) prepared: Option<Prepared>,
}

/// What preparing an artifact took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub(crate) wall: u64,
    pub(crate) cpu: u64,
    pub(crate) peak_memory: u64,
    pub(crate) artifact_size: u64,
}

/// An outcome that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Divergence {
    /// The backend, by its place in the plan.
    pub(crate) backend: usize,
    /// What its outcome, the right side of the differences, was compared with, the left side.
    pub(crate) against: Against,
    pub(crate) differences: Vec<Difference>,
}

/// What an outcome is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Against {
    /// The first backend that took part, by its place in the plan.
    Backend(usize),
    /// What the case's author expects.
    Expected,
    /// What the same backend made of the same candidate before.
    Before,
}

/// What one backend made of a candidate.
pub(crate) type Executed = Option<(Verdict, Sample)>;

impl Round {
    /// Checks the outcomes of one round. `before` has what each backend made of the same candidate
    /// in an earlier round.
    pub(crate) fn check(
        (phase, case, run): (Phase, usize, usize),
        executed: Vec<Executed>,
        expected: &Expected,
        before: impl Fn(usize) -> Option<Sample>,
    ) -> Self {
        let mut divergences = Vec::new();
        let mut add = |backend, against, differences: Vec<Difference>| {
            if !differences.is_empty() {
                divergences.push(Divergence { backend, against, differences });
            }
        };
        let took_part =
            || executed.iter().enumerate().filter_map(|(i, it)| Some((i, it.as_ref()?)));
        // One that could not tell is nothing to compare with.
        let reference = took_part().find(|(_, (_, sample))| sample.is_known());
        for (i, (verdict, sample)) in took_part() {
            if let Some((of, (reference, _))) = reference
                && of != i
            {
                add(i, Against::Backend(of), difference::of_verdicts(reference, verdict));
            }
            add(i, Against::Expected, difference::from_expected(expected, verdict));
            if let Some(before) = before(i) {
                add(i, Against::Before, sample.differences_from(&before));
            }
        }
        let samples = executed.into_iter().map(|it| it.map(|(_, sample)| sample)).collect();
        Self { phase, case, run, samples, divergences }
    }
}

impl Sample {
    pub(crate) fn is_known(&self) -> bool {
        self.outcome.class.verdict().is_some()
    }

    /// What is otherwise than in an earlier round of the same candidate on the same backend.
    fn differences_from(&self, before: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        if !self.is_known() || !before.is_known() {
            return differences;
        }
        if !self.outcome.agrees_with(&before.outcome) {
            differences.push(Difference {
                field: "outcome".into(),
                left: before.outcome.describe(),
                right: self.outcome.describe(),
            });
        }
        if let (Some(before), Some(now)) = (before.gas, self.gas)
            && before != now
        {
            let [left, right] = [before, now].map(|gas| gas.to_string());
            differences.push(Difference { field: "gas".into(), left, right });
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::ExpectedVerdict;
    use pvf_host_core::{InternalError, primitives::ValidationResult};

    fn valid(head: u8) -> Executed {
        executed(Ok(ValidationResult { head_data: vec![head].into(), ..Default::default() }))
    }

    fn unknown() -> Executed {
        executed(Err(InternalError::HostGone.into()))
    }

    fn executed(verdict: Verdict) -> Executed {
        let sample = Sample {
            outcome: Outcome::of(&verdict),
            wall: None,
            hot: false,
            load: None,
            cpu: None,
            peak_memory: None,
            gas: None,
            prepared: None,
        };
        Some((verdict, sample))
    }

    fn check(executed: Vec<Executed>) -> Round {
        Round::check((Phase::Warm, 0, 0), executed, &Expected::default(), |_| None)
    }

    fn divergences(round: &Round) -> Vec<(usize, Against)> {
        round.divergences.iter().map(|it| (it.backend, it.against)).collect()
    }

    #[test]
    fn each_backend_is_compared_with_the_first_that_could_tell() {
        assert_eq!(divergences(&check(vec![valid(1), valid(1)])), []);
        let round = check(vec![valid(1), valid(2), None, valid(1), valid(3)]);
        assert_eq!(divergences(&round), [(1, Against::Backend(0)), (4, Against::Backend(0))]);
        let round = check(vec![None, unknown(), valid(1), valid(2)]);
        assert_eq!(divergences(&round), [(3, Against::Backend(2))]);
        assert_eq!(divergences(&check(vec![valid(1), unknown()])), []);
    }

    #[test]
    fn each_backend_is_compared_with_what_is_expected() {
        let expected = Expected { verdict: Some(ExpectedVerdict::Invalid), ..Expected::default() };
        let executed = vec![valid(1), unknown(), valid(1)];
        let round = Round::check((Phase::Warm, 0, 0), executed, &expected, |_| None);
        assert_eq!(divergences(&round), [(0, Against::Expected), (2, Against::Expected)]);
    }

    #[test]
    fn each_backend_is_compared_with_itself() {
        let before = |gas| {
            let (_, sample) = valid(1).unwrap();
            move |_| Some(Sample { gas, ..sample.clone() })
        };
        let check = |executed: Executed, gas, gas_before| {
            let executed = executed.map(|(verdict, sample)| (verdict, Sample { gas, ..sample }));
            let at = (Phase::Warm, 0, 1);
            divergences(&Round::check(at, vec![executed], &Expected::default(), before(gas_before)))
        };
        assert_eq!(check(valid(1), Some(5), Some(5)), []);
        assert_eq!(check(valid(2), None, None), [(0, Against::Before)]);
        assert_eq!(check(valid(1), Some(6), Some(5)), [(0, Against::Before)]);
        assert_eq!(check(unknown(), None, None), []);
    }
}
