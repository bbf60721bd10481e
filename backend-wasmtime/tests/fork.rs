//! What the host does with an artifact: load it once, fork for each candidate, call in the child.

mod common;

use common::{MEMORY, entry_point, guest, module, on_big_stack, prepare};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Execute, ExecuteError, LoadedArtifact},
    primitives::ExecutorParams,
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{FromRawFd, OwnedFd},
};

/// Forks, calls in the child, and returns what `report` makes of the result there.
fn call_in_child(
    loaded: &mut dyn LoadedArtifact,
    input: &[u8],
    prepare: impl FnOnce(),
    report: impl FnOnce(Result<Vec<u8>, ExecuteError>) -> Vec<u8>,
) -> Vec<u8> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both descriptors were just made, and nobody else owns them.
    let [from, to] = ends.map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    // SAFETY: of what the other threads of this process might hold, the child uses the allocator
    // alone, which the C library keeps usable across a fork. It ends without running any destructor.
    let pid = unsafe { libc::fork() };
    assert_ne!(pid, -1);
    if pid == 0 {
        prepare();
        let output = report(loaded.call("validate_block", input, Box::new(())));
        let written = (&to).write_all(&output).is_ok();
        // SAFETY: ends the process, and touches nothing in it. It is the call for one thread, the only
        // one here, because the strictest filter lets no other through.
        unsafe { libc::syscall(libc::SYS_exit, i32::from(!written)) };
    }
    drop(to);
    let mut output = Vec::new();
    (&from).read_to_end(&mut output).unwrap();
    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status, and the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
    output
}

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
            let lower_limit = || {
                // Below what the process has already, so that no page becomes writable any more.
                let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
                // SAFETY: `limit` is a valid limit.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) }, 0);
            };
            let class = call_in_child(&mut *loaded, &input, lower_limit, |result| {
                vec![u8::from(matches!(result, Err(ExecuteError::RuntimeConstruction(_))))]
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
            let filter = || {
                // SAFETY: takes rights from this thread, the only one of the child, and nothing else.
                let failed =
                    unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) };
                assert_eq!(failed, 0);
            };
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
