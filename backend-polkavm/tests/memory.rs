//! The heap, the stack, and how much of them there may be.

mod common;

use common::{
    BACKENDS, HEAP, LATEST, Program, STACK, WITH_SBRK, load, loaded, output, params, prepare, run,
    run_metered, run_with, trap, value,
};
use polkavm_common::program::{InstructionSetKind, Reg, asm};
use pvf_backend_polkavm::{MAX_DATA, MAX_STACK};
use pvf_host_core::{
    backend::{BackendPrepareError, ExecuteError},
    primitives::{ExecutorParam, ExecutorParams},
};

/// Grows the heap by what the input says, and returns where it ends then.
fn grow(instruction_set: InstructionSetKind) -> Program {
    let code = [load(instruction_set, Reg::A0, Reg::A0, 0), asm::sbrk(Reg::S0, Reg::A0)];
    Program::returning(instruction_set, &code, Reg::S0)
}

fn grown(program: &Program, params: &ExecutorParams, size: u64) -> u64 {
    value(run_with(program, params, &size.to_le_bytes()))
}

/// Where the heap of a [`Program`] may end at most.
fn heap_end(pages: u64) -> u64 {
    u64::from(HEAP) + pages * 65_536 - 4096 - u64::from(STACK)
}

#[test]
fn the_heap_grows_to_the_limit_and_not_a_byte_beyond() {
    for instruction_set in WITH_SBRK {
        let program = grow(instruction_set);
        let default = ExecutorParams::default();
        let top = grown(&program, &default, 0);
        // The input is in memory taken from the heap before.
        assert_eq!(top, 0x30_000);
        assert_eq!(grown(&program, &default, 5), top + 5);
        for (params, pages) in [(default, 2080), (params([ExecutorParam::MaxMemoryPages(1)]), 33)] {
            let end = heap_end(pages);
            assert_eq!(grown(&program, &params, end - top), end);
            assert_eq!(grown(&program, &params, end - top + 1), 0);
        }
    }
}

#[test]
fn a_size_that_no_heap_can_have_is_refused() {
    let all = params([ExecutorParam::MaxMemoryPages(65_536)]);
    let program = grow(LATEST);
    let top = grown(&program, &all, 0);
    for size in [1 << 32, (1 << 32) + 1, 1 << 33, 1 << 63, u64::MAX, u64::MAX - top + 1] {
        assert_eq!(grown(&program, &all, size), 0, "{size}");
    }
    let narrow = grow(InstructionSetKind::Latest32);
    for size in [u64::from(u32::MAX), u64::from(u32::MAX) - top + 1] {
        assert_eq!(grown(&narrow, &all, size), 0, "{size}");
    }
}

#[test]
fn a_heap_without_a_limit_to_speak_of_ends_below_the_stack() {
    let all = params([ExecutorParam::MaxMemoryPages(65_536)]);
    let program = grow(LATEST);
    let top = grown(&program, &all, 0);
    // The engine's region: up to the guard below the stack.
    let end = 0xffff_0000 - 0x10_000 - u64::from(STACK) - 0x10_000;
    assert_eq!(grown(&program, &all, end - top), end);
    assert_eq!(grown(&program, &all, end - top + 1), 0);
}

#[test]
fn one_register_may_be_both_the_size_and_the_result() {
    for instruction_set in WITH_SBRK {
        let code = [load(instruction_set, Reg::A0, Reg::A0, 0), asm::sbrk(Reg::A0, Reg::A0)];
        let program = Program::returning(instruction_set, &code, Reg::A0);
        assert_eq!(grown(&program, &ExecutorParams::default(), 7), 0x30_007);
    }
}

#[test]
fn each_pair_of_registers_grows_the_heap() {
    for instruction_set in WITH_SBRK {
        let mut code = Vec::new();
        for result in [Reg::T0, Reg::T1, Reg::S0, Reg::S1] {
            for size in [Reg::A2, Reg::A3, Reg::A4, Reg::A5] {
                code.extend([asm::load_imm(size, 3), asm::sbrk(result, size)]);
            }
        }
        let program = Program::returning(instruction_set, &code, Reg::S1);
        assert_eq!(value(run(&program)), 0x30_000 + 16 * 3);
    }
}

