//! A document as one HTML page that needs nothing else.
//!
//! The goals come first, then what was left out, the plots, and every figure.

use super::{
    curve::Curve,
    document::{Document, Head},
    figure::{Figure, PERCENTILES},
    lab::section_name,
    plot::{self, Plot},
    text,
};
use crate::{
    html::{POLICY, Text, plural, section, table},
    units,
};
use std::fmt::Write;

const STYLE: &str = include_str!("../compare/report/style.css");

pub(super) fn page(document: &Document, plots: &[Plot]) -> String {
    let met = document.goals.iter().filter(|goal| goal.met == Some(true)).count();
    let missed = document.goals.iter().filter(|goal| goal.met == Some(false)).count();
    let unknown = document.goals.len() - met - missed;
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Benchmark of the validation host</title>\n\
         <style>\n{STYLE}{plots}</style></head>\n<body>\n\
         <header><h1>Benchmark of the validation host</h1>\n\
         <ul class=\"totals\"><li><b>{met}</b> goal{} met</li><li><b>{missed}</b> missed</li>\
         <li><b>{unknown}</b> not measured</li></ul>{}</header>\n<main>\n",
        plural(met),
        head(&document.head),
        plots = plot::STYLE,
    );
    section(&mut html, "goals", "Goals", &goals(document));
    section(&mut html, "left-out", "Not measured", &left_out(document));
    section(&mut html, "plots", "Plots", &figures(plots));
    section(&mut html, "curves", "As the work grows", &curves(&document.curves));
    section(&mut html, "figures", "All figures", &all(&document.figures));
    html.push_str("</main>\n</body></html>\n");
    html
}

fn head(head: &Head) -> String {
    let machine = &head.machine;
    let settings = &head.settings;
    let versions: Vec<_> =
        head.versions.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
    let sections: Vec<_> = settings.sections.iter().map(|it| section_name(*it)).collect();
    let load = |load: [f64; 3]| load.map(|load| format!("{load:.2}")).join(", ");
    let word = |is, yes: &str, no: &str| if is { yes } else { no }.to_owned();
    let rows = [
        ("Machine", format!("{}, {} cores", machine.processor, machine.cores)),
        (
            "System",
            format!(
                "Linux {} on {}, {} of memory, huge pages: {}",
                machine.kernel,
                machine.architecture,
                units::size(machine.memory_bytes),
                machine.huge_pages
            ),
        ),
        (
            "Load",
            format!(
                "{} before, {} after",
                load(machine.load_average_before),
                load(machine.load_average_after)
            ),
        ),
        ("Date", format!("{}, for {:.0} s", head.date, head.took_s)),
        ("Versions", versions.join(", ")),
        (
            "Settings",
            [
                word(settings.quick, "quick", "full"),
                word(settings.optimised, "optimised build", "build that is not optimised"),
                word(settings.secure, "sandbox required", "sandbox not required"),
                word(settings.fixtures, "with fixtures", "without fixtures"),
                word(settings.reference, "with the reference", "without the reference"),
                format!("sections {}", sections.join(", ")),
            ]
            .join("; "),
        ),
    ];
    let mut body = String::new();
    for (name, value) in rows {
        let value = Text(&value).to_string();
        let _ = writeln!(body, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    table("On what it was measured", "head", &["", ""], &body, false)
}

fn goals(document: &Document) -> String {
    let mut body = String::new();
    for goal in &document.goals {
        let class = match goal.met {
            Some(true) => "good",
            Some(false) => "bad",
            None => "unsure",
        };
        let _ = writeln!(
            body,
            "<tr><td class=\"{class}\">{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            text::met(goal),
            Text(&goal.name),
            Text(&goal.subject),
            Text(&goal.backend),
            Text(&text::value(goal)),
            Text(&text::bound(goal)),
            Text(goal.not_measured.as_deref().unwrap_or(&goal.compares))
        );
    }
    if body.is_empty() {
        return body;
    }
    let head = ["Met", "Goal", "Of", "Backend", "Figure", "Bound", "What is compared"];
    table("Goals", "goals", &head, &body, false)
}

fn left_out(document: &Document) -> String {
    let mut body = String::new();
    for left_out in &document.left_out {
        let _ = writeln!(
            body,
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{}</td></tr>",
            section_name(left_out.section),
            Text(&left_out.what),
            Text(&left_out.reason)
        );
    }
    if body.is_empty() {
        return body;
    }
    table("Not measured", "left-out", &["Section", "What", "Why"], &body, false)
}

fn figures(plots: &[Plot]) -> String {
    if plots.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<p>Bars and points are medians; the lines on them are the range of the middle half. The \
         axes of lines are logarithmic, and so is the scale of the goals.</p>\n\
         <div class=\"measures\">\n",
    );
    for plot in plots {
        let _ = writeln!(html, "<figure id=\"plot-{}\">{}</figure>", plot.name, plot.inline());
    }
    html.push_str("</div>\n");
    html
}

fn curves(curves: &[Curve]) -> String {
    let mut body = String::new();
    for curve in curves {
        for step in &curve.steps {
            let (class, word) = if step.holds { ("good", "yes") } else { ("bad", "no") };
            let _ = writeln!(
                body,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number\">{} to {}</td>\
                 <td class=\"number\">{:.2} ×</td><td class=\"number\">{:.2} ×</td>\
                 <td class=\"number\">{:.2} ×</td><td class=\"{class}\">{word}</td></tr>",
                Text(&curve.x),
                Text(&curve.backend),
                step.from,
                step.to,
                step.cost_growth_ratio,
                step.memory_growth_ratio,
                step.linear_ratio
            );
        }
    }
    let Some(first) = curves.first() else { return body };
    let head = ["What grows", "Backend", "Step", "Cost", "Memory", "Linear", "Not worse"];
    format!(
        "<p>Not worse than linear: cost and peak memory of the host grow at most {} times as much \
         as the work does.</p>\n{}",
        first.tolerance_ratio,
        table("Steps of the curves", "steps", &head, &body, false)
    )
}

fn all(figures: &[Figure]) -> String {
    let mut body = String::new();
    for figure in figures {
        let _ = write!(
            body,
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td>\
             <td class=\"number\">{}</td>",
            section_name(figure.section),
            Text(&figure.subject),
            Text(&figure.backend),
            Text(&figure.name),
            figure.n
        );
        match &figure.not_measured {
            Some(reason) => {
                let span = PERCENTILES.len();
                let _ = write!(body, "<td class=\"none\" colspan=\"{span}\">{}</td>", Text(reason));
            }
            None => {
                for percent in PERCENTILES {
                    let value = figure.percentile(percent).map(|value| figure.unit.show(value));
                    let value = value.unwrap_or_else(|| "–".into());
                    let _ = write!(body, "<td class=\"number\">{}</td>", Text(&value));
                }
            }
        }
        body.push_str("</tr>\n");
    }
    if body.is_empty() {
        return body;
    }
    let percentiles = PERCENTILES.map(|percent| format!("p{percent}"));
    let mut head = vec!["Section", "Of", "Backend", "Figure", "n"];
    head.extend(percentiles.iter().map(String::as_str));
    let table = table("All figures", "figures", &head, &body, true);
    format!("<details><summary>Percentiles of every figure</summary>\n{table}</details>\n")
}
