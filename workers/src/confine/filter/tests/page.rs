//! Whether the book's page about system calls says what the table does.
//!
//! With the environment variable `PVF_WRITE_DOCS` the page is written instead.

use super::super::{
    CALLS, Stage,
    rules::{Action, Case, Rule},
};
use std::{fmt::Write, fs};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/system-calls.md");

const INTRODUCTION: &str = "\
# System calls

Which system calls a worker and its jobs may make, and what each of them is needed for. The kernel
ends a process with SIGSYS at any other call, and at one of these with other arguments; so it does
with the calls of the 32-bit and x32 interfaces. Some calls that the C library or Rust's standard
library try by themselves, and can do without, fail instead.

The filters are made while the program is compiled, of the table in
`workers/src/confine/filter/calls.rs`. This page is made of the same table, and a test compares the
two. They are put one upon the other: `Worker` holds for a worker and all its jobs, `Loaded` for an
execute worker and all its jobs, too. A call has to be allowed by each.
";

fn about(stage: Stage) -> &'static str {
    match stage {
        Stage::Worker => {
            "Both kinds of workers, once they have confined themselves and before they have read \
             anything\nthat an attacker made; an execute worker until it has loaded its artifact."
        }
        Stage::Loaded => {
            "An execute worker that has loaded its artifact: it forks jobs, talks with them and with \
             its host,\nand makes no more code executable."
        }
        Stage::Job => "A job that executes a candidate.",
        Stage::PrepareJob => {
            "A job that compiles, and tries its artifact out. Its threads were started before."
        }
    }
}

fn name(error: super::super::rules::Error) -> String {
    format!("{error:?}").to_uppercase()
}

/// A rule in words. Nothing if the call is made whatever its arguments.
fn words(rule: &Rule) -> String {
    let when = |case: &Case| {
        let words: Vec<_> = case.when.iter().map(|condition| condition.words).collect();
        words.join(", ")
    };
    let mut parts = vec![];
    let allowed = rule.cases.iter().filter(|case| case.then == Action::Allow).map(when);
    let allowed: Vec<_> = allowed.collect();
    if !allowed.is_empty() {
        parts.push(format!("only {}", allowed.join("; or ")));
    }
    for case in rule.cases {
        if let Action::Fail(error) = case.then {
            parts.push(format!("fails with {} {}", name(error), when(case)));
        }
    }
    if let Action::Fail(error) = rule.otherwise {
        let scope = if rule.cases.is_empty() { "" } else { " otherwise" };
        parts.push(format!("fails with {}{scope}", name(error)));
    }
    parts.join("; ")
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for stage in Stage::ALL {
        write!(page, "\n## {stage:?}\n\n{}\n\n", about(stage)).unwrap();
        page.push_str("| call | arguments | what for |\n| --- | --- | --- |\n");
        let mut calls: Vec<_> = CALLS.iter().filter(|call| !call.rule(stage).is_kill()).collect();
        calls.sort_by_key(|call| call.name);
        for call in calls {
            let words = words(call.rule(stage));
            writeln!(page, "| `{}` | {words} | {} |", call.name, call.reason).unwrap();
        }
    }
    page
}

#[test]
fn the_page_says_what_the_table_does() {
    if std::env::var_os("PVF_WRITE_DOCS").is_some() {
        fs::write(PAGE, page()).unwrap();
        return;
    }
    let how =
        "docs/src/system-calls.md is not what the table says: write it anew with PVF_WRITE_DOCS=1";
    assert!(fs::read_to_string(PAGE).expect(how) == page(), "{how}");
}
