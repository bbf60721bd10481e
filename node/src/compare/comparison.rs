//! All rounds of a run, and what they say together.

use super::{
    Against, Divergence, Measure, Options, Outcome, Phase, Plan, Round, Sample, measure::Unit,
};
use crate::{failure::Answer, samples::Samples};
use serde::Serialize;

/// With more cases than these, what was measured is shown for all of them together.
pub(crate) const MANY: usize = 12;

/// What a run has found out.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) backends: Vec<Backend>,
    pub(crate) cases: Vec<ComparedCase>,
    pub(crate) options: Options,
}

/// A backend that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Backend {
    pub(crate) id: String,
    pub(crate) version: String,
}

/// What was found out about one case.
#[derive(Debug)]
pub(crate) struct ComparedCase {
    pub(crate) name: String,
    pub(crate) path: String,
    /// One for each backend, if the case was run on it.
    pub(crate) columns: Vec<Option<Column>>,
    /// Each divergence once, as it was seen first.
    pub(crate) divergences: Vec<SeenDivergence>,
}

/// A case on a backend.
#[derive(Debug)]
pub(crate) struct Column {
    /// What became of it: the first that could be told.
    pub(crate) outcome: Outcome,
    /// For each of [`Measure::ALL`].
    measured: Vec<Samples<u64>>,
}

/// A divergence, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenDivergence {
    pub(crate) divergence: Divergence,
    pub(crate) phase: Phase,
    pub(crate) run: usize,
    /// In how many rounds there was one of the same backend against the same.
    pub(crate) times: usize,
}

/// How many cases came out in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) cases: usize,
    pub(crate) agreeing: usize,
    /// Only one backend ran it: there was nothing to disagree with but what is expected.
    pub(crate) alone: usize,
    pub(crate) diverging: usize,
    /// A backend could not tell.
    pub(crate) unknown: usize,
    /// No chosen backend takes its code.
    pub(crate) not_run: usize,
}

impl Comparison {
    /// Takes the rounds case by case.
    pub(crate) fn new(plan: &Plan, rounds: &[Vec<Round>]) -> Self {
        let backends = plan.backends.iter().map(|backend| Backend {
            id: backend.id.to_string(),
            version: backend.version.to_owned(),
        });
        let cases = (0..plan.cases.len()).map(|i| ComparedCase::new(plan, i, rounds));
        Self { backends: backends.collect(), cases: cases.collect(), options: plan.options }
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals { cases: self.cases.len(), ..Totals::default() };
        for case in &self.cases {
            *match case.answer() {
                None => &mut totals.not_run,
                Some(Answer::Yes) if case.is_alone() => &mut totals.alone,
                Some(Answer::Yes) => &mut totals.agreeing,
                Some(Answer::No) => &mut totals.diverging,
                Some(Answer::Unknown) => &mut totals.unknown,
            } += 1;
        }
        totals
    }

    pub(crate) fn answer(&self) -> Answer {
        match self.totals() {
            Totals { diverging: 1.., .. } => Answer::No,
            Totals { unknown: 1.., .. } => Answer::Unknown,
            _ => Answer::Yes,
        }
    }

    /// By how much a backend's medians differ from the first backend's, over all cases that ran on
    /// both: the geometric mean of the ratios, and how many they are.
    pub(crate) fn mean_ratio(&self, backend: usize, measure: Measure) -> Option<(f64, usize)> {
        let ratios: Vec<_> =
            self.cases.iter().filter_map(|case| case.ratio(backend, measure)).collect();
        let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        (!ratios.is_empty()).then(|| ((sum / ratios.len() as f64).exp(), ratios.len()))
    }
}

impl Against {
    pub(crate) fn words(self, backends: &[Backend]) -> &str {
        match self {
            Self::Backend(i) => &backends[i].id,
            Self::Expected => "expected",
            Self::Before => "before",
        }
    }
}

impl SeenDivergence {
    /// Where it was seen, for people.
    pub(crate) fn when(&self) -> String {
        let first = format!("first seen {}, run {}", self.phase.words(), self.run + 1);
        match self.times {
            1 => first,
            times => format!("{first}; in {times} rounds"),
        }
    }
}

