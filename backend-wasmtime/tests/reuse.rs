//! What is taken from an earlier preparation changes nothing but how long it takes.

mod common;

use common::{params, prepare};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Artifact, Bytes, FunctionCounts, Preparation, Prepare, memory_file},
    primitives::{ExecutorParam, ExecutorParams, compression},
};
use std::{collections::BTreeSet, fmt::Write, fs, path::Path};
use wasm_instrument::parity_wasm::elements::{
    Func, FuncBody, Instruction, Instructions, Module, Section, deserialize_buffer,
};

/// What a preparation came to.
#[derive(PartialEq)]
struct Prepared {
    artifact: Vec<u8>,
    counts: FunctionCounts,
    functions: Bytes,
}

/// Prepares in so many threads.
fn prepare_in(
    threads: usize,
    code: &[u8],
    params: &ExecutorParams,
    earlier: Option<&Bytes>,
) -> Prepared {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let output = memory_file("kept").unwrap();
    let kept = Box::new(output.try_clone().unwrap());
    let prepared = pool.install(|| Wasmtime.prepare_reusing(code, params, earlier.cloned(), kept));
    let Preparation { artifact, counts, .. } = prepared.unwrap();
    let functions = Artifact::seal(output).unwrap().into_bytes();
    Prepared { artifact, counts: counts.expect("functions are kept"), functions }
}

/// Prepares in one thread, where what is compiled when is the same each time.
fn reusing(code: &[u8], params: &ExecutorParams, earlier: Option<&Bytes>) -> Prepared {
    prepare_in(1, code, params, earlier)
}

/// The functions that were kept, each once. What they are found by depends on what was compiled when.
fn kept(preparation: &Prepared) -> BTreeSet<&[u8]> {
    let mut functions = BTreeSet::new();
    let mut rest = &preparation.functions[1..];
    while let Some((_key, behind)) = rest.split_first_chunk::<32>() {
        let (len, behind) = behind.split_first_chunk().unwrap();
        let (function, behind) = behind.split_at(u32::from_le_bytes(*len) as usize);
        functions.insert(function);
        rest = behind;
    }
    functions
}

/// How many of so many functions may be compiled in vain: one or two behind each thunk between them.
fn in_vain(functions: u32) -> u32 {
    2 * functions.div_ceil(1 << functions.ilog2().div_ceil(2))
}

/// A module with `count` functions, of which those that `changed` names are others. Every seventh is
/// called by the host, every fifth can be called indirectly.
fn functions(count: u32, changed: impl Fn(u32) -> bool) -> Vec<u8> {
    let mut fields = String::from("(memory 1) (type $t (func (param i32) (result i32)))");
    let mut table = vec![];
    for at in 0..count {
        let export = if at % 7 == 0 { format!("(export \"f{at}\")") } else { String::new() };
        let value = if changed(at) { at + 1_000_000 } else { at };
        let _ = write!(
            fields,
            "(func $f{at} {export} (type $t)
                (if (result i32) (i32.gt_u (local.get 0) (i32.const {value}))
                    (then (i32.load (i32.mul (local.get 0) (i32.const {at}))))
                    (else (call $f{} (i32.add (local.get 0) (i32.const 1))))))",
            (at + 1) % count
        );
        if at % 5 == 0 {
            table.push(format!("$f{at}"));
        }
    }
    let _ = write!(
        fields,
        "(table {0} funcref) (elem (i32.const 0) {1})",
        table.len(),
        table.join(" ")
    );
    common::module(&fields)
}

#[test]
fn a_successor_gets_the_same_artifact_and_little_but_what_changed_is_compiled() {
    const COUNT: u32 = 500;
    let none = ExecutorParams::default();
    let first = reusing(&functions(COUNT, |_| false), &none, None);
    assert_eq!(first.counts.reused, 0);
    let all = first.counts.compiled;
    for (changes, changed) in [
        (0, Box::new(|_| false) as Box<dyn Fn(u32) -> bool>),
        (10, Box::new(|at| at % 50 == 1)),
        (COUNT, Box::new(|_| true)),
    ] {
        let code = functions(COUNT, changed);
        let full = prepare(&code, &none).unwrap();
        let second = reusing(&code, &none, Some(&first.functions));
        assert!(second.artifact == full.bytes(), "{changes}");
        let compiled = second.counts.compiled;
        assert!((changes..=changes + in_vain(COUNT)).contains(&compiled), "{changes}: {compiled}");
        // What is kept is what a preparation in full would have kept.
        assert!(kept(&second) == kept(&reusing(&code, &none, None)), "{changes}");
        let third = reusing(&code, &none, Some(&second.functions));
        assert!(third.artifact == full.bytes() && kept(&third) == kept(&second), "{changes}");
        assert!(third.counts.compiled <= in_vain(COUNT), "{changes}");
    }
    assert!(all >= COUNT);
}