#[test]
fn memory_is_accessible_up_to_the_end_of_the_page() {
    // The heap ends at a whole page of 64 KiB. Behind it, one more byte makes one more page.
    for (size, offset, is_there) in
        [(0, -1, true), (0, 0, false), (1, 4095, true), (1, 4096, false), (4096, 4095, true)]
    {
        let code = [
            asm::load_imm(Reg::A2, size),
            asm::sbrk(Reg::A1, Reg::A2),
            asm::load_imm(Reg::A3, 0x30_000),
            asm::load_indirect_u8(Reg::A4, Reg::A3, offset),
        ];
        let program = Program::returning(LATEST, &code, Reg::A4);
        let result = run(&program);
        if is_there {
            result.unwrap();
        } else {
            assert_eq!(result, trap("memory access out of bounds"), "{size} {offset}");
        }
    }
}

#[test]
fn what_is_declared_counts_towards_the_limit() {
    let mut program = Program::latest(&output(LATEST, 0, 0));
    let little = params([ExecutorParam::MaxMemoryPages(1)]);
    program.data = 32 * 65_536;
    let lacks = |program: &Program| match run_with(program, &little, b"") {
        Err(ExecuteError::OutOfMemory(reason)) => reason,
        other => panic!("{other:?}"),
    };
    // Data and stack fill it, and there is no room for the input.
    assert!(lacks(&program).contains("input of 0 bytes"));
    program.data += 1;
    assert!(lacks(&program).contains("above the limit of 33 pages"));
    program.data -= 65_537;
    assert_eq!(run_with(&program, &little, b""), Ok(vec![]));
}

#[test]
fn what_is_declared_has_a_bound_of_its_own() {
    let largest = |data, stack| {
        let mut program = Program::latest(&output(LATEST, 0, 0));
        (program.data, program.stack) = (data, stack);
        let params = ExecutorParams::default();
        BACKENDS.map(|backend| prepare(backend, &program.bytes(), &params).map(drop))
    };
    let (data, stack) = (MAX_DATA as u32, MAX_STACK as u32);
    assert_eq!(largest(data, stack), [Ok(()), Ok(())]);
    for (data, stack) in [(data + 1, stack), (data, stack + 1), (u32::MAX, 0), (0, u32::MAX)] {
        for result in largest(data, stack) {
            assert!(matches!(result, Err(BackendPrepareError::Prevalidation(_))), "{result:?}");
        }
    }
}

#[test]
fn an_input_without_room_is_a_lack_of_memory() {
    let program = Program::latest(&output(LATEST, 0, 0));
    let little = params([ExecutorParam::MaxMemoryPages(1)]);
    assert_eq!(run_with(&program, &little, &vec![1; 1 << 20]), Ok(vec![]));
    for len in [3 << 20, (32 << 20) + 1] {
        let result = run_with(&program, &little, &vec![1; len]);
        assert!(matches!(result, Err(ExecuteError::OutOfMemory(_))), "{result:?}");
    }
}

#[test]
fn the_hosts_allocator_is_held_to_the_same_limit() {
    let allocate = |size: i32| {
        let code = [asm::load_imm(Reg::A0, size), asm::ecalli(0)];
        Program::returning(LATEST, &code, Reg::A0).with_imports(&["ext_allocator_malloc_version_1"])
    };
    let little = params([ExecutorParam::MaxMemoryPages(1)]);
    let pointer = value(run_with(&allocate(1 << 20), &little, b""));
    assert_eq!(pointer % 8, 0);
    assert!((u64::from(HEAP)..heap_end(33)).contains(&pointer));
    let reason = "host function ext_allocator_malloc_version_1: allocator ran out of space";
    assert_eq!(run_with(&allocate(2 << 20), &little, b""), trap(reason));
}

