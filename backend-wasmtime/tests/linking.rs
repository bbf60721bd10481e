//! Imports and exports.

mod common;

use common::{
    Lines, MEMORY, can_be_loaded, entry_point, guest, module, returns, run, run_with, value,
};
use pvf_host_core::{
    backend::{ExecuteError, LogLevel},
    primitives::ExecutorParams,
};

fn with_import(import: &str, body: &str) -> Vec<u8> {
    module(&format!("{import} {MEMORY} {}", entry_point(body)))
}

fn trap(message: &str) -> Result<Vec<u8>, ExecuteError> {
    Err(ExecuteError::Trap(message.into()))
}

fn is_invalid_output(result: &Result<Vec<u8>, ExecuteError>) -> bool {
    matches!(result, Err(ExecuteError::InvalidOutput(_)))
}

#[test]
fn an_unknown_function_traps_when_it_is_called_and_not_before() {
    let import = r#"(import "env" "ext_nobody_knows_version_9" (func $f (param i64)))"#;
    assert_eq!(run(&with_import(import, "(i64.const 0)")).unwrap(), b"");
    assert_eq!(
        run(&with_import(import, "(call $f (i64.const 0)) (i64.const 0)")),
        trap("call to a missing function env:ext_nobody_knows_version_9")
    );
}

#[test]
fn what_a_guest_aborts_with_is_the_reason() {
    let import = r#"(import "env" "ext_panic_handler_abort_on_panic_version_1" (func $abort (param i64)))
           (data (i32.const 8) "no such thing")"#;
    assert_eq!(
        run(&with_import(import, "(call $abort (i64.const 0xd_0000_0008)) (i64.const 0)")),
        Err(ExecuteError::Panic("no such thing".into()))
    );
}