#[test]
fn code_with_more_functions_reuses_those_that_have_moved() {
    let none = ExecutorParams::default();
    let code = functions(300, |_| false);
    let first = reusing(&code, &none, None);
    let mut module: Module = deserialize_buffer(&code).unwrap();
    let body = Instructions::new(vec![Instruction::GetLocal(0), Instruction::End]);
    for section in module.sections_mut() {
        match section {
            Section::Function(functions) => {
                functions.entries_mut().insert(0, Func::new(0));
            }
            Section::Code(code) => {
                for body in code.bodies_mut() {
                    for instruction in body.code_mut().elements_mut() {
                        if let Instruction::Call(to) = instruction {
                            *to += 1;
                        }
                    }
                }
                let body = FuncBody::new(vec![], body.clone());
                code.bodies_mut().insert(0, body);
            }
            _ => {}
        }
    }
    let code = module.into_bytes().unwrap();
    let second = reusing(&code, &none, Some(&first.functions));
    assert!(second.artifact == prepare(&code, &none).unwrap().bytes());
    assert!(second.counts.compiled <= 3 + in_vain(300), "{:?}", second.counts);
}

#[test]
fn the_same_code_in_any_number_of_threads_has_the_same_artifact() {
    let none = ExecutorParams::default();
    let code = functions(300, |_| false);
    let full = prepare(&code, &none).unwrap();
    let mut earlier = None;
    for threads in [1, 2, 8, 3] {
        let prepared = prepare_in(threads, &code, &none, earlier.as_ref());
        assert!(prepared.artifact == full.bytes(), "{threads}");
        earlier = Some(prepared.functions);
    }
}

/// The guests of this project that are WebAssembly.
fn guests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/blobs");
    let paths = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    paths.map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn a_guest_gets_the_same_artifact_whosever_functions_it_is_given() {
    let list =
        [vec![], vec![ExecutorParam::MaxGas(1 << 40)], vec![ExecutorParam::StackLogicalMax(99)]];
    let params = list.map(params);
    let guests = guests();
    assert!(guests.len() > 3);
    let mut given = vec![];
    for code in &guests {
        for params in &params {
            let first = reusing(code, params, None);
            assert!(first.artifact == prepare(code, params).unwrap().bytes());
            let second = reusing(code, params, Some(&first.functions));
            assert!(second.artifact == first.artifact && kept(&second) == kept(&first));
            assert!(second.counts.compiled <= first.counts.compiled / 4);
            given.push(first.functions);
        }
    }
    for (at, code) in guests.iter().enumerate() {
        let other = &given[(at * params.len() + 4) % given.len()];
        let preparation = reusing(code, &params[0], Some(other));
        assert!(preparation.artifact == prepare(code, &params[0]).unwrap().bytes());
    }
}

#[test]
fn bytes_that_are_no_functions_are_as_good_as_none() {
    let none = ExecutorParams::default();
    let code = functions(20, |_| false);
    let first = reusing(&code, &none, None);
    let cut = &first.functions[..first.functions.len() - 1];
    for bytes in [&b"nonsense"[..], &[1], &[0; 1000], &[255; 1000], cut] {
        assert!(reusing(&code, &none, Some(&Bytes::copy_from_slice(bytes))) == first);
    }
}

/// The same code with something to do that comes to nothing in every `nth` function.
fn upgraded(code: &[u8], nth: usize) -> (Vec<u8>, usize) {
    let mut module: Module = deserialize_buffer(code).unwrap();
    let bodies = module.code_section_mut().unwrap().bodies_mut();
    let count = bodies.len();
    for body in bodies.iter_mut().step_by(nth) {
        let instructions = body.code_mut().elements_mut();
        instructions.splice(0..0, [Instruction::I32Const(77_777), Instruction::Drop]);
    }
    (module.into_bytes().unwrap(), count)
}

#[test]
fn a_real_runtime_gets_the_same_artifact_and_little_is_compiled_when_little_changed() {
    let Some(folder) = std::env::var_os("PVF_FIXTURES").map(std::path::PathBuf::from) else {
        eprintln!("skipped: PVF_FIXTURES is not set");
        return;
    };
    let none = ExecutorParams::default();
    for name in ["asset-hub-polkadot.blob", "collectives-polkadot.blob", "cumulus/para.blob"] {
        let blob = fs::read(folder.join(name)).unwrap();
        let code = compression::decompress(&blob, 1 << 24).unwrap();
        let first = reusing(&code, &none, None);
        assert!(first.artifact == prepare(&code, &none).unwrap().bytes(), "{name}");
        let second = reusing(&code, &none, Some(&first.functions));
        assert!(second.artifact == first.artifact && kept(&second) == kept(&first), "{name}");
        assert!(second.counts.compiled <= first.counts.compiled / 20, "{name}");
        let (code, count) = upgraded(&code, 50);
        let second = reusing(&code, &none, Some(&first.functions));
        assert!(second.artifact == prepare(&code, &none).unwrap().bytes(), "{name}");
        let FunctionCounts { reused, compiled } = second.counts;
        // Some of those that changed are equal still, and some call one that needs more of the stack now.
        assert!(compiled > 0 && compiled as usize <= count * 6 / 100, "{name}: {compiled}");
        assert!(
            u64::from(compiled) * 100 <= u64::from(reused) * 6,
            "{name}: {compiled} of {reused}"
        );
    }
}
