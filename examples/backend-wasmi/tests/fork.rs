//! What the host does with an artifact: load it once, fork for each candidate, call in the child.

#[path = "../../../backend-wasmtime/tests/common/child.rs"]
mod child;
#[path = "../../../backend-wasmtime/tests/common/text.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod text;

use child::{call_in_child, take_all_memory};
use pvf_backend_wasmi::Wasmi;
use pvf_host_core::{
    backend::{Artifact, Execute, ExecuteError, LoadedArtifact, Prepare},
    primitives::ExecutorParams,
};
use text::{MEMORY, entry_point, guest, module};

fn loaded(code: &[u8]) -> Box<dyn LoadedArtifact> {
    let params = ExecutorParams::default();
    let artifact = Artifact::from_bytes(&Wasmi.prepare(code, &params).unwrap()).unwrap();
    Wasmi.load(&artifact, &params).unwrap()
}

#[test]
fn a_hundred_children_call_into_what_their_parent_loaded() {
    // Returns its input, and fails if it ever sees the traces of another call.
    let mut loaded = loaded(&guest(
        "(if (i32.load (i32.const 16)) (then (unreachable)))
         (i32.store (i32.const 16) (i32.const 1))
         (drop (memory.grow (i32.const 5)))
         (i64.or (i64.extend_i32_u (local.get 0))
                 (i64.shl (i64.extend_i32_u (local.get 1)) (i64.const 32)))",
    ));
    for n in 0..100u32 {
        let input = n.to_le_bytes().repeat(n as usize * 100 + 1);
        let output = call_in_child(&mut *loaded, &input, || {}, Result::unwrap_or_default);
        assert_eq!(output, input, "child {n}");
    }
}

/// Other machines may have the memory, so the guest must not learn that this one has not.
#[test]
fn a_machine_without_memory_says_nothing_about_the_candidate() {
    let by_guest = guest("(drop (memory.grow (i32.const 2000))) (i64.const 0)");
    let allocate = "(drop (call $malloc (i32.const 0x2000000)))".repeat(3);
    let by_host = module(&format!(
        r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
           {MEMORY} {}"#,
        entry_point(&format!("{allocate} (i64.const 0)"))
    ));
    let by_input = guest("(i64.const 0)");
    for (code, input) in [(by_guest, 0), (by_host, 0), (by_input, 32 << 20)] {
        let mut loaded = loaded(&code);
        let input = vec![1; input];
        let class = call_in_child(&mut *loaded, &input, take_all_memory, |result| {
            vec![u8::from(matches!(result, Err(ExecuteError::Machine(_))))]
        });
        assert_eq!(class, [1]);
    }
}

/// The deepest stack that the executor parameters allow is not the engine's, which is the machine's.
#[test]
fn the_logical_stack_overflows_before_the_engines_does() {
    // The limiter's own trap, not the engine's.
    let code = module(&format!("{MEMORY} {}", entry_point("(call 0 (local.get 0) (local.get 1))")));
    let mut loaded = loaded(&code);
    let error = loaded.call("validate_block", b"", Box::new(())).unwrap_err();
    let unreachable = "wasm `unreachable` instruction executed";
    assert_eq!(error, ExecuteError::Trap(unreachable.into()));
}