#[test]
fn guest_and_host_share_the_heap_without_overlap() {
    // The guest takes three bytes, the host a block, the guest three more, the host one that makes it
    // grow, and so on. Each block's first and last byte are written, so an overlap would be seen.
    let mut code = vec![asm::load_imm(Reg::S1, 0)];
    for (n, size) in [8, 70_000, 200_000, 8, 500_000].into_iter().enumerate() {
        code.extend([
            asm::load_imm(Reg::A1, 3),
            asm::sbrk(Reg::S0, Reg::A1),
            asm::store_imm_indirect_u8(Reg::S0, -3, 0x55),
            asm::store_imm_indirect_u8(Reg::S0, -1, 0x55),
            asm::load_imm(Reg::A0, size),
            asm::ecalli(0),
            asm::store_imm_indirect_u8(Reg::A0, 0, n as i32 + 1),
            asm::store_imm_indirect_u8(Reg::A0, size - 1, n as i32 + 1),
            asm::load_indirect_u8(Reg::A2, Reg::S0, -3),
            asm::load_indirect_u8(Reg::A3, Reg::S0, -1),
            asm::add_64(Reg::S1, Reg::S1, Reg::A2),
            asm::add_64(Reg::S1, Reg::S1, Reg::A3),
        ]);
    }
    let program = Program::returning(LATEST, &code, Reg::S1)
        .with_imports(&["ext_allocator_malloc_version_1"]);
    assert_eq!(value(run(&program)), 5 * 2 * 0x55);
}

/// Calls itself for ever, with this many bytes of stack each time.
fn recursion(frame: i32) -> Program {
    let code = [
        asm::add_imm_64(Reg::SP, Reg::SP, -frame),
        asm::store_indirect_u64(Reg::RA, Reg::SP, 0),
        asm::jump(0),
    ];
    Program::latest(&code)
}

#[test]
fn endless_recursion_ends_at_the_same_depth_everywhere() {
    let metered = params([ExecutorParam::MaxGas(1 << 40)]);
    for frame in [8, 64, 4096] {
        let (result, gas) = run_metered(&recursion(frame), &metered, b"");
        assert_eq!(result, trap("memory access out of bounds"));
        // The last round ends below the stack, with the gas for all of it spent.
        assert_eq!(gas, Some(3 * (u64::from(STACK) / frame as u64 + 1)), "{frame}");
    }
}

#[test]
fn a_frame_larger_than_the_stack_reaches_nothing() {
    let mut program = recursion(64 << 20);
    program.code.truncate(2);
    program.code.extend(output(LATEST, 0, 0));
    assert_eq!(run(&program), trap("memory access out of bounds"));
}

#[test]
fn each_call_sees_fresh_memory() {
    // Returns what it finds in its data and on its heap, and leaves something there.
    let code = [
        asm::load_imm(Reg::A2, 4096),
        asm::sbrk(Reg::A3, Reg::A2),
        asm::load_indirect_u64(Reg::S0, Reg::A3, -8),
        asm::load_u64(Reg::A2, common::DATA as i32 + 64),
        asm::add_64(Reg::S0, Reg::S0, Reg::A2),
        asm::load_indirect_u64(Reg::A2, Reg::SP, -8),
        asm::add_64(Reg::S0, Reg::S0, Reg::A2),
        asm::load_imm(Reg::A2, 77),
        asm::store_indirect_u64(Reg::A2, Reg::A3, -8),
        asm::store_u64(Reg::A2, common::DATA as i32 + 64),
        asm::store_indirect_u64(Reg::A2, Reg::SP, -8),
    ];
    let program = Program::returning(LATEST, &code, Reg::S0);
    for backend in BACKENDS {
        let mut loaded = loaded(backend, &program.bytes(), &ExecutorParams::default());
        for _ in 0..3 {
            let result = loaded.call("validate_block", &[9; 100_000], Box::new(()));
            assert_eq!(value(result), 0);
        }
    }
}
