//! The host's allocator, which compiled code reaches in a way of its own: what it does is what it does
//! for the interpreter.

mod common;

use common::{
    BACKENDS, DATA, INSTRUCTION_SETS, LATEST, Outcome, Program, output, params, run, run_metered,
    run_on, value,
};
use polkavm_common::program::{Instruction, InstructionSetKind, Reg, asm};
use pvf_host_core::{backend::ExecuteError, primitives::ExecutorParam};

const IMPORTS: [&str; 2] = ["ext_allocator_malloc_version_1", "ext_allocator_free_version_1"];
const MALLOC: i32 = 0;
const FREE: i32 = 1;

/// Where the register with the address to return to is kept.
const RETURN: i32 = DATA as i32;
/// Where pointers are kept, eight bytes for each.
const SLOTS: i32 = DATA as i32 + 8;

fn store(instruction_set: InstructionSetKind, from: Reg, to: i32) -> Instruction {
    if instruction_set.is_64_bit() { asm::store_u64(from, to) } else { asm::store_u32(from, to) }
}

fn load(instruction_set: InstructionSetKind, to: Reg, from: i32) -> Instruction {
    if instruction_set.is_64_bit() { asm::load_u64(to, from) } else { asm::load_i32(to, from) }
}

fn slot(index: u32) -> i32 {
    SLOTS + 8 * index as i32
}

/// A program that does this and returns all its data.
fn program(instruction_set: InstructionSetKind, steps: &[Instruction]) -> Program {
    let begin = [store(instruction_set, Reg::RA, RETURN)];
    let mut end = vec![load(instruction_set, Reg::RA, RETURN)];
    // Nothing of where the program itself lies.
    end.push(store(instruction_set, Reg::T0, RETURN));
    end.extend(output(instruction_set, DATA, 4096));
    let code = [&begin[..], steps, &[asm::load_imm(Reg::T0, 0)], &end].concat();
    Program::new(instruction_set, &code).with_imports(&IMPORTS)
}

#[test]
fn a_call_changes_no_register_but_that_of_its_result() {
    for instruction_set in INSTRUCTION_SETS {
        for import in [MALLOC, FREE] {
            // Served at once: the block was freed before, or is allocated now.
            let mut steps = vec![asm::load_imm(Reg::A0, 40), asm::ecalli(MALLOC)];
            if import == MALLOC {
                steps.push(asm::ecalli(FREE));
            } else {
                steps.push(asm::move_reg(Reg::S0, Reg::A0));
            }
            let others = Reg::ALL.into_iter().filter(|register| *register != Reg::A0);
            steps.extend(others.map(|register| asm::load_imm(register, -77 - register as i32)));
            let argument = if import == MALLOC {
                asm::load_imm(Reg::A0, 33)
            } else {
                // The first block of a heap: behind the input's, and behind a header.
                asm::load_imm(Reg::A0, FIRST as i32)
            };
            steps.extend([argument, asm::ecalli(import)]);
            let registers = Reg::ALL.into_iter().enumerate();
            steps.extend(
                registers
                    .map(|(index, register)| store(instruction_set, register, slot(index as u32))),
            );
            let data = run(&program(instruction_set, &steps)).unwrap();
            for (index, register) in Reg::ALL.into_iter().enumerate() {
                let at = (slot(index as u32) - DATA as i32) as usize;
                let expected = match register {
                    Reg::A0 => i64::from(FIRST),
                    _ => -77 - register as i64,
                };
                let bytes = expected.to_le_bytes();
                let len = if instruction_set.is_64_bit() { 8 } else { 4 };
                assert_eq!(data[at..at + len], bytes[..len], "{register} {import}");
            }
        }
    }
}

/// The first block that a guest gets whose input has up to 16 bytes.
const FIRST: u32 = common::HEAP + 8 + 16 + 8;

