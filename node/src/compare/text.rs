//! A comparison for people, in a terminal: tables of what was measured, then the verdicts, then what
//! diverges, and the judgement last, where the eye is.

use super::{
    Comparison, Divergence, Measure,
    comparison::{Backend, ComparedCase, MANY, Spread},
    measure::show_ratio,
};
use crate::{
    failure::Answer,
    output::{Table, clean},
};
use std::fmt::{self, Display, Formatter};

/// All of it.
pub(crate) struct Text<'a>(pub(crate) &'a Comparison);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(comparison) = *self;
        if comparison.cases.len() <= MANY {
            for case in &comparison.cases {
                if case.columns.iter().any(Option::is_some) {
                    writeln!(f, "{}", clean(&case.name))?;
                    writeln!(f, "{}", measures(comparison, case))?;
                }
            }
            writeln!(f, "Medians. In brackets the range of the middle half.\n")?;
        }
        if comparison.cases.len() > 1 && comparison.backends.len() > 1 {
            writeln!(
                f,
                "All cases, geometric mean of the ratios to {}",
                comparison.backends[0].id
            )?;
            writeln!(f, "{}", mean_ratios(comparison))?;
        }
        writeln!(f, "{}", verdicts(comparison))?;
        for case in &comparison.cases {
            for seen in &case.divergences {
                let backends = &comparison.backends;
                write!(f, "{}", divergence(backends, &case.name, &case.path, &seen.divergence))?;
                writeln!(f, "  {}\n", seen.when())?;
            }
        }
        writeln!(f, "{}", judgement(comparison))
    }
}

/// A row for each measure, a column for each backend, and behind it the ratio to the first.
fn measures(comparison: &Comparison, case: &ComparedCase) -> Table {
    let mut table = Table::default();
    let mut heading = vec!["  MEASURE".to_owned()];
    for (i, backend) in comparison.backends.iter().enumerate() {
        heading.push(backend.id.clone());
        if i > 0 {
            heading.push("RATIO".into());
        }
    }
    table.row(heading);
    let mut add = |name: String, measure: Measure, percent: Option<usize>| {
        let mut row = vec![format!("  {name}")];
        let value = |backend| case.samples(backend, measure)?.percentile(percent.unwrap_or(50));
        let backends = 0..comparison.backends.len();
        if backends.clone().all(|backend| value(backend).is_none()) {
            return;
        }
        for backend in backends {
            let spread = case.samples(backend, measure).and_then(Spread::of);
            row.push(match (percent, value(backend), spread) {
                (Some(_), Some(value), _) => measure.unit().show(value),
                (None, _, Some(spread)) => spread.show(measure.unit()),
                _ => "-".into(),
            });
            if backend > 0 {
                let ratio = match (value(0), value(backend)) {
                    (Some(first @ 1..), Some(other)) if measure.is_comparable() => {
                        show_ratio(other as f64 / first as f64)
                    }
                    _ => "-".into(),
                };
                row.push(ratio);
            }
        }
        table.row(row);
    };
    for measure in Measure::ALL {
        add(measure.name().into(), measure, None);
        if let Measure::First | Measure::Warm = measure {
            add(format!("{}, p95", measure.name()), measure, Some(95));
        }
    }
    table
}

fn mean_ratios(comparison: &Comparison) -> Table {
    let mut table = Table::default();
    let others = 1..comparison.backends.len();
    let names = others.clone().map(|i| comparison.backends[i].id.clone());
    table.row(std::iter::once("  MEASURE".to_owned()).chain(names));
    for measure in Measure::ALL {
        let ratios: Vec<_> = others.clone().map(|i| comparison.mean_ratio(i, measure)).collect();
        if ratios.iter().any(Option::is_some) {
            let cells = ratios.into_iter().map(|ratio| match ratio {
                Some((ratio, 1)) => format!("{} (1 case)", show_ratio(ratio)),
                Some((ratio, cases)) => format!("{} ({cases} cases)", show_ratio(ratio)),
                None => "-".into(),
            });
            table.row(std::iter::once(format!("  {}", measure.name())).chain(cells));
        }
    }
    table
}

/// A row for each case, a column for each backend.
fn verdicts(comparison: &Comparison) -> Table {
    let mut table = Table::default();
    let names = comparison.backends.iter().map(|backend| backend.id.as_str());
    table.row(["CASE"].into_iter().chain(names).chain([""]));
    for case in &comparison.cases {
        let cells = case
            .columns
            .iter()
            .map(|column| column.as_ref().map_or("-", |column| column.outcome.class.words()));
        let judgement = match case.answer() {
            None => "not run",
            Some(Answer::Yes) if case.is_alone() => "alone",
            Some(Answer::Yes) => "agree",
            Some(Answer::No) => "DIVERGE",
            Some(Answer::Unknown) => "unknown",
        };
        table.row([case.name.as_str()].into_iter().chain(cells).chain([judgement]));
    }
    table
}

/// One divergence, field by field.
pub(crate) fn divergence(
    backends: &[Backend],
    case: &str,
    path: &str,
    divergence: &Divergence,
) -> String {
    let mut table = Table::default();
    let against = divergence.against.words(backends);
    table.row(["  FIELD", against, &backends[divergence.backend].id]);
    for difference in &divergence.differences {
        table.row([&format!("  {}", difference.field), &difference.left, &difference.right]);
    }
    format!("DIVERGENCE  {} ({})\n{table}", clean(case), clean(path))
}

/// The last line.
fn judgement(comparison: &Comparison) -> String {
    let totals = comparison.totals();
    let mut text = format!("{}: {} agreeing", cases(totals.cases), totals.agreeing);
    for (count, words) in [
        (totals.diverging, "diverging"),
        (totals.alone, "that ran on one backend alone"),
        (totals.unknown, "that could not be told"),
        (totals.not_run, "that ran on no backend"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    text
}

/// A number of cases.
pub(crate) fn cases(count: usize) -> String {
    if count == 1 { "1 case".into() } else { format!("{count} cases") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::comparison::tests::{divergence as some_divergence, two_backends};

    #[test]
    fn few_cases_are_shown_one_by_one_and_many_together() {
        let few = Text(&two_backends(MANY)).to_string();
        assert_eq!(few.matches("  MEASURE").count(), MANY + 1);
        let lines = "case 0
  MEASURE              one                           two                           RATIO
  warm execution       0.001 ms (0.001 to 0.002 ms)  0.002 ms (0.002 to 0.003 ms)  2.00×
  warm execution, p95  0.002 ms                      0.003 ms                      1.67×
  gas                  1000                          2000                          -
";
        assert!(few.starts_with(lines), "{few}");
        let many = Text(&two_backends(MANY + 1)).to_string();
        assert_eq!(many.matches("  MEASURE").count(), 1);
        assert!(many.contains("  warm execution  2.00× (13 cases)\n"), "{many}");
        for text in [few, many] {
            assert!(text.contains("\ncase 11  invalid: trap or panic  "), "{text}");
            assert!(text.ends_with(" agreeing\n"), "{text}");
        }
    }

    #[test]
    fn a_divergence_is_shown_with_both_sides_and_where_it_was_seen() {
        let mut comparison = two_backends(1);
        comparison.cases[0].divergences.push(some_divergence());
        let text = Text(&comparison).to_string();
        let expected = "DIVERGENCE  case 0 (case-0.toml)
  FIELD  one   two
  head   0x00  0x01
  first seen executing warm, run 3; in 7 rounds

1 case: 0 agreeing, 1 diverging
";
        assert!(text.ends_with(expected), "{text}");
    }
}
