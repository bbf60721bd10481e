//! What code costs, and what becomes of it when that is too much.

mod common;

use common::{
    Lines, MEMORY, entry_point, guest, module, on_big_stack, params, prepare, returns, value,
};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{BackendPrepareError, Execute, ExecuteError},
    primitives::{ExecutorParam, ExecutorParams},
};

const ENOUGH: u64 = 1 << 40;

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    result: Result<Vec<u8>, ExecuteError>,
    gas_used: Option<u64>,
    log: Vec<String>,
}

fn run_with(code: &[u8], params: &ExecutorParams) -> Run {
    let artifact = prepare(code, params).expect("code can be prepared");
    let lines = Lines::default();
    let (result, gas_used) = on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, params).unwrap();
        let result = loaded.call("validate_block", b"input", Box::new(lines.clone()));
        (result, loaded.gas_used())
    });
    let log = lines.0.lock().unwrap().iter().map(|(.., message)| message.clone()).collect();
    Run { result, gas_used, log }
}

fn run(code: &[u8], limit: u64) -> Run {
    run_with(code, &params([ExecutorParam::MaxGas(limit)]))
}

/// The gas that code uses, all that there is and one less being tried as the limit too.
fn gas_of(code: &[u8]) -> u64 {
    gas_with(code, &[])
}

fn gas_with(code: &[u8], more: &[ExecutorParam]) -> u64 {
    let limited = |limit| {
        let limit = [ExecutorParam::MaxGas(limit)];
        run_with(code, &params([more, &limit].concat()))
    };
    let run = limited(ENOUGH);
    let used = run.gas_used.expect("it is metered");
    assert_ne!(run.result, Err(ExecuteError::OutOfGas));
    assert_eq!(limited(used), run, "what is used is enough");
    let short = limited(used - 1);
    assert_eq!(short.result, Err(ExecuteError::OutOfGas));
    assert_eq!(short.gas_used, Some(used - 1));
    assert!(run.log.starts_with(&short.log));
    used
}

fn trap(message: &str) -> Result<Vec<u8>, ExecuteError> {
    Err(ExecuteError::Trap(format!("wasm trap: {message}")))
}

const UNREACHABLE: &str = "wasm `unreachable` instruction executed";

// What costs what

#[test]
fn each_instruction_costs_one_whichever_it_is() {
    for (body, gas) in [
        ("(i64.const 0)", 1),
        ("(i64.add (i64.const 0) (i64.const 0))", 3),
        ("(nop) (nop) (drop (f64.sqrt (f64.const 2))) (i64.const 0)", 6),
        ("(i64.div_u (i64.const 0) (i64.const 7))", 3),
        ("(i64.load (i32.const 8))", 2),
        ("(drop (memory.size)) (i64.const 0)", 3),
        ("(return (i64.const 0))", 2),
        ("(block (result i64) (i64.const 0))", 2),
        ("(loop (result i64) (i64.const 0))", 2),
        ("(block (block (block))) (i64.const 0)", 4),
    ] {
        assert_eq!(gas_of(&guest(body)), gas, "{body}");
    }
}

#[test]
fn a_branch_not_taken_costs_nothing() {
    let body = |condition| {
        format!(
            "(if (result i64) (i32.const {condition})
               (then (nop) (nop) (nop) (i64.const 0)) (else (i64.const 0)))"
        )
    };
    assert_eq!(gas_of(&guest(&body(1))), 2 + 4);
    assert_eq!(gas_of(&guest(&body(0))), 2 + 1);

    let body =
        |condition| format!("(block (br_if 0 (i32.const {condition})) (nop) (nop)) (i64.const 0)");
    assert_eq!(gas_of(&guest(&body(1))), 3 + 1);
    assert_eq!(gas_of(&guest(&body(0))), 3 + 2 + 1);

    let body = |index| {
        format!(
            "(block (block (block (br_table 0 1 2 (i32.const {index}))) (nop) (br 1)) (nop) (nop))
             (i64.const 0)"
        )
    };
    assert_eq!(gas_of(&guest(&body(0))), 5 + 2 + 1);
    assert_eq!(gas_of(&guest(&body(1))), 5 + 2 + 1);
    assert_eq!(gas_of(&guest(&body(2))), 5 + 1);
}

