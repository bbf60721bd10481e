//! Whether the page *Troubleshooting* has the messages as they are, and has all of them.

use pvf_book::{Page, root};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where messages for operators come from: all errors and warnings that are in there have a row.
const SOURCES: [&str; 13] = [
    "host-core/src/artifact",
    "host-core/src/backend/error.rs",
    "host-core/src/backend/registry.rs",
    "host-core/src/error.rs",
    "host-core/src/host",
    "host-core/src/primitives/compression.rs",
    "host-core/src/retry.rs",
    "host-core/src/sandbox.rs",
    "host-core/src/worker/connection.rs",
    "host-core/src/worker/control_group.rs",
    "host-core/src/worker/execute.rs",
    "host-core/src/worker/prepare.rs",
    "host-core/src/worker/spawn.rs",
];

/// What an operator does not see as it stands.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("the host is shutting down", "nobody is left to see it"),
    ("…: …", "names an action that stands in front of the kernel's error"),
];

/// The files in Rust below a path.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    let is_of_use = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|it| it == "rs");
    paths.into_iter().filter(is_of_use).flat_map(|path| files(&path)).collect()
}

/// A source without its tests.
fn source(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source can be read");
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// The texts in quotes, with `…` in place of what is filled in.
fn literals(source: &str) -> Vec<String> {
    let mut literals = vec![];
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (_, here) = rest.split_at(at);
        if here.starts_with("//") {
            rest = here.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(behind) = here.strip_prefix("'\"'") {
            rest = behind;
        } else if let Some(text) = here.strip_prefix('"') {
            let (literal, behind) = literal(text);
            literals.push(literal);
            rest = behind;
        } else {
            rest = &here[1..];
        }
    }
    literals
}

/// The text up to the closing quote, and what is behind it.
fn literal(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = source.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (text, &source[at + 1..]),
            '\\' => match chars.next() {
                Some((_, '\n')) => {
                    while chars.next_if(|(_, char)| char.is_whitespace()).is_some() {}
                }
                Some((_, 'n')) => text.push('\n'),
                Some((_, char)) => text.push(char),
                None => break,
            },
            '{' if chars.next_if(|(_, char)| *char == '{').is_some() => text.push('{'),
            '{' => {
                while chars.next().is_some_and(|(_, char)| char != '}') {}
                text.push('…');
            }
            '}' if chars.next_if(|(_, char)| *char == '}').is_some() => text.push('}'),
            char => text.push(char),
        }
    }
    (text, "")
}

/// What is between the parenthesis that has just been opened and the one that closes it.
fn arguments(source: &str) -> &str {
    let mut depth = 1;
    let mut rest = source;
    while let Some(at) = rest.find(['(', ')', '"']) {
        let behind = &rest[at + 1..];
        rest = match &rest[at..=at] {
            "\"" => literal(behind).1,
            "(" => {
                depth += 1;
                behind
            }
            _ => {
                depth -= 1;
                behind
            }
        };
        if depth == 0 {
            return &source[..source.len() - rest.len() - 1];
        }
    }
    source
}

/// The messages of errors and of warnings in a source.
fn messages(source: &str) -> Vec<String> {
    let mut messages = vec![];
    for (start, message) in
        [("#[error(", 0), ("tracing::warn!(", usize::MAX), ("tracing::error!(", usize::MAX)]
    {
        for behind in source.split(start).skip(1) {
            let literals = literals(arguments(behind));
            let index = message.min(literals.len().saturating_sub(1));
            messages.extend(literals.into_iter().nth(index));
        }
    }
    // What says nothing by itself is what it passes on.
    messages.retain(|message| message.chars().any(char::is_alphabetic) || message.contains(": "));
    messages
}

/// The first cells of the page's tables, as far as they are messages.
fn rows() -> BTreeSet<String> {
    let page = Page::read("docs/src/troubleshooting.md");
    let cells = page.text.lines().filter_map(|line| {
        let cell = line.strip_prefix("| ``").and_then(|it| it.split_once("`` |"));
        cell.or_else(|| line.strip_prefix("| `")?.split_once("` |"))
    });
    cells.map(|(message, _)| message.to_owned()).collect()
}

fn sources() -> Vec<String> {
    SOURCES.iter().flat_map(|path| files(&root().join(path))).map(|path| source(&path)).collect()
}

#[test]
fn every_message_on_the_page_is_one() {
    let crates = ["host-core/src", "workers/src", "node/src"];
    let files = crates.iter().flat_map(|path| files(&root().join(path)));
    let literals: BTreeSet<_> = files.flat_map(|path| literals(&source(&path))).collect();
    let rows = rows();
    assert!(rows.len() > 50, "only {} messages", rows.len());
    let wrong: Vec<_> = rows.difference(&literals).collect();
    assert!(wrong.is_empty(), "nothing says: {wrong:#?}");
}

#[test]
fn every_message_is_on_the_page() {
    let rows = rows();
    let all: BTreeSet<_> = sources().iter().flat_map(|source| messages(source)).collect();
    assert!(all.len() > 50, "only {} messages", all.len());
    let is_shown = |message: &String| !NOT_SHOWN.iter().any(|(text, _)| text == message);
    let missing: Vec<_> = all.difference(&rows).filter(|message| is_shown(message)).collect();
    assert!(missing.is_empty(), "say what to do about: {missing:#?}");
    for (message, reason) in NOT_SHOWN {
        assert!(all.contains(*message), "{message}: {reason}");
    }
}

#[test]
fn messages_are_found_in_a_source() {
    let source = r#"
        /// "not this"
        #[error("one {0}: {}", path.display())]
        #[error(
            "two \
             lines, {{braces}}"
        )]
        #[error("{0}")]
        tracing::warn!(%error, other = f("x"), "three");
        tracing::info!("not this");
    "#;
    assert_eq!(messages(source), ["one …: …", "two lines, {braces}", "three"]);
}
