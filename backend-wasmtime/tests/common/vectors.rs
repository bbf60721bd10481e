//! The modules of the folder `vectors`. See its `README.md`.

use super::text::{MEMORY, returns};
use pvf_host_core::primitives::{ExecutorParam, hex};
use std::{collections::BTreeSet, fs, path::Path};

/// A module, and the executor parameters it gets.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) code: Vec<u8>,
    pub(crate) params: Vec<ExecutorParam>,
}

/// Reads all files of modules in a folder. Each module begins with a line `;; @<kind> <name> <parameters>`.
pub(crate) fn vectors(folder: &Path) -> Vec<Vector> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    files.sort();
    let mut vectors = Vec::new();
    for file in files {
        let topic = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let (_, blocks) = text.split_once("\n;; @").expect("a file has modules");
        for block in blocks.split("\n;; @") {
            let (head, body) = block.split_once('\n').unwrap();
            let mut words = head.split(' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            let name = format!("{topic}/{name}");
            let code = code(kind, body).unwrap_or_else(|error| panic!("{name}: {error}"));
            let params = words.map(parameter).collect();
            vectors.push(Vector { name, code, params });
        }
    }
    let names: BTreeSet<_> = vectors.iter().map(|vector| &vector.name).collect();
    assert_eq!(names.len(), vectors.len(), "a name is there twice");
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
        Some(("pages", value)) => ExecutorParam::MaxMemoryPages(value.parse().unwrap()),
        Some(("stack", value)) => ExecutorParam::StackLogicalMax(value.parse().unwrap()),
        _ => panic!("unknown parameter {word}"),
    }
}