/// A loop that is run this often, at 9 each time.
fn loops(times: u32) -> String {
    format!(
        "(local.set 0 (i32.const {times}))
         (loop (nop) (nop) (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (drop) (local.get 0)
           (br_if 0))"
    )
}

#[test]
fn a_loop_costs_as_often_as_it_is_run() {
    for times in [1, 2, 1000] {
        let code = guest(&format!("{} (i64.const 0)", loops(times)));
        assert_eq!(gas_of(&code), 3 + 9 * u64::from(times) + 1);
    }
}

#[test]
fn a_call_costs_one_and_what_is_called_and_its_locals() {
    let code = |call: &str, function: &str| {
        module(&format!(
            "{MEMORY} (table 1 funcref) (elem (i32.const 0) $f) (func $f {function}) {}",
            entry_point(&format!("{call} (i64.const 0)"))
        ))
    };
    // The call, and the value that is returned.
    assert_eq!(gas_of(&code("(call $f)", "")), 2);
    assert_eq!(gas_of(&code("(call $f)", "(nop)")), 3);
    assert_eq!(gas_of(&code("(call $f)", "(drop (i32.const 0))")), 4);
    assert_eq!(gas_of(&code("(call $f)", "(local i32 i64 i64)")), 5);
    assert_eq!(gas_of(&code("(call_indirect (i32.const 0))", "(nop)")), 4);
    assert_eq!(gas_of(&code("(call_indirect (i32.const 0))", "(drop (i32.const 0))")), 5);
    assert_eq!(gas_of(&code("", "(nop)")), 1, "it is not called");
    // Parameters are put there by the caller, who paid.
    let with_parameter = code("(call $f (i32.const 1) (i32.const 2))", "(param i32 i32)");
    assert_eq!(gas_of(&with_parameter), 4);
    // The entry point is a function like any other.
    assert_eq!(gas_of(&guest("(local i32 i32 f64) (i64.const 0)")), 4);
}

#[test]
fn recursion_costs_the_same_at_each_depth() {
    let code = |depth| {
        module(&format!(
            "{MEMORY} (func $recurse (param i32)
               (if (local.get 0)
                 (then (call $recurse (i32.sub (local.get 0) (i32.const 1))))))
             {}",
            entry_point(&format!("(call $recurse (i32.const {depth})) (i64.const 0)"))
        ))
    };
    for depth in [0_u32, 1, 1000] {
        assert_eq!(gas_of(&code(depth)), 3 + 2 + 6 * u64::from(depth));
    }
}

#[test]
fn what_the_host_does_costs_nothing() {
    let code = |len: u32| {
        module(&format!(
            r#"(import "env" "ext_hashing_blake2_256_version_1" (func $hash (param i64) (result i32)))
               {MEMORY} {}"#,
            entry_point(&format!(
                "(drop (call $hash (i64.const 0x{len:x}_0000_0400))) (i64.const 0)"
            ))
        ))
    };
    assert_eq!(gas_of(&code(0)), 4);
    assert_eq!(gas_of(&code(100_000)), 4);
}

#[test]
fn growing_the_memory_costs_the_same_by_any_size() {
    for pages in [0, 1, 1000, 60_000] {
        let code = guest(&format!("(drop (memory.grow (i32.const {pages}))) (i64.const 0)"));
        assert_eq!(gas_of(&code), 4);
    }
}

#[test]
fn a_bulk_memory_operation_costs_one_by_any_length() {
    let bulk = [ExecutorParam::WasmExtBulkMemory];
    for (operation, gas) in [
        ("(memory.fill (i32.const 9) (i32.const 8) (i32.const 0))", 4),
        ("(memory.fill (i32.const 9) (i32.const 8) (i32.const 10000))", 4),
        ("(memory.copy (i32.const 9) (i32.const 8) (i32.const 10000))", 4),
        ("(memory.init 0 (i32.const 9) (i32.const 0) (i32.const 3))", 4),
        ("(data.drop 0)", 1),
        ("(table.copy (i32.const 0) (i32.const 1) (i32.const 2))", 4),
        ("(table.init 0 (i32.const 0) (i32.const 0) (i32.const 1))", 4),
        ("(elem.drop 0)", 1),
        ("(data.drop 0) (data.drop 0) (elem.drop 0)", 3),
        ("(if (i32.const 0) (then (data.drop 0)))", 2),
        ("(if (i32.const 1) (then (data.drop 0)))", 3),
        // What it looks like while it is metered, but for the alignment.
        ("(i32.store8 (i32.const 0) (i32.const 0)) (drop (i32.const 0))", 5),
        ("(drop (i32.load8_u (i32.const 0)))", 3),
    ] {
        let code = module(&format!(
            r#"{MEMORY} (table 10 funcref) (func $f) (elem func $f) (data "abc") {}"#,
            entry_point(&format!("{operation} (i64.const 0)"))
        ));
        assert_eq!(gas_with(&code, &bulk), gas + 1, "{operation}");
    }
}

