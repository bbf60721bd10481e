//! Memory, stack, traps, and what runs when.

mod common;

use common::{
    Lines, MEMORY, can_be_loaded, entry_point, guest, module, on_big_stack, params, prepare,
    returns, run, run_with, value,
};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Execute, ExecuteError},
    primitives::{ExecutorParam, ExecutorParams},
};

fn trap(message: &str) -> Result<Vec<u8>, ExecuteError> {
    Err(ExecuteError::Trap(message.into()))
}

fn with_memory(pages: &str, entry: &str) -> Vec<u8> {
    module(&format!(
        r#"(memory (export "memory") {pages})
           (global (export "__heap_base") i32 (i32.const 1024)) {entry}"#
    ))
}

fn grows(pages: u32, declared: &str, params: &ExecutorParams) -> u64 {
    let entry = returns(&format!("(i64.extend_i32_u (memory.grow (i32.const {pages})))"));
    value(run_with(&with_memory(declared, &entry), params, b"", ()))
}

const REFUSED: u64 = 0xffff_ffff;

#[test]
fn memory_grows_to_the_limit_and_not_beyond() {
    let default = ExecutorParams::default();
    assert_eq!(grows(2078, "2", &default), 2);
    assert_eq!(grows(2079, "2", &default), REFUSED);
    let more = params([ExecutorParam::MaxMemoryPages(4096)]);
    assert_eq!(grows(4126, "2", &more), 2);
    assert_eq!(grows(4127, "2", &more), REFUSED);
}

#[test]
fn a_limit_beyond_4_gib_is_4_gib() {
    let most = params([ExecutorParam::MaxMemoryPages(65_536)]);
    assert_eq!(grows(65_534, "2", &most), 2);
    assert_eq!(grows(65_535, "2", &most), REFUSED);
}

#[test]
fn the_declared_maximum_does_not_count() {
    let default = ExecutorParams::default();
    assert_eq!(grows(10, "2 3", &default), 2);
    assert_eq!(grows(3000, "2 4000", &default), REFUSED);
}

#[test]
fn an_initial_memory_above_the_limit_is_too_much_when_called() {
    let entry = entry_point("(i64.const 0)");
    assert_eq!(run(&with_memory("2080", &entry)).unwrap(), b"");
    let above = with_memory("2081", &entry);
    assert!(can_be_loaded(&above));
    assert!(matches!(run(&above), Err(ExecuteError::OutOfMemory(_))));
    // The limit belongs to the execution: the same artifact runs where there is more.
    let more = params([ExecutorParam::MaxMemoryPages(4096)]);
    assert_eq!(run_with(&above, &more, b"", ()).unwrap(), b"");
}

#[test]
fn a_guest_that_has_no_memory_may_grow_one_in_its_start_function() {
    let code = with_memory(
        "0",
        &format!(
            "(func $start (drop (memory.grow (i32.const 3000))) (drop (memory.grow (i32.const 1))))
             (start $start) {}",
            returns("(i64.extend_i32_u (memory.size))")
        ),
    );
    assert_eq!(value(run(&code)), 1);
}

#[test]
fn an_input_that_does_not_fit_is_too_much() {
    let code = guest("(i64.const 0)");
    let run = |params: &ExecutorParams, len| run_with(&code, params, &vec![1; len], ());
    let default = ExecutorParams::default();
    assert_eq!(run(&default, 32 << 20).unwrap(), b"");
    assert!(matches!(run(&default, (32 << 20) + 1), Err(ExecuteError::OutOfMemory(_))));
    let little = params([ExecutorParam::MaxMemoryPages(1)]);
    assert_eq!(run(&little, 1 << 20).unwrap(), b"");
    assert!(matches!(run(&little, (1 << 21) + 1), Err(ExecuteError::OutOfMemory(_))));
}

/// A guest that calls itself as often as its input says.
fn recursive() -> Vec<u8> {
    module(&format!(
        "{MEMORY}
         (func $recurse (param i32)
           (if (local.get 0)
             (then (call $recurse (i32.sub (local.get 0) (i32.const 1))))))
         {}",
        entry_point("(call $recurse (i32.load (local.get 0))) (i64.const 0)")
    ))
}

#[test]
fn the_stack_overflows_at_the_same_call_everywhere() {
    let overflow = trap("wasm trap: wasm `unreachable` instruction executed");
    let depth = |params: &ExecutorParams, depth: u32| {
        run_with(&recursive(), params, &depth.to_le_bytes(), ())
    };
    let default = ExecutorParams::default();
    assert_eq!(depth(&default, 16_382).unwrap(), b"");
    assert_eq!(depth(&default, 16_383), overflow);
    // The entry point costs 3 values, each of the other calls 4.
    let exact = params([ExecutorParam::StackLogicalMax(3 + 4 * 101)]);
    assert_eq!(depth(&exact, 100).unwrap(), b"");
    assert_eq!(depth(&exact, 101), overflow);
    let less = params([ExecutorParam::StackLogicalMax(3 + 4 * 101 - 1)]);
    assert_eq!(depth(&less, 100), overflow);
}

