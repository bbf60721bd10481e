//! `pvf bench --suite` and `--diff`, with the guests that are in the project.

#![cfg(any(feature = "polkavm", feature = "wasmtime"))]

mod browser;
mod place;

use browser::Browser;
use place::{Place, Run};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// The backends that there are, and whether their code can be upgraded.
fn backends() -> Vec<(&'static str, bool)> {
    let all = [(cfg!(feature = "polkavm"), "polkavm"), (cfg!(feature = "wasmtime"), "wasmtime")];
    all.into_iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, id)| (id, id == "wasmtime"))
        .collect()
}

fn run(place: &Place, out: &Path, more: &[&str]) -> Run {
    let out = out.to_str().unwrap();
    let arguments = ["bench", "--suite", "--quick", "--json", "--out", out];
    place.run_plain(&[&arguments[..], more].concat())
}

/// What is measured of the adder, for each backend: section, subject, name, unit.
const FIGURES: &[(&str, &str, &str, &str)] = &[
    ("warm", "adder", "warm", "ms"),
    ("warm", "adder", "floor, in process", "ms"),
    ("warm", "adder", "floor, forked", "ms"),
    ("warm", "adder", "floor, forked: CPU time", "ms"),
    ("warm", "adder", "artifact", "bytes"),
    ("throughput", "adder", "executions", "per_s"),
    ("throughput", "adder", "floor, forked: CPU time", "ms"),
    ("throughput", "adder", "share of the floor's", "ratio"),
    ("input", "adder, block of 5 MiB", "warm, small block", "ms"),
    ("input", "adder, block of 5 MiB", "warm, 5 MiB", "ms"),
    ("input", "adder, block of 5 MiB", "one copy, small pages", "ms"),
    ("input", "adder, block of 5 MiB", "one copy, huge pages", "ms"),
    ("input", "adder, block of 5 MiB", "what 5 MiB more take, by one copy", "ratio"),
    ("input", "adder, block of 5 MiB", "all of it, by one copy", "ratio"),
    ("input", "adder that copies nothing, block of 5 MiB", "warm, small block", "ms"),
    ("input", "adder that copies nothing, block of 5 MiB", "warm, 5 MiB", "ms"),
    ("input", "adder that copies nothing, block of 5 MiB", "one copy, small pages", "ms"),
    ("input", "adder that copies nothing, block of 5 MiB", "one copy, huge pages", "ms"),
    (
        "input",
        "adder that copies nothing, block of 5 MiB",
        "what 5 MiB more take, by one copy",
        "ratio",
    ),
    ("input", "adder that copies nothing, block of 5 MiB", "all of it, by one copy", "ratio"),
    ("restart", "adder", "first execution", "ms"),
    ("restart", "adder", "load", "ms"),
    ("restart", "adder", "first execution, no worker standing by", "ms"),
    ("restart", "adder", "worker spawn to ready", "ms"),
    ("restart", "adder", "first execution by load", "ratio"),
    ("prepare", "adder", "precheck", "ms"),
    ("prepare", "adder", "the job of it", "ms"),
    ("prepare", "adder", "CPU time of it", "ms"),
    ("prepare", "adder", "engine alone", "ms"),
    ("prepare", "adder", "reading and rewriting alone", "ms"),
    ("prepare", "adder", "peak memory", "bytes"),
    ("prepare", "adder", "peak memory of the engine alone", "bytes"),
    ("prepare", "adder", "precheck by engine alone", "ratio"),
    ("counts", "adder", "system calls, host", "count"),
    ("counts", "adder", "system calls, worker", "count"),
    ("counts", "adder", "system calls, job", "count"),
    ("counts", "adder", "page faults, host", "count"),
    ("counts", "adder", "page faults, worker", "count"),
    ("counts", "adder", "page faults, job", "count"),
    ("counts", "adder", "context switches, host", "count"),
    ("counts", "adder", "context switches, worker", "count"),
    ("counts", "adder", "context switches, job", "count"),
    ("counts", "adder", "instructions, host", "count"),
    ("counts", "adder", "instructions, worker", "count"),
    ("counts", "adder", "instructions, job", "count"),
    ("sandbox", "adder", "with all measures", "ms"),
    ("sandbox", "adder", "without measures", "ms"),
    ("sandbox", "adder", "with all measures, by without", "ratio"),
];

