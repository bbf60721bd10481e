//! Plots, as SVG: for the page, and each as a file that stands by itself.

use super::{
    curve::{Curve, Point},
    document::Document,
    figure::{Better, Goal, Unit},
};
use crate::{cli::Section, html::Text};
use std::fmt::Write;

/// What the plots' parts look like, in light and in dark.
pub(super) const STYLE: &str = include_str!("plot.css");

/// As wide as a small screen, so that text is readable there.
const WIDTH: f64 = 360.0;

#[derive(Debug)]
pub(crate) struct Plot {
    /// The file's, without its ending.
    pub(crate) name: String,
    pub(super) title: String,
    height: f64,
    body: String,
}

impl Plot {
    /// As a part of a page that has the [`STYLE`].
    pub(super) fn inline(&self) -> String {
        self.svg("")
    }

    /// As a file.
    pub(crate) fn file(&self) -> String {
        let head = format!(
            "<style>{STYLE}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
        );
        self.svg(&head)
    }

    fn svg(&self, head: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {}\" \
             role=\"img\" aria-label=\"{title}\"><title>{title}</title>\n{head}{}</svg>\n",
            self.height,
            self.body,
            title = Text(&self.title),
        )
    }
}

/// All that there is to be shown of a document.
pub(crate) fn plots(document: &Document) -> Vec<Plot> {
    let mut plots = Vec::new();
    plots.extend(goals(&document.goals));
    for (section, name, title, wanted) in BARS {
        plots.extend(bars_of(document, *section, name, title, wanted));
    }
    let mut names: Vec<&str> = Vec::new();
    for curve in &document.curves {
        if !names.contains(&&*curve.name) {
            names.push(&curve.name);
        }
    }
    for name in names {
        let curves: Vec<_> = document.curves.iter().filter(|curve| curve.name == name).collect();
        plots.extend(curve_plots(&curves));
    }
    plots
}

/// Figures that are shown as bars: of which section, under what name, with what title, and which.
const BARS: &[(Section, &str, &str, &[&str])] = &[
    (
        Section::Warm,
        "warm",
        "Warm execution and its floor",
        &["warm", "floor, forked", "floor, in process"],
    ),
    (Section::Blocks, "blocks", "Blocks", &["warm", "warm, p50 of each round"]),
    (Section::Throughput, "throughput", "Executions per second", &["executions"]),
    (
        Section::Input,
        "input",
        "A block of 5 MiB and a copy of it",
        &["warm, small block", "warm, 5 MiB", "one copy, small pages", "one copy, huge pages"],
    ),
    (
        Section::Restart,
        "restart",
        "The first execution after a restart",
        &["first execution", "load", "worker spawn to ready"],
    ),
    (
        Section::Prepare,
        "prepare",
        "Preparing",
        &["precheck", "engine alone", "preparing the upgraded code, after the old"],
    ),
];

/// A bar, with the middle half of its values.
struct Bar {
    /// What of.
    subject: String,
    /// What it is.
    name: String,
    class: &'static str,
    value: f64,
    spread: Option<(f64, f64)>,
    shown: String,
}

fn bars_of(
    document: &Document,
    section: Section,
    name: &str,
    title: &str,
    wanted: &[&str],
) -> Option<Plot> {
    let figures = document.figures.iter().filter(|figure| figure.section == section);
    let bars = figures.filter_map(|figure| {
        let place = wanted.iter().position(|name| *name == figure.name)?;
        let value = figure.median()?;
        Some(Bar {
            subject: format!("{} on {}", figure.subject, figure.backend),
            name: figure.name.clone(),
            class: SERIES[place % SERIES.len()],
            value,
            spread: figure.percentile(25).zip(figure.percentile(75)),
            shown: figure.unit.show(value),
        })
    });
    let bars: Vec<_> = bars.collect();
    (!bars.is_empty()).then(|| bar_plot(name, title, &bars, None))
}

/// How far each goal is from its bound. All are turned so that less is better.
fn goals(goals: &[Goal]) -> Option<Plot> {
    let bars = goals.iter().filter_map(|goal| {
        let (value, bound) = goal.value().zip(goal.bound())?;
        let share = match goal.better {
            Better::More => bound / value,
            Better::Less | Better::Neither => value / bound,
        };
        share.is_finite().then(|| Bar {
            subject: format!("{} on {}", goal.subject, goal.backend),
            name: goal.name.clone(),
            class: if goal.met == Some(true) { "good" } else { "bad" },
            value: share.max(0.0),
            spread: None,
            shown: Unit::Ratio.show(share),
        })
    });
    let bars: Vec<_> = bars.collect();
    let title = "Goals: figure by bound (at the line: 1)";
    (!bars.is_empty()).then(|| bar_plot("goals", title, &bars, Some(1.0)))
}

