//! Bars: what was measured, one group for each case, one bar for each backend.

use crate::html::Text;
use crate::{
    compare::{
        Comparison, Measure,
        comparison::{MANY, Spread},
        measure::show_ratio,
    },
    samples::Samples,
};
use std::fmt::Write;

/// The bars of all measures for which there are values.
pub(super) fn figures(comparison: &Comparison) -> String {
    let mut html = String::new();
    for measure in Measure::ALL {
        let groups = groups(comparison, measure);
        if groups.is_empty() {
            continue;
        }
        let _ = writeln!(
            html,
            "<figure class=\"measure\"><figcaption><h3>{}</h3><p>{}</p></figcaption>",
            Text(&capitalized(measure.name())),
            Text(measure.about())
        );
        for group in groups {
            html.push_str(&group.to_html(comparison, measure));
        }
        html.push_str("</figure>\n");
    }
    html
}

struct Group<'a> {
    name: &'a str,
    /// By backend.
    spreads: Vec<Option<Spread>>,
    ratios: Vec<Option<f64>>,
}

fn groups(comparison: &Comparison, measure: Measure) -> Vec<Group<'_>> {
    let backends = 0..comparison.backends.len();
    let mut groups: Vec<Group<'_>>;
    if comparison.cases.len() <= MANY {
        groups = comparison
            .cases
            .iter()
            .map(|case| Group {
                name: &case.name,
                spreads: backends
                    .clone()
                    .map(|i| case.samples(i, measure).and_then(Spread::of))
                    .collect(),
                ratios: backends.clone().map(|i| case.ratio(i, measure)).collect(),
            })
            .collect();
    } else {
        let medians = |backend| {
            let cases = comparison.cases.iter();
            cases.filter_map(move |case| case.samples(backend, measure)?.percentile(50))
        };
        groups = vec![Group {
            name: "The medians of all cases",
            spreads: backends.clone().map(|i| Spread::of(&Samples::new(medians(i)))).collect(),
            ratios: backends
                .map(|i| comparison.mean_ratio(i, measure).map(|(ratio, _)| ratio))
                .collect(),
        }];
    }
    groups.retain(|group| group.spreads.iter().any(Option::is_some));
    groups
}

impl Group<'_> {
    fn to_html(&self, comparison: &Comparison, measure: Measure) -> String {
        let unit = measure.unit();
        let largest = self.spreads.iter().flatten().map(|spread| spread.p75).max();
        let largest = largest.unwrap_or(0).max(1) as f64;
        let mut html = format!("<h4>{}</h4><ul class=\"bars\">\n", Text(self.name));
        for (i, spread) in self.spreads.iter().enumerate() {
            let Some(spread) = spread else { continue };
            let id = &comparison.backends[i].id;
            let ratio = match self.ratios[i] {
                Some(ratio) => format!(" <b>{}</b>", show_ratio(ratio)),
                None => String::new(),
            };
            let place = |value: u64| 100.0 * value as f64 / largest;
            let _ = writeln!(
                html,
                "<li><span class=\"label\">{id}</span>\
                 <svg class=\"bar\" viewBox=\"0 0 100 12\" preserveAspectRatio=\"none\" \
                 aria-hidden=\"true\"><rect class=\"b{color}\" y=\"1\" width=\"{width:.2}\" \
                 height=\"10\"/>{whisker}</svg>\
                 <span class=\"value\">{value}{ratio}</span></li>",
                id = Text(id),
                color = color(i),
                width = place(spread.p50),
                whisker = whisker(place(spread.p25), place(spread.p75)),
                value = Text(&spread.show(unit)),
            );
        }
        html.push_str("</ul>\n");
        html
    }
}

fn whisker(from: f64, to: f64) -> String {
    if to - from < 0.01 {
        return String::new();
    }
    format!(
        "<path class=\"whisker\" d=\"M{from:.2} 6H{to:.2}M{from:.2} 3V9M{to:.2} 3V9\" \
         vector-effect=\"non-scaling-stroke\"/>"
    )
}

/// The number of a backend's colour.
pub(super) fn color(backend: usize) -> usize {
    backend % 6
}

fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