/// What is measured where code can be upgraded.
const UPGRADE: &[(&str, &str, &str, &str)] = &[
    ("prepare", "adder", "preparing the upgraded code, in full", "ms"),
    ("prepare", "adder", "preparing the upgraded code, after the old", "ms"),
    ("prepare", "adder", "preparing again after an upgrade, by preparing in full", "ratio"),
    ("prepare", "adder", "the same by CPU time", "ratio"),
    ("prepare", "adder", "functions of the upgraded code compiled anew", "count"),
];

const CURVES: [&str; 4] = ["pvfs", "workers", "blocks", "queued"];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn check_figure(figure: &Value) {
    let percentiles = [5, 25, 50, 75, 95, 99].map(|percent| {
        let name = format!("p{percent}_{}", text(&figure["unit"]));
        let value = figure.get(&name);
        value.unwrap_or_else(|| panic!("no {name}: {figure}")).as_f64()
    });
    match figure["not_measured"].as_str() {
        // Only what the machine does not count, or may not tell.
        Some(reason) => {
            assert_eq!(figure["section"], "counts", "{figure}");
            assert!(!reason.is_empty());
            assert_eq!((percentiles, &figure["n"]), ([None; 6], &json!(0)));
        }
        None => {
            assert!(number(&figure["n"]) >= 1.0, "{figure}");
            let values = percentiles.map(|value| value.unwrap_or_else(|| panic!("{figure}")));
            assert!(values.is_sorted() && values[5].is_finite(), "{figure}");
            // What is taken off may be more than what is left on a machine with a bad moment.
            let may_be_nothing = ["counts", "input", "restart"].contains(&text(&figure["section"]))
                || figure["name"] == "reading and rewriting alone";
            assert!(may_be_nothing || values[0] > 0.0, "{figure}");
        }
    }
}

fn check_goal(goal: &Value) {
    let unit = text(&goal["unit"]);
    let (value, bound) = (&goal[format!("value_{unit}")], &goal[format!("bound_{unit}")]);
    assert!(number(bound) > 0.0 && !text(&goal["compares"]).is_empty(), "{goal}");
    if value.is_null() {
        assert!(goal["met"].is_null() && !text(&goal["not_measured"]).is_empty(), "{goal}");
    } else {
        let (value, bound) = (number(value), number(bound));
        let met = if goal["better"] == "more" { value >= bound } else { value <= bound };
        assert_eq!(goal["met"], met, "{goal}");
        assert!(goal["not_measured"].is_null());
    }
}

fn check_curve(curve: &Value) {
    let points = list(&curve["points"]);
    assert!(points.len() >= 3);
    for point in points {
        for name in ["n", "p25_ms", "p50_ms", "p75_ms", "cost_ms", "host_peak_memory_bytes"] {
            assert!(number(&point[name]) > 0.0, "{name}: {point}");
        }
    }
    let xs: Vec<_> = points.iter().map(|point| number(&point["x"])).collect();
    assert!(xs.is_sorted());
    let steps = list(&curve["steps"]);
    assert_eq!(steps.len(), xs.iter().filter(|x| **x > 0.0).count() - 1);
    for step in steps {
        let linear = number(&step["to"]) / number(&step["from"]);
        assert!((number(&step["linear_ratio"]) / linear - 1.0).abs() < 1e-4, "{step}");
        let most = linear * number(&curve["tolerance_ratio"]);
        let holds = ["cost_growth_ratio", "memory_growth_ratio"]
            .iter()
            .all(|name| number(&step[name]) <= most * (1.0 + 1e-4));
        assert_eq!(step["holds"], holds, "{step}");
    }
}

