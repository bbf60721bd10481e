//! Reads what a scrape of metrics gets.

use std::collections::{BTreeMap, BTreeSet};

/// A metric, as its registry tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it measures.
    pub help: String,
    /// The names of its labels, but for that of a histogram's buckets, with their values.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// All metrics, by the names of their series without what is put behind those of histograms.
pub fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            families.entry(name.into()).or_default().help = help.into();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            families.entry(name.into()).or_default().kind = kind.into();
        } else if !line.starts_with('#') {
            let (name, labels, _) = series(line);
            let behind = ["_total", "_bucket", "_count", "_sum"];
            let base = behind.iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name);
            // A gauge may be named like a part of a histogram.
            let name = if families.contains_key(name) { name } else { base };
            let family = families.get_mut(name).expect("series come behind their type");
            for (name, value) in labels.into_iter().filter(|(name, _)| name != "le") {
                family.labels.entry(name).or_default().insert(value);
            }
        }
    }
    // A counter's series has more to its name than the metric.
    let named = families.into_iter().map(|(name, family)| match family.kind.as_str() {
        "counter" => (name + "_total", family),
        _ => (name, family),
    });
    named.collect()
}

/// The values of all series, by how they are written.
pub fn values(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values = lines.map(|line| {
        let (name, labels, value) = series(line);
        let labels: BTreeMap<_, _> = labels.into_iter().collect();
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        (format!("{name}{labels}"), value)
    });
    values.collect()
}

fn series(line: &str) -> (&str, Vec<(String, String)>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap();
    let Some((name, labels)) = series.split_once('{') else { return (series, vec![], value) };
    let labels = labels.strip_suffix('}').unwrap();
    let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    });
    (name, labels.collect(), value)
}
