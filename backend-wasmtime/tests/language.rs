//! Which code is accepted, and what its instructions compute.

mod common;

use common::{MEMORY, entry_point, guest, module, params, prepare, returns, run, run_with, value};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{BackendPrepareError, ExecuteError, Prepare},
    primitives::{ExecutorParam, ExecutorParams},
};

fn is_prevalidated(code: &[u8], params: &ExecutorParams) -> bool {
    match Wasmtime.prevalidate(code, params) {
        Ok(()) => true,
        Err(BackendPrepareError::Prevalidation(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

fn is_refused_when_compiled(fields: &str) -> bool {
    let code = module(fields);
    matches!(prepare(&code, &ExecutorParams::default()), Err(BackendPrepareError::Compilation(_)))
}

#[test]
fn what_is_no_module_is_refused_at_once() {
    let params = ExecutorParams::default();
    for code in [&b""[..], b"\0asm", b"\0asm\x02\0\0\0", b"\0asm\x01\0\0\0\x01", b"PVM\0"] {
        assert!(!is_prevalidated(code, &params), "{code:?}");
    }
}

#[test]
fn sign_extension_is_accepted() {
    let code = module(&format!(
        "{MEMORY} {}",
        returns(
            "(i64.add (i64.extend8_s (i64.const 0xff)) (i64.extend_i32_s (i32.extend16_s (i32.const 0xffff))))"
        )
    ));
    assert_eq!(value(run(&code)) as i64, -2);
}

#[test]
fn proposals_beyond_are_refused_at_once() {
    let params = ExecutorParams::default();
    for body in [
        "(i64.trunc_sat_f64_s (f64.const 1e30))",
        "(memory.copy (i32.const 0) (i32.const 4) (i32.const 4)) (i64.const 0)",
        "(memory.fill (i32.const 0) (i32.const 4) (i32.const 4)) (i64.const 0)",
        "(drop (v128.const i32x4 0 0 0 0)) (i64.const 0)",
        "(drop (i32.atomic.load (i32.const 0))) (i64.const 0)",
        "(return_call 0 (local.get 0) (local.get 1))",
        "(drop (ref.func 0)) (i64.const 0)",
        "(block (result i64 i64) (i64.const 0) (i64.const 0)) (drop)",
    ] {
        assert!(!is_prevalidated(&guest(body), &params), "{body}");
    }
    for fields in [
        r#"(memory i64 1)"#,
        r#"(memory 1 2 shared)"#,
        r#"(table 1 externref)"#,
        r#"(func (result i32 i32) (i32.const 0) (i32.const 0))"#,
        r#"(memory 1) (data "passive")"#,
        r#"(tag)"#,
    ] {
        assert!(!is_prevalidated(&module(fields), &params), "{fields}");
    }
}

#[test]
fn what_is_read_but_not_valid_is_refused_by_the_compiler() {
    for fields in [
        "(memory 1) (memory 1)",
        "(table 1 funcref) (table 1 funcref)",
        "(memory 65537)",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        r#"(import "env" "memory" (memory 1)) (memory 1)"#,
        r#"(import "env" "memory" (memory 1)) (import "env" "memory2" (memory 1))"#,
        r#"(import "env" "memory" (memory 1)) (export "memory" (memory 0))"#,
    ] {
        assert!(
            is_refused_when_compiled(&format!("{fields} (global i32 (i32.const 0))")),
            "{fields}"
        );
    }
}

/// The stack's counter is made as if there were no imported globals.
#[test]
fn an_imported_global_makes_code_invalid() {
    assert!(is_refused_when_compiled(&format!(
        r#"(import "env" "global" (global i32)) {MEMORY} {}"#,
        entry_point("(i64.const 0)")
    )));
}

#[test]
fn nan_has_the_same_bits_on_every_machine() {
    let canonical = 0x7ff8_0000_0000_0000;
    for expression in [
        "(f64.div (f64.const 0) (f64.const 0))",
        "(f64.div (f64.const -0) (f64.const 0))",
        "(f64.sqrt (f64.const -1))",
        "(f64.sub (f64.const inf) (f64.const inf))",
        "(f64.add (f64.const nan:0x4000000000001) (f64.const 1))",
        "(f64.mul (f64.const 1) (f64.const -nan:0x8000000000001))",
        "(f64.min (f64.const nan:0x8000000000001) (f64.const 1))",
        "(f64.promote_f32 (f32.const -nan:0x400001))",
        "(f64.floor (f64.const -nan))",
    ] {
        let bits = returns(&format!("(i64.reinterpret_f64 {expression})"));
        assert_eq!(value(run(&module(&format!("{MEMORY} {bits}")))), canonical, "{expression}");
    }
    let bits = returns(
        "(i64.extend_i32_u (i32.reinterpret_f32 (f32.demote_f64 (f64.const -nan:0x8000000000001))))",
    );
    assert_eq!(value(run(&module(&format!("{MEMORY} {bits}")))), 0x7fc0_0000);
}

#[test]
fn an_artifact_has_the_same_bytes_each_time() {
    let functions: String = (0..50)
        .map(|n| {
            format!("(func $f{n} (param i32) (result i32) (i32.mul (local.get 0) (i32.const {n})))")
        })
        .collect();
    let table = format!(
        "(table 50 funcref) (elem (i32.const 0) {})",
        (0..50).map(|n| format!("$f{n} ")).collect::<String>()
    );
    let code = module(&format!("{MEMORY} {functions} {table} {}", entry_point("(i64.const 0)")));
    let params = ExecutorParams::default();
    let first = Wasmtime.prepare(&code, &params).unwrap();
    for _ in 0..5 {
        assert_eq!(Wasmtime.prepare(&code, &params).unwrap(), first);
    }
}

mod bulk_memory {
    use super::*;

    fn bulk() -> ExecutorParams {
        params([ExecutorParam::WasmExtBulkMemory])
    }

    fn run_bulk(fields: &str) -> Result<Vec<u8>, ExecuteError> {
        let code = module(&format!("{MEMORY} {fields}"));
        assert!(!is_prevalidated(&code, &ExecutorParams::default()));
        run_with(&code, &bulk(), b"input", ())
    }

    #[test]
    fn memory_is_copied_and_filled() {
        let result = run_bulk(&entry_point(
            "(memory.fill (i32.const 512) (i32.const 0x61) (i32.const 8))
             (memory.copy (i32.const 514) (local.get 0) (i32.const 5))
             (i64.const 0x8_0000_0200)",
        ));
        assert_eq!(result.unwrap(), b"aainputa");
    }

    #[test]
    fn passive_data_are_used_and_dropped() {
        let fields = |drop| {
            format!(
                r#"(data "passive") (data (i32.const 512) "active!") {}"#,
                entry_point(&format!(
                    "{drop} (memory.init 0 (i32.const 512) (i32.const 1) (i32.const 3))
                     (i64.const 0x7_0000_0200)"
                ))
            )
        };
        assert_eq!(run_bulk(&fields("")).unwrap(), b"assive!");
        assert_eq!(
            run_bulk(&fields("(data.drop 0)")),
            Err(ExecuteError::Trap("wasm trap: out of bounds memory access".into()))
        );
    }

    #[test]
    fn segments_of_functions_are_used_copied_and_dropped() {
        let fields = |drop| {
            format!(
                "(table 4 funcref)
                 (elem (i32.const 0) $one)
                 (elem $segment func $two $three)
                 (elem declare func $one)
                 (type $f (func (result i64)))
                 (func $one (result i64) (i64.const 1))
                 (func $two (result i64) (i64.const 2))
                 (func $three (result i64) (i64.const 3))
                 {}",
                returns(&format!(
                    "{drop}
                     (table.init $segment (i32.const 1) (i32.const 0) (i32.const 2))
                     (table.copy (i32.const 3) (i32.const 1) (i32.const 1))
                     (i64.add
                       (i64.mul (i64.const 100) (call_indirect (type $f) (i32.const 0)))
                       (i64.add
                         (i64.mul (i64.const 10) (call_indirect (type $f) (i32.const 3)))
                         (call_indirect (type $f) (i32.const 2))))"
                ))
            )
        };
        assert_eq!(value(run_bulk(&fields(""))), 123);
        assert!(matches!(run_bulk(&fields("(elem.drop $segment)")), Err(ExecuteError::Trap(_))));
    }

    /// A passive segment's functions count their stack like all others that are called indirectly.
    #[test]
    fn the_stack_limit_holds_for_functions_of_passive_segments() {
        let fields = format!(
            "(table 1 funcref) (elem $segment func $recursive)
             (type $f (func))
             (func $recursive (call_indirect (type $f) (i32.const 0)))
             {}",
            entry_point(
                "(table.init $segment (i32.const 0) (i32.const 0) (i32.const 1))
                 (call_indirect (type $f) (i32.const 0)) (i64.const 0)"
            )
        );
        assert_eq!(
            run_bulk(&fields),
            Err(ExecuteError::Trap("wasm trap: wasm `unreachable` instruction executed".into()))
        );
    }

    #[test]
    fn code_that_is_not_valid_is_refused_at_once() {
        // A memory access with the impossible alignment that stands for an operation.
        let mut code = guest(
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))
             (i32.store8 offset=1 (i32.const 0) (i32.const 0)) (i64.const 0)",
        );
        let at = code.windows(3).position(|bytes| bytes == [0x3a, 0, 1]).unwrap();
        code[at + 1] = 31;
        assert!(!is_prevalidated(&code, &bulk()));
    }

    #[test]
    fn other_proposals_stay_off() {
        for body in [
            "(i64.trunc_sat_f64_s (f64.const 1e30))",
            "(drop (v128.const i32x4 0 0 0 0)) (i64.const 0)",
            "(drop (ref.func 0)) (i64.const 0)",
        ] {
            assert!(!is_prevalidated(&guest(body), &bulk()), "{body}");
        }
        for fields in ["(elem funcref)", "(elem funcref (ref.null func))", "(memory i64 1)"] {
            assert!(!is_prevalidated(&module(fields), &bulk()), "{fields}");
        }
    }

    #[test]
    fn code_without_it_gives_the_same_machine_code() {
        let code = module(&format!(
            r#"{MEMORY} (data (i32.const 0) "data") (table 1 funcref) (elem (i32.const 0) $f)
               (func $f) {}"#,
            entry_point("(call $f) (i64.const 0x4_0000_0000)")
        ));
        assert_eq!(run_with(&code, &bulk(), b"", ()).unwrap(), b"data");
        assert_eq!(run(&code).unwrap(), b"data");
    }
}
