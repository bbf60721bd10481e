//! What the reason says when code is refused.

mod common;

use common::{MEMORY, module, params};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{BackendPrepareError, Prepare},
    primitives::{ExecutorParam, ExecutorParams},
};

/// Why this code is refused, and whether at once.
fn refusal(code: &[u8], params: &ExecutorParams) -> (bool, String) {
    let result = Wasmtime.prevalidate(code, params);
    match result.and_then(|()| Wasmtime.prepare(code, params).map(drop)) {
        Ok(()) => panic!("accepted"),
        Err(BackendPrepareError::Prevalidation(reason)) => (true, reason),
        Err(BackendPrepareError::Compilation(reason)) => (false, reason),
        Err(error) => panic!("{error}"),
    }
}

/// The quoted names in the reason.
fn named(reason: &str) -> Vec<&str> {
    let (list, _) = reason.split_once(" not accepted").unwrap_or_else(|| panic!("{reason}"));
    list.split('"').skip(1).step_by(2).collect()
}

fn bulk() -> ExecutorParams {
    params([ExecutorParam::WasmExtBulkMemory])
}

#[test]
fn each_proposal_is_named() {
    for (name, fields) in [
        (
            "non-trapping float-to-int conversions",
            "(func (drop (i32.trunc_sat_f64_s (f64.const 1))))",
        ),
        ("multi-value", "(func (result i32 i32) (i32.const 0) (i32.const 0))"),
        ("multi-value", "(type (func (result i32 i32)))"),
        ("multi-value", "(func (i32.const 1) (block (param i32) (drop)))"),
        (
            "bulk memory operations",
            "(func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
        (
            "bulk memory operations",
            "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
        ("bulk memory operations", r#"(data "passive")"#),
        ("bulk memory operations", "(elem func)"),
        (
            "bulk memory operations",
            "(table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
        ("reference types", "(table 1 externref)"),
        ("reference types", "(func (param externref))"),
        ("reference types", "(func (drop (ref.null func)))"),
        ("reference types", "(table 1 funcref) (func (drop (table.size 0)))"),
        ("reference types", "(table 1 funcref) (table 1 funcref)"),
        (
            "reference types",
            "(func (drop (select (result i32) (i32.const 0) (i32.const 0) (i32.const 0))))",
        ),
        ("fixed-width SIMD", "(func (drop (v128.const i32x4 0 0 0 0)))"),
        ("fixed-width SIMD", "(func (local v128))"),
        ("threads and atomics", "(func (drop (i32.atomic.load (i32.const 0))))"),
        ("threads and atomics", "(func (atomic.fence))"),
        ("tail call", "(func $f (return_call $f))"),
        ("multiple memories", "(memory 1)"),
        ("multiple memories", "(memory 1) (func (drop (i32.load 1 (i32.const 0))))"),
        ("memory64", "(table i64 1 funcref)"),
        ("exception handling", "(tag)"),
        ("exception handling", "(tag $t) (func (throw $t))"),
        ("extended constant expressions", "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
        (
            "wide arithmetic",
            "(func (param i64 i64 i64 i64) (local.get 0) (local.get 1) (local.get 2) (local.get 3)
               (i64.add128) (global.set 1) (global.set 1))
             (global (mut i64) (i64.const 0))",
        ),
        ("garbage collection", "(type (struct (field i32)))"),
        ("garbage collection", "(rec (type (func)) (type (func)))"),
        ("garbage collection", "(global $a i32 (i32.const 1)) (global i32 (global.get $a))"),
    ] {
        let code = module(&format!("{MEMORY} {fields}"));
        let (_, reason) = refusal(&code, &ExecutorParams::default());
        assert_eq!(named(&reason), [name], "{fields}: {reason}");
        if name != "bulk memory operations" {
            let (_, reason) = refusal(&code, &bulk());
            assert!(named(&reason).contains(&name), "{fields}: {reason}");
        }
    }
}

/// A module of one function with this body, which the text format has no words for.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut code = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
    code.extend([body.len() as u8 + 4, 1, body.len() as u8 + 2, 0]);
    code.extend(body);
    code.push(0x0b);
    code
}

#[test]
fn what_a_memory_is_made_of_is_named() {
    for (names, memory) in [
        (&["threads and atomics"][..], "(memory 1 2 shared)"),
        (&["memory64"], "(memory i64 1)"),
        (&["custom page sizes"], "(memory 1 (pagesize 1))"),
        (&["threads and atomics", "memory64"], "(memory i64 1 2 shared)"),
    ] {
        let (at_once, reason) = refusal(&module(memory), &ExecutorParams::default());
        assert!(at_once);
        assert_eq!(named(&reason), names);
    }
}

#[test]
fn all_proposals_that_are_needed_are_named_and_no_others() {
    let code = module(
        "(memory 1) (tag $t)
         (func (result i32 i32) (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (throw $t))
         (func $f (param i64) (drop (i32x4.splat (i32.const 1))) (return_call $f (local.get 0)))",
    );
    let others = ["fixed-width SIMD", "tail call", "exception handling"];
    let (_, reason) = refusal(&code, &ExecutorParams::default());
    let all = [&["multi-value", "bulk memory operations"], &others[..]].concat();
    assert_eq!(named(&reason), all);
    let (_, reason) = refusal(&code, &bulk());
    assert_eq!(named(&reason), [&["multi-value"], &others[..]].concat());
}

#[test]
fn a_proposal_brings_along_those_that_it_rests_upon() {
    for (names, fields) in [
        (
            &["fixed-width SIMD", "relaxed SIMD"][..],
            "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
        ),
        (
            &["reference types", "typed function references"],
            "(type $f (func)) (func (param (ref $f)))",
        ),
        (&["fixed-width SIMD", "garbage collection"], "(type (array v128))"),
    ] {
        let (_, reason) = refusal(&module(fields), &ExecutorParams::default());
        assert_eq!(named(&reason), names, "{reason}");
    }
}

#[test]
fn a_reason_about_bulk_memory_names_the_parameter_that_allows_it() {
    let code = module("(memory 1) (data \"passive\")");
    let (at_once, reason) = refusal(&code, &ExecutorParams::default());
    assert!(at_once);
    assert!(reason.contains("WasmExtBulkMemory"), "{reason}");
    let code = module("(tag)");
    assert!(!refusal(&code, &ExecutorParams::default()).1.contains("WasmExtBulkMemory"));
}

#[test]
fn a_component_is_called_so() {
    for code in [&b"\0asm\x0d\0\x01\0"[..], b"\0asm\x0d\0\x01\0and more"] {
        for params in [ExecutorParams::default(), bulk()] {
            assert_eq!(named(&refusal(code, &params).1), ["component model"]);
        }
    }
}

#[test]
fn code_that_is_never_valid_has_the_place_named() {
    for (at_once, code) in [
        (true, b"\0asm\x01\0\0\0\x01".to_vec()),
        (true, with_body(&[0xff])),
        (false, module("(func (i32.const 1))")),
        (false, module("(func (result i32) (i64.const 1))")),
        (false, module("(func (call 7))")),
    ] {
        for params in [ExecutorParams::default(), bulk()] {
            let (refused_at_once, reason) = refusal(&code, &params);
            assert_eq!(refused_at_once, at_once);
            assert!(reason.starts_with("not valid WebAssembly: "), "{reason}");
            assert!(reason.contains("(at offset 0x"), "{reason}");
        }
    }
}

#[test]
fn code_that_is_something_else_is_shown_as_it_begins() {
    let (at_once, reason) = refusal(b"no code at all", &ExecutorParams::default());
    assert!(at_once);
    assert_eq!(reason, r#"not WebAssembly: the code begins with "no code ""#);
    let (_, reason) = refusal(b"PVM\0\x02", &ExecutorParams::default());
    assert_eq!(reason, r#"not WebAssembly: the code begins with "PVM\x00\x02""#);
}

/// It is the rewriting that makes it so, not a proposal.
#[test]
fn code_that_is_valid_before_it_is_rewritten_keeps_the_compilers_reason() {
    let code = module(&format!(
        "(import \"env\" \"global\" (global i32)) {MEMORY} (func $f) (func (export \"f\") (call $f))"
    ));
    let (at_once, reason) = refusal(&code, &ExecutorParams::default());
    assert!(!at_once);
    assert!(!reason.contains("not valid WebAssembly: "), "{reason}");
    assert!(!reason.contains("proposal"), "{reason}");
}
