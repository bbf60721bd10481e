//! The page as a whole.

use super::{bars, scatter, tables};
use crate::{
    compare::Comparison,
    failure::Answer,
    html::{POLICY, Text, plural, section},
    machine,
};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

pub(super) fn page(comparison: &Comparison) -> String {
    let totals = comparison.totals();
    let (class, judgement) = match comparison.answer() {
        Answer::Yes => ("good", "All agree"),
        Answer::No => ("bad", "There are divergences"),
        Answer::Unknown => ("unsure", "Not everything could be told"),
    };
    let names: Vec<_> = comparison.backends.iter().map(|backend| backend.id.as_str()).collect();
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{judgement}: {names} side by side</title>\n\
         <style>\n{STYLE}</style></head>\n<body>\n\
         <header><h1>{names}, side by side</h1>\n\
         <p class=\"judgement {class}\">{judgement}</p>\n\
         <ul class=\"totals\"><li><b>{}</b> case{}</li><li><b>{}</b> agreeing</li>\
         <li><b>{}</b> on one backend alone</li><li><b>{}</b> diverging</li><li><b>{}</b> unknown</li><li><b>{}</b> not run</li></ul>\
         </header>\n<main>\n",
        totals.cases,
        plural(totals.cases),
        totals.agreeing,
        totals.alone,
        totals.diverging,
        totals.unknown,
        totals.not_run,
        names = Text(&names.join(", ")),
    );
    section(&mut html, "divergences", "Divergences", &divergences(comparison));
    section(&mut html, "verdicts", "Verdicts", &tables::verdicts(comparison));
    section(&mut html, "ratios", "In short", &ratios(comparison));
    let measures = format!(
        "<p>Each bar is a median; the line on it is the range of the middle half. Bars of one group \
         share their scale, and begin at zero. Behind the value stands the ratio to {}.</p>\
         <div class=\"measures\">\n{}</div>\n",
        Text(names.first().copied().unwrap_or_default()),
        bars::figures(comparison)
    );
    section(&mut html, "measures", "Measures", &measures);
    if let Some(figure) = scatter::figure(comparison) {
        section(&mut html, "times", "Warm execution, case by case", &figure);
    }
    let figures = format!(
        "<details><summary>Percentiles of every measure</summary>\n{}</details>\n",
        tables::figures(comparison)
    );
    section(&mut html, "figures", "All figures", &figures);
    let _ = writeln!(html, "</main>\n<footer>\n{}</footer>\n</body></html>", footer(comparison));
    html
}

fn divergences(comparison: &Comparison) -> String {
    match tables::divergences(comparison) {
        none if none.is_empty() => {
            "<p>None. Wherever backends ran the same case, verdict and result are the same, as \
             expected, and the same in every run.</p>\n"
                .into()
        }
        some => some,
    }
}

fn ratios(comparison: &Comparison) -> String {
    tables::ratios(comparison).unwrap_or_default()
}

fn footer(comparison: &Comparison) -> String {
    let options = comparison.options;
    let backends: Vec<_> = comparison
        .backends
        .iter()
        .map(|backend| format!("{} {}", backend.id, backend.version))
        .collect();
    format!(
        "<p>Made by pvf {} with {}, on {}.</p>\n<p>Each code was prepared {} time{} from nothing. \
         Each case was executed {} time{} in a new worker and {} time{} in one that had the artifact \
         loaded, the backends taking turns, one execution at a time.</p>\n",
        Text(env!("CARGO_PKG_VERSION")),
        Text(&backends.join(", ")),
        Text(&machine::describe()),
        options.prepare_runs,
        plural(options.prepare_runs),
        options.first_runs,
        plural(options.first_runs),
        options.runs,
        plural(options.runs),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::comparison::{
        MANY,
        tests::{divergence as some_divergence, two_backends},
    };

    #[test]
    fn few_cases_have_bars_of_their_own_and_many_have_them_together() {
        // For warm executions and for gas, on two backends.
        for (cases, bars) in [(1, 4), (MANY, 4 * MANY), (MANY + 1, 4)] {
            let page = page(&two_backends(cases));
            assert_eq!(page.matches("<svg class=\"bar\"").count(), bars, "{cases}");
            assert_eq!(page.matches("<g class=\"point b1\">").count(), cases + 1, "{cases}");
            assert!(page.contains("All agree"));
        }
    }

    #[test]
    fn divergences_are_the_first_section_and_text_in_them_is_no_markup() {
        let mut comparison = two_backends(2);
        comparison.cases[1].divergences.push(some_divergence());
        comparison.cases[1].name = "</td><script>".into();
        comparison.cases[1].path = "\"><script>".into();
        comparison.backends[0].id = "'<b>&".into();
        let page = page(&comparison);
        assert!(page.contains("There are divergences"));
        let first = page.find("<section").unwrap();
        assert!(page[first..].starts_with("<section id=\"divergences\""), "{page}");
        for markup in ["<script", "</td><s", "<b>&"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("&lt;/td&gt;&lt;script&gt;"));
    }

    #[test]
    fn a_page_names_nothing_outside_of_itself() {
        let page = page(&two_backends(3));
        for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<link"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}
