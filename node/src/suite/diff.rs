//! Two runs of the suite, compared with their spread.
//!
//! A figure is worse, or better, if the middle halves of its values in both runs don't overlap, and
//! the medians differ by more than [`LEAST`]. Half of all values lie in the middle half; so a
//! difference counts if it is larger than what the machine does by itself from one value to the
//! next. What has fewer than [`ENOUGH`] values in either run has no spread to speak of, and is not
//! judged.

use super::{
    document::{Document, Head},
    figure::{Better, Goal, Unit},
    lab::section_name,
};
use crate::{cli::Section, failure::Answer, output::clean};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// The least difference of the medians, as a share of the old one.
const LEAST: f64 = 0.05;

/// The least number of values.
const ENOUGH: usize = 3;

/// What two runs differ in.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Comparison {
    /// Why the figures may not be comparable.
    warnings: Vec<String>,
    regressions: Vec<Change>,
    improvements: Vec<Change>,
    /// Goals that the old run met and the new one does not.
    goals_lost: Vec<String>,
    /// What the old run has measured and the new one has not.
    missing: Vec<String>,
    /// The other way round.
    new: Vec<String>,
    /// What has too few values.
    not_judged: Vec<String>,
    within_noise: usize,
}

/// A figure that is another, beyond noise.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    what: String,
    unit: Unit,
    old: Spread,
    new: Spread,
    /// The new median by the old one. Null if that is zero.
    ratio: Option<f64>,
}

/// The middle half of some values, in the figure's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    n: usize,
    p25: f64,
    p50: f64,
    p75: f64,
}

/// A figure, or a point of a curve.
struct Item<'a> {
    identity: (Section, String, &'a str, &'a str),
    unit: Unit,
    better: Better,
    /// None if it was not measured.
    spread: Option<Spread>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Worse,
    Better,
    Same,
    TooFew,
}

impl Comparison {
    pub(crate) fn new(old: &Document, new: &Document) -> Self {
        let mut comparison = Self { warnings: warnings(old, new), ..Self::default() };
        let (old_items, new_items) = (items(old), items(new));
        let find = |items: &[Item<'_>], item: &Item<'_>| {
            let mut items = items.iter().filter(|other| other.identity == item.identity);
            items.find_map(|other| other.spread)
        };
        for item in &old_items {
            let Some(old) = item.spread else { continue };
            let Some(new) = find(&new_items, item) else {
                comparison.missing.push(item.to_string());
                continue;
            };
            let ratio = (old.p50 != 0.0).then(|| new.p50 / old.p50);
            let change = Change { what: item.to_string(), unit: item.unit, old, new, ratio };
            match judge(item.better, old, new) {
                Judgement::Worse => comparison.regressions.push(change),
                Judgement::Better => comparison.improvements.push(change),
                Judgement::Same => comparison.within_noise += 1,
                Judgement::TooFew => comparison.not_judged.push(change.what),
            }
        }
        let is_new = |item: &&Item<'_>| item.spread.is_some() && find(&old_items, item).is_none();
        comparison.new = new_items.iter().filter(is_new).map(Item::to_string).collect();
        for goal in old.goals.iter().filter(|goal| goal.met == Some(true)) {
            let is_same = |other: &&Goal| {
                (&other.subject, &other.name, &other.backend)
                    == (&goal.subject, &goal.name, &goal.backend)
            };
            if new.goals.iter().find(is_same).is_some_and(|goal| goal.met == Some(false)) {
                let Goal { subject, name, backend, .. } = goal;
                comparison.goals_lost.push(format!("{subject} on {backend}: {name}"));
            }
        }
        comparison
    }

    /// No if anything is worse.
    pub(crate) fn answer(&self) -> Answer {
        if self.regressions.is_empty() { Answer::Yes } else { Answer::No }
    }
}

fn judge(better: Better, old: Spread, new: Spread) -> Judgement {
    if better == Better::Neither {
        return Judgement::Same;
    }
    if old.n < ENOUGH || new.n < ENOUGH {
        return Judgement::TooFew;
    }
    let is_far = (new.p50 - old.p50).abs() > LEAST * old.p50.abs();
    let is_more = new.p25 > old.p75;
    let is_less = new.p75 < old.p25;
    match (is_far && (is_more || is_less), is_more == (better == Better::Less)) {
        (false, _) => Judgement::Same,
        (true, true) => Judgement::Worse,
        (true, false) => Judgement::Better,
    }
}

fn items(document: &Document) -> Vec<Item<'_>> {
    let figures = document.figures.iter().map(|figure| {
        let percentile = |percent| figure.percentile(percent);
        let spread = percentile(25).zip(percentile(50)).zip(percentile(75));
        Item {
            identity: (figure.section, figure.subject.clone(), &figure.name, &figure.backend),
            unit: figure.unit,
            better: figure.better,
            spread: spread.map(|((p25, p50), p75)| Spread { n: figure.n, p25, p50, p75 }),
        }
    });
    let points = document.curves.iter().flat_map(|curve| {
        curve.points.iter().flat_map(move |point| {
            let subject = format!("{} {}", point.x, curve.x);
            let memory = point.host_peak_memory_bytes as f64;
            let of = |name, unit, spread| Item {
                identity: (Section::Curves, subject.clone(), name, &curve.backend),
                unit,
                better: Better::Less,
                spread: Some(spread),
            };
            let (n, p25, p50, p75) = (point.n, point.p25_ms, point.p50_ms, point.p75_ms);
            let peak = Spread { n: 1, p25: memory, p50: memory, p75: memory };
            [
                of("one validation", Unit::Ms, Spread { n, p25, p50, p75 }),
                of("the host's peak memory", Unit::Bytes, peak),
            ]
        })
    });
    figures.chain(points).collect()
}

