//! Lists the public interface of a library, one item a line, from what rustdoc writes about it as JSON.
//!
//! `public-api-listing FOLDER CRATE=FOREIGN,...` prints the listing of `CRATE`, which is in the folder as
//! `CRATE.json`. It fails if types of other crates are in it than the standard library and those
//! that are `FOREIGN`: whoever uses this one depends on their versions, too.

use std::{collections::BTreeSet, path::Path, process::ExitCode};

/// What is behind a feature for tests alone, and there because the whole workspace is documented.
const FOR_TESTS: &str = "pvf_host_functions::testing";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, what] = &arguments[..] else {
        eprintln!("usage: public-api-listing FOLDER CRATE=FOREIGN,...");
        return ExitCode::from(2);
    };
    let (name, foreign) = what.split_once('=').unwrap_or((what, ""));
    match list(&Path::new(folder).join(format!("{name}.json")), name, foreign) {
        Ok(listing) => {
            print!("{listing}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list(json: &Path, name: &str, foreign: &str) -> Result<String, String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .map_err(|error| {
            format!(
                "{error}\n  hint: each version of the crate `public-api` reads what one Rust \
                 writes; .ci/public-api/Cargo.toml names that version"
            )
        })?;
    let allowed: BTreeSet<_> = foreign.split(',').chain(["alloc", "core", "std", name]).collect();
    let mut lines: Vec<_> = api
        .items()
        .map(ToString::to_string)
        .filter(|line| !line.contains(FOR_TESTS) && !is_noise(line))
        .collect();
    let strange: BTreeSet<_> =
        lines.iter().flat_map(|line| crates_in(line)).filter(|it| !allowed.contains(it)).collect();
    if !strange.is_empty() {
        let found: Vec<_> = lines
            .iter()
            .filter(|line| crates_in(line).any(|it| strange.contains(it)))
            .map(String::as_str)
            .collect();
        return Err(format!("{strange:?} are in the interface:\n{}", found.join("\n")));
    }
    lines.dedup();
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// What comes with an implementation of another trait says nothing besides the line with that.
fn is_noise(line: &str) -> bool {
    const TRAITS: [&str; 2] = [" core::marker::StructuralPartialEq for ", "::EncodeLike for "];
    const METHODS: [&str; 14] = [
        "assert_receiver_is_total_eq",
        "clone",
        "cmp",
        "decode",
        "decode_into",
        "encode",
        "encode_to",
        "encoded_size",
        "eq",
        "fmt",
        "hash",
        "partial_cmp",
        "size_hint",
        "using_encoded",
    ];
    if TRAITS.iter().any(|it| line.contains(it)) {
        return true;
    }
    let Some((head, _)) = line.split_once('(') else { return false };
    let head = head.split('<').next().unwrap_or(head);
    (line.contains("self") || line.contains("__Codec"))
        && head.starts_with("pub fn ")
        && head.rsplit("::").next().is_some_and(|method| METHODS.contains(&method))
}

/// The first segment of each path.
fn crates_in(line: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices("::").filter_map(move |(at, _)| {
        let before = &line[..at];
        let start = before.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        let is_first = !before[..start].ends_with("::");
        let word = &before[start..];
        // Not what a type parameter has, or a number.
        let is_crate = word.starts_with(|c: char| c.is_lowercase())
            && !matches!(word, "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize");
        (is_first && is_crate).then_some(word)
    })
}