#[test]
fn a_panic_handler_of_another_type_is_an_unknown_function() {
    let name = "ext_panic_handler_abort_on_panic_version_1";
    let import = format!(r#"(import "env" "{name}" (func $abort (param i32)))"#);
    assert_eq!(run(&with_import(&import, "(i64.const 0)")).unwrap(), b"");
    assert_eq!(
        run(&with_import(&import, "(call $abort (i32.const 0)) (i64.const 0)")),
        trap(&format!("call to a missing function env:{name}"))
    );
}

#[test]
fn what_a_guest_logs_before_it_traps_as_unreachable_is_the_reason() {
    let import = r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
           (data (i32.const 8) "runtimepanicked at the disco")"#;
    let log = "(call $log (i32.const 0) (i64.const 0x7_0000_0008) (i64.const 0x15_0000_000f))";
    assert_eq!(
        run(&with_import(import, &format!("{log} (unreachable)"))),
        Err(ExecuteError::Panic("panicked at the disco".into()))
    );
    // Other traps have a cause of their own.
    let divide = "(drop (i32.div_u (i32.const 1) (i32.const 0))) (i64.const 0)";
    assert!(matches!(
        run(&with_import(import, &format!("{log} {divide}"))),
        Err(ExecuteError::Trap(_))
    ));
}

#[test]
fn an_import_from_elsewhere_can_not_be_loaded() {
    let import = r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#;
    assert!(!can_be_loaded(&with_import(import, "(i64.const 0)")));
}

#[test]
fn an_import_that_is_no_function_can_not_be_loaded() {
    let import = r#"(import "env" "table" (table 1 funcref))"#;
    assert!(!can_be_loaded(&with_import(import, "(i64.const 0)")));
}

#[test]
fn a_host_function_of_another_type_can_not_be_loaded() {
    let import = r#"(import "env" "ext_allocator_malloc_version_1" (func (param i64)))"#;
    assert!(!can_be_loaded(&with_import(import, "(i64.const 0)")));
}

#[test]
fn a_function_may_be_imported_twice_if_the_types_agree() {
    let twice = |one: &str, other: &str| {
        let import =
            format!(r#"(import "env" "f" (func {one})) (import "env" "f" (func {other}))"#);
        can_be_loaded(&with_import(&import, "(i64.const 0)"))
    };
    assert!(twice("", ""));
    assert!(!twice("", "(param i32)"));
    let import = r#"(import "env" "ext_logging_max_level_version_1" (func (result i32)))"#;
    assert!(can_be_loaded(&with_import(&import.repeat(2), "(i64.const 0)")));
}

#[test]
fn an_imported_memory_becomes_the_guests_own() {
    // Wherever it comes from; only the name counts.
    for import in ["env", "elsewhere"] {
        let code = module(&format!(
            r#"(import "{import}" "memory" (memory 2 2))
               (global (export "__heap_base") i32 (i32.const 131072)) {}"#,
            // The maximum is gone: allocating the input has grown it.
            returns("(i64.extend_i32_u (memory.size))")
        ));
        assert_eq!(value(run(&code)), 4);
    }
}

#[test]
fn what_a_call_needs_is_missed_when_it_is_called() {
    let heap_base = r#"(global (export "__heap_base") i32 (i32.const 1024))"#;
    let memory = r#"(memory (export "memory") 2)"#;
    let entry = entry_point("(i64.const 0)");
    for fields in [
        format!("{heap_base} {entry}"),
        format!(r#"(memory 2) (export "other" (memory 0)) {heap_base} {entry}"#),
        format!(r#"(import "env" "other" (memory 2)) {heap_base} {entry}"#),
        format!(r#"(func (export "memory")) {heap_base} {entry}"#),
        format!("{memory} {entry}"),
        format!(r#"{memory} (global (export "__heap_base") i64 (i64.const 1024)) {entry}"#),
        format!(r#"{memory} (func (export "__heap_base")) {entry}"#),
        MEMORY.to_owned(),
        format!(r#"{MEMORY} (global (export "validate_block") i32 (i32.const 0))"#),
        format!(
            r#"{MEMORY} (func (export "validate_block") (param i32) (result i64) (i64.const 0))"#
        ),
        format!(r#"{MEMORY} (func (export "validate_block") (param i32 i32))"#),
    ] {
        let fields = format!("{fields} (global i32 (i32.const 0))");
        assert!(can_be_loaded(&module(&fields)), "{fields}");
        assert!(is_invalid_output(&run(&module(&fields))), "{fields}");
    }
}

#[test]
fn the_heap_begins_at_the_heap_base_aligned_up() {
    let first = |base: &str| {
        value(run(&module(&format!(
            r#"(memory (export "memory") 2) (global (export "__heap_base") i32 (i32.const {base})) {}"#,
            returns("(i64.extend_i32_u (local.get 0))")
        ))))
    };
    assert_eq!(first("1024"), 1032);
    assert_eq!(first("1027"), 1040);
    assert_eq!(first("-1"), 8);
}

#[test]
fn the_allocator_continues_behind_the_input() {
    let import = r#"
        (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
        (import "env" "ext_allocator_free_version_1" (func $free (param i32)))"#;
    let run = |expression| {
        let entry = returns(expression);
        run(&module(&format!("{import} {MEMORY} {entry}")))
    };
    // Five bytes of input take a block of eight.
    assert_eq!(value(run("(i64.extend_i32_u (call $malloc (i32.const 9)))")), 1048);
    assert_eq!(
        value(run("(call $free (local.get 0)) (i64.extend_i32_u (call $malloc (i32.const 1)))")),
        1032
    );
    assert_eq!(value(run("(call $free (local.get 0)) (i64.load (i32.const 1024))")), 0xffff_ffff);
    assert_eq!(value(run("(i64.load (i32.const 1024))")), 0x1_0000_0000);
    assert_eq!(
        run("(call $free (i32.const 77)) (i64.const 0)"),
        trap("host function ext_allocator_free_version_1: freed block is not in use")
    );
    assert_eq!(
        run("(i64.extend_i32_u (call $malloc (i32.const 0x2000001)))"),
        trap("host function ext_allocator_malloc_version_1: allocation is too large")
    );
}

#[test]
fn log_lines_arrive() {
    let code = module(&format!(
        r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
           (import "env" "ext_misc_print_num_version_1" (func $num (param i64)))
           {MEMORY} (data (i32.const 0) "target: a message") {}"#,
        entry_point(
            "(call $log (i32.const 0) (i64.const 0x6_0000_0000) (i64.const 0x9_0000_0008))
             (call $num (i64.const 7))
             (i64.const 0)"
        )
    ));
    let lines = Lines::default();
    run_with(&code, &ExecutorParams::default(), b"", lines.clone()).unwrap();
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines[0], (LogLevel::Error, "target".into(), "a message".into()));
    assert_eq!(lines[1], (LogLevel::Debug, "runtime".into(), "7".into()));
}

#[test]
fn the_log_level_is_a_constant() {
    let import = r#"(import "env" "ext_logging_max_level_version_1" (func $level (result i32)))"#;
    let entry = returns("(i64.extend_i32_u (call $level))");
    assert_eq!(value(run(&module(&format!("{import} {MEMORY} {entry}")))), 3);
}

#[test]
fn the_input_arrives_and_the_output_leaves() {
    let code = guest(
        "(i64.or (i64.extend_i32_u (local.get 0))
                 (i64.shl (i64.extend_i32_u (local.get 1)) (i64.const 32)))",
    );
    for input in [&b""[..], b"x", &[7; 100_000]] {
        assert_eq!(run_with(&code, &ExecutorParams::default(), input, ()).unwrap(), input);
    }
}

#[test]
fn an_output_must_end_inside_the_memory() {
    let run = |packed| run(&guest(&format!("(i64.const {packed})")));
    assert_eq!(run("0x0000_0001_0001_ffff").unwrap(), [0]);
    assert_eq!(run("0x0000_0000_0002_0000").unwrap(), b"");
    for packed in [
        "0x0000_0002_0001_ffff",
        "0x0000_0001_0002_0000",
        "0x0000_0000_0002_0001",
        "0xffff_ffff_0000_0000",
        "0xffff_ffff_ffff_ffff",
    ] {
        assert!(is_invalid_output(&run(packed)), "{packed}");
    }
}