/// What makes figures of two runs hard to compare.
fn warnings(old: &Document, new: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut compare = |what: &str, old: String, new: String| {
        if old != new {
            warnings.push(format!("{what} differ: {old} and {new}"));
        }
    };
    let (a, b) = (&old.head, &new.head);
    let machine = |head: &Head| {
        let machine = &head.machine;
        let (processor, cores) = (&machine.processor, machine.cores);
        format!(
            "{processor}, {cores} cores, {} MiB, {}",
            machine.memory_bytes >> 20,
            machine.kernel
        )
    };
    compare("the machines", machine(a), machine(b));
    let huge_pages = |head: &Head| head.machine.huge_pages.clone();
    compare("the settings for huge pages", huge_pages(a), huge_pages(b));
    let word = |is: bool, yes: &str, no: &str| if is { yes } else { no }.to_owned();
    compare(
        "the numbers of repetitions",
        word(a.settings.quick, "quick", "full"),
        word(b.settings.quick, "quick", "full"),
    );
    compare(
        "the builds",
        word(a.settings.optimised, "optimised", "not optimised"),
        word(b.settings.optimised, "optimised", "not optimised"),
    );
    compare(
        "the sandboxes",
        word(a.settings.secure, "required", "not required"),
        word(b.settings.secure, "required", "not required"),
    );
    compare(
        "the guests",
        word(a.settings.fixtures, "with fixtures", "without fixtures"),
        word(b.settings.fixtures, "with fixtures", "without fixtures"),
    );
    warnings
}

