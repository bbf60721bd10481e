//! Points: the time of each case on the first backend against that on the others, on logarithmic
//! axes.

use super::bars::color;
use crate::compare::{Comparison, Measure, Unit};
use crate::html::Text;
use std::fmt::Write;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 74.0;
const BOTTOM: f64 = 50.0;
const MARGIN: f64 = 24.0;

/// The chart, or nothing if there are not two backends that ran the same case.
pub(super) fn figure(comparison: &Comparison) -> Option<String> {
    let points = points(comparison);
    let axis = Axis::around(points.iter().flat_map(|point| [point.x, point.y]))?;
    let first = &comparison.backends[0].id;
    let across = |value| LEFT + axis.place(value) * (WIDTH - LEFT - MARGIN);
    let up = |value| HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - BOTTOM - MARGIN);
    let (x0, x1) = (LEFT, WIDTH - MARGIN);
    let (y0, y1) = (HEIGHT - BOTTOM, MARGIN);

    let mut svg = format!(
        "<svg class=\"scatter\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"scatter-title scatter-text\">\
         <title id=\"scatter-title\">Warm execution time of each case</title>\
         <desc id=\"scatter-text\">Across: {first}. Up: the other backends. Below the diagonal, the \
         other backend is faster.</desc>\n",
        first = Text(first)
    );
    for tick in axis.ticks() {
        let (x, y) = (across(tick), up(tick));
        let label = Text(&short_time(tick)).to_string();
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {y0}V{y1}M{x0} {y:.1}H{x1}\"/>\
             <text x=\"{x:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{label}</text>\
             <text x=\"{beside:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{label}</text>",
            below = y0 + 16.0,
            beside = x0 - 6.0,
            middle = y + 4.0,
        );
    }
    let _ = writeln!(
        svg,
        "<path class=\"equal\" d=\"M{x0} {y0}L{x1} {y1}\"/>\
         <path class=\"axis\" d=\"M{x0} {y1}V{y0}H{x1}\"/>\
         <text class=\"name\" x=\"{center}\" y=\"{bottom}\" text-anchor=\"middle\">{first}</text>\
         <text class=\"name\" transform=\"translate(14 {middle}) rotate(-90)\" \
         text-anchor=\"middle\">{others}</text>",
        center = (x0 + x1) / 2.0,
        bottom = HEIGHT - 10.0,
        middle = (y0 + y1) / 2.0,
        first = Text(first),
        others = Text(&match &comparison.backends[..] {
            [_, only] => only.id.clone(),
            _ => "others".into(),
        }),
    );
    for point in &points {
        let _ = writeln!(
            svg,
            "<g class=\"point b{}\">{}<title>{}: {} on {}, {} on {}</title></g>",
            color(point.backend),
            mark(point.backend, across(point.x), up(point.y)),
            Text(point.case),
            Unit::Nanoseconds.show(point.x),
            Text(first),
            Unit::Nanoseconds.show(point.y),
            Text(&comparison.backends[point.backend].id),
        );
    }
    svg.push_str("</svg>\n");
    Some(format!("<figure>{svg}{}</figure>\n", legend(comparison)))
}

/// Which mark is whose.
fn legend(comparison: &Comparison) -> String {
    let mut html = String::from("<figcaption class=\"legend\">");
    for (i, backend) in comparison.backends.iter().enumerate().skip(1) {
        let _ = write!(
            html,
            "<span><svg viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" aria-hidden=\"true\">\
             <g class=\"point b{}\">{}</g></svg> {}</span> ",
            color(i),
            mark(i, 6.0, 6.0),
            Text(&backend.id)
        );
    }
    html.push_str("<span>Below the dashed line: faster than ");
    let _ = write!(html, "{}.</span></figcaption>", Text(&comparison.backends[0].id));
    html
}

struct Point<'a> {
    case: &'a str,
    backend: usize,
    x: u64,
    y: u64,
}

fn points(comparison: &Comparison) -> Vec<Point<'_>> {
    let mut points = Vec::new();
    for case in &comparison.cases {
        let median = |backend| case.samples(backend, Measure::Warm)?.percentile(50);
        let Some(x) = median(0) else { continue };
        for backend in 1..comparison.backends.len() {
            if let Some(y) = median(backend) {
                points.push(Point { case: &case.name, backend, x, y });
            }
        }
    }
    points
}

/// A mark that is told from others by its form too.
fn mark(backend: usize, x: f64, y: f64) -> String {
    match backend % 3 {
        1 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"),
        2 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>", x - 4.0, y - 4.0),
        _ => format!("<path d=\"M{x:.1} {:.1}l5 9h-10z\"/>", y - 5.0),
    }
}

/// A logarithmic axis, in nanoseconds.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// One that has room for all values. None if there are none.
    fn around(values: impl Iterator<Item = u64>) -> Option<Self> {
        let logs: Vec<_> = values.map(|value| (value.max(1) as f64).log10()).collect();
        let from = logs.iter().copied().reduce(f64::min)?;
        let to = logs.iter().copied().reduce(f64::max)?;
        // Whole decades, so that there are at least two ticks.
        Some(Self { from: (from - 0.05).floor(), to: (to + 0.05).ceil() })
    }

    /// Where a value is, from 0 to 1.
    fn place(&self, value: u64) -> f64 {
        ((value.max(1) as f64).log10() - self.from) / (self.to - self.from)
    }

    fn ticks(&self) -> Vec<u64> {
        let decades = self.from as i32..=self.to as i32;
        // Few decades leave room for more.
        let steps: &[u64] = if self.to - self.from > 2.0 { &[1] } else { &[1, 2, 5] };
        let all = decades
            .flat_map(|exponent| steps.iter().map(move |step| step * 10_f64.powi(exponent) as u64));
        all.filter(|tick| *tick <= 10_f64.powf(self.to) as u64).collect()
    }
}

/// A round number of nanoseconds, as short as it can be.
fn short_time(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{} s", nanos / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_room_for_all_values_and_two_ticks_at_least() {
        for values in [&[1_000_000][..], &[999, 1_000], &[250_000, 84_000_000], &[1, 0]] {
            let axis = Axis::around(values.iter().copied()).unwrap();
            for value in values {
                let place = axis.place(*value);
                assert!((0.0..=1.0).contains(&place), "{value} at {place}");
            }
            let ticks = axis.ticks();
            assert!(ticks.len() >= 2, "{ticks:?}");
        }
        assert!(Axis::around(std::iter::empty()).is_none());
        let axis = Axis::around([250_000, 84_000_000].into_iter()).unwrap();
        let labels: Vec<_> = axis.ticks().into_iter().map(short_time).collect();
        assert_eq!(labels, ["100 µs", "1 ms", "10 ms", "100 ms"]);
    }
}
