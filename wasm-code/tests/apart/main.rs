//! Code that is read and rewritten in pieces comes to the same as code that is read and rewritten as
//! a whole: the same bytes, or the same error.

#[path = "../../../backend-wasmtime/tests/common/modules.rs"]
mod modules;
mod raw;

use modules::{Language, Random, generate, mutate};
use pvf_host_core::{
    backend::BackendPrepareError,
    primitives::{ExecutorParam, ExecutorParams, compression},
};
use pvf_wasm_code::{Code, Rewritten, Task, ThisThread, Threads, parts, validate};
use raw::Raw;
use std::{num::NonZeroUsize, path::PathBuf};
use wasmparser::Payload;

/// More threads than there is work for.
struct Started;

impl Threads for Started {
    fn count(&self) -> NonZeroUsize {
        NonZeroUsize::new(7).unwrap()
    }

    fn run(&self, tasks: Vec<Task<'_>>) {
        std::thread::scope(|scope| {
            // The first is the last to be started.
            for task in tasks.into_iter().rev() {
                scope.spawn(task);
            }
        });
    }
}

/// What became of code.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Unreadable(BackendPrepareError),
    Refused(String),
    Rewritten(Rewritten),
}

fn whole(code: &[u8], params: &ExecutorParams) -> Outcome {
    match parts::rewritten_whole(code, params) {
        Ok(Ok(rewritten)) => Outcome::Rewritten(rewritten),
        Ok(Err(error)) => Outcome::Refused(error),
        Err(error) => Outcome::Unreadable(error),
    }
}

/// What became of code, and whether it was in pieces.
fn apart(threads: &dyn Threads, code: &[u8], params: &ExecutorParams) -> (Outcome, bool) {
    let read = match Code::read_on(threads, code, params) {
        Ok(read) => read,
        Err(error) => return (Outcome::Unreadable(error), false),
    };
    let is_apart = parts::is_apart(&read);
    let outcome = match read.rewrite_on(threads, params, |wasm| validate(wasm, params)) {
        Ok(rewritten) => Outcome::Rewritten(rewritten),
        Err(error) => Outcome::Refused(error),
    };
    (outcome, is_apart)
}

/// How much code became what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    all: usize,
    apart: usize,
    unreadable: usize,
    refused: usize,
}

impl Counts {
    /// Compares both ways.
    fn check(&mut self, code: &[u8], params: &ExecutorParams) {
        let (outcome, is_apart) = apart(&ThisThread, code, params);
        // Code is long, and most of it says nothing.
        assert!(outcome == whole(code, params), "{}", code.escape_ascii());
        self.all += 1;
        self.apart += usize::from(is_apart);
        match outcome {
            Outcome::Unreadable(_) => self.unreadable += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Rewritten(_) => {}
        }
    }
}

fn params(params: &[ExecutorParam]) -> ExecutorParams {
    ExecutorParams::new(params.to_vec())
}

fn fixtures() -> Vec<Vec<u8>> {
    let Some(folder) = std::env::var_os("PVF_FIXTURES").map(PathBuf::from) else {
        eprintln!("skipped: PVF_FIXTURES is not set");
        return Vec::new();
    };
    let names = ["adder", "asset-hub-polkadot", "collectives-polkadot", "cumulus/para"];
    let blobs = names.map(|name| std::fs::read(folder.join(format!("{name}.blob"))).unwrap());
    blobs.iter().map(|blob| compression::decompress(blob, 1 << 24).unwrap().into()).collect()
}

/// A module with something of everything.
fn sample() -> Vec<u8> {
    let code = wat::parse_str(
        r#"(module (type (func (param i32) (result i32)))
             (import "env" "f" (func $f (param i32))) (memory 1) (table 1 funcref)
             (global (mut i32) (i32.const 5))
             (func $a (param i32) (result i32) (local i64)
               (call $f (local.get 0)) (call_indirect (type 0) (i32.const 1) (i32.const 300)))
             (func $b (call $a (i32.load offset=200 (i32.const 1))) drop)
             (export "b" (func $b)) (start $b) (elem (i32.const 0) $a) (data (i32.const 0) "x"))"#,
    );
    code.unwrap()
}

#[test]
fn real_code_is_read_in_pieces_in_any_number_of_threads() {
    for code in fixtures() {
        for params in [
            params(&[]),
            params(&[ExecutorParam::StackLogicalMax(3), ExecutorParam::WasmExtBulkMemory]),
        ] {
            let whole = whole(&code, &params);
            assert!(matches!(whole, Outcome::Rewritten(_)));
            for threads in [&ThisThread as &dyn Threads, &Started] {
                assert!(apart(threads, &code, &params) == (whole.clone(), true));
            }
        }
    }
}