impl Display for Item<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (section, subject, name, backend) = &self.identity;
        write!(f, "{}: {subject} on {backend}: {name}", section_name(*section))
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let show = |spread: &Spread| {
            let unit = self.unit;
            let (low, high) = (unit.show(spread.p25), unit.show(spread.p75));
            format!("{} ({low} to {high}, n {})", unit.show(spread.p50), spread.n)
        };
        write!(f, "{}: {} → {}", self.what, show(&self.old), show(&self.new))?;
        match self.ratio {
            Some(ratio) => write!(f, ", {ratio:.2} ×"),
            None => Ok(()),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut list = |title: &str, lines: Vec<String>| {
            if lines.is_empty() {
                return Ok(());
            }
            writeln!(f, "{title}:")?;
            lines.iter().try_for_each(|line| writeln!(f, "  {}", clean(line)))
        };
        let changes = |changes: &[Change]| changes.iter().map(Change::to_string).collect();
        list("careful", self.warnings.clone())?;
        list("worse", changes(&self.regressions))?;
        list("better", changes(&self.improvements))?;
        list("goals that are no longer met", self.goals_lost.clone())?;
        list("no longer measured", self.missing.clone())?;
        list("measured now", self.new.clone())?;
        list("not judged, for too few values", self.not_judged.clone())?;
        writeln!(
            f,
            "{} worse, {} better, {} within noise",
            self.regressions.len(),
            self.improvements.len(),
            self.within_noise
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{
        curve::{Curve, tests::point},
        document::tests::empty,
        figure::{About, Figure},
    };

    const ABOUT: About<'_> =
        About { section: Section::Warm, subject: "adder", backend: "wasmtime" };

    fn figure(name: &str, of: (Unit, Better), values: &[f64]) -> Figure {
        Figure::new(ABOUT, name, of, values.iter().copied())
    }

    fn with(figures: Vec<Figure>) -> Document {
        Document { figures, ..empty() }
    }

    fn compare(of: (Unit, Better), old: &[f64], new: &[f64]) -> Comparison {
        Comparison::new(&with(vec![figure("x", of, old)]), &with(vec![figure("x", of, new)]))
    }

    const TIME: (Unit, Better) = (Unit::Ms, Better::Less);
    const RATE: (Unit, Better) = (Unit::PerS, Better::More);

    #[test]
    fn what_is_worse_beyond_the_spread_is_a_regression() {
        let comparison = compare(TIME, &[1.0, 1.1, 1.2, 1.3], &[1.5, 1.6, 1.7, 1.8]);
        assert_eq!(comparison.regressions.len(), 1);
        assert_eq!(comparison.regressions[0].what, "warm: adder on wasmtime: x");
        assert_eq!(comparison.answer(), Answer::No);
        assert!(comparison.to_string().contains("worse:\n  warm: adder on wasmtime: x: 1.10 ms"));
        // Fewer a second are worse too.
        let comparison = compare(RATE, &[100.0, 101.0, 102.0], &[80.0, 81.0, 82.0]);
        assert_eq!((comparison.regressions.len(), comparison.improvements.len()), (1, 0));
    }

    #[test]
    fn what_is_worse_within_the_spread_is_noise() {
        // The middle halves overlap, however far the medians are from each other.
        let comparison = compare(TIME, &[1.0, 1.1, 2.0, 3.0], &[1.0, 1.9, 2.0, 3.0]);
        assert_eq!((comparison.within_noise, comparison.answer()), (1, Answer::Yes));
        // They don't, but the difference is too small to matter.
        let comparison = compare(TIME, &[1.0, 1.001, 1.002], &[1.04, 1.041, 1.042]);
        assert_eq!((comparison.within_noise, comparison.answer()), (1, Answer::Yes));
        let comparison = compare(TIME, &[1.0, 1.001, 1.002], &[1.06, 1.061, 1.062]);
        assert_eq!(comparison.answer(), Answer::No);
    }

    #[test]
    fn what_is_better_is_listed() {
        let comparison = compare(TIME, &[2.0, 2.1, 2.2], &[1.0, 1.1, 1.2]);
        assert_eq!((comparison.improvements.len(), comparison.answer()), (1, Answer::Yes));
        let comparison = compare(RATE, &[80.0, 81.0, 82.0], &[100.0, 101.0, 102.0]);
        assert_eq!((comparison.improvements.len(), comparison.answer()), (1, Answer::Yes));
        assert!(comparison.to_string().contains("better:\n"));
    }

    #[test]
    fn what_there_is_to_compare_with_is_never_worse() {
        let floor = (Unit::Ms, Better::Neither);
        let comparison = compare(floor, &[1.0, 1.1, 1.2], &[9.0, 9.1, 9.2]);
        assert_eq!((comparison.within_noise, comparison.answer()), (1, Answer::Yes));
    }

    #[test]
    fn what_has_few_values_is_not_judged() {
        let comparison = compare(TIME, &[1.0, 1.0], &[9.0, 9.0, 9.0]);
        assert_eq!((comparison.not_judged.len(), comparison.answer()), (1, Answer::Yes));
    }

    #[test]
    fn a_zero_that_becomes_something_is_worse() {
        let comparison = compare(TIME, &[0.0; 3], &[1.0; 3]);
        assert_eq!(comparison.answer(), Answer::No);
        assert_eq!(comparison.regressions[0].ratio, None);
    }

    #[test]
    fn what_is_missing_or_new_is_said() {
        let values = [1.0, 1.1, 1.2];
        let missing = Figure::missing(ABOUT, "b", TIME, "no counter");
        let old = with(vec![figure("a", TIME, &values), figure("b", TIME, &values)]);
        let new = with(vec![missing, figure("c", TIME, &values)]);
        let comparison = Comparison::new(&old, &new);
        let name = |name| format!("warm: adder on wasmtime: {name}");
        assert_eq!(comparison.missing, [name("a"), name("b")]);
        assert_eq!(comparison.new, [name("c")]);
        let text = comparison.to_string();
        assert!(text.contains("no longer measured:\n") && text.contains("measured now:\n"));
    }

    #[test]
    fn other_machines_and_settings_are_warned_about() {
        let (old, mut new) = (empty(), empty());
        assert!(Comparison::new(&old, &new).warnings.is_empty());
        new.head.machine.cores += 1;
        new.head.settings.optimised = false;
        let comparison = Comparison::new(&old, &new);
        assert_eq!(comparison.warnings.len(), 2);
        assert!(comparison.to_string().starts_with("careful:\n  the machines differ: "));
    }

    #[test]
    fn points_of_curves_are_compared() {
        let of = |slow: f64| {
            let points = vec![point(1.0, 1.0, 9), point(10.0, slow, 9)];
            Document { curves: vec![Curve::new("c", "b", "PVFs", "", points)], ..empty() }
        };
        let comparison = Comparison::new(&of(10.0), &of(20.0));
        assert_eq!(comparison.regressions.len(), 1);
        assert_eq!(comparison.regressions[0].what, "curves: 10 PVFs on b: one validation");
    }

    #[test]
    fn a_goal_that_is_no_longer_met_is_said() {
        let goal = |value| Goal::new(ABOUT, "g", "", TIME, Ok(value), Some(1.0));
        let [old, new] = [0.9, 1.1].map(|value| Document { goals: vec![goal(value)], ..empty() });
        assert_eq!(Comparison::new(&old, &new).goals_lost, ["adder on wasmtime: g"]);
        assert!(Comparison::new(&new, &old).goals_lost.is_empty());
    }
}
