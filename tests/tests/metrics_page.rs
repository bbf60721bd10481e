//! Whether the book's page about metrics has them as they are, whether the dashboard and the alerts ask
//! for metrics that there are. Whether the alerts fire when they should is tried by `docs/tests/alerts.rs`.
//!
//! With the environment variable `PVF_WRITE_DOCS` the page's table is written instead.

use pvf_host_core::{
    Metrics,
    metrics::{self, Registry},
};
use pvf_tests::exposition::{Family, families, values};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/metrics.md");
const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/monitoring/dashboard.json");
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/monitoring/alerts.yml");
const ALERTS_TEST: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/monitoring/alerts.test.yml");
const START: &str = "<!-- metrics -->\n";
const END: &str = "<!-- end of metrics -->\n";

fn exposition() -> String {
    let mut registry = Registry::default();
    let _metrics = Metrics::register(&mut registry);
    metrics::encode(&registry)
}

fn table(families: &BTreeMap<String, Family>) -> String {
    let mut table =
        "| metric | kind | labels | what it is |\n| --- | --- | --- | --- |\n".to_owned();
    let mut values: BTreeMap<&str, BTreeSet<(&str, &BTreeSet<String>)>> = BTreeMap::new();
    for (name, Family { kind, help, labels }) in families {
        let names: Vec<_> = labels.keys().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", names.join(", ")).unwrap();
        for (label, of) in labels {
            values.entry(label).or_default().insert((name, of));
        }
    }
    table.push_str("\n| label | of | values |\n| --- | --- | --- |\n");
    for (label, of) in values {
        let mut by_values: BTreeMap<&BTreeSet<String>, Vec<String>> = BTreeMap::new();
        for (name, values) in of {
            by_values.entry(values).or_default().push(format!("`{name}`"));
        }
        // What is linked differs from program to program.
        if ["backend", "version"].contains(&label) {
            let what = match label {
                "backend" => "the names of the linked backends",
                _ => "its version",
            };
            writeln!(table, "| `{label}` | all that have it | {what} |").unwrap();
            continue;
        }
        for (values, names) in by_values {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            writeln!(table, "| `{label}` | {} | {} |", names.join(", "), values.join(", "))
                .unwrap();
        }
    }
    table
}

#[test]
fn the_page_has_every_metric() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(START).expect("the table has a beginning");
    let (written, after) = rest.split_once(END).expect("the table has an end");
    let table = table(&families(&exposition()));
    if std::env::var_os("PVF_WRITE_DOCS").is_some() {
        fs::write(PAGE, [before, START, &table, END, after].concat()).unwrap();
        return;
    }
    assert!(written == table, "write it anew with PVF_WRITE_DOCS=1");
}

/// A selector in a query: the series, and its conditions (label, operator, value).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Selector {
    name: String,
    conditions: Vec<(String, String, String)>,
}

fn selectors(query: &str) -> Vec<Selector> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let mut found = vec![];
    let mut rest = query;
    while let Some(at) = rest.find("pvf_") {
        let (_, from) = rest.split_at(at);
        let end = from.find(|c| !is_name(c)).unwrap_or(from.len());
        let (name, behind) = from.split_at(end);
        let conditions = behind.strip_prefix('{').and_then(|it| it.split_once('}')).map(|it| it.0);
        let conditions = conditions.into_iter().flat_map(|it| it.split(',')).map(|condition| {
            let operator = ["=~", "!~", "!=", "="].into_iter().find(|it| condition.contains(it));
            let operator = operator.unwrap_or_else(|| panic!("{condition} in {query}"));
            let (label, value) = condition.split_once(operator).unwrap();
            (label.to_owned(), operator.to_owned(), value.trim_matches('"').to_owned())
        });
        found.push(Selector { name: name.to_owned(), conditions: conditions.collect() });
        rest = behind;
    }
    found
}

/// The labels that results are grouped by.
fn groups(query: &str) -> Vec<String> {
    let lists = query.split(" by (").skip(1).map(|rest| rest.split_once(')').unwrap().0);
    lists.flat_map(|list| list.split(',')).map(|label| label.trim().to_owned()).collect()
}

/// Labels that a scrape adds.
const OF_SCRAPES: [&str; 2] = ["instance", "job"];

