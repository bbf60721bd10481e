//! Tables: divergences, verdicts, ratios, and every figure.

use crate::{
    compare::{Comparison, Measure, comparison::MANY, measure::show_ratio},
    failure::Answer,
    html::{self, Text, plural},
};
use std::fmt::Write;

/// A table that is not taller than the screen.
fn table(name: &str, class: &str, head: &[&str], body: &str) -> String {
    html::table(name, class, head, body, body.matches("<tr>").count() > 2 * MANY)
}

/// What diverges, field by field.
pub(super) fn divergences(comparison: &Comparison) -> String {
    let mut html = String::new();
    for case in &comparison.cases {
        for seen in &case.divergences {
            let divergence = &seen.divergence;
            let backend = &comparison.backends[divergence.backend].id;
            let against = divergence.against.words(&comparison.backends);
            let mut rows = String::new();
            for difference in &divergence.differences {
                let _ = writeln!(
                    rows,
                    "<tr><th scope=\"row\">{}</th><td><code>{}</code></td>\
                     <td><code>{}</code></td></tr>",
                    Text(&difference.field),
                    Text(&difference.left),
                    Text(&difference.right)
                );
            }
            let _ = writeln!(
                html,
                "<article class=\"divergence\"><h3>{}</h3><p>{} against {}, {}. \
                 <span class=\"path\">{}</span></p>\n{}</article>",
                Text(&case.name),
                Text(backend),
                Text(against),
                Text(&seen.when()),
                Text(&case.path),
                table(
                    &format!("Differences of {}", case.name),
                    "differences",
                    &["Field", against, backend],
                    &rows
                )
            );
        }
    }
    html
}

/// The verdict of each case on each backend.
pub(super) fn verdicts(comparison: &Comparison) -> String {
    let mut rows = String::new();
    for case in &comparison.cases {
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", Text(&case.name));
        for column in &case.columns {
            let _ = match column {
                None => write!(rows, "<td class=\"none\">–</td>"),
                Some(column) => {
                    let outcome = &column.outcome;
                    let more = outcome.head.as_deref().or(outcome.message.as_deref());
                    write!(
                        rows,
                        "<td>{}{}</td>",
                        Text(outcome.class.words()),
                        more.map_or_else(String::new, |more| format!(
                            "<br><code>{}</code>",
                            Text(&shortened(more))
                        ))
                    )
                }
            };
        }
        let (class, word) = match case.answer() {
            None => ("none", "not run"),
            Some(Answer::Yes) if case.is_alone() => ("none", "alone"),
            Some(Answer::Yes) => ("good", "✓ agree"),
            Some(Answer::No) => ("bad", "✗ diverge"),
            Some(Answer::Unknown) => ("unsure", "? unknown"),
        };
        let _ = writeln!(rows, "<td class=\"{class}\">{word}</td></tr>");
    }
    let mut head = vec!["Case"];
    head.extend(comparison.backends.iter().map(|backend| backend.id.as_str()));
    head.push("Judgement");
    table("Verdicts", "verdicts", &head, &rows)
}

/// An error's words, as far as a table has room for them.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// By how much the other backends differ from the first, over all cases.
pub(super) fn ratios(comparison: &Comparison) -> Option<String> {
    let others = 1..comparison.backends.len();
    let mut rows = String::new();
    for measure in Measure::ALL {
        let ratios: Vec<_> = others.clone().map(|i| comparison.mean_ratio(i, measure)).collect();
        if ratios.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", Text(measure.name()));
        for ratio in ratios {
            let _ = match ratio {
                Some((ratio, cases)) => write!(
                    rows,
                    "<td class=\"number\">{} <small>{cases} case{}</small></td>",
                    show_ratio(ratio),
                    plural(cases)
                ),
                None => write!(rows, "<td class=\"none\">–</td>"),
            };
        }
        rows.push_str("</tr>\n");
    }
    let names = others.map(|i| comparison.backends[i].id.as_str());
    let head: Vec<_> = ["Measure"].into_iter().chain(names).collect();
    let name = format!("Geometric mean of the ratios to {}", comparison.backends[0].id);
    (!rows.is_empty()).then(|| table(&name, "ratios", &head, &rows))
}

/// Every figure.
pub(super) fn figures(comparison: &Comparison) -> String {
    let mut rows = String::new();
    for case in &comparison.cases {
        for measure in Measure::ALL {
            for (i, backend) in comparison.backends.iter().enumerate() {
                let Some(samples) = case.samples(i, measure) else { continue };
                let _ = write!(
                    rows,
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"number\">{}</td>",
                    Text(&case.name),
                    Text(measure.name()),
                    Text(&backend.id),
                    samples.len()
                );
                for percent in [25, 50, 75, 95] {
                    let value = samples.percentile(percent).map(|value| measure.unit().show(value));
                    let _ = write!(
                        rows,
                        "<td class=\"number\">{}</td>",
                        Text(&value.unwrap_or_default())
                    );
                }
                let ratio = case.ratio(i, measure).map_or("–".into(), show_ratio);
                let _ = writeln!(rows, "<td class=\"number\">{ratio}</td></tr>");
            }
        }
    }
    let head = ["Case", "Measure", "Backend", "n", "p25", "p50", "p75", "p95", "Ratio"];
    table("All figures", "figures", &head, &rows)
}