const SERIES: [&str; 4] = ["s0 mark", "s1 mark", "s2 mark", "s3 mark"];

/// Bars on a scale that they share. It begins at zero; or it is logarithmic, around the bound.
fn bar_plot(name: &str, title: &str, bars: &[Bar], bound: Option<f64>) -> Plot {
    const ROW: f64 = 48.0;
    const TOP: f64 = 24.0;
    const ROOM: f64 = WIDTH - 16.0;
    let ends = bars.iter().map(|bar| bar.spread.map_or(bar.value, |(_, high)| high.max(bar.value)));
    let most = ends.chain(bound).fold(f64::MIN_POSITIVE, f64::max);
    let least = bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
    let least = least.chain(bound).fold(most, f64::min) / 2.0;
    let place = |value: f64| {
        let share = match bound {
            Some(_) => (value.max(least) / least).log10() / (most / least).log10(),
            None => value / most,
        };
        8.0 + share * ROOM
    };
    let height = TOP + ROW * bars.len() as f64 + 6.0;
    let mut body = heading(title);
    for (i, bar) in bars.iter().enumerate() {
        let top = TOP + ROW * i as f64;
        let _ = writeln!(
            body,
            "<text x=\"8\" y=\"{:.1}\">{}</text><text class=\"faint\" x=\"8\" y=\"{:.1}\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            top + 12.0,
            Text(&shortened(&bar.subject, 54)),
            top + 25.0,
            Text(&shortened(&bar.name, 44)),
            WIDTH - 8.0,
            top + 25.0,
            Text(&bar.shown),
        );
        let y = top + 30.0;
        let _ = writeln!(
            body,
            "<rect class=\"{} column\" x=\"8\" y=\"{y:.1}\" width=\"{:.1}\" height=\"10\"/>",
            bar.class,
            (place(bar.value) - 8.0).max(0.5),
        );
        if let Some((low, high)) = bar.spread {
            let (from, to) = (place(low), place(high));
            let _ = writeln!(
                body,
                "<path class=\"whisker\" d=\"M{from:.1} {:.1}H{to:.1}M{from:.1} {:.1}v6M{to:.1} \
                 {:.1}v6\"/>",
                y + 5.0,
                y + 2.0,
                y + 2.0
            );
        }
        if let Some(bound) = bound {
            let x = place(bound);
            let _ = writeln!(body, "<path class=\"bound\" d=\"M{x:.1} {:.1}v14\"/>", y - 2.0);
        }
    }
    Plot { name: name.into(), title: title.into(), height, body }
}

fn heading(title: &str) -> String {
    let title = shortened(title, 52);
    format!("<text x=\"8\" y=\"16\" font-weight=\"600\">{}</text>\n", Text(&title))
}