/// What is wrong with a query.
fn problem(query: &str, families: &BTreeMap<String, Family>) -> Option<String> {
    let selectors = selectors(query);
    if selectors.is_empty() {
        return Some("it asks for nothing of ours".into());
    }
    let mut labels: BTreeSet<&str> = OF_SCRAPES.into();
    for Selector { name, conditions } in &selectors {
        let of_histogram =
            ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
        let family = match (families.get(name), of_histogram.and_then(|it| families.get(it))) {
            (Some(family), _) if family.kind != "histogram" => family,
            (None, Some(family)) if family.kind == "histogram" => family,
            _ => return Some(format!("there is no series {name}")),
        };
        labels.extend(family.labels.keys().map(String::as_str));
        if name.ends_with("_bucket") {
            labels.insert("le");
        }
        for (label, operator, value) in conditions {
            let is_bound = label == "le" && name.ends_with("_bucket");
            if is_bound || OF_SCRAPES.contains(&label.as_str()) {
                continue;
            }
            let Some(values) = family.labels.get(label) else {
                return Some(format!("{name} has no label {label}"));
            };
            let is_pattern = operator.ends_with('~');
            let wanted: Vec<_> = if is_pattern { value.split('|').collect() } else { vec![value] };
            if let Some(unknown) = wanted.into_iter().find(|it| !values.contains(*it)) {
                return Some(format!("{label} of {name} is never {unknown}"));
            }
        }
    }
    let unknown = groups(query).into_iter().find(|label| !labels.contains(label.as_str()));
    unknown.map(|label| format!("nothing has the label {label}"))
}

fn queries_of_dashboard(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter_map(|it| it["definition"].as_str().map(str::to_owned));
    queries.chain(variables).collect()
}

/// The queries of alerts: what is behind `expr:`, on the same line or on deeper ones.
fn queries_of_alerts(alerts: &str) -> Vec<String> {
    let mut queries = vec![];
    let mut lines = alerts.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((indent, query)) = line.split_once("expr: ") else { continue };
        let mut query = query.trim_start_matches(">-").to_owned();
        let is_deeper = |line: &&str| line.len() - line.trim_start().len() > indent.len();
        while let Some(more) = lines.next_if(is_deeper) {
            query.push(' ');
            query.push_str(more.trim());
        }
        queries.push(query);
    }
    queries
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are_and_leaves_none_out() {
    let families = families(&exposition());
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    let queries = queries_of_dashboard(&dashboard);
    for query in &queries {
        assert_eq!(problem(query, &families), None, "{query}");
    }
    let asked: BTreeSet<_> =
        queries.iter().flat_map(|query| selectors(query)).map(|it| it.name).collect();
    let forgotten: Vec<_> = families
        .keys()
        .filter(|name| !asked.iter().any(|asked| asked.starts_with(name.as_str())))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");

    // What Grafana needs of panels: places that do not overlap, and numbers of their own.
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{}", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        let is_row = panel["type"] == "row";
        assert_eq!(panel["targets"].as_array().is_some_and(|it| !it.is_empty()), !is_row);
    }
}

#[test]
fn a_panel_shows_numbers_of_one_kind() {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        let Some(targets) = panel["targets"].as_array() else { continue };
        let queries = targets.iter().map(|target| target["expr"].as_str().unwrap());
        let kinds: BTreeSet<_> = queries.map(kind_of_number).collect();
        assert_eq!(kinds.len(), 1, "{}", panel["title"]);
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap();
        let fitting: &[&str] = match kinds.first() {
            Some(Number::PerSecond) => &["ops"],
            Some(Number::Ratio) => &["percentunit"],
            Some(Number::Gas) => &["short"],
            Some(Number::Seconds) => &["s"],
            Some(Number::Bytes) => &["bytes"],
            Some(Number::Count) => &["short"],
            None => &[],
        };
        assert!(fitting.contains(&unit), "{}: {kinds:?} in {unit}", panel["title"]);
    }
}

#[test]
fn what_panels_refer_to_is_in_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!((names[0], &variables[0]["type"]), ("datasource", &"datasource".into()));
    let source = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        let Some(targets) = panel["targets"].as_array() else { continue };
        assert!(["stat", "timeseries"].contains(&panel["type"].as_str().unwrap()), "{title}");
        assert_eq!(panel["datasource"], source, "{title}");
        let ids: BTreeSet<_> = targets.iter().map(|it| it["refId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), targets.len(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"], source, "{title}");
            let query = target["expr"].as_str().unwrap();
            for named in query.split('$').skip(1) {
                let name =
                    named.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
                assert!(name == "__rate_interval" || names.contains(&name), "{title}: ${name}");
            }
            // A label in the legend is one that the query leaves.
            let groups = groups(query);
            let legend = target["legendFormat"].as_str().unwrap();
            for label in legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
                assert!(groups.iter().any(|group| group == label), "{title}: {label}");
            }
        }
    }
}

