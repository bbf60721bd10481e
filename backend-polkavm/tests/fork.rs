//! What the host does with an artifact: load it once, fork for each candidate, call in the child.

#![expect(unsafe_code, reason = "installs a filter")]

#[path = "../../backend-wasmtime/tests/common/child.rs"]
mod child;
mod common;

use child::{call_in_child, take_all_memory};
use common::{DATA, LATEST, Program, loaded, output};
use polkavm_common::program::{Reg, asm};
use pvf_backend_polkavm::PolkaVm;
use pvf_host_core::{backend::ExecuteError, primitives::ExecutorParams};

#[test]
fn a_hundred_children_call_into_what_their_parent_loaded() {
    // Returns its input, and fails if it ever sees the traces of another call.
    let code = [
        asm::load_u32(Reg::A2, DATA as i32),
        asm::branch_not_eq_imm(Reg::A2, 0, 2),
        asm::store_imm_u32(DATA as i32, 1),
        asm::load_imm(Reg::A2, 1 << 20),
        asm::sbrk(Reg::A2, Reg::A2),
        asm::shift_logical_left_imm_64(Reg::A1, Reg::A1, 32),
        asm::or(Reg::A0, Reg::A0, Reg::A1),
        asm::ret(),
        asm::trap(),
    ];
    let mut loaded =
        loaded(PolkaVm::COMPILER, &Program::latest(&code).bytes(), &ExecutorParams::default());
    for n in 0..100u32 {
        let input = n.to_le_bytes().repeat(n as usize * 100 + 1);
        let output = call_in_child(&mut *loaded, &input, || {}, Result::unwrap_or_default);
        assert_eq!(output, input, "child {n}");
    }
}

/// Other machines may have the memory, so the guest must not learn that this one has not.
#[test]
fn a_machine_without_memory_says_nothing_about_the_candidate() {
    let large = [asm::load_imm(Reg::A0, 32 << 20)];
    let end = output(LATEST, 0, 0);
    let by_guest = [&large[..], &[asm::sbrk(Reg::A0, Reg::A0)], &end].concat();
    let by_host = [&large[..], &[asm::ecalli(0)], &end].concat();
    for (code, input) in [(by_guest, 0), (by_host, 0), (end, 32 << 20)] {
        let program = Program::latest(&code).with_imports(&["ext_allocator_malloc_version_1"]);
        let mut loaded = loaded(PolkaVm::COMPILER, &program.bytes(), &ExecutorParams::default());
        let input = vec![1; input];
        let prepare = || {
            take_all_memory();
            // What the engine says when it panics is of no interest here.
            std::panic::set_hook(Box::new(|_| {}));
        };
        let class = call_in_child(&mut *loaded, &input, prepare, |result| {
            vec![u8::from(matches!(result, Err(ExecuteError::Machine(_))))]
        });
        assert_eq!(class, [1]);
    }
}

/// Reading, writing, returning from a signal and exiting is all that this filter lets through.
#[test]
fn a_call_needs_no_system_call_but_to_grow_the_heap() {
    let oob = [asm::store_imm_u32(16, 1), asm::ret()];
    let host = [&[asm::ecalli(0)][..], &output(LATEST, DATA, 2)].concat();
    for (code, expected) in [
        (output(LATEST, DATA, 2), &b"\0\0"[..]),
        (host, b"\0\0"),
        (vec![asm::trap()], b"trap"),
        (oob.to_vec(), b"trap"),
    ] {
        let program = Program::latest(&code).with_imports(&["ext_logging_max_level_version_1"]);
        let mut loaded = loaded(PolkaVm::COMPILER, &program.bytes(), &ExecutorParams::default());
        let output =
            call_in_child(&mut *loaded, b"", strict_filter_but_for_mmap, |result| match result {
                Ok(output) => output,
                Err(ExecuteError::Trap(_)) => b"trap".to_vec(),
                Err(_) => b"other".to_vec(),
            });
        assert_eq!(output, expected);
    }
}

/// Lets `mmap`, `write` and `exit` through, and kills for anything else.
fn strict_filter_but_for_mmap() {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let give = (libc::BPF_RET | libc::BPF_K) as u16;
    let allowed = [libc::SYS_mmap, libc::SYS_write, libc::SYS_exit];
    let mut filter = vec![statement(load, 0)];
    for (n, call) in allowed.into_iter().enumerate() {
        let to_the_end = (allowed.len() - n) as u8;
        filter.push(libc::sock_filter { code: equal, jt: to_the_end, jf: 0, k: call as u32 });
    }
    filter.push(statement(give, libc::SECCOMP_RET_KILL_PROCESS));
    filter.push(statement(give, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    rustix::thread::set_no_new_privs(true).unwrap();
    // SAFETY: the kernel copies the filter, which lives until then.
    let failed =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(failed, 0);
}