#[test]
fn metered_code_is_a_whole_whenever_that_is_said() {
    let metered = params(&[ExecutorParam::MaxGas(1)]);
    for code in fixtures().iter().take(1).chain(&[sample()]) {
        let read = Code::read(code, &metered).unwrap();
        assert!(!parts::is_apart(&read));
        let early = read.rewrite(&metered, |wasm| validate(wasm, &metered));
        let read = Code::read(code, &ExecutorParams::default()).unwrap();
        assert!(parts::is_apart(&read));
        let late = read.rewrite(&metered, |wasm| validate(wasm, &metered));
        assert!(early == late);
        assert!(early == parts::rewritten_whole(code, &metered).unwrap());
    }
}

#[test]
fn vectors_come_to_the_same() {
    let mut counts = Counts::default();
    for vector in pvf_conformance::vectors::vectors() {
        for bulk in [None, Some(ExecutorParam::WasmExtBulkMemory)] {
            let params: Vec<_> = vector.params.iter().cloned().chain(bulk).collect();
            counts.check(&vector.code, &ExecutorParams::new(params));
        }
    }
    assert!(counts.all > 900 && counts.apart > counts.all * 3 / 4, "{counts:?}");
}

#[test]
fn generated_modules_come_to_the_same() {
    let bulk = params(&[ExecutorParam::WasmExtBulkMemory]);
    let stack = params(&[ExecutorParam::StackLogicalMax(u32::MAX)]);
    let mut counts = Counts::default();
    let mut with_functions = 0;
    for seed in 0..400 {
        let code = generate(seed, Language::Accepted);
        counts.check(&code, &stack);
        with_functions += usize::from(raw::has_functions(&code));
    }
    assert_eq!(counts.apart, with_functions, "valid code is read in pieces: {counts:?}");
    assert_eq!(counts.unreadable, 0);
    let mut counts = Counts::default();
    for seed in 0..400 {
        counts.check(&generate(seed, Language::BulkMemory), &bulk);
        counts.check(&generate(seed, Language::All), &bulk);
    }
    assert!(counts.apart > 50 && counts.unreadable > 100, "{counts:?}");
}

/// Changes some code in a few places, most often so that it is as long as before.
fn spoil(seed: u64, code: &[u8]) -> Vec<u8> {
    let mut random = Random::new(seed);
    if random.below(4) == 0 {
        return mutate(seed, code);
    }
    let mut code = code.to_vec();
    for _ in 0..=random.below(3) {
        // The functions, and what is initialised, come last.
        let from = if random.below(2) == 0 { 8 } else { code.len() / 2 };
        let at = from + random.below(code.len() - from);
        code[at] = match random.below(3) {
            0 => code[at] ^ 1 << random.below(8),
            1 => random.next() as u8,
            _ => code[from + random.below(code.len() - from)],
        };
    }
    code
}

#[test]
fn spoilt_modules_come_to_the_same() {
    let (none, bulk) = (params(&[]), params(&[ExecutorParam::WasmExtBulkMemory]));
    let mut counts = Counts::default();
    for seed in 0..1000 {
        let language = if seed % 4 == 0 { Language::BulkMemory } else { Language::Accepted };
        let code = generate(seed, language);
        if code.len() > 4096 || !raw::has_functions(&code) {
            continue;
        }
        for change in 0..100 {
            let params = if change % 8 == 0 { &bulk } else { &none };
            counts.check(&spoil(seed * 1000 + change, &code), params);
        }
    }
    assert!(counts.all > 10_000 && counts.unreadable > 1000 && counts.apart > 1000, "{counts:?}");
    assert!(counts.refused > 100, "{counts:?}");
}

#[test]
fn spoilt_real_code_comes_to_the_same() {
    let mut counts = Counts::default();
    for code in fixtures().iter().take(1) {
        for seed in 0..150 {
            counts.check(&spoil(seed, code), &ExecutorParams::default());
        }
        assert!(counts.apart > 10 && counts.unreadable > 10, "{counts:?}");
    }
}

/// Each byte of a small module is each other byte once.
#[test]
fn modules_with_any_byte_changed_come_to_the_same() {
    let code = sample();
    let mut counts = Counts::default();
    for at in 8..code.len() {
        for other in 0..=u8::MAX {
            let mut code = code.clone();
            code[at] = other;
            counts.check(&code, &ExecutorParams::default());
        }
    }
    assert!(counts.apart > counts.all / 20, "{counts:?}");
    assert!(counts.refused > counts.all / 100, "{counts:?}");
}