impl ComparedCase {
    fn new(plan: &Plan, at: usize, rounds: &[Vec<Round>]) -> Self {
        let case = &plan.cases[at];
        let mut divergences: Vec<SeenDivergence> = vec![];
        for round in &rounds[at] {
            for divergence in &round.divergences {
                let is_same = |seen: &&mut SeenDivergence| {
                    (seen.divergence.backend, seen.divergence.against)
                        == (divergence.backend, divergence.against)
                };
                match divergences.iter_mut().find(is_same) {
                    Some(seen) => seen.times += 1,
                    None => divergences.push(SeenDivergence {
                        divergence: divergence.clone(),
                        phase: round.phase,
                        run: round.run,
                        times: 1,
                    }),
                }
            }
        }
        let columns = (0..plan.backends.len()).map(|i| Column::new(plan, at, i, rounds));
        Self {
            name: case.name.clone(),
            path: case.path.display().to_string(),
            columns: columns.collect(),
            divergences,
        }
    }

    /// Whether all is as it should be. None if the case ran nowhere.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let mut columns = self.columns.iter().flatten().peekable();
        columns.peek()?;
        Some(if !self.divergences.is_empty() {
            Answer::No
        } else if columns.any(|column| column.outcome.class.verdict().is_none()) {
            Answer::Unknown
        } else {
            Answer::Yes
        })
    }

    /// Whether it ran on one backend only.
    pub(crate) fn is_alone(&self) -> bool {
        self.columns.iter().flatten().count() == 1
    }

    pub(crate) fn samples(&self, backend: usize, measure: Measure) -> Option<&Samples<u64>> {
        let samples = self.columns[backend].as_ref()?.samples(measure);
        (samples.len() > 0).then_some(samples)
    }

    /// A backend's median divided by the first backend's. None where that makes no sense.
    pub(crate) fn ratio(&self, backend: usize, measure: Measure) -> Option<f64> {
        let median = |i| self.samples(i, measure)?.percentile(50);
        let (first, other) = (median(0)?, median(backend)?);
        let makes_sense = backend > 0 && measure.is_comparable() && first > 0 && other > 0;
        makes_sense.then(|| other as f64 / first as f64)
    }
}

impl Column {
    fn new(plan: &Plan, case: usize, backend: usize, rounds: &[Vec<Round>]) -> Option<Self> {
        let program = plan.cases[case].programs[backend].as_ref()?;
        let of_case = |case: usize| {
            let rounds = rounds[case].iter();
            rounds.filter_map(move |round| Some((round, round.samples[backend].as_ref()?)))
        };
        let known = |sample: &&Sample| sample.is_known();
        let samples = || of_case(case).map(|(_, sample)| sample);
        let outcome = samples().find(known).or_else(|| samples().next())?.outcome.clone();
        let measured = Measure::ALL.map(|measure| match measure {
            Measure::CodeSize => Samples::new([program.code_size]),
            measure => {
                let of = if measure.is_of_artifact() { program.prepared_for } else { case };
                Samples::new(of_case(of).filter_map(|(round, sample)| measure.of(round, sample)))
            }
        });
        Some(Self { outcome, measured: measured.into() })
    }

    pub(crate) fn samples(&self, measure: Measure) -> &Samples<u64> {
        &self.measured[measure as usize]
    }
}

/// The middle of some values, and the range that has half of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) p25: u64,
    pub(crate) p50: u64,
    pub(crate) p75: u64,
}

impl Spread {
    pub(crate) fn of(samples: &Samples<u64>) -> Option<Self> {
        Some(Self {
            p25: samples.percentile(25)?,
            p50: samples.percentile(50)?,
            p75: samples.percentile(75)?,
        })
    }

