//! The report of `pvf compare`, looked at in a real browser.

#![cfg(any(feature = "polkavm", feature = "wasmtime"))]

mod browser;
mod place;

use browser::Browser;
use place::Place;
use serde_json::{Value, json};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/blobs");

/// A name that would be seen if it were taken for markup.
const EVIL: &str = "<script>window.evil = 1</script><img src=x onerror=\"window.evil = 1\">";

/// Writes a case for the example. If there are two backends, the other has another program, which
/// accepts the same good candidate with another result.
fn write_case(place: &Place, file: &str, name: &str, block: &str, expect: &str) {
    let mut code = Vec::new();
    if cfg!(feature = "wasmtime") {
        code.push(format!("wasm = '{GUESTS}/adder.wasm'"));
    }
    if cfg!(feature = "polkavm") && (code.is_empty() || block.contains("good")) {
        let guest = if code.is_empty() { "adder" } else { "hasher" };
        code.push(format!("polkavm = '{GUESTS}/{guest}.polkavm'"));
    }
    let text = format!(
        "name = '''{name}'''\n{}\nparent_head = '{EXAMPLES}/adder-parent-head.hex'\n\
         block = '{EXAMPLES}/{block}'\n{expect}",
        code.join("\n")
    );
    place.write(file, text);
}

fn numbers(value: &Value) -> Vec<f64> {
    let text = value.as_str().unwrap();
    let inner = text.split_once('(').unwrap().1.trim_end_matches(')');
    inner.split(',').map(|number| number.trim().parse().unwrap()).collect()
}

/// The contrast of two colours as the Web Content Accessibility Guidelines define it.
fn contrast(one: &Value, other: &Value) -> f64 {
    let luminance = |color: &Value| {
        let weights = [0.2126, 0.7152, 0.0722];
        let channel = |value: f64| match value / 255.0 {
            value if value <= 0.04045 => value / 12.92,
            value => ((value + 0.055) / 1.055).powf(2.4),
        };
        let channels = numbers(color);
        weights.iter().zip(&channels).map(|(weight, value)| weight * channel(*value)).sum::<f64>()
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn the_report_reads_well_in_a_browser() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    let wrong = "[expect]\nhead = '0x0102'\n";
    write_case(&place, "a.toml", "good", "adder-good.block", "");
    write_case(&place, "b.toml", EVIL, "adder-good.block", wrong);
    write_case(&place, "c.toml", "bad", "adder-bad.block", "[expect]\nverdict = 'invalid'\n");
    let report = place.path("report page.html");
    let cases = place.path("");
    let arguments = [
        "compare",
        cases.to_str().unwrap(),
        "--json",
        "--runs",
        "4",
        "--first-runs",
        "2",
        "--prepare-runs",
        "2",
        "--report",
        report.to_str().unwrap(),
    ];
    let json = place.run_plain(&arguments).expect(1).json();
    let backends = json["backends"].as_array().unwrap().len();
    // A bar for whatever was measured.
    let measured = json["cases"].as_array().unwrap().iter().flat_map(|case| {
        let backends = case["measures"].as_object().unwrap().values();
        backends.map(|measures| measures.as_object().unwrap().len())
    });
    let bars: usize = measured.sum();
    let cases = json["cases"].as_array().unwrap();
    let points: usize =
        cases.iter().map(|case| case["measures"].as_object().unwrap().len() - 1).sum();
    let divergences = json["cases"].as_array().unwrap().iter();
    let divergences: usize =
        divergences.map(|case| case["divergences"].as_array().unwrap().len()).sum();
    assert!(divergences > 0 && bars > 20 && (points > 0 || backends == 1), "{json}");

    let mut pages = vec![];
    for (width, theme) in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")] {
        browser.open(&report, width, theme);
        browser.photograph(&format!("report-{width}-{theme}.png"));
        let mut count = |selector: &str| {
            browser.evaluate(&format!("document.querySelectorAll({selector:?}).length"))
        };

        // What is in it.
        assert_eq!(count("h1"), 1);
        assert_eq!(count("#divergences .divergence"), divergences);
        assert_eq!(count("#verdicts tbody tr"), 3);
        assert_eq!(count("#verdicts thead th"), backends + 2);
        assert_eq!(count("#measures svg.bar rect"), bars);
        assert_eq!(count("#figures tbody tr"), bars);
        assert_eq!(count("#times svg.scatter .point"), points);
        let first = browser.evaluate("document.querySelector('main > *').id");
        assert_eq!(first, "divergences");

        // Nothing that comes from a name is more than text.
        assert_eq!(browser.evaluate("typeof window.evil"), "undefined");
        assert_eq!(browser.evaluate("document.scripts.length + document.images.length"), 0);
        let name = "document.querySelectorAll('#verdicts tbody th')[1].textContent";
        assert_eq!(browser.evaluate(name), EVIL);

        // It stands by itself.
        assert_eq!(browser.requests().len(), 1, "{:?}", browser.requests());
        assert_eq!(browser.complaints(), [&Value::Null; 0]);

        // The page is as wide as the screen; what is wider scrolls in its own box.
        let widths = browser.evaluate(
            "const root = document.documentElement; \
             [innerWidth, root.scrollWidth - root.clientWidth, root.clientWidth]",
        );
        // A screen that is no phone's shows a scroll bar at its side.
        assert_eq!((&widths[0], &widths[1]), (&json!(width), &json!(0)));
        assert!(width > 360 || widths[2] == width, "{widths}");
        let outside = browser.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg') && \
             e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML)",
        );
        assert_eq!(outside, json!([]));

        // Who can't see it can have it read.
        let unnamed = browser.evaluate(
            "[...document.querySelectorAll('table')].filter(t => !t.caption || \
             !t.querySelector('thead th[scope=col]') || !t.querySelector('tbody th[scope=row]'))\
             .length + [...document.querySelectorAll('svg')].filter(s => \
             s.getAttribute('aria-hidden') !== 'true' && !s.querySelector('title')).length",
        );
        assert_eq!(unnamed, 0);
        assert!(!browser.evaluate("document.title").as_str().unwrap().is_empty());
        assert_eq!(browser.evaluate("document.documentElement.lang"), "en");

        // Text and bars stand out from what is behind them.
        let colors = browser.evaluate(
            "const style = (s) => getComputedStyle(document.querySelector(s)); \
             ({ page: style('body').backgroundColor, box: style('figure').backgroundColor, \
                text: style('body').color, faint: style('footer p').color, \
                bad: style('.judgement').color, good: style('.good, .bad').color, \
                figure: style('figure h3').color, note: style('figcaption p').color, \
                bar: style('rect.b0').fill })",
        );
        for (text, behind, least) in [
            ("text", "page", 7.0),
            ("faint", "page", 4.5),
            ("bad", "page", 4.5),
            ("good", "page", 4.5),
            ("figure", "box", 4.5),
            ("note", "box", 4.5),
            ("bar", "box", 3.0),
        ] {
            let contrast = contrast(&colors[text], &colors[behind]);
            assert!(contrast >= least, "{theme}: {text} on {behind}: {contrast}");
        }
        pages.push(colors);
    }
    assert_eq!(pages[0], pages[2]);
    assert_ne!(pages[0]["page"], pages[1]["page"]);
    assert_ne!(pages[0]["text"], pages[1]["text"]);
    browser.close();
}