/// Every instruction, with operands that it has and others, with as few values on the stack as it
/// takes and others, reached and not.
#[test]
fn every_instruction_comes_to_the_same() {
    const OPERANDS: &[&[u8]] = &[
        &[],
        &[0],
        &[0x40],
        &[0x7f],
        &[0x80, 0],
        &[0xff, 0x7f],
        &[0, 0],
        &[1, 0],
        &[0x82, 0x80, 0, 0x81, 1],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x80, 0x80, 0x80, 0x80, 0x78],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f],
        &[1, 2, 3, 4],
        &[1, 2, 3, 4, 5, 6, 7, 8],
        &[2, 0, 1, 1],
        &[2, 1, 1, 1],
        &[0x81, 0, 0x81, 0, 0x81, 0],
    ];
    let mut counts = Counts::default();
    for opcode in 0..=u8::MAX {
        let mut read = 0;
        for operands in OPERANDS {
            for values in 0..4 {
                for is_reached in [true, false] {
                    let mut body = vec![];
                    // A block with a result, then one without.
                    body.extend([0x02, 0x7f, 0x02, 0x40]);
                    if !is_reached {
                        body.push(0);
                    }
                    body.extend([0x41, 0].repeat(values));
                    body.push(opcode);
                    body.extend_from_slice(operands);
                    if matches!(opcode, 2..=4) {
                        body.push(0x0b);
                    }
                    body.extend([0x41, 0, 0x0b, 0x0b, 0x0b]);
                    let before = counts;
                    counts.check(&Raw::default().body(&body).build(), &ExecutorParams::default());
                    read += counts.all - before.all - (counts.unreadable - before.unreadable);
                }
            }
        }
        let is_known = matches!(
            opcode,
            0..=0x05 | 0x0b..=0x11 | 0x1a | 0x1b | 0x20..=0x24 | 0x28..=0xc4
        );
        // An end is one too many, whatever comes behind it.
        assert_eq!(read > 0, is_known && opcode != 0x0b, "{opcode:#x}");
    }
    assert!(counts.apart > counts.refused, "{counts:?}");
    assert!(counts.refused > 100, "{counts:?}");
}

/// Any instructions in any order, with numbers longer than need be.
#[test]
fn random_instructions_come_to_the_same() {
    let mut counts = Counts::default();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut raw = Raw::default();
        for _ in 0..=random.below(3) {
            raw = raw.body(&raw::instructions(&mut random));
        }
        let stack = ExecutorParam::StackLogicalMax(random.next() as u32);
        counts.check(&raw.build(), &params(&[stack]));
    }
    assert_eq!(counts.unreadable, 0, "{counts:?}");
    assert!(counts.apart > counts.all / 8 && counts.apart < counts.all, "{counts:?}");
}