fn shortened(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What is shown of a curve: all of the work, one validation of it, and the host's memory.
fn curve_plots(curves: &[&Curve]) -> Vec<Plot> {
    let Some(first) = curves.first() else { return vec![] };
    let lines = |get: fn(&Point) -> [f64; 3]| {
        let line = |curve: &&Curve| Line {
            name: curve.backend.clone(),
            points: curve.points.iter().map(|point| (point.x, get(point))).collect(),
        };
        curves.iter().map(line).collect::<Vec<_>>()
    };
    let plot = |kind: &str, title: &str, unit, linear, get| {
        let name = format!("curve-{}-{kind}", first.name);
        line_plot(&name, title, &first.x, unit, linear, &lines(get))
    };
    let cost = format!("Cost: {}", first.cost);
    let one = format!("One validation, by {}", first.x);
    let memory = format!("The host's peak memory, by {}", first.x);
    let plots = [
        plot("cost", &cost, Unit::Ms, true, |point| [point.cost_ms; 3]),
        plot("time", &one, Unit::Ms, false, |point| [point.p25_ms, point.p50_ms, point.p75_ms]),
        plot("memory", &memory, Unit::Bytes, false, |point| {
            [point.host_peak_memory_bytes as f64; 3]
        }),
    ];
    plots.into_iter().flatten().collect()
}

/// Points with a low, a middle and a high value.
struct Line {
    name: String,
    points: Vec<(f64, [f64; 3])>,
}

/// Lines on logarithmic axes; with a dashed one that shows what would be `linear`.
fn line_plot(
    name: &str,
    title: &str,
    x_label: &str,
    unit: Unit,
    linear: bool,
    lines: &[Line],
) -> Option<Plot> {
    const HEIGHT: f64 = 260.0;
    let (left, right, top, bottom) = (58.0, WIDTH - 12.0, 44.0, HEIGHT - 34.0);
    let mut places: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let values = lines.iter().flat_map(|line| line.points.iter().flat_map(|point| point.1));
    let values: Vec<_> = values.filter(|value| *value > 0.0).collect();
    let low = values.iter().copied().reduce(f64::min)?.log10();
    let high = values.iter().copied().reduce(f64::max)?.log10();
    // Room above and below, and at least an eighth of a decade.
    let (low, high) = (low - 0.06, high.max(low + 0.12) + 0.06);
    // Nothing has no logarithm: it is shown as half of the least that is there.
    let least = places.iter().copied().find(|x| *x > 0.0).unwrap_or(1.0);
    let log = |x: f64| (if x > 0.0 { x } else { least / 2.0 }).log10();
    let (from, to) = (log(*places.first()?), log(*places.last()?));
    let x_at = |x: f64| match to > from {
        true => left + 8.0 + (log(x) - from) / (to - from) * (right - left - 16.0),
        false => f64::midpoint(left, right),
    };
    let y_at = |value: f64| bottom - (value.log10() - low) / (high - low) * (bottom - top);

    let mut body = heading(title);
    for tick in ticks(low, high) {
        let y = y_at(tick);
        let _ = writeln!(
            body,
            "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>\
             <text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 5.0,
            y + 4.0,
            Text(&short(unit, tick))
        );
    }
    let mut last = f64::MIN;
    for x in &places {
        let at = x_at(*x);
        if at - last >= 22.0 {
            let _ = writeln!(
                body,
                "<text class=\"faint\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x}</text>",
                bottom + 15.0
            );
            last = at;
        }
    }
    let _ = writeln!(
        body,
        "<path class=\"axis\" d=\"M{left:.1} {top:.1}V{bottom:.1}H{right:.1}\"/>\
         <text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(left, right),
        HEIGHT - 4.0,
        Text(x_label)
    );
    if linear {
        for line in lines {
            body.push_str(&linear_growth(line, 10_f64.powf(high), &x_at, &y_at));
        }
    }
    for (i, line) in lines.iter().enumerate() {
        let (mut path, mut marks) = (String::new(), String::new());
        for (x, [low, middle, high]) in &line.points {
            if *low <= 0.0 {
                continue;
            }
            let (x, y) = (x_at(*x), y_at(*middle));
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
            let _ = write!(
                marks,
                "<path class=\"whisker\" d=\"M{x:.1} {:.1}V{:.1}\"/>{}",
                y_at(*low),
                y_at(*high),
                mark(i, x, y)
            );
        }
        let _ = writeln!(
            body,
            "<g class=\"s{}\"><path class=\"series\" d=\"{path}\"/>{marks}\
             <g transform=\"translate({} 32)\">{}<text x=\"8\" y=\"4\">{}</text></g></g>",
            i % SERIES.len(),
            14.0 + 110.0 * i as f64,
            mark(i, 0.0, 0.0),
            Text(&shortened(&line.name, 14))
        );
    }
    if linear {
        let x = 14.0 + 110.0 * lines.len() as f64;
        let _ = writeln!(
            body,
            "<path class=\"linear\" d=\"M{:.1} 32h24\"/><text x=\"{:.1}\" y=\"36\">linear</text>",
            x - 8.0,
            x + 22.0
        );
    }
    Some(Plot { name: name.into(), title: title.into(), height: HEIGHT, body })
}

/// A mark that is told from others by its form too.
fn mark(i: usize, x: f64, y: f64) -> String {
    match i % 3 {
        0 => format!("<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"),
        1 => format!(
            "<rect class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
            x - 3.5,
            y - 3.5
        ),
        _ => format!("<path class=\"mark\" d=\"M{x:.1} {:.1}l4.5 8h-9z\"/>", y - 4.5),
    }
}

/// From a line's first point that is not at nothing, to the last one or the top.
fn linear_growth(
    line: &Line,
    top: f64,
    x_at: &dyn Fn(f64) -> f64,
    y_at: &dyn Fn(f64) -> f64,
) -> String {
    let Some((x0, [_, y0, _])) = line.points.iter().find(|(x, y)| *x > 0.0 && y[1] > 0.0) else {
        return String::new();
    };
    let last = line.points.last().map_or(*x0, |point| point.0);
    let end = last.min(x0 * top / y0);
    let (from, to) = ((x_at(*x0), y_at(*y0)), (x_at(end), y_at(y0 * end / x0)));
    format!("<path class=\"linear\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\n", from.0, from.1, to.0, to.1)
}

/// Round values between two logarithms, as many as there is room for.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = match high - low {
        wide if wide > 3.0 => &[1.0],
        wide if wide > 1.0 => &[1.0, 3.0],
        wide if wide > 0.3 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        _ => &[
            1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 3.6, 4.0, 4.5, 5.0, 5.6,
            6.3, 7.1, 8.0, 9.0,
        ],
    };
    let decades = low.floor() as i32..=high.ceil() as i32;
    let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    all.filter(|tick| (low..=high).contains(&tick.log10())).collect()
}