#[test]
fn a_quick_run_has_every_figure_and_invents_none() {
    let place = Place::new();
    let out = place.path("report");
    let run = run(&place, &out, &[]);
    let document = run.expect(0).json();
    let written = fs::read(out.join("suite.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), document);

    let mut expected = BTreeSet::new();
    for (backend, can_upgrade) in backends() {
        let more = if can_upgrade { UPGRADE } else { &[] };
        expected.extend(FIGURES.iter().chain(more).map(|(section, subject, name, unit)| {
            [section, subject, name, unit, backend].map(str::to_owned)
        }));
    }
    let figures = list(&document["figures"]);
    let names = ["section", "subject", "name", "unit", "backend"];
    let found = figures.iter().map(|figure| names.map(|name| text(&figure[name]).to_owned()));
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    assert_eq!(figures.len(), expected.len(), "a figure is there twice");
    figures.iter().for_each(check_figure);

    let goals = list(&document["goals"]);
    goals.iter().for_each(check_goal);
    // What there is no guest for has no figure, and is said.
    let missing: Vec<_> = goals.iter().filter(|goal| goal["met"].is_null()).collect();
    for (backend, _) in backends() {
        let of_this = missing.iter().filter(|goal| goal["backend"] == backend);
        // A large runtime, and three blocks.
        assert_eq!(of_this.count(), 4, "{missing:?}");
    }
    let left_out = list(&document["left_out"]);
    assert!(left_out.iter().any(|it| text(&it["what"]) == "block of 10 transfers"));
    assert!(left_out.iter().all(|it| !text(&it["reason"]).contains("failed")), "{left_out:?}");

    let curves = list(&document["curves"]);
    let names: Vec<_> = curves.iter().map(|curve| text(&curve["name"])).collect();
    let expected = CURVES.iter().flat_map(|curve| vec![*curve; backends().len()]);
    assert_eq!(names, expected.collect::<Vec<_>>());
    curves.iter().for_each(check_curve);

    let head = &document["head"];
    for name in ["processor", "kernel", "architecture", "huge_pages"] {
        assert!(!text(&head["machine"][name]).is_empty(), "{name}");
    }
    assert!(number(&head["machine"]["cores"]) >= 1.0);
    assert!(number(&head["machine"]["memory_bytes"]) > 0.0);
    for when in ["before", "after"] {
        assert_eq!(list(&head["machine"][format!("load_average_{when}")]).len(), 3);
    }
    assert!(list(&head["versions"]).len() > backends().len());
    assert_eq!(list(&head["settings"]["sections"]).len(), 9);
    for (name, value) in [("quick", true), ("secure", true), ("fixtures", false)] {
        assert_eq!(head["settings"][name], value, "{name}");
    }
    assert!(number(&head["date_unix_s"]) > 0.0 && text(&head["date"]).ends_with(" UTC"));
    assert!(!place.path("xdg").exists(), "the suite uses caches of its own");
}

#[test]
fn the_page_and_the_plots_read_well_in_a_browser() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    let out = place.path("a report");
    let document = run(&place, &out, &["--only", "warm,curves,counts"]).expect(0).json();
    let (goals, figures) = (list(&document["goals"]).len(), list(&document["figures"]).len());
    let points = |name: &str| -> usize {
        let curves = list(&document["curves"]).iter().filter(|curve| curve["name"] == name);
        curves.map(|curve| list(&curve["points"]).len()).sum()
    };
    let kinds = ["cost", "time", "memory"];
    let mut plots = vec!["goals".to_owned(), "warm".to_owned()];
    plots.extend(CURVES.iter().flat_map(|curve| kinds.map(|kind| format!("curve-{curve}-{kind}"))));

    for (width, theme) in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")] {
        browser.open(&out.join("suite.html"), width, theme);
        browser.photograph(&format!("suite-{width}-{theme}.png"));
        let mut count = |selector: &str| {
            browser.evaluate(&format!("document.querySelectorAll({selector:?}).length"))
        };
        assert_eq!(count("h1"), 1);
        assert_eq!(count("#goals tbody tr"), goals);
        assert_eq!(count("#figures tbody tr"), figures);
        assert_eq!(count("#plots svg.plot"), plots.len());
        for curve in CURVES {
            for kind in kinds {
                // Each point has a mark, and each backend one in the legend.
                let marks = format!("#plot-curve-{curve}-{kind} .mark");
                assert_eq!(count(&marks), points(curve) + backends().len(), "{marks}");
            }
        }
        assert_eq!(count("#plot-warm .column"), 3 * backends().len());
        assert_eq!(browser.evaluate("document.scripts.length + document.images.length"), 0);
        assert_eq!(browser.requests().len(), 1, "{:?}", browser.requests());
        assert_eq!(browser.complaints(), [&Value::Null; 0]);
        // The page is as wide as the screen; what is wider scrolls in its own box.
        let overflow =
            "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow), 0);
        // Bars are as long as they are meant to be, whatever else the page has a style for.
        let wrong = browser.evaluate(
            "[...document.querySelectorAll('svg.plot rect')].filter(bar => \
               Math.abs(bar.getBBox().width - bar.getAttribute('width')) > 0.1).length",
        );
        assert_eq!(wrong, 0, "{width}");
        // No text of a plot is cut off, or too small to be read.
        let bad = browser.evaluate(
            "[...document.querySelectorAll('svg.plot')].flatMap(plot => { \
               const frame = plot.getBoundingClientRect(); \
               return [...plot.querySelectorAll('text')].filter(text => { \
                 const box = text.getBoundingClientRect(); \
                 return box.left < frame.left - 1 || box.right > frame.right + 1 || \
                   box.bottom > frame.bottom + 1 || box.height < 8; \
               }).map(text => plot.ariaLabel + ': ' + text.textContent); })",
        );
        assert_eq!(bad, json!([]), "{width}");
    }
    for plot in &plots {
        let file = out.join(format!("{plot}.svg"));
        for theme in ["light", "dark"] {
            browser.open(&file, 640, theme);
            browser.photograph(&format!("plot-{plot}-{theme}.png"));
            assert_eq!(browser.evaluate("document.documentElement.tagName"), "svg", "{plot}");
            let seen = browser.evaluate("document.querySelectorAll('.mark, .column').length > 0");
            assert_eq!(seen, true, "{plot}");
            let page = "getComputedStyle(document.querySelector('.page')).fill";
            let expected = if theme == "light" { "rgb(255, 255, 255)" } else { "rgb(15, 19, 23)" };
            assert_eq!(browser.evaluate(page), expected, "{plot}");
            assert_eq!(browser.complaints(), [&Value::Null; 0], "{plot}");
        }
    }
    let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.count(), plots.len() + 2);
    browser.close();
}

