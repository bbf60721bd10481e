//! Modules in WebAssembly, and what Polkadot's own host says to them. See `vectors/README.md`.

use pvf_host_core::primitives::{ExecutorParam, hex};
use std::collections::{BTreeMap, BTreeSet};

/// Two pages of memory and a heap base, as most guests have them.
pub const MEMORY: &str = r#"(memory (export "memory") 2)
    (global (export "__heap_base") i32 (i32.const 1024))"#;

/// An entry point with this body, of type (i32, i32) -> i64.
pub fn entry_point(body: &str) -> String {
    format!(r#"(func (export "validate_block") (param i32 i32) (result i64) {body})"#)
}

/// An entry point that returns the value of an expression of type i64.
pub fn returns(expression: &str) -> String {
    entry_point(&format!("(i64.store (i32.const 512) {expression}) (i64.const 0x8_0000_0200)"))
}

/// What each call gets.
pub const INPUT: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];

macro_rules! topics {
    ($($topic:literal),*) => {
        const TOPICS: &[(&str, &str)] =
            &[$(($topic, include_str!(concat!("../vectors/", $topic, ".wat")))),*];
    };
}

topics!(
    "floats",
    "instructions",
    "memory",
    "modules",
    "output",
    "proposals",
    "reading",
    "stack",
    "tables",
    "traps"
);

/// What Polkadot's own host answers, by the modules' names.
pub fn answers() -> BTreeMap<String, String> {
    lines(include_str!("../vectors/answers.txt"))
}

/// Where this host means to answer otherwise.
pub fn differences() -> BTreeMap<String, String> {
    lines(include_str!("../vectors/differences.txt"))
}

/// Where it means to when bulk memory operations are allowed, besides.
pub fn differences_with_bulk_memory() -> BTreeMap<String, String> {
    lines(include_str!("../vectors/bulk-memory.txt"))
}

fn lines(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, answer)| (name.to_owned(), answer.to_owned()))
        .collect()
}

/// A module, and the executor parameters it gets.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Its topic, and its name.
    pub name: String,
    /// Its bytes.
    pub code: Vec<u8>,
    /// The parameters, where they are not the default ones.
    pub params: Vec<ExecutorParam>,
}

/// All modules, topic by topic.
///
/// # Panics
///
/// If a file is not as it should be.
pub fn vectors() -> Vec<Vector> {
    TOPICS.iter().flat_map(|(topic, text)| read(topic, text)).collect()
}

/// The modules about one topic.
///
/// # Panics
///
/// If there is no such topic, or its file is not as it should be.
pub(crate) fn vectors_about(topic: &str) -> Vec<Vector> {
    let found = TOPICS.iter().find(|(name, _)| *name == topic);
    let (topic, text) = found.unwrap_or_else(|| panic!("there is no topic {topic}"));
    read(topic, text)
}

/// Reads a file of modules. Each begins with a line `;; @<kind> <name> <parameters>`.
fn read(topic: &str, text: &str) -> Vec<Vector> {
    let (_, blocks) = text.split_once("\n;; @").expect("a file has modules");
    let vectors: Vec<_> = blocks
        .split("\n;; @")
        .map(|block| {
            let (head, body) = block.split_once('\n').expect("a module has a body");
            let mut words = head.split(' ');
            let (Some(kind), Some(name)) = (words.next(), words.next()) else {
                panic!("{topic}: a module has a kind and a name");
            };
            let name = format!("{topic}/{name}");
            let code = code(kind, body).unwrap_or_else(|error| panic!("{name}: {error}"));
            Vector { name, code, params: words.map(parameter).collect() }
        })
        .collect();
    let names: BTreeSet<_> = vectors.iter().map(|vector| &vector.name).collect();
    assert_eq!(names.len(), vectors.len(), "{topic}: a name is there twice");
    vectors
}

fn code(kind: &str, body: &str) -> Result<Vec<u8>, String> {
    let text = match kind {
        "module" => body.to_owned(),
        // Behind the fields, for imports come first.
        "guest" => format!("(module {body}\n {MEMORY})"),
        "returns" => format!("(module {MEMORY} {}\n)", returns(&format!("{body}\n"))),
        "hex" => {
            let digits: String = body.lines().flat_map(|line| line.split(' ')).collect();
            return hex::decode(&digits).map_err(|error| error.to_string());
        }
        _ => return Err(format!("unknown kind {kind}")),
    };
    wat::parse_str(text).map_err(|error| error.to_string())
}

fn parameter(word: &str) -> ExecutorParam {
    match word.split_once('=') {
        Some(("pages", value)) => ExecutorParam::MaxMemoryPages(value.parse().expect("a number")),
        Some(("stack", value)) => ExecutorParam::StackLogicalMax(value.parse().expect("a number")),
        _ => panic!("unknown parameter {word}"),
    }
}