#[test]
fn a_start_function_costs_like_any_other() {
    let code = module(&format!(
        "{MEMORY} (func $start (nop) (i64.store (i32.const 8) (i64.const 42))) (start $start) {}",
        returns("(i64.load (i32.const 8))")
    ));
    assert_eq!(gas_of(&code), 4 + 5);
    assert_eq!(value(run(&code, 9).result), 42);
    for limit in [0, 3] {
        assert_eq!(run(&code, limit).result, Err(ExecuteError::OutOfGas));
    }
}

#[test]
fn counting_the_stack_costs_nothing() {
    let code = guest(&format!("(local i32) {} (i64.const 0)", loops(10)));
    for stack in [100, 65_536] {
        assert_eq!(gas_with(&code, &[ExecutorParam::StackLogicalMax(stack)]), 95);
    }
    // The call that is one too many is paid for, what it calls is not.
    let recursive = module(&format!(
        "{MEMORY} (func $recurse (drop (i32.const 0)) (call $recurse)) {}",
        entry_point("(call $recurse) (i64.const 0)")
    ));
    // The entry point takes 3 of the stack, and so does each of the others.
    for calls in [1, 2, 100] {
        for left in [0, 2] {
            let stack = ExecutorParam::StackLogicalMax(3 + calls * 3 + left);
            let run = run_with(&recursive, &params([stack, ExecutorParam::MaxGas(ENOUGH)]));
            assert_eq!(run.result, trap(UNREACHABLE));
            assert_eq!(run.gas_used, Some(2 + 3 * u64::from(calls)));
        }
    }
}

#[test]
fn the_stack_overflows_at_the_same_call_with_and_without_metering() {
    let code = module(&format!(
        "{MEMORY}
         (func $recurse (param i32) (result i32)
           (if (result i32) (local.get 0)
             (then (i32.add (i32.const 1) (call $recurse (i32.sub (local.get 0) (i32.const 1)))))
             (else (block (br_if 0 (i32.const 1)) (nop)) (i32.const 0))))
         {}",
        returns("(i64.extend_i32_u (call $recurse (i32.const 100)))")
    ));
    let fits = |stack, gas: Option<u64>| {
        let list = [Some(ExecutorParam::StackLogicalMax(stack)), gas.map(ExecutorParam::MaxGas)];
        let run = run_with(&code, &params(list.into_iter().flatten().collect::<Vec<_>>()));
        match run.result {
            Ok(_) => true,
            Err(ExecuteError::Trap(_)) => false,
            Err(other) => panic!("{other}"),
        }
    };
    let needed = (1..1000).find(|stack| fits(*stack, None)).unwrap();
    assert!(needed > 101);
    assert!(fits(needed, Some(ENOUGH)));
    assert!(!fits(needed - 1, Some(ENOUGH)));
}

// Running out

/// Prints 1, and 2, and so on, at 7 each.
fn prints() -> Vec<u8> {
    module(&format!(
        r#"(import "env" "ext_misc_print_num_version_1" (func $print (param i64)))
           {MEMORY} {}"#,
        entry_point(
            "(local i64)
             (loop
               (call $print (local.tee 2 (i64.add (local.get 2) (i64.const 1))))
               (br_if 0 (i64.lt_u (local.get 2) (i64.const 5))))
             (i64.const 0)"
        )
    ))
}

#[test]
fn gas_runs_out_at_the_same_point_for_each_limit() {
    let code = prints();
    // A local, the loop, five times through it, and what is returned.
    let used = 1 + 1 + 5 * 9 + 1;
    assert_eq!(gas_of(&code), used);
    for limit in 0..used {
        let run = run(&code, limit);
        assert_eq!(run.result, Err(ExecuteError::OutOfGas), "{limit}");
        assert_eq!(run.gas_used, Some(limit));
        // The beginning is paid for together with what is behind the loop.
        let lines = limit.saturating_sub(3) / 9;
        let lines: Vec<_> = (1..=lines).map(|line| line.to_string()).collect();
        assert_eq!(run.log, lines, "{limit}");
    }
    let complete = run(&code, used);
    assert_eq!((complete.result, complete.log.len()), (Ok(vec![]), 5));
}

#[test]
fn a_limit_may_be_nothing_at_all_or_the_most_there_is() {
    let code = guest("(i64.const 0)");
    assert_eq!(run(&code, 0).result, Err(ExecuteError::OutOfGas));
    assert_eq!(run(&code, 0).gas_used, Some(0));
    for limit in [1, 2, i64::MAX as u64 - 1, i64::MAX as u64, u64::MAX] {
        let run = run(&code, limit);
        assert_eq!((run.result, run.gas_used), (Ok(vec![]), Some(1)), "{limit}");
    }
}

