//! The same code on this backend and on Wasmtime: the same outcome, to the byte.

#[path = "../../../backend-wasmtime/tests/common/modules.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod modules;
#[path = "../../../backend-wasmtime/tests/common/runnable.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod runnable;
#[path = "../../../backend-wasmtime/tests/common/text.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod text;

use modules::{Language, Random, mutate};
use pvf_backend_wasmi::Wasmi;
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Artifact, BackendPrepareError, Execute, ExecuteError, LoadError, Prepare},
    primitives::{ExecutorParam, ExecutorParams},
};
use std::collections::BTreeMap;

/// More than the default parameters ask for, for compiled code.
const STACK: usize = 258 << 20;

/// What became of some code. Of a reason only so much is kept as is the same with every engine.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Prevalidation(String),
    Compilation,
    Construction,
    Ended(Result<Vec<u8>, ExecuteError>, Option<u64>),
}

impl Outcome {
    fn kind(&self) -> &'static str {
        match self {
            Self::Prevalidation(_) => "prevalidation",
            Self::Compilation => "compilation",
            Self::Construction => "construction",
            Self::Ended(Ok(_), _) => "valid",
            Self::Ended(Err(ExecuteError::Trap(_)), _) => "trap",
            Self::Ended(Err(ExecuteError::OutOfGas), _) => "out of gas",
            Self::Ended(Err(_), _) => "other",
        }
    }
}

fn run(backend: &(impl Prepare + Execute), code: &[u8], params: &ExecutorParams) -> Outcome {
    let prepared = backend.prevalidate(code, params).and_then(|()| backend.prepare(code, params));
    let artifact = match prepared {
        Ok(artifact) => Artifact::from_bytes(&artifact).unwrap(),
        Err(BackendPrepareError::Prevalidation(reason)) => return Outcome::Prevalidation(reason),
        Err(BackendPrepareError::Compilation(_)) => return Outcome::Compilation,
        Err(other) => panic!("{other}"),
    };
    let checked = backend.check_runtime_construction(&artifact, params);
    let mut loaded = match backend.load(&artifact, params) {
        Ok(loaded) => loaded,
        Err(LoadError::RuntimeConstruction(_)) => return Outcome::Construction,
        Err(other) => panic!("{other}"),
    };
    checked.expect("it could be loaded");
    let mut call = || {
        let result = loaded.call("validate_block", &[1, 2, 3, 4, 5, 6, 7, 8], Box::new(()));
        let result = result.map_err(|error| match error {
            ExecuteError::Trap(reason) => ExecuteError::Trap(same_words(&reason)),
            other => other,
        });
        Outcome::Ended(result, loaded.gas_used())
    };
    let outcome = call();
    assert_eq!(call(), outcome, "another call has a fresh instance");
    outcome
}

/// What Wasmtime calls a trap.
fn same_words(reason: &str) -> String {
    match reason.strip_prefix("wasm trap: ").unwrap_or(reason) {
        "uninitialized element 2" => "uninitialized element".into(),
        reason => reason.into(),
    }
}

/// Runs code on Wasmtime and on wasmi.
fn on_both(code: &[u8], params: &ExecutorParams) -> [Outcome; 2] {
    std::thread::scope(|scope| {
        let both = || [run(&Wasmtime, code, params), run(&Wasmi, code, params)];
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, both);
        thread.unwrap().join().unwrap()
    })
}

/// Has both agree. Says how it ended.
fn compare(what: &str, code: &[u8], params: &[ExecutorParam]) -> Outcome {
    let params = ExecutorParams::new(params.to_vec());
    let [compiled, interpreted] = on_both(code, &params);
    assert_eq!(interpreted, compiled, "{what} with {params:?}");
    compiled
}

const BULK: ExecutorParam = ExecutorParam::WasmExtBulkMemory;

fn gas(gas: u64) -> ExecutorParam {
    ExecutorParam::MaxGas(gas)
}

/// What the engine refuses to translate, though it is valid: a frame has 16-bit addresses.
const LARGE_FRAMES: [&str; 2] =
    ["reading/code-with-50000-locals", "reading/an-entry-point-with-40000-locals"];
/// What the engine would write all of.
const LARGE_TABLE: &str = "tables/a-table-of-4-gi-elements";
/// It would take a minute: the engine writes each of 4 GiB of zeroes.
const SLOW: &str = "memory/grow-to-all-pages";

#[test]
fn modules_whose_verdict_polkadots_own_host_has_given_agree() {
    let mut vectors = pvf_conformance::vectors::vectors();
    assert!(vectors.len() > 400);
    vectors.retain(|vector| vector.name != SLOW);
    for vector in vectors {
        for more in [&[][..], &[gas(u64::MAX), BULK], &[gas(5)]] {
            let params = [&vector.params[..], more].concat();
            let refused = match &vector.name[..] {
                name if LARGE_FRAMES.contains(&name) => Outcome::Compilation,
                LARGE_TABLE => Outcome::Construction,
                _ => {
                    compare(&vector.name, &vector.code, &params);
                    continue;
                }
            };
            let [_, interpreted] = on_both(&vector.code, &ExecutorParams::new(params));
            assert_eq!(interpreted, refused, "{}", vector.name);
        }
    }
}

#[test]
fn random_modules_agree_in_result_and_gas() {
    let mut kinds = BTreeMap::new();
    for seed in 0..200 {
        let bulk = seed % 4 == 3;
        let code = runnable::generate(seed, seed % 2 == 0, bulk);
        let params = if bulk { &[BULK][..] } else { &[] };
        let unmetered = compare(&format!("seed {seed}"), &code, params);
        *kinds.entry(unmetered.kind()).or_insert(0) += 1;
        let metered = compare(&format!("seed {seed}"), &code, &[params, &[gas(u64::MAX)]].concat());
        assert_eq!(metered.kind(), unmetered.kind());
        if let Outcome::Ended(_, Some(used @ 1..)) = metered {
            let less =
                compare(&format!("seed {seed}"), &code, &[params, &[gas(used - 1)]].concat());
            assert_eq!(less.kind(), "out of gas");
        }
    }
    assert!(kinds["valid"] > 20 && kinds["trap"] > 20, "{kinds:?}");
}

#[test]
fn random_modules_of_any_language_are_refused_alike() {
    let mut kinds = BTreeMap::new();
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let language = [Language::Accepted, Language::BulkMemory, Language::All][random.below(3)];
        let code = modules::generate(random.next(), language);
        let code = if random.below(2) == 0 { mutate(random.next(), &code) } else { code };
        let params = if random.below(2) == 0 { &[BULK][..] } else { &[] };
        let outcome = compare(&format!("seed {seed}"), &code, params);
        *kinds.entry(outcome.kind()).or_insert(0) += 1;
    }
    for kind in ["prevalidation", "compilation", "construction"] {
        assert!(kinds.contains_key(kind), "{kinds:?}");
    }
}