/// What kind of number a query of the dashboard gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    PerSecond,
    Ratio,
    Gas,
    Seconds,
    Bytes,
    Count,
}

fn kind_of_number(query: &str) -> Number {
    let is_quantile = query.starts_with("histogram_quantile(");
    let of = selectors(query);
    if query.contains(") / ") {
        Number::Ratio
    } else if query.contains("rate(") && !is_quantile {
        if of.iter().any(|it| it.name.contains("gas_used")) {
            Number::Gas
        } else {
            Number::PerSecond
        }
    } else if of.iter().all(|it| it.name.trim_end_matches("_bucket").ends_with("_seconds")) {
        Number::Seconds
    } else if of.iter().all(|it| it.name.contains("_bytes")) {
        Number::Bytes
    } else {
        assert!(!is_quantile, "{query}");
        Number::Count
    }
}

#[test]
fn what_alerts_are_tried_on_is_what_a_host_says() {
    let families = families(&exposition());
    let tests = fs::read_to_string(ALERTS_TEST).unwrap();
    let mut count = 0;
    for series in tests.lines().filter_map(|line| line.trim().strip_prefix("- series: ")) {
        assert_eq!(problem(series, &families), None, "{series}");
        count += 1;
    }
    assert!(count > 20, "only {count} series");
    // Of each alert, a time at which it fires, and one at which it does not.
    let alerts = fs::read_to_string(ALERTS).unwrap();
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let (_, test) = tests.split_once(&format!("- name: {alert}\n")).expect(alert);
        let test = test.split("- name: ").next().unwrap_or_default();
        let times = test.matches(&format!("- alertname: {alert}\n")).count();
        let firing = test.matches("exp_alerts:").count();
        assert!(firing > 0 && times > firing, "{alert}: fires at {firing} of {times} times");
    }
}

#[test]
fn the_alerts_ask_for_metrics_that_there_are() {
    let families = families(&exposition());
    let alerts = fs::read_to_string(ALERTS).unwrap();
    let queries = queries_of_alerts(&alerts);
    assert_eq!(queries.len(), alerts.matches("- alert: ").count());
    assert!(queries.len() >= 10);
    for query in &queries {
        assert_eq!(problem(query, &families), None, "{query}");
    }
    // What they tell of names metrics too.
    for word in alerts.split(|c: char| !(c.is_ascii_lowercase() || c == '_')) {
        let is_metric = word.starts_with("pvf_") && word.len() > 4;
        assert!(!is_metric || problem(word, &families).is_none(), "{word}");
    }
}

#[test]
fn what_is_wrong_with_a_query_is_found() {
    let families = families(&exposition());
    for (query, expected) in [
        ("up", Some("it asks for nothing of ours")),
        ("pvf_verdict_total", Some("there is no series pvf_verdict_total")),
        ("pvf_waiting_seconds", Some("there is no series pvf_waiting_seconds")),
        ("pvf_cache_bytes_bucket", Some("there is no series pvf_cache_bytes_bucket")),
        ("pvf_verdicts_total{kind=\"x\"}", Some("pvf_verdicts_total has no label kind")),
        ("pvf_verdicts_total{class=\"odd\"}", Some("class of pvf_verdicts_total is never odd")),
        ("sum by (le, kind) (pvf_cache_bytes)", Some("nothing has the label le")),
        (
            "sum by (le, kind) (rate(pvf_waiting_seconds_bucket{kind!~\"backing|precheck\"}[5m]))",
            None,
        ),
        ("sum by (instance) (pvf_verdicts_total{class=~\"valid|invalid\"})", None),
    ] {
        assert_eq!(problem(query, &families).as_deref(), expected, "{query}");
    }
}

#[test]
fn a_metric_of_the_specification_is_as_one_reads_it() {
    let text = exposition();
    assert!(text.ends_with("# EOF\n"));
    let values = values(&text);
    assert_eq!(values["pvf_verdicts_total{cause=\"valid\",class=\"valid\"}"], 0.0);
    for (bound, kind) in [("0.0001", "backing"), ("12.0", "approval"), ("+Inf", "precheck")] {
        let series = values.keys().filter(|name| name.starts_with("pvf_waiting_seconds_bucket"));
        let mut series = series.filter(|name| name.contains(&format!("kind=\"{kind}\"")));
        assert!(series.any(|name| name.contains(&format!("le=\"{bound}\""))), "{bound}");
    }
}
