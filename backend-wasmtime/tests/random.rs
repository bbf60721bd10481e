//! Random modules, valid ones and others: preparing ends with an artifact or with a typed error.

mod common;

use common::{
    modules::{Language, Random, generate, mutate},
    params,
};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{BackendPrepareError, Prepare},
    primitives::{ExecutorParam, ExecutorParams},
};
use std::{
    ops::Range,
    panic::catch_unwind,
    sync::atomic::{AtomicU64, Ordering},
};

/// What became of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    RefusedAtOnce,
    Prevalidated,
    RefusedWhenCompiled,
    Prepared,
}

fn bulk() -> ExecutorParams {
    params([ExecutorParam::WasmExtBulkMemory])
}

fn prevalidate(code: &[u8], params: &ExecutorParams) -> Outcome {
    match Wasmtime.prevalidate(code, params) {
        Ok(()) => Outcome::Prevalidated,
        Err(BackendPrepareError::Prevalidation(_)) => Outcome::RefusedAtOnce,
        Err(other) => panic!("{other}"),
    }
}

fn prepare(code: &[u8], params: &ExecutorParams) -> Outcome {
    if prevalidate(code, params) == Outcome::RefusedAtOnce {
        return Outcome::RefusedAtOnce;
    }
    match Wasmtime.prepare(code, params) {
        Ok(_) => Outcome::Prepared,
        Err(BackendPrepareError::Compilation(_)) => Outcome::RefusedWhenCompiled,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn generated_modules_are_accepted_unless_they_import_a_global() {
    for seed in 0..60 {
        for (language, params) in
            [(Language::Accepted, ExecutorParams::default()), (Language::BulkMemory, bulk())]
        {
            let code = generate(seed, language);
            let outcome = prepare(&code, &params);
            if imports_only_functions(&code) {
                assert_eq!(outcome, Outcome::Prepared, "seed {seed}, {language:?}");
            } else {
                assert_ne!(outcome, Outcome::RefusedAtOnce, "seed {seed}, {language:?}");
            }
        }
    }
}

fn imports_only_functions(code: &[u8]) -> bool {
    use wasmtime::wasmparser::{Parser, Payload, TypeRef};
    let payloads = Parser::new(0).parse_all(code).map(Result::unwrap);
    let imports = payloads.filter_map(|payload| match payload {
        Payload::ImportSection(reader) => Some(reader.into_imports()),
        _ => None,
    });
    imports.flatten().all(|import| matches!(import.unwrap().ty, TypeRef::Func(_)))
}

#[test]
fn modules_of_a_larger_language_are_refused_with_the_names_of_its_proposals() {
    for seed in 0..200 {
        let code = generate(seed, Language::All);
        for params in [ExecutorParams::default(), bulk()] {
            let Err(error) = Wasmtime.prevalidate(&code, &params) else { continue };
            let reason = error.to_string();
            assert!(!reason.contains("not valid"), "seed {seed}: {reason}");
            assert!(reason.contains("not accepted"), "seed {seed}: {reason}");
        }
    }
}

/// What is tried with a seed: a module, or one that was changed, in one of the languages.
fn attempt(seed: u64, compile: bool) -> Outcome {
    let mut random = Random::new(seed ^ 0x5eed);
    let language = [Language::Accepted, Language::Accepted, Language::BulkMemory, Language::All]
        [random.below(4)];
    let mut code = generate(random.next(), language);
    if random.below(2) == 0 {
        code = mutate(random.next(), &code);
    }
    let params = if random.below(3) == 0 { bulk() } else { ExecutorParams::default() };
    if compile { prepare(&code, &params) } else { prevalidate(&code, &params) }
}

#[test]
fn no_module_makes_preparing_panic() {
    for seed in 0..1000 {
        attempt(seed, seed % 10 == 0);
    }
}

/// How many are tried is in the environment variable `PVF_RANDOM_MODULES`, which of them is compiled
/// (each how manyth) in `PVF_RANDOM_COMPILED`, and the first seed in `PVF_RANDOM_SEED`.
#[test]
#[ignore = "takes as long as one likes"]
fn no_module_of_a_great_many_makes_preparing_panic() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse().expect("it is a number"))
    };
    let first = number("PVF_RANDOM_SEED", 1_000_000);
    let seeds = first..first + number("PVF_RANDOM_MODULES", 10_000);
    let each = number("PVF_RANDOM_COMPILED", 10);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let counts = [const { AtomicU64::new(0) }; 4];
    let share =
        |Range { start, end }: Range<u64>, thread| (start + thread..end).step_by(threads as usize);
    let panicked: Vec<u64> = std::thread::scope(|scope| {
        let (counts, seeds) = (&counts, &seeds);
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut panicked = Vec::new();
                    for seed in share(seeds.clone(), thread) {
                        match catch_unwind(|| attempt(seed, seed % each == 0)) {
                            Ok(outcome) => {
                                counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
                            }
                            Err(_) => panicked.push(seed),
                        }
                    }
                    panicked
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let [refused, prevalidated, refused_later, prepared] = counts.map(AtomicU64::into_inner);
    println!(
        "{refused} refused at once, {prevalidated} prevalidated; of those that were compiled \
         {refused_later} refused, {prepared} prepared"
    );
    assert!(panicked.is_empty(), "seeds that panicked: {panicked:?}");
}