#[test]
fn an_endless_loop_runs_out() {
    for body in [
        "(loop (br 0)) (unreachable)",
        "(loop (loop (br 1))) (unreachable)",
        "(loop (block (br 1))) (unreachable)",
        "(loop (br_if 0 (i32.const 1))) (unreachable)",
        "(loop (block (br_table 1 0 (i32.const 0)))) (unreachable)",
        "(loop (if (i32.const 1) (then (br 1)))) (unreachable)",
        "(loop (if (i32.const 0) (then) (else (br 1)))) (unreachable)",
    ] {
        let run = run(&guest(body), 100_000);
        assert_eq!(run.result, Err(ExecuteError::OutOfGas), "{body}");
        assert_eq!(run.gas_used, Some(100_000));
    }
}

#[test]
fn a_trap_is_a_trap_even_when_it_took_the_last_gas() {
    let unknown = r#"(import "env" "unknown" (func $unknown))"#;
    let body =
        |import: &str, body: &str| module(&format!("{import} {MEMORY} {}", entry_point(body)));
    let missing = Err(ExecuteError::Trap("call to a missing function env:unknown".into()));
    for (code, gas, result) in [
        (guest("(unreachable)"), 1, trap(UNREACHABLE)),
        (guest("(i64.div_u (i64.const 1) (i64.const 0))"), 3, trap("integer divide by zero")),
        (guest("(i64.load (i32.const -8))"), 2, trap("out of bounds memory access")),
        (body(unknown, "(call $unknown) (i64.const 0)"), 2, missing),
    ] {
        for limit in [ENOUGH, gas] {
            let run = run(&code, limit);
            assert_eq!((run.result, run.gas_used), (result.clone(), Some(gas)));
        }
        assert_eq!(run(&code, gas - 1).result, Err(ExecuteError::OutOfGas));
    }
}

#[test]
fn running_out_is_no_panic_whatever_the_guest_said_before() {
    let code = module(&format!(
        r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
           (data (i32.const 8) "runtimepanicked at the disco") {MEMORY} {}"#,
        entry_point(
            "(call $log (i32.const 0) (i64.const 0x7_0000_0008) (i64.const 0x15_0000_000f))
             (loop) (if (i32.const 1) (then (unreachable))) (unreachable)"
        )
    ));
    let panic = Err(ExecuteError::Panic("panicked at the disco".into()));
    let used = gas_of(&code);
    assert_eq!(run(&code, used).result, panic);
    let short = run(&code, used - 1);
    assert_eq!((short.result, short.log.len()), (Err(ExecuteError::OutOfGas), 1));
}

#[test]
fn code_that_can_not_be_instantiated_uses_nothing() {
    for fields in [r#"(data (i32.const 131070) "abc")"#, r#"(import "env" "memory" (memory 9999))"#]
    {
        let memory = if fields.contains("import") { "" } else { MEMORY };
        let code = module(&format!("{fields} {memory} {}", entry_point("(i64.const 0)")));
        let run = run(&code, ENOUGH);
        assert!(run.result.is_err());
        assert_eq!(run.gas_used, Some(0));
    }
}

#[test]
fn each_call_has_all_the_gas() {
    let code = guest("(nop) (nop) (i64.const 0)");
    let params = params([ExecutorParam::MaxGas(3)]);
    let artifact = prepare(&code, &params).unwrap();
    on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
        assert_eq!(loaded.gas_used(), None, "nothing was called");
        for _ in 0..3 {
            assert_eq!(loaded.call("validate_block", b"", Box::new(())), Ok(vec![]));
            assert_eq!(loaded.gas_used(), Some(3));
        }
    });
}

#[test]
fn an_artifact_serves_any_limit_but_not_the_lack_of_one() {
    let code = guest("(i64.const 0)");
    let metered = |limit| params([ExecutorParam::MaxGas(limit)]);
    let artifact = prepare(&code, &metered(1)).unwrap();
    for (limit, expected) in [(0, Err(ExecuteError::OutOfGas)), (7, Ok(vec![]))] {
        let mut loaded = Wasmtime.load(&artifact, &metered(limit)).unwrap();
        assert_eq!(loaded.call("validate_block", b"", Box::new(())), expected);
    }
    assert!(Wasmtime.load(&artifact, &ExecutorParams::default()).is_err());
    let unmetered = prepare(&code, &ExecutorParams::default()).unwrap();
    assert!(Wasmtime.load(&unmetered, &metered(7)).is_err());
}

