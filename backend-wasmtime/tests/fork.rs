//! What the host does with an artifact: load it once, fork for each candidate, call in the child.

#[path = "common/child.rs"]
mod child;
mod common;

use child::{call_in_child, take_all_memory};
use common::{MEMORY, entry_point, guest, module, on_big_stack, prepare};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Execute, ExecuteError},
    primitives::ExecutorParams,
};
use rustix::thread::{SecureComputingMode, set_secure_computing_mode};

#[test]
fn a_hundred_children_call_into_what_their_parent_loaded() {
    // Returns its input, and fails if it ever sees the traces of another call.
    let code = guest(
        "(if (i32.load (i32.const 16)) (then (unreachable)))
         (i32.store (i32.const 16) (i32.const 1))
         (drop (memory.grow (i32.const 5)))
         (i64.or (i64.extend_i32_u (local.get 0))
                 (i64.shl (i64.extend_i32_u (local.get 1)) (i64.const 32)))",
    );
    let params = ExecutorParams::default();
    let artifact = prepare(&code, &params).unwrap();
    on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
        drop(artifact);
        for n in 0..100u32 {
            let input = n.to_le_bytes().repeat(n as usize * 100 + 1);
            let output = call_in_child(&mut *loaded, &input, || {}, Result::unwrap_or_default);
            assert_eq!(output, input, "child {n}");
        }
    });
}

/// Other machines may have the memory, so the guest must not learn that this one has not.
#[test]
fn a_machine_without_memory_says_nothing_about_the_candidate() {
    let by_guest = guest("(drop (memory.grow (i32.const 2000))) (i64.const 0)");
    let by_host = module(&format!(
        r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
           {MEMORY} {}"#,
        entry_point(
            "(drop (call $malloc (i32.const 0x2000000))) (drop (call $malloc (i32.const 0x2000000)))
             (drop (call $malloc (i32.const 0x1000000))) (i64.const 0)"
        )
    ));
    let by_input = guest("(i64.const 0)");
    for (code, input) in [(by_guest, 0), (by_host, 0), (by_input, 32 << 20)] {
        let params = ExecutorParams::default();
        let artifact = prepare(&code, &params).unwrap();
        on_big_stack(|| {
            let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
            let input = vec![1; input];
            let class = call_in_child(&mut *loaded, &input, take_all_memory, |result| {
                vec![u8::from(matches!(result, Err(ExecuteError::Machine(_))))]
            });
            assert_eq!(class, [1]);
        });
    }
}

/// Reading, writing, returning from a signal and exiting is all that this filter lets through.
#[test]
fn a_call_that_grows_no_memory_needs_no_system_call() {
    let import = r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))"#;
    let good = format!("{import} {MEMORY} {}", entry_point("(i64.const 0x2_0000_0408)"));
    let trap = format!(
        "{import} {MEMORY} {}",
        entry_point("(drop (call $malloc (i32.const 9))) (unreachable)")
    );
    let overflow = format!("{MEMORY} {}", entry_point("(call 0 (local.get 0) (local.get 1))"));
    let too_much = r#"(memory (export "memory") 3000)"#.to_owned();
    for (fields, expected) in
        [(good, "hi"), (trap, "trap"), (overflow, "trap"), (too_much, "memory")]
    {
        let params = ExecutorParams::default();
        let artifact = prepare(&module(&fields), &params).unwrap();
        on_big_stack(|| {
            let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
            let filter = || set_secure_computing_mode(SecureComputingMode::Strict).unwrap();
            let output = call_in_child(&mut *loaded, b"hi", filter, |result| match result {
                Ok(output) => output,
                Err(ExecuteError::Trap(_)) => b"trap".to_vec(),
                Err(ExecuteError::OutOfMemory(_)) => b"memory".to_vec(),
                Err(_) => b"other".to_vec(),
            });
            assert_eq!(output, expected.as_bytes());
        });
    }
}
