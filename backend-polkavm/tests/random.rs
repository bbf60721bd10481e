//! Random programs: the compiler and the interpreter agree on what becomes of each.

mod common;
#[path = "common/random.rs"]
mod random;

use common::{BACKENDS, DATA, INSTRUCTION_SETS, Program, output, params, run_on};
use polkavm_common::program::{Instruction, InstructionSet, InstructionSetKind, Opcode, Reg, asm};
use pvf_host_core::{
    backend::ExecuteError,
    primitives::{ExecutorParam, ExecutorParams},
};
use random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// The address that a call returns to.
const RETURN: u32 = polkavm_common::abi::VM_ADDR_RETURN_TO_HOST;

/// What random programs are made of.
impl Random {
    /// A number at which something may change.
    fn number(&mut self) -> u64 {
        let place = self.pick(&[
            0,
            u64::from(DATA),
            u64::from(DATA) + 4096,
            0x40_000,
            0xfffe_0000,
            0xfffd_0000,
            1 << 31,
            1 << 32,
            1 << 63,
            0xffff_ffff_fffe_0000,
        ]);
        match self.below(5) {
            0 => self.next(),
            1 => place,
            2 => place.wrapping_add(self.below(64)),
            3 => u64::from(DATA) + 512 + self.below(3000),
            _ => place.wrapping_sub(self.below(64)),
        }
    }
}

/// An instruction of the set that is none of those that end a basic block or call the host.
fn instruction(random: &mut Random, instruction_set: InstructionSetKind) -> Instruction {
    loop {
        let raw = random.below(513) as u32;
        let Some(opcode) = instruction_set.opcode_from_raw(raw) else { continue };
        // With a count of 2 GiB or more, filling memory in a program for 32 bits ends the interpreter
        // with an assertion, in builds that have them.
        let is_known = opcode == Opcode::memset && !instruction_set.is_64_bit();
        if opcode.starts_new_basic_block() || opcode == Opcode::ecalli || is_known {
            continue;
        }
        let operands = u128::from(random.next()) << 64 | u128::from(random.next());
        let length = 1 + random.below(10) as u32;
        let instruction = instruction_set.parse_instruction(raw as usize, operands, 0, length);
        // Most accesses to memory miss it, and nothing comes after.
        let is_access = instruction.to_string().contains('[');
        let chance = if is_near(&instruction) { 3 } else { 50 };
        let is_wanted = !is_access || random.below(chance) == 0;
        if is_wanted && is_written_as_read(instruction, instruction_set) {
            return instruction;
        }
    }
}

/// Whether the instruction, once written, is read as the same, whatever follows.
fn is_written_as_read(instruction: Instruction, instruction_set: InstructionSetKind) -> bool {
    instruction != Instruction::invalid
        && [0, 0x5a, 0xa5, 0xff].into_iter().all(|follows| {
            let mut bytes = [follows; 64];
            let length = instruction.serialize_into(instruction_set, 0, &mut bytes);
            bytes[length..].fill(follows);
            let raw = match bytes[0] {
                255 if instruction_set == InstructionSetKind::Latest64 => {
                    255 + usize::from(bytes[1])
                }
                first => usize::from(first),
            };
            let operands = u128::from_le_bytes(bytes[..16].try_into().unwrap());
            let read = instruction_set.parse_instruction(raw, operands, 0, length as u32 - 1);
            read == instruction
        })
}

/// Whether an access to memory is close to where its register points.
fn is_near(instruction: &Instruction) -> bool {
    let text = instruction.to_string();
    let offset =
        text.rsplit_once(['+', '-']).map(|(_, offset)| offset.trim_end_matches(']').trim());
    let offset = offset.and_then(|offset| {
        offset.strip_prefix("0x").map_or_else(
            || offset.parse().ok(),
            |offset| i64::from_str_radix(offset.split(']').next()?, 16).ok(),
        )
    });
    !text.contains("[0x") && offset.is_none_or(|offset: i64| offset.abs() < 4096)
}