    /// The median and, if there is a spread, the range.
    pub(crate) fn show(self, unit: Unit) -> String {
        let [p25, p50, p75] = [self.p25, self.p50, self.p75].map(|value| unit.show(value));
        if p25 == p75 {
            return p50;
        }
        match (p25.split_once(' '), p75.split_once(' ')) {
            (Some((from, one)), Some((to, other))) if one == other => {
                format!("{p50} ({from} to {to} {one})")
            }
            _ => format!("{p50} ({p25} to {p75})"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::compare::{Class, difference::Difference};

    /// A comparison of two backends, in which case `i` takes `i + 1` µs warm on the first and twice
    /// that on the second.
    pub(in crate::compare) fn two_backends(cases: usize) -> Comparison {
        let backend = |id: &str| Backend { id: id.into(), version: "1".into() };
        Comparison {
            backends: vec![backend("one"), backend("two")],
            cases: (0..cases).map(case).collect(),
            options: Options { runs: 3, first_runs: 2, prepare_runs: 1 },
        }
    }

    fn case(i: usize) -> ComparedCase {
        ComparedCase {
            name: format!("case {i}"),
            path: format!("case-{i}.toml"),
            columns: [1, 2].map(|factor| Some(column(1000 * factor * (i as u64 + 1)))).into(),
            divergences: vec![],
        }
    }

    fn column(warm: u64) -> Column {
        let measured = Measure::ALL.map(|measure| match measure {
            Measure::Warm => Samples::new([warm - 1, warm, warm + 500]),
            Measure::Gas => Samples::new([warm]),
            _ => Samples::new([]),
        });
        Column { outcome: outcome(Class::Trap), measured: measured.into() }
    }

    fn outcome(class: Class) -> Outcome {
        Outcome { class, kind: None, message: None, head: None, digest: None }
    }

    pub(in crate::compare) fn divergence() -> SeenDivergence {
        let [field, left, right] = ["head", "0x00", "0x01"].map(str::to_owned);
        SeenDivergence {
            divergence: Divergence {
                backend: 1,
                against: Against::Backend(0),
                differences: vec![Difference { field, left, right }],
            },
            phase: Phase::Warm,
            run: 2,
            times: 7,
        }
    }

    #[test]
    fn the_order_of_the_measures_is_that_of_their_samples() {
        for (i, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, i);
        }
    }

    #[test]
    fn one_divergence_outweighs_what_is_unknown_and_that_outweighs_agreement() {
        let mut comparison = two_backends(5);
        comparison.cases[1].columns[0] = None;
        comparison.cases[2].columns = vec![None, None];
        assert_eq!(comparison.answer(), Answer::Yes);
        comparison.cases[3].columns[1].as_mut().unwrap().outcome = outcome(Class::Unknown);
        assert_eq!(comparison.answer(), Answer::Unknown);
        comparison.cases[4].divergences.push(divergence());
        assert_eq!(comparison.answer(), Answer::No);
        let totals =
            Totals { cases: 5, agreeing: 1, alone: 1, diverging: 1, unknown: 1, not_run: 1 };
        assert_eq!(comparison.totals(), totals);
    }

    #[test]
    fn ratios_are_of_medians_and_their_mean_is_geometric() {
        let mut comparison = two_backends(3);
        assert_eq!(comparison.cases[2].ratio(1, Measure::Warm), Some(2.0));
        assert_eq!(comparison.cases[2].ratio(0, Measure::Warm), None);
        assert_eq!(comparison.cases[2].ratio(1, Measure::Gas), None);
        assert_eq!(comparison.cases[2].ratio(1, Measure::Load), None);
        comparison.cases[0].columns[1] = Some(column(1000 * 16));
        comparison.cases[1].columns[1] = None;
        let (mean, cases) = comparison.mean_ratio(1, Measure::Warm).unwrap();
        // Of 16 and 2.
        assert!((mean - 32_f64.sqrt()).abs() < 1e-9, "{mean}");
        assert_eq!(cases, 2);
        assert_eq!(comparison.mean_ratio(1, Measure::Load), None);
    }

    #[test]
    fn a_spread_is_shown_only_if_there_is_one() {
        let spread = |values: &[u64]| {
            let spread = Spread::of(&Samples::new(values.iter().copied()))?;
            Some(spread.show(Unit::Bytes))
        };
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5]).unwrap(), "5 B");
        assert_eq!(spread(&[2048, 2049, 2050]).unwrap(), "2.0 KiB");
        assert_eq!(spread(&[1, 2, 3, 9]).unwrap(), "2 B (1 to 3 B)");
        assert_eq!(spread(&[1, 2048, 4096, 9999]).unwrap(), "2.0 KiB (1 B to 4.0 KiB)");
    }
}
