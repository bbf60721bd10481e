//! Whether the book's page about the sandbox has the measures as they are.
//!
//! With the environment variable `PVF_WRITE_DOCS` the table is written instead.

use pvf_host_core::sandbox::Measure;
use std::{fmt::Write, fs};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/sandbox.md");
const START: &str = "<!-- measures -->\n";
const END: &str = "<!-- end of measures -->\n";

fn table() -> String {
    let mut table = "| measure | what it is | what it needs |\n| --- | --- | --- |\n".to_owned();
    for measure in Measure::ALL {
        let (about, needs) = (measure.about(), measure.needs());
        writeln!(table, "| `{measure}` | {about} | {needs} |").unwrap();
    }
    table
}

#[test]
fn the_page_has_every_measure() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(START).expect("the table has a beginning");
    let (written, after) = rest.split_once(END).expect("the table has an end");
    if std::env::var_os("PVF_WRITE_DOCS").is_some() {
        fs::write(PAGE, [before, START, &table(), END, after].concat()).unwrap();
        return;
    }
    assert!(written == table(), "write it anew with PVF_WRITE_DOCS=1");
}
