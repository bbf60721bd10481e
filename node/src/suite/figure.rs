//! What was measured: figures, goals, and curves. Their fields are an interface: scripts read them.
//!
//! The unit is in a field's name: `p50_ms` of a figure, `value_ms` and `bound_ms` of a goal.

use crate::{
    cli::Section,
    samples::{Real, Samples},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Milliseconds.
    Ms,
    /// Times a second.
    PerS,
    /// Bytes.
    Bytes,
    /// One by another.
    Ratio,
    /// Pieces.
    Count,
}

impl Unit {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::PerS => "per_s",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
            Self::Count => "count",
        }
    }

    /// A value for people.
    pub(crate) fn show(self, value: f64) -> String {
        let digits = match value.abs() {
            size if size < 1.0 => 3,
            size if size < 100.0 => 2,
            size if size < 1000.0 => 1,
            _ => 0,
        };
        match self {
            Self::Ms => format!("{value:.digits$} ms"),
            Self::PerS => format!("{value:.digits$} per s"),
            Self::Bytes => crate::units::size(value as u64),
            Self::Ratio => format!("{value:.digits$} ×"),
            Self::Count => format!("{value:.digits$}"),
        }
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    Less,
    More,
    /// It is there to compare with.
    Neither,
}

/// The percentiles that are kept of each figure.
pub(crate) const PERCENTILES: [usize; 6] = [5, 25, 50, 75, 95, 99];

/// Many values of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) section: Section,
    /// What of: a guest, a block, a point of a curve.
    pub(crate) subject: String,
    /// What was measured of it.
    pub(crate) name: String,
    pub(crate) backend: String,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    /// How many values there are.
    pub(crate) n: usize,
    /// Why there are none.
    pub(crate) not_measured: Option<String>,
    /// Null if there are no values.
    #[serde(flatten)]
    percentiles: BTreeMap<String, Option<f64>>,
}

/// What a figure is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) section: Section,
    pub(crate) subject: &'a str,
    pub(crate) backend: &'a str,
}

impl Figure {
    pub(crate) fn new(
        about: About<'_>,
        name: &str,
        (unit, better): (Unit, Better),
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let samples = Samples::new(values.into_iter().map(Real));
        let shown = |value: f64| if unit == Unit::Bytes { value } else { rounded(value) };
        let percentiles = PERCENTILES.map(|percent| {
            (key(percent, unit), samples.percentile(percent).map(|value| shown(value.0)))
        });
        Self {
            section: about.section,
            subject: about.subject.into(),
            name: name.into(),
            backend: about.backend.into(),
            unit,
            better,
            n: samples.len(),
            not_measured: None,
            percentiles: percentiles.into(),
        }
    }

    /// One that there are no values of, and why.
    pub(crate) fn missing(
        about: About<'_>,
        name: &str,
        of: (Unit, Better),
        reason: impl Into<String>,
    ) -> Self {
        Self { not_measured: Some(reason.into()), ..Self::new(about, name, of, []) }
    }

    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        self.percentiles.get(&key(percent, self.unit)).copied().flatten()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.percentile(50)
    }

    /// What tells it from others.
    pub(crate) fn identity(&self) -> (Section, &str, &str, &str) {
        (self.section, &self.subject, &self.name, &self.backend)
    }
}

fn key(percent: usize, unit: Unit) -> String {
    format!("p{percent}_{}", unit.suffix())
}

/// Six digits: more are noise.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let factor = 10_f64.powi(5 - value.abs().log10().floor() as i32);
    (value * factor).round() / factor
}

/// What is aimed for, and whether it was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) section: Section,
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) backend: String,
    /// What is compared with what.
    pub(crate) compares: String,
    pub(crate) unit: Unit,
    /// `Less`: the value is to be at most the bound. `More`: at least.
    pub(crate) better: Better,
    /// Null if it was not measured.
    pub(crate) met: Option<bool>,
    pub(crate) not_measured: Option<String>,
    /// `value` and `bound`, with the unit.
    #[serde(flatten)]
    numbers: BTreeMap<String, Option<f64>>,
}