#[test]
fn blocks_are_where_the_allocator_puts_them() {
    let mut steps = Vec::new();
    for (index, size) in [8, 1, 100].into_iter().enumerate() {
        steps.extend([asm::load_imm(Reg::A0, size), asm::ecalli(MALLOC)]);
        steps.push(store(LATEST, Reg::A0, slot(index as u32)));
    }
    // The second again, once it is free.
    steps.extend([load(LATEST, Reg::A0, slot(1)), asm::ecalli(FREE)]);
    steps.extend([asm::load_imm(Reg::A0, 5), asm::ecalli(MALLOC)]);
    steps.push(store(LATEST, Reg::A0, slot(3)));
    let data = run(&program(LATEST, &steps)).unwrap();
    let pointers = data[8..40].chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let pointers: Vec<_> = pointers.map(|pointer| pointer - u64::from(FIRST)).collect();
    assert_eq!(pointers, [0, 16, 32, 16]);
}

#[test]
fn the_sign_of_what_is_no_pointer_is_extended_as_always() {
    // The size counts in its low 32 bits alone.
    let steps = [asm::load_imm64(Reg::A0, 0xffff_ffff_0000_0010), asm::ecalli(MALLOC)];
    let small = Program::returning(LATEST, &steps, Reg::A0).with_imports(&IMPORTS);
    assert_eq!(value(run(&small)), u64::from(FIRST));
}

#[test]
fn whatever_guests_do_to_their_heap_compiled_and_interpreted_programs_end_alike() {
    let mut ends = [0; 2];
    for seed in 0..400 {
        let mut random = Random(seed);
        let instruction_set = INSTRUCTION_SETS[random.below(4) as usize];
        let mut steps = Vec::new();
        for _ in 0..random.below(60) {
            let pointer = load(instruction_set, Reg::A0, slot(random.below(20)));
            match random.below(100) {
                0..55 => {
                    let size = match random.below(64) {
                        0 => random.below(40 << 20),
                        1..8 => random.below(100_000),
                        _ => random.below(200),
                    };
                    steps.extend([asm::load_imm(Reg::A0, size as i32), asm::ecalli(MALLOC)]);
                    steps.push(store(instruction_set, Reg::A0, slot(random.below(20))));
                }
                55..98 => {
                    // Most of the time, something that was allocated and not freed.
                    let at = slot(random.below(20));
                    steps.push(load(instruction_set, Reg::A3, at));
                    if random.below(64) != 0 {
                        // A new block, unless there is one.
                        steps.extend([asm::load_imm(Reg::A0, 24), asm::ecalli(MALLOC)]);
                        steps.push(asm::cmov_if_not_zero(Reg::A0, Reg::A3, Reg::A3));
                    } else {
                        steps.push(asm::move_reg(Reg::A0, Reg::A3));
                    }
                    steps.extend([asm::ecalli(FREE), asm::load_imm(Reg::A1, 0)]);
                    steps.push(store(instruction_set, Reg::A1, at));
                }
                98 => steps.extend([
                    pointer,
                    asm::store_imm_indirect_u32(Reg::A0, -8, random.below(30) as i32),
                    asm::store_imm_indirect_u32(Reg::A0, -4, random.below(2) as i32),
                ]),
                _ => steps.extend([
                    asm::load_imm(Reg::A0, random.below(1 << 18) as i32),
                    asm::ecalli(FREE),
                ]),
            }
        }
        let program = program(instruction_set, &steps);
        let pages = ExecutorParam::MaxMemoryPages;
        for limit in [pages(2080), pages(20)] {
            let (result, _) = run_metered(&program, &params([limit.clone()]), b"input");
            ends[usize::from(result.is_ok())] += 1;
            let code = program.bytes();
            let metered = params([limit, ExecutorParam::MaxGas(100_000)]);
            let outcomes: [Outcome; 2] =
                BACKENDS.map(|backend| run_on(backend, &code, &metered, b"input", ()));
            assert_eq!(outcomes[0], outcomes[1], "{seed}");
            assert_eq!(outcomes[0].0, result, "{seed}");
        }
    }
    assert!(ends[0] > 100 && ends[1] > 100, "{ends:?}");
}

#[test]
fn after_an_error_of_the_allocator_the_guest_has_ended() {
    for instruction_set in INSTRUCTION_SETS {
        let steps = [asm::load_imm(Reg::A0, FIRST as i32), asm::ecalli(FREE)];
        let result = run(&program(instruction_set, &steps));
        assert!(matches!(result, Err(ExecuteError::Trap(_))), "{result:?}");
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(limit)) as u32
    }
}