#[test]
fn two_runs_are_compared() {
    let place = Place::new();
    let out = place.path("report");
    let document = run(&place, &out, &["--only", "warm"]).expect(0).json();
    let old = out.join("suite.json");
    let old = old.to_str().unwrap();
    let compare = |new: &Value| {
        let new = place.write("new.json", new.to_string());
        place.run_plain(&["bench", "--json", "--diff", old, &new])
    };
    let same = compare(&document);
    let same = same.expect(0).json();
    assert_eq!(same["regressions"], json!([]));
    assert_eq!(same["missing"], json!([]));

    let mut slower = document.clone();
    let figures = slower["figures"].as_array_mut().unwrap();
    let warm = figures.iter_mut().find(|figure| figure["name"] == "warm").unwrap();
    for percent in [5, 25, 50, 75, 95, 99] {
        let value = &mut warm[format!("p{percent}_ms")];
        *value = json!(number(value) + 1e6);
    }
    let backend = text(&warm["backend"]).to_owned();
    figures.retain(|figure| figure["name"] != "artifact");
    let worse = compare(&slower);
    let worse = worse.expect(1).json();
    let regressions = list(&worse["regressions"]);
    assert_eq!(regressions.len(), 1, "{worse}");
    assert_eq!(regressions[0]["what"], format!("warm: adder on {backend}: warm"));
    assert_eq!(list(&worse["missing"]).len(), backends().len());

    let mut other = document.clone();
    other["format"] = json!(99);
    compare(&other).expect_usage("its format is 99");
    place.run_plain(&["bench", "--diff", old, "nowhere"]).expect_usage("can't read the suite");
}

#[test]
fn a_suite_that_makes_no_sense_is_refused_before_anything_is_measured() {
    let place = Place::new();
    let out = place.path("report");
    let nowhere = place.path("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    run(&place, &out, &["--fixtures", nowhere]).expect_usage("are no folder");
    run(&place, &out, &["--reference", nowhere]).expect_usage("there is no program bench");
    assert!(!out.exists(), "nothing is left of it");
    let file = place.write("file", "");
    run(&place, Path::new(&file), &[]).expect_usage("can't write into the folder");
}
