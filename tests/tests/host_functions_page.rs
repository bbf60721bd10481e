//! Whether the book's page about host functions says what the code does.
//!
//! With the environment variable `PVF_WRITE_DOCS` the page is written instead, which needs the real
//! PVFs that `PVF_FIXTURES` names.

use pvf_host_core::primitives::{ExecutorHostFunction, compression};
use pvf_host_functions::{Availability, HOST_FUNCTIONS, HostFunction, NOT_OFFERED, ValueType};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/host-functions.md");

const INTRODUCTION: &str = "\
# Host functions

What a PVF may ask of its host: the functions that it imports from the module `env`, by the names and
types of the Polkadot Protocol Specification and of crate `sp-io`, version 49. This page is made from
the table that backends link from, `for_each_host_function!` in `host-functions/src/table.rs`; a test
compares the two.

| status | an import of such a function |
| --- | --- |
| works | links, if its type is right, and does what the specification says |
| traps by design | links, if its type is right; a call makes the candidate invalid, since what the function works on does not exist for a PVF |
| with a parameter | works if the relay chain has set the executor parameter; else a missing import |
| missing import | links, whatever its type; a call makes the candidate invalid, with the function's name in the reason |

A name that is not on this page is a missing import as well. An import from another module than
`env`, or of something that is no function, makes the code impossible to load; a memory is the
exception.

An argument `i64` is often a range of the guest's memory: the pointer in its low half, the length in
its high half. A result of that kind lies in memory that the host has allocated for it.
";

const FIXTURES_HEADING: &str = "
## What real PVFs import

";

const FIXTURES: [(&str, &str); 4] = [
    ("adder", "adder.blob"),
    ("Asset Hub", "asset-hub-polkadot.blob"),
    ("Collectives", "collectives-polkadot.blob"),
    ("Cumulus", "cumulus/para.blob"),
];

/// The second word of `ext_family_name_version_n`; of families whose names have more words, all.
fn family(name: &str) -> &str {
    const LONG: [&str; 7] = [
        "default_child_storage",
        "host_calls",
        "offchain_index",
        "panic_handler",
        "storage_proof_size",
        "transaction_index",
        "wasm_tracing",
    ];
    let name = name.strip_prefix("ext_").unwrap();
    let long = LONG.into_iter().find(|family| name.starts_with(family));
    long.unwrap_or_else(|| name.split('_').next().unwrap())
}

fn about(family: &str) -> &'static str {
    match family {
        "allocator" => "Memory on the guest's heap, managed by the host.",
        "crypto" => {
            "Signatures. A PVF has no key store, so it can verify them, but neither make keys nor \
             sign."
        }
        "default_child_storage" | "storage" => {
            "A PVF has no storage: what it needs of its chain's state comes with the candidate."
        }
        "hashing" => "Hashes.",
        "host_calls" => "Arithmetic on elliptic curves, after Polkadot's RFC 163.",
        "logging" => "Lines for the node's log. What comes of them has no influence on the guest.",
        "misc" => "Printing, for debugging, and the version that is embedded in a runtime's code.",
        "offchain" | "offchain_index" => "A PVF is no offchain worker, and has none.",
        "panic_handler" => "The guest's last words, which become the reason of the verdict.",
        "storage_proof_size" => "How large a block's proof has become matters to who builds it.",
        "transaction_index" => "A PVF has no transaction index.",
        "trie" => "Roots and proofs of tries.",
        "wasm_tracing" => "A PVF is not traced.",
        other => panic!("say what the family {other} is about"),
    }
}

fn status(name: &str) -> &'static str {
    let Some(function) = HostFunction::find(name) else { return "missing import" };
    match function.availability {
        Availability::Always | Availability::Untyped => "works",
        Availability::Traps => "traps by design",
        Availability::Enabled(ExecutorHostFunction::EccRfc163) => {
            "with `EnabledHostFunction=EccRfc163`"
        }
        Availability::Enabled(family) => panic!("the page does not know {family:?}"),
    }
}

