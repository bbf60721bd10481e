//! Whether the book's page about the conformance suite lists its tests.
//!
//! With the environment variable `PVF_WRITE_DOCS` the page is written instead.

use pvf_conformance::{Guests, TIME_LIMIT, TIME_LIMIT_VARIABLE, tests};
use std::{collections::BTreeSet, fmt::Write, fs};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/conformance.md");

const INTRODUCTION: &str = "\
# Conformance suite

What a backend has to do, each demand a test. The crate `pvf-conformance`, in `tests/conformance`, has
the tests, for whoever writes a backend: its documentation says how to run them. This page is made from
what the tests say when they fail; another test compares the two.

The backend is called in the processes that do the tests, in processes that count threads, fork and confine
themselves as jobs do, and in the workers of a real host with its sandbox. A test that ends its process, or
has not ended after {limit} seconds, fails, and takes no other along; the environment variable
`{variable}` sets another limit, in seconds. Whether the suite finds what
it should is tried with backends that are broken, each in one way, from the outside or in the source of the
example: `tests/broken` lists them, with the tests that have to fail, and the few tests that no such
backend fails, with the reason.
";

const GUESTS: &str = "
## Guests

The suite runs programs with known answers. For WebAssembly and PolkaVM it has them in it. For another format they are built from the same sources, as
`tests/guests/README.md` says, into one folder, each as a file of its name with any extension:

| guest | source |
| --- | --- |
";

/// What areas are about, in the order of the suite.
const AREAS: &[(&str, &str)] = &[
    ("descriptor", "How the backend makes itself known"),
    ("prevalidation", "Code that is none"),
    ("artifacts", "What preparing makes"),
    ("fingerprint", "What decides whether an artifact can run"),
    ("loading", "From an artifact to something that can be called"),
    ("calls", "Calls, one after the other"),
    ("guests", "Programs with known answers"),
    ("limits", "Limits on memory and stack"),
    ("host_functions", "What guests get from host functions"),
    ("logs", "What guests log"),
    ("determinism", "The same, each time and everywhere"),
    ("gas", "Metering"),
    ("unwinding", "Panics"),
    ("forks", "Forks, and confinement in them"),
    ("through_the_host", "In workers of a real host"),
    ("webassembly", "For engines that run WebAssembly: modules with recorded answers"),
];

fn page() -> String {
    let limit = TIME_LIMIT.as_secs().to_string();
    let mut page =
        INTRODUCTION.replace("{limit}", &limit).replace("{variable}", TIME_LIMIT_VARIABLE);
    for (area, title) in AREAS {
        write!(page, "\n## {title}\n\n| `{area}::` | demand |\n| --- | --- |\n").unwrap();
        for test in tests() {
            if let Some(name) = test.name.strip_prefix(&format!("{area}::")) {
                writeln!(page, "| `{name}` | {} |", test.demand.replace('|', "\\|")).unwrap();
            }
        }
    }
    page.push_str(GUESTS);
    for guest in Guests::needed() {
        writeln!(page, "| `{}` | `{}` |", guest.name, guest.source()).unwrap();
    }
    page
}

#[test]
fn the_page_lists_the_tests_and_what_they_demand() {
    if std::env::var_os("PVF_WRITE_DOCS").is_some() {
        fs::write(PAGE, page()).unwrap();
        return;
    }
    let written = fs::read_to_string(PAGE).unwrap();
    assert!(written == page(), "the page is not up to date: write it with PVF_WRITE_DOCS=1");
}

#[test]
fn each_test_has_a_name_of_its_own_in_an_area_and_a_demand() {
    let mut names = BTreeSet::new();
    for test in tests() {
        let (area, _) = test.name.split_once("::").unwrap();
        assert!(AREAS.iter().any(|(known, _)| *known == area), "{}", test.name);
        assert!(test.demand.ends_with('.'), "{}", test.name);
        assert!(names.insert(test.name), "{} is there twice", test.name);
    }
    assert!(names.len() >= 100);
}