/// Sets all registers, does some things, jumping forwards alone, and returns registers and data.
fn program(seed: u64) -> Program {
    let mut random = Random(seed);
    let instruction_set = random.pick(&INSTRUCTION_SETS);
    let is_64_bit = instruction_set.is_64_bit();
    let mut code = Vec::new();
    for register in Reg::ALL {
        let number = random.number();
        code.push(if is_64_bit {
            asm::load_imm64(register, number)
        } else {
            asm::load_imm(register, number as i32)
        });
    }
    let blocks = random.below(6) as u32;
    for block in 0..blocks {
        for _ in 0..random.below(8) {
            code.push(instruction(&mut random, instruction_set));
        }
        let target = block + 1 + random.below(u64::from(blocks - block)) as u32;
        let [a, b] = [(), ()].map(|()| random.pick(&Reg::ALL));
        let number = random.pick(&[0, 1, -1, i32::MAX, i32::MIN, 100]);
        code.push(match random.below(14) {
            0 => asm::branch_eq(a, b, target),
            1 => asm::branch_not_eq(a, b, target),
            2 => asm::branch_less_unsigned(a, b, target),
            3 => asm::branch_less_signed(a, b, target),
            4 => asm::branch_greater_or_equal_unsigned(a, b, target),
            5 => asm::branch_greater_or_equal_signed(a, b, target),
            6 => asm::branch_eq_imm(a, number, target),
            7 => asm::branch_less_unsigned_imm(a, number, target),
            8 => asm::branch_less_signed_imm(a, number, target),
            9 => asm::branch_greater_unsigned_imm(a, number, target),
            10 => asm::branch_greater_or_equal_signed_imm(a, number, target),
            11 => asm::load_imm_and_jump(a, number, target),
            12 => asm::jump(target),
            _ => asm::fallthrough(),
        });
    }
    let size = if is_64_bit { 8 } else { 4 };
    for (n, register) in Reg::ALL.into_iter().enumerate() {
        let place = DATA as i32 + n as i32 * size;
        code.push(if is_64_bit {
            asm::store_u64(register, place)
        } else {
            asm::store_u32(register, place)
        });
    }
    code.push(asm::load_imm(Reg::RA, RETURN as i32));
    code.extend(output(instruction_set, DATA, 4096));
    Program::new(instruction_set, &code)
}

#[test]
fn random_programs_end_in_the_same_way_on_the_compiler_and_the_interpreter() {
    let metered = params([ExecutorParam::MaxGas(1 << 40)]);
    let plain = params([]);
    let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
    let mut opcodes = BTreeSet::new();
    for seed in 0..1500 {
        let program = program(seed);
        opcodes.extend(program.code.iter().map(|instruction| instruction.opcode().name()));
        let bytes = program.bytes();
        let run = |params: &ExecutorParams| {
            let [compiled, interpreted] =
                BACKENDS.map(|backend| run_on(backend, &bytes, params, &[7; 100], ()));
            assert_eq!(compiled, interpreted, "seed {seed}");
            compiled
        };
        let (result, gas) = run(&metered);
        let ending = match &result {
            Ok(_) => "output",
            Err(ExecuteError::Trap(_)) => "trap",
            Err(error) => panic!("seed {seed}: {error}"),
        };
        *endings.entry(ending).or_default() += 1;
        assert_eq!(run(&plain), (result.clone(), None), "seed {seed}");
        // With exactly what it used it ends in the same way, with less it does not end. A `memset` that
        // leaves the memory may have needed more than it has used in the end.
        let used = gas.unwrap();
        let exact = run(&params([ExecutorParam::MaxGas(used)]));
        let fills = program.code.iter().any(|it| it.opcode() == Opcode::memset);
        if !(fills && exact.0 == Err(ExecuteError::OutOfGas)) {
            assert_eq!(exact, (result, gas), "seed {seed}");
        }
        for less in [used / 2, used - 1] {
            let (result, gas) = run(&params([ExecutorParam::MaxGas(less)]));
            assert_eq!((result, gas), (Err(ExecuteError::OutOfGas), Some(less)), "seed {seed}");
        }
    }
    // The programs are worth it: both endings are there, and hardly an instruction is missing.
    assert!(endings["output"] > 250 && endings["trap"] > 250, "{endings:?}");
    assert!(opcodes.len() > 120, "{}", opcodes.len());
}