fn type_of(name: &str) -> String {
    let Some(function) = HostFunction::find(name) else { return String::new() };
    let word = |ty: &ValueType| match ty {
        ValueType::I32 => "i32",
        ValueType::I64 => "i64",
    };
    let params: Vec<_> = function.params.iter().map(word).collect();
    let result = function.result.iter().map(|ty| format!(" → {}", word(ty)));
    format!("({}){}", params.join(", "), result.collect::<String>())
}

fn families() -> String {
    let offered = HOST_FUNCTIONS.iter().map(|function| function.name);
    let mut families: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for name in offered.chain(NOT_OFFERED.iter().copied()) {
        families.entry(family(name)).or_default().insert(name);
    }
    let mut page = String::new();
    for (family, names) in families {
        writeln!(page, "\n## {family}\n\n{}\n", about(family)).unwrap();
        writeln!(page, "| function | type | status |\n| --- | --- | --- |").unwrap();
        for name in names {
            writeln!(page, "| `{name}` | {} | {} |", type_of(name), status(name)).unwrap();
        }
    }
    page
}

fn imports(code: &[u8]) -> BTreeSet<String> {
    let payloads = wasmparser::Parser::new(0).parse_all(code).map(Result::unwrap);
    let mut names = BTreeSet::new();
    for payload in payloads {
        let wasmparser::Payload::ImportSection(section) = payload else { continue };
        for import in section.into_imports() {
            let import = import.unwrap();
            if matches!(import.ty, wasmparser::TypeRef::Func(_)) {
                assert_eq!(import.module, "env");
                names.insert(import.name.to_owned());
            }
        }
    }
    names
}

fn real_pvfs(directory: &Path) -> String {
    let imports = FIXTURES.map(|(_, file)| {
        let blob = fs::read(directory.join(file)).unwrap();
        imports(&compression::decompress(&blob, 1 << 25).unwrap())
    });
    let all: BTreeSet<_> = imports.iter().flatten().collect();
    let mut page = FIXTURES_HEADING.to_owned();
    page.push_str(
        "The relay chain's test parachain, the genesis runtimes of two system parachains, and a \
         runtime\nwith the pallets that every parachain has. All of them link. Each import either \
         works, or it traps\nwhen it is called, and by design: as a function of a key store, or as a \
         missing import. The latter\nthese runtimes call when they build blocks, and never when they \
         validate them.\n\n",
    );
    let names: Vec<_> = FIXTURES.iter().map(|(name, _)| *name).collect();
    writeln!(page, "| function | status | {} |", names.join(" | ")).unwrap();
    writeln!(page, "| --- | --- |{}", " --- |".repeat(names.len())).unwrap();
    for name in all {
        let known = HostFunction::find(name).is_some() || NOT_OFFERED.contains(&name.as_str());
        assert!(known, "{name} is on no list");
        write!(page, "| `{name}` | {} |", status(name)).unwrap();
        for imports in &imports {
            page.push_str(if imports.contains(name) { " imports |" } else { " |" });
        }
        page.push('\n');
    }
    page
}

#[test]
fn the_page_says_what_the_code_does() {
    let fixtures = std::env::var_os("PVF_FIXTURES").map(PathBuf::from);
    let table = INTRODUCTION.to_owned() + &families();
    let how = "write it anew with PVF_WRITE_DOCS=1 and PVF_FIXTURES set";
    if std::env::var_os("PVF_WRITE_DOCS").is_some() {
        let directory = fixtures.expect("PVF_FIXTURES names the directory of the real PVFs");
        fs::write(PAGE, table + &real_pvfs(&directory)).unwrap();
        return;
    }
    let page = fs::read_to_string(PAGE).unwrap();
    match fixtures {
        Some(directory) => assert!(page == table + &real_pvfs(&directory), "{how}"),
        None => {
            let (start, _) = page.split_once(FIXTURES_HEADING).expect(how);
            assert!(start == table, "{how}");
            println!("not compared, as PVF_FIXTURES is not set: what real PVFs import");
        }
    }
}
