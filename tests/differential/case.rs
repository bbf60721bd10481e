//! A module with inputs, and where modules come from.

use crate::{calls, fixtures::Folder, random::Random, smith};
use clap::ValueEnum;
use parity_scale_codec::Encode;
use pvf_host_core::primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams, hex};
use std::fmt;

/// Something to ask both sides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) code: Vec<u8>,
    pub(crate) inputs: Vec<Vec<u8>>,
    /// SCALE-encoded. Empty means the default.
    pub(crate) executor_params: Vec<u8>,
    /// What the module does step by step, if the second byte of the input says how many of these steps
    /// are done.
    pub(crate) steps: Vec<String>,
}

/// A generator of modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Random programs in the accepted language, whose output depends on all that they compute.
    Programs,
    /// Sequences of calls of host functions.
    Calls,
    /// Modules of any language and with any imports.
    Proposals,
    /// Modules of the other kinds with some bytes changed.
    Mutations,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Programs => "programs",
            Self::Calls => "calls",
            Self::Proposals => "proposals",
            Self::Mutations => "mutations",
        })
    }
}

/// What is generated from a seed. `with_params` varies the executor parameters.
pub(crate) fn generate(kind: Kind, seed: u64, with_params: bool) -> Case {
    let mut random = Random::new("parameters", seed);
    let params = if with_params { executor_params(&mut random) } else { Vec::new() };
    let has_ecc = params.contains(&ECC);
    let mut case = match kind {
        Kind::Programs => smith::program(seed),
        Kind::Calls => calls::sequence(seed, has_ecc),
        Kind::Proposals => smith::any_language(seed),
        Kind::Mutations => mutation(seed),
    };
    case.name = format!("{kind}-{seed}");
    if !params.is_empty() {
        case.executor_params = ExecutorParams::new(params).encode();
    }
    case
}

const ECC: ExecutorParam = ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163);

fn executor_params(random: &mut Random) -> Vec<ExecutorParam> {
    let mut params = Vec::new();
    if random.percent(40) {
        let pages = [1, 2, 3, 5, 8, 31, 32, 100, 513, 1024, 4096, 65_504, 65_536];
        params.push(ExecutorParam::MaxMemoryPages(*random.pick(&pages)));
    }
    if random.percent(40) {
        let values = [0, 1, 3, 5, 8, 13, 20, 33, 60, 100, 200, 1024, 10_000, 131_072];
        params.push(ExecutorParam::StackLogicalMax(*random.pick(&values)));
    }
    if random.percent(40) {
        params.push(ECC);
    }
    if random.percent(10) {
        params.push(ExecutorParam::WasmExtBulkMemory);
    }
    params
}

/// A module with some bytes changed.
fn mutation(seed: u64) -> Case {
    let mut random = Random::new("mutation", seed);
    let mut case = match random.below(5) {
        0 | 1 => smith::program(seed),
        2 | 3 => calls::sequence(seed, false),
        _ => smith::any_language(seed),
    };
    mutate(&mut random, &mut case.code);
    case.steps.clear();
    case.inputs.truncate(1);
    case
}

/// Changes some bytes.
pub(crate) fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0..=2 => bytes[at] ^= 1 << random.below(8),
            3 | 4 => bytes[at] = random.odd_number() as u8,
            5 => bytes.insert(at, random.next() as u8),
            6 => drop(bytes.remove(at)),
            _ if random.percent(20) => bytes.truncate(at),
            _ => bytes.swap(at, at / 2),
        }
    }
}

/// The cases that are written by hand, in a folder of modules as text or binary.
///
/// A file of text may have several modules, each under a line `;; @<kind> <name> <parameters>`. Beside
/// `NAME.wat` or `NAME.wasm` there may be `NAME.params`, whose lines are inputs in hexadecimal. Without
/// one, there are two: nothing, and some bytes.
///
/// Modules with executor parameters are left out unless `with_params`.
pub(crate) fn written(folder: &Folder, with_params: bool) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for file in folder.files()? {
        let say = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let content = || std::fs::read(&file).map_err(|error| say(&error));
        let inputs = match std::fs::read_to_string(file.with_extension("params")) {
            Ok(text) => text.lines().map(hex::decode).collect::<Result<_, _>>(),
            Err(_) => Ok(vec![Vec::new(), b"input".to_vec()]),
        };
        let inputs = inputs.map_err(|error| say(&error))?;
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => cases.push(Case { name, code: content()?, inputs, ..Case::default() }),
            Some("wat") => {
                let text = String::from_utf8(content()?).map_err(|error| say(&error))?;
                let text = format!("\n{text}");
                let Some((_, blocks)) = text.split_once(HEAD) else {
                    let code = wat::parse_str(&text).map_err(|error| say(&error))?;
                    cases.push(Case { name, code, inputs, ..Case::default() });
                    continue;
                };
                for block in blocks.split(HEAD) {
                    let case = block_of_text(block).map_err(|error| say(&error))?;
                    let name = format!("{name}/{}", case.name);
                    cases.push(Case { name, inputs: inputs.clone(), ..case });
                }
            }
            _ => {}
        }
    }
    cases.retain(|case| with_params || case.executor_params.is_empty());
    Ok(cases)
}

/// What a module in a file of many begins with.
const HEAD: &str = "\n;; @";

/// One of many modules in a file.
fn block_of_text(block: &str) -> Result<Case, String> {
    const MEMORY: &str = r#"(memory (export "memory") 2)
        (global (export "__heap_base") i32 (i32.const 1024))"#;
    let (head, body) = block.split_once('\n').unwrap_or((block, ""));
    let mut words = head.split_whitespace();
    let (Some(kind), Some(name)) = (words.next(), words.next()) else {
        return Err(format!("no kind and name: {head}"));
    };
    let text = match kind {
        "module" => body.to_owned(),
        "guest" => format!("(module {body}\n {MEMORY})"),
        "returns" => format!(
            r#"(module {MEMORY} (func (export "validate_block") (param i32 i32) (result i64)
                (i64.store (i32.const 512) {body}
                ) (i64.const 0x8_0000_0200)))"#
        ),
        "hex" => String::new(),
        _ => return Err(format!("unknown kind {kind}")),
    };
    let code = match kind {
        "hex" => hex::decode(&body.split_whitespace().collect::<String>())
            .map_err(|error| error.to_string())?,
        _ => wat::parse_str(text).map_err(|error| format!("{name}: {error}"))?,
    };
    let mut params = Vec::new();
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{name}: {word}"))?;
        let value = value.parse().map_err(|_| format!("{name}: {word}"))?;
        params.push(match key {
            "pages" => ExecutorParam::MaxMemoryPages(value),
            "stack" => ExecutorParam::StackLogicalMax(value),
            _ => return Err(format!("{name}: {word}")),
        });
    }
    let executor_params =
        if params.is_empty() { Vec::new() } else { ExecutorParams::new(params).encode() };
    Ok(Case { name: name.to_owned(), code, executor_params, ..Case::default() })
}