/// A value at an axis.
fn short(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Ms if value >= 1000.0 => format!("{} s", trimmed(value / 1000.0)),
        Unit::Ms if value < 1.0 => format!("{} µs", trimmed(value * 1000.0)),
        Unit::Ms => format!("{} ms", trimmed(value)),
        Unit::Bytes => format!("{} MB", trimmed(value / 1e6)),
        Unit::PerS | Unit::Ratio | Unit::Count => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{
        curve::tests::point,
        document::tests::empty,
        figure::{About, Figure},
    };

    fn curve(backend: &str, xs: &[f64]) -> Curve {
        let points = xs.iter().map(|x| point(*x, x.max(0.5) * 2.0, 30 << 20)).collect();
        Curve::new("c", backend, "things & more", "all", points)
    }

    #[test]
    fn a_curve_has_a_point_for_each_that_was_measured() {
        let (one, other) = (curve("one", &[0.0, 1.0, 8.0]), curve("other", &[0.0, 1.0, 8.0]));
        let plots = curve_plots(&[&one, &other]);
        let names: Vec<_> = plots.iter().map(|plot| &*plot.name).collect();
        assert_eq!(names, ["curve-c-cost", "curve-c-time", "curve-c-memory"]);
        for plot in &plots {
            // And one of each in the legend.
            assert_eq!(plot.body.matches("<circle").count(), 3 + 1, "{}", plot.name);
            assert_eq!(plot.body.matches("<rect class=\"mark\"").count(), 3 + 1, "{}", plot.name);
            assert!(plot.body.contains("things &amp; more"));
            assert!(!plot.body.contains("NaN") && !plot.body.contains("inf"), "{}", plot.body);
        }
        assert_eq!(plots[0].body.matches("class=\"linear\"").count(), 2 + 1);
    }

    #[test]
    fn one_point_and_none_can_be_plotted() {
        for xs in [&[5.0][..], &[0.0], &[]] {
            for plot in curve_plots(&[&curve("one", xs)]) {
                assert!(!plot.body.contains("NaN") && !plot.body.contains("inf"), "{}", plot.body);
            }
        }
        assert!(plots(&empty()).is_empty());
    }

    #[test]
    fn bars_stay_within_the_plot_and_text_is_no_markup() {
        let about = About { section: Section::Warm, subject: "<b>&", backend: "\"one\"" };
        let of = (Unit::Ms, Better::Less);
        let figures = vec![
            Figure::new(about, "warm", of, [1.0, 2.0, 90.0]),
            Figure::new(about, "floor, forked", of, [0.0]),
        ];
        let goals = vec![
            Goal::new(about, "g", "", (Unit::PerS, Better::More), Ok(0.5), Some(2.0)),
            Goal::new(about, "h", "", of, Err("none".into()), Some(2.0)),
        ];
        let plots = plots(&Document { figures, goals, ..empty() });
        assert_eq!(plots.iter().map(|plot| &*plot.name).collect::<Vec<_>>(), ["goals", "warm"]);
        assert_eq!(plots[0].body.matches(" column\"").count(), 1);
        assert_eq!(plots[1].body.matches(" column\"").count(), 2);
        for plot in plots {
            let file = plot.file();
            assert!(!file.contains("<b>") && !file.contains("NaN"), "{file}");
            for width in file.split(" width=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let width = width.parse().unwrap_or(0.0);
                assert!((0.0..=WIDTH).contains(&width), "{width}");
            }
        }
    }

    #[test]
    fn an_axis_has_at_least_two_ticks() {
        for (low, high) in [(0.3, 0.5), (0.95, 1.1), (-2.0, 4.0), (-0.5, 1.4), (2.55, 2.95)] {
            let ticks = ticks(low, high);
            assert!((2..=12).contains(&ticks.len()), "{low} {high} {ticks:?}");
        }
        assert_eq!(short(Unit::Ms, 0.05), "50 µs");
        assert_eq!(short(Unit::Ms, 1500.0), "1.5 s");
        assert_eq!(short(Unit::Bytes, 2e7), "20 MB");
    }
}
