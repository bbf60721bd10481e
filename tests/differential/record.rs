//! The recorded corpus: modules with the reference's answers, in a file that a test reads.

use crate::case::Case;
use pvf_host_core::primitives::hex;
use pvf_tests::verdict::Verdict;
use std::{collections::BTreeMap, fmt::Write, io, path::Path};

/// The most bytes of text of one kind, and of one module of that kind. What is written by hand is taken
/// as a whole.
fn limits(kind: &str) -> (usize, usize) {
    match kind {
        "cases" => (usize::MAX, 8_000),
        "calls" => (110_000, 4_000),
        "programs" => (60_000, 2_500),
        "mutations" => (30_000, 1_500),
        "proposals" => (20_000, 1_500),
        _ => (0, 0),
    }
}

/// How many of one kind may end in the same way.
const MAX_ALIKE: usize = 25;

/// What has been taken so far.
#[derive(Default)]
pub(crate) struct Record {
    /// The text of each module under its kind, and under the length of its name before the name itself,
    /// so that numbers are in the order of their values.
    texts: BTreeMap<(String, usize, String), String>,
    sizes: BTreeMap<String, usize>,
    /// How many there are of a kind that end in the same way.
    alike: BTreeMap<(String, String), usize>,
}

impl Record {
    /// Takes a case if it is small, and there are not too many of its like.
    pub(crate) fn add(&mut self, kind: &str, case: &Case, verdicts: &[Verdict]) {
        let (all, one) = limits(kind);
        if verdicts.len() != case.inputs.len() {
            return;
        }
        let mut text = format!("module {} {}\n", case.name, hex::encode(&case.code));
        if !case.executor_params.is_empty() {
            let _ = writeln!(text, "params {}", hex::encode(&case.executor_params));
        }
        let mut ends = String::new();
        for (input, verdict) in case.inputs.iter().zip(verdicts) {
            let output = match &verdict.result {
                Ok(output) => hex::encode(output),
                Err(_) => "failed".into(),
            };
            let _ = writeln!(text, "input {} {} {output}", hex::encode(input), verdict.stage);
            let _ = write!(ends, "{}{} ", verdict.stage, verdict.result.is_ok());
        }
        let size = self.sizes.entry(kind.to_owned()).or_default();
        let alike = self.alike.entry((kind.to_owned(), ends)).or_default();
        let is_alike = kind != "cases" && *alike >= MAX_ALIKE;
        if text.len() > one || text.len() > all - *size || is_alike {
            return;
        }
        *size += text.len();
        *alike += 1;
        self.texts.insert((kind.to_owned(), case.name.len(), case.name.clone()), text);
    }

    /// Writes it all.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let mut text = String::from(
            "# Modules with inputs, and the reference implementation's answers. See the README.\n\
             # Licence as the project. Written by the differential test.\n",
        );
        text.extend(self.texts.values().map(String::as_str));
        std::fs::write(file, text)
    }
}