impl Goal {
    /// A value that is to be at most `bound`, or at least that.
    pub(crate) fn new(
        about: About<'_>,
        name: &str,
        compares: &str,
        (unit, better): (Unit, Better),
        value: Result<f64, String>,
        bound: Option<f64>,
    ) -> Self {
        let (value, not_measured) = match (value, bound) {
            (Ok(value), Some(_)) => (Some(value), None),
            (Ok(_), None) => (None, Some("what it is compared with was not measured".into())),
            (Err(reason), _) => (None, Some(reason)),
        };
        let met = value.zip(bound).map(|(value, bound)| match better {
            Better::More => value >= bound,
            Better::Less | Better::Neither => value <= bound,
        });
        let numbers = [("value", value), ("bound", bound)];
        Self {
            section: about.section,
            subject: about.subject.into(),
            name: name.into(),
            backend: about.backend.into(),
            compares: compares.into(),
            unit,
            better,
            met,
            not_measured,
            numbers: numbers
                .map(|(key, value)| (format!("{key}_{}", unit.suffix()), value.map(rounded)))
                .into(),
        }
    }

    pub(crate) fn value(&self) -> Option<f64> {
        self.number("value")
    }

    pub(crate) fn bound(&self) -> Option<f64> {
        self.number("bound")
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.numbers.get(&format!("{name}_{}", self.unit.suffix())).copied().flatten()
    }
}

/// Something that is not there, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) section: Section,
    pub(crate) what: String,
    pub(crate) reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    const ABOUT: About<'_> =
        About { section: Section::Warm, subject: "adder", backend: "wasmtime" };

    #[test]
    fn a_figure_has_its_unit_in_the_names_of_its_fields_and_can_be_read_again() {
        let figure = Figure::new(ABOUT, "warm", (Unit::Ms, Better::Less), [2.0, 1.0, 4.0, 3.0]);
        let expected = json!({
            "section": "warm", "subject": "adder", "name": "warm", "backend": "wasmtime",
            "unit": "ms", "better": "less", "n": 4, "not_measured": null,
            "p5_ms": 1.0, "p25_ms": 1.0, "p50_ms": 2.0, "p75_ms": 3.0, "p95_ms": 4.0, "p99_ms": 4.0,
        });
        assert_eq!(to_value(&figure).unwrap(), expected);
        assert_eq!(from_value::<Figure>(expected).unwrap(), figure);
        let missing = Figure::missing(ABOUT, "m", (Unit::Count, Better::Less), "no counter");
        let json = to_value(&missing).unwrap();
        assert_eq!((&json["p50_count"], &json["n"]), (&json!(null), &json!(0)));
        assert_eq!(from_value::<Figure>(json).unwrap(), missing);
    }

    #[test]
    fn a_goal_is_met_at_its_bound_and_not_beyond() {
        let goal = |better, value| {
            Goal::new(ABOUT, "g", "a with b", (Unit::Ratio, better), Ok(value), Some(1.3))
        };
        for (better, value, met) in [
            (Better::Less, 1.3, true),
            (Better::Less, 1.31, false),
            (Better::More, 1.3, true),
            (Better::More, 1.29, false),
        ] {
            assert_eq!(goal(better, value).met, Some(met), "{better:?} {value}");
        }
        let of = (Unit::Ratio, Better::Less);
        let unknown = Goal::new(ABOUT, "g", "", of, Err("no guest".into()), Some(1.3));
        assert_eq!((unknown.met, unknown.value(), unknown.bound()), (None, None, Some(1.3)));
        assert_eq!(unknown.not_measured.as_deref(), Some("no guest"));
        let boundless = Goal::new(ABOUT, "g", "", of, Ok(1.0), None);
        assert!(boundless.met.is_none() && boundless.not_measured.is_some());
    }

    #[test]
    fn numbers_are_rounded_to_six_digits() {
        for (value, expected) in
            [(0.0, 0.0), (1.234_567_89, 1.234_57), (-0.001_234_567_8, -0.001_234_57)]
        {
            assert_eq!(rounded(value), expected);
        }
        assert_eq!(rounded(1_234_567.8), 1_234_570.0);
    }
}