#[test]
fn a_native_stack_that_is_too_small_overflows_too() {
    let params = params([
        ExecutorParam::StackLogicalMax(1_000_000),
        ExecutorParam::StackNativeMax(64 << 10),
    ]);
    let result = run_with(&recursive(), &params, &400_000u32.to_le_bytes(), ());
    assert_eq!(result, trap("wasm trap: call stack exhausted"));
}

#[test]
fn traps_are_named() {
    for (body, message) in [
        ("(unreachable)", "wasm `unreachable` instruction executed"),
        ("(i64.div_s (i64.const 1) (i64.const 0))", "integer divide by zero"),
        ("(i64.div_s (i64.const 0x8000000000000000) (i64.const -1))", "integer overflow"),
        ("(i64.trunc_f64_s (f64.const nan))", "invalid conversion to integer"),
        ("(i64.load (i32.const 0x7fffffff))", "out of bounds memory access"),
        ("(i64.load offset=0xffffffff (i32.const -1))", "out of bounds memory access"),
    ] {
        assert_eq!(run(&guest(body)), trap(&format!("wasm trap: {message}")), "{body}");
    }
    for (body, message) in [
        ("(call_indirect (result i64) (i32.const 0))", "uninitialized element"),
        (
            "(call_indirect (result i64) (i32.const 9))",
            "undefined element: out of bounds table access",
        ),
        ("(call_indirect (result i64) (i32.const 1))", "indirect call type mismatch"),
    ] {
        let code = module(&format!(
            "{MEMORY} (table 2 funcref) (elem (i32.const 1) $f) (func $f) {}",
            entry_point(body)
        ));
        assert_eq!(run(&code), trap(&format!("wasm trap: {message}")), "{body}");
    }
}

#[test]
fn the_start_function_runs_in_the_call() {
    let code = module(&format!(
        r#"(import "env" "ext_misc_print_num_version_1" (func $print (param i64)))
           {MEMORY} (func $start (i64.store (i32.const 8) (i64.const 42)) (call $print (i64.const 1)))
           (start $start) {}"#,
        returns("(i64.load (i32.const 8))")
    ));
    let params = ExecutorParams::default();
    let artifact = prepare(&code, &params).unwrap();
    let lines = Lines::default();
    on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
        assert!(lines.0.lock().unwrap().is_empty());
        for calls in 1..3 {
            let result = loaded.call("validate_block", b"", Box::new(lines.clone()));
            assert_eq!(value(result), 42);
            assert_eq!(lines.0.lock().unwrap().len(), calls);
        }
    });
}

#[test]
fn a_start_function_that_traps_makes_the_candidate_invalid() {
    let code = |body: &str| {
        module(&format!(
            r#"(import "env" "unknown" (func $unknown))
               (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
               (import "env" "ext_misc_print_utf8_version_1" (func $print (param i64)))
               {MEMORY} (func $start {body}) (start $start) {}"#,
            entry_point("(i64.const 0)")
        ))
    };
    assert!(can_be_loaded(&code("(unreachable)")));
    assert_eq!(
        run(&code("(unreachable)")),
        trap("wasm trap: wasm `unreachable` instruction executed")
    );
    assert_eq!(run(&code("(call $unknown)")), trap("call to a missing function env:unknown"));
    // There is no heap yet, and no memory that a host function could read, not even none of it.
    for body in ["(drop (call $malloc (i32.const 8)))", "(call $print (i64.const 0))"] {
        assert!(matches!(run(&code(body)), Err(ExecuteError::Trap(_))), "{body}");
    }
}

#[test]
fn a_segment_that_does_not_fit_makes_the_candidate_invalid() {
    for fields in [
        r#"(data (i32.const 131070) "abc")"#,
        "(table 1 funcref) (func $f) (elem (i32.const 1) $f)",
    ] {
        let entry = entry_point("(i64.const 0)");
        let code = module(&format!("{MEMORY} {fields} {entry}"));
        assert!(can_be_loaded(&code), "{fields}");
        assert!(matches!(run(&code), Err(ExecuteError::Trap(_))), "{fields}");
    }
}

#[test]
fn each_call_sees_a_fresh_instance() {
    let code = module(&format!(
        "{MEMORY} (global $calls (mut i64) (i64.const 0)) {}",
        returns(
            "(global.set $calls (i64.add (global.get $calls) (i64.const 1)))
             (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (global.get $calls)))
             (i64.load (i32.const 8))"
        )
    ));
    let params = ExecutorParams::default();
    let artifact = prepare(&code, &params).unwrap();
    on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
        for _ in 0..3 {
            assert_eq!(value(loaded.call("validate_block", b"", Box::new(()))), 1);
        }
    });
}