#[test]
fn what_is_not_metered_reports_no_gas() {
    assert_eq!(run_with(&guest("(i64.const 0)"), &ExecutorParams::default()).gas_used, None);
}

// What a guest may try

#[test]
fn a_guest_that_exports_the_reserved_names_confuses_nobody() {
    let code = module(&format!(
        r#"(import "env" "ext_misc_print_num_version_1" (func $print (param i64)))
           {MEMORY}
           (global $mine (export "pvf-host: gas left") (mut i64) (i64.const 5))
           (func (export "pvf-host: start") (call $print (i64.const 1)))
           (func $start (call $print (global.get $mine)))
           (start $start)
           {}"#,
        entry_point("(global.set $mine (i64.const -1)) (unreachable)")
    ));
    let run = run(&code, ENOUGH);
    assert_eq!(run.result, trap(UNREACHABLE));
    assert_eq!((run.gas_used, run.log), (Some(2 + 3), vec!["5".into()]));
    // Twice the same name is no valid code, with and without metering.
    let code = guest(
        r#"(i64.const 0)) (func (export "pvf-host: start")) (func (export "pvf-host: start")"#,
    );
    for params in [ExecutorParams::default(), params([ExecutorParam::MaxGas(1)])] {
        assert!(prepare(&code, &params).is_err());
    }
}

/// Some of these name what is not theirs, but the stack limiter's; which is an oddity of that.
#[test]
fn no_index_reaches_what_metering_adds() {
    let mut accepted = 0;
    for index in 0..9 {
        for body in [
            format!("(global.set {index} (i64.const -1)) (i64.const 0)"),
            format!("(global.set {index} (i32.const 0)) (i64.const 0)"),
            format!("(drop (global.get {index})) (i64.const 0)"),
            format!("(call {index} (i64.const 0)) (i64.const 0)"),
            format!("(call {index}) (i64.const 0)"),
            format!("(call_indirect (type {index}) (i64.const 0) (i32.const 0)) (i64.const 0)"),
            format!(r#"(i64.const 0)) (export "x" (func {index})) (func"#),
            format!(r#"(i64.const 0)) (export "x" (global {index})) (func"#),
            format!("(i64.const 0)) (elem (i32.const 0) {index}) (func"),
            format!("(i64.const 0)) (start {index}) (func"),
        ] {
            let code = module(&format!(
                "{MEMORY} (global (mut i64) (i64.const 7)) (table 1 funcref) (func $f (nop)) {}",
                entry_point(&body)
            ));
            let metered = params([ExecutorParam::MaxGas(ENOUGH)]);
            let unmetered = ExecutorParams::default();
            match (prepare(&code, &unmetered), prepare(&code, &metered)) {
                (Ok(_), Ok(_)) => {
                    accepted += 1;
                    let (run, expected) = (run_with(&code, &metered), run_with(&code, &unmetered));
                    assert_eq!(run.result, expected.result, "{body}");
                    assert!(run.gas_used < Some(1_000_000), "{body}");
                }
                (Err(error), Err(metered)) => assert_eq!(error, metered, "{body}"),
                (unmetered, metered) => panic!("{body}: {unmetered:?}, {metered:?}"),
            }
        }
    }
    assert!(accepted > 10, "{accepted}");
}

#[test]
fn a_start_function_of_another_type_is_refused_as_without_metering() {
    for start in ["(param i32)", "(result i32) (i32.const 0)"] {
        let entry = entry_point("(i64.const 0)");
        let code = module(&format!("{MEMORY} (func $start {start}) (start $start) {entry}"));
        let refused =
            |params: &[ExecutorParam]| prepare(&code, &common::params(params)).unwrap_err();
        assert_eq!(refused(&[ExecutorParam::MaxGas(1)]), refused(&[]));
    }
}

#[test]
fn what_metering_makes_too_large_for_the_engine_is_refused_when_prepared() {
    let code = |branches: usize| {
        let body = "(br_if 0 (i32.const 0))".repeat(branches);
        guest(&format!("(block {body}) (i64.const 0)"))
    };
    let metered = params([ExecutorParam::MaxGas(ENOUGH)]);
    assert!(prepare(&code(1000), &metered).is_ok());
    let large = code(400_000);
    let refused = prepare(&large, &metered).unwrap_err();
    assert!(matches!(refused, BackendPrepareError::Compilation(_)), "{refused}");
    assert!(refused.to_string().contains("size"), "{refused}");
}
