//! A comparison for programs. The fields are an interface: scripts read them.

use super::{
    Against, Comparison, Divergence, Measure, Unit,
    comparison::{Backend, ComparedCase, Totals},
    difference::Difference,
    outcome::{Class, Outcome},
};
use crate::{failure::Answer, samples::Samples};
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Serialize)]
pub(crate) struct ComparisonJson<'a> {
    agree: bool,
    totals: Totals,
    backends: &'a [Backend],
    runs: RunsJson,
    cases: Vec<CaseJson<'a>>,
}

#[derive(Debug, Serialize)]
struct RunsJson {
    prepare: usize,
    first: usize,
    warm: usize,
}

#[derive(Debug, Serialize)]
struct CaseJson<'a> {
    name: &'a str,
    path: &'a str,
    /// Null if it ran nowhere.
    agree: Option<bool>,
    divergences: Vec<DivergenceJson<'a>>,
    /// By backend.
    verdicts: Map<String, Value>,
    /// By backend, then by measure.
    measures: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct VerdictJson<'a> {
    verdict: &'static str,
    class: Class,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    head: Option<&'a str>,
    result_digest: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DivergenceJson<'a> {
    backend: &'a str,
    against: String,
    /// How often it was seen.
    rounds: usize,
    differences: &'a [Difference],
}

impl<'a> ComparisonJson<'a> {
    pub(crate) fn new(comparison: &'a Comparison) -> Self {
        let options = comparison.options;
        Self {
            agree: comparison.answer() == Answer::Yes,
            totals: comparison.totals(),
            backends: &comparison.backends,
            runs: RunsJson {
                prepare: options.prepare_runs,
                first: options.first_runs,
                warm: options.runs,
            },
            cases: comparison.cases.iter().map(|case| CaseJson::new(comparison, case)).collect(),
        }
    }
}

impl<'a> CaseJson<'a> {
    fn new(comparison: &'a Comparison, case: &'a ComparedCase) -> Self {
        let mut verdicts = Map::new();
        let mut measures = Map::new();
        for (backend, column) in comparison.backends.iter().zip(&case.columns) {
            let Some(column) = column else { continue };
            verdicts.insert(backend.id.clone(), json!(VerdictJson::new(&column.outcome)));
            let measured = Measure::ALL.into_iter().filter_map(|measure| {
                let key = match measure.unit() {
                    Unit::Nanoseconds => format!("{}_ms", measure.key()),
                    Unit::Bytes => format!("{}_bytes", measure.key()),
                    Unit::Gas => measure.key().to_owned(),
                };
                Some((key, samples(measure.unit(), column.samples(measure))?))
            });
            measures.insert(backend.id.clone(), Value::Object(measured.collect()));
        }
        let divergences = case.divergences.iter().map(|seen| DivergenceJson {
            rounds: seen.times,
            ..DivergenceJson::new(&comparison.backends, &seen.divergence)
        });
        Self {
            name: &case.name,
            path: &case.path,
            agree: case.answer().map(|answer| answer == Answer::Yes),
            divergences: divergences.collect(),
            verdicts,
            measures,
        }
    }
}

impl<'a> DivergenceJson<'a> {
    pub(crate) fn new(backends: &'a [Backend], divergence: &'a Divergence) -> Self {
        Self {
            backend: &backends[divergence.backend].id,
            against: match divergence.against {
                Against::Backend(i) => format!("backend {}", backends[i].id),
                Against::Expected => "expected".into(),
                Against::Before => "before".into(),
            },
            rounds: 1,
            differences: &divergence.differences,
        }
    }
}

impl<'a> VerdictJson<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        Self {
            verdict: outcome.class.verdict().map_or("error", |verdict| verdict.word()),
            class: outcome.class,
            reason: outcome.kind.as_deref(),
            message: outcome.message.as_deref(),
            head: outcome.head.as_deref(),
            result_digest: outcome.digest.as_deref(),
        }
    }
}

/// Percentiles, in milliseconds if they are times.
fn samples(unit: Unit, samples: &Samples<u64>) -> Option<Value> {
    let percentile = |percent| {
        let value = samples.percentile(percent)?;
        Some(match unit {
            Unit::Nanoseconds => json!((value as f64 / 1e3).round() / 1e3),
            Unit::Bytes | Unit::Gas => json!(value),
        })
    };
    Some(json!({
        "n": samples.len(),
        "p25": percentile(25)?,
        "p50": percentile(50)?,
        "p75": percentile(75)?,
        "p95": percentile(95)?,
    }))
}