/// Modules that are odd in other places than their instructions.
#[test]
fn odd_modules_come_to_the_same() {
    let plain = || Raw::default().body(&[0x10, 1, 0x1a, 0x0b]).body(&[0x41, 0, 0x0b]);
    let (one, two) = (Raw::default().body(&[0x0b]).code(), plain().code());
    let odd = [
        // What it is, whether it is read in pieces, and what becomes of it.
        ("nothing is odd", plain(), true, "rewritten"),
        ("no types", plain().without(1), false, "refused"),
        ("no functions", plain().without(3), false, "unreadable"),
        ("no code", plain().without(10), false, "unreadable"),
        ("neither", plain().without(3).without(10), false, "rewritten"),
        ("too few bodies", plain().with(10, &one), false, "unreadable"),
        ("no body", plain().with(10, &[0]), false, "unreadable"),
        ("no function at all", plain().with(3, &[0]).with(10, &[0]), false, "rewritten"),
        (
            "a count that is too large",
            plain().with(10, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            false,
            "unreadable",
        ),
        (
            "a count that is longer than need be",
            plain().with(10, &[&[0x82, 0x80, 0], &two[1..]].concat()),
            true,
            "rewritten",
        ),
        ("code twice", plain().twice(10), false, "unreadable"),
        (
            "code with a byte left",
            plain().with(10, &[&two[..], &[0]].concat()),
            false,
            "unreadable",
        ),
        ("custom sections between", plain().with_customs(), true, "rewritten"),
        ("another type than there is", plain().with(3, &[2, 9, 0]), false, "refused"),
        ("a number of data segments", plain().before(10, 12, &[1]), true, "rewritten"),
        (
            "an imported global",
            plain().before(3, 2, &[1, 1, b'a', 1, b'b', 3, 0x7f, 0]),
            true,
            "rewritten",
        ),
        ("a section behind the code", plain().before(11, 11, &[0]), true, "rewritten"),
        ("sections out of order", plain().before(11, 1, &[0]), false, "unreadable"),
        ("an unknown section", plain().before(11, 13, &[0]), false, "unreadable"),
        ("an export of no function", plain().before(10, 7, &[1, 1, b'a', 0, 9]), true, "refused"),
        ("an export of a function", plain().before(10, 7, &[1, 1, b'a', 0, 1]), true, "rewritten"),
        ("a start function", plain().before(10, 8, &[0]), true, "refused"),
        (
            "a start function that is fine",
            Raw::default().body(&[0x0b]).with(1, &[1, 0x60, 0, 0]).with(3, &[1, 0]).before(
                10,
                8,
                &[0],
            ),
            true,
            "rewritten",
        ),
        (
            "a memory twice",
            plain().before(3, 2, &[1, 1, b'a', 1, b'b', 2, 0, 1]).before(6, 5, &[1, 0, 1]),
            true,
            "refused",
        ),
        ("a call of no function", Raw::default().body(&[0x10, 7, 0x0b]), false, "refused"),
        (
            "a call of an import",
            plain().before(3, 2, &[1, 1, b'a', 1, b'b', 0, 0]),
            true,
            "rewritten",
        ),
        (
            "as many locals as can be",
            Raw::default()
                .locals(&[1, 0xfc, 0xff, 0xff, 0xff, 0x0f, 0x7e])
                .body(&[0x41, 0, 0x0b])
                .body(&[0x10, 0, 0x1a, 0x0b]),
            true,
            "rewritten",
        ),
        (
            "more than can be counted",
            Raw::default().locals(&[1, 0xfd, 0xff, 0xff, 0xff, 0x0f, 0x7e]).body(&[0x41, 0, 0x0b]),
            false,
            "refused",
        ),
        (
            "more than can be read",
            Raw::default().locals(&[2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7e, 1, 0x7f]).body(&[0x0b]),
            false,
            "unreadable",
        ),
        (
            "numbers of locals that are longer than need be",
            Raw::default().locals(&[0x82, 0, 0x81, 0x80, 0, 0x7f, 0, 0x7e]).body(&[0x10, 0, 0x0b]),
            true,
            "rewritten",
        ),
        (
            "labels of different arity",
            Raw::default().body(&[0x02, 0x40, 0x41, 0, 0x0e, 1, 0, 1, 0x0b, 0x41, 0, 0x0b]),
            false,
            "refused",
        ),
        (
            "values that are not there",
            Raw::default().body(&[0x1a, 0x1a, 0x1a, 0x0b]),
            false,
            "refused",
        ),
        (
            "as many of them as a frame has",
            Raw::default().body(&[0x1a, 0x1a, 0x41, 0, 0x0b]),
            true,
            "rewritten",
        ),
    ];
    for (what, raw, is_expected_apart, expected) in odd {
        let code = raw.build();
        let params = ExecutorParams::default();
        let (outcome, is_apart) = apart(&ThisThread, &code, &params);
        assert!(outcome == whole(&code, &params), "{what}");
        let became = match outcome {
            Outcome::Unreadable(_) => "unreadable",
            Outcome::Refused(_) => "refused",
            Outcome::Rewritten(_) => "rewritten",
        };
        assert_eq!((is_apart, became), (is_expected_apart, expected), "{what}");
    }
}

/// So many bodies that they are several tasks, the largest of them first and last, with thunks between
/// them, for all are in the table.
#[test]
fn much_code_is_divided_and_comes_to_the_same() {
    let large = [[0x41, 0, 0x1a].repeat(20_000), vec![0x10, 2, 0x1a, 0x0b]].concat();
    let mut raw = Raw::default().body(&large);
    for function in 0..3000 {
        raw = raw
            .body(&[[0x41, 0, 0x1a].repeat(function % 50), vec![0x10, 127, 0x1a, 0x0b]].concat());
    }
    let code = raw.body(&large).all_in_table().build();
    let params = ExecutorParams::default();
    let whole = whole(&code, &params);
    assert!(apart(&Started, &code, &params) == (whole.clone(), true));
    let functions = |code: &[u8]| {
        let payloads = wasmparser::Parser::new(0).parse_all(code);
        let count = payloads.filter(|payload| matches!(payload, Ok(Payload::CodeSectionEntry(_))));
        count.count()
    };
    let Outcome::Rewritten(rewritten) = whole else { panic!() };
    assert_eq!(functions(&rewritten.wasm), 2 * functions(&code), "each has a thunk");
}
