//! That what is selected is what the engine sees, in programs that nobody has written.

use super::*;
use crate::random::Random;
use polkavm::{ArcBytes, program::Instruction};
use polkavm_common::{program::asm, writer::ProgramBlobBuilder};

const INSTRUCTION_SETS: [InstructionSetKind; 4] = [
    InstructionSetKind::Latest32,
    InstructionSetKind::Latest64,
    InstructionSetKind::ReviveV1,
    InstructionSetKind::JamV1,
];

/// A program of any bytes. Most of its instructions are valid, and one in four has one of these opcodes.
pub(crate) fn random_program(random: &mut Random, often: &[Opcode]) -> (ArcBytes, ProgramBlob) {
    let instruction_set = random.pick(&INSTRUCTION_SETS);
    let longest = random.pick(&[40, 300, 3000]);
    let len = 1 + random.below(longest) as usize;
    let mut builder = ProgramBlobBuilder::new(instruction_set);
    builder.set_code(&vec![asm::trap(); len], &[]);
    let mut bytes = builder.to_vec().unwrap();
    let parsed: ArcBytes = bytes[..].into();
    let blob = ProgramBlob::parse(parsed.clone()).unwrap();
    let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(parsed.as_ptr() as usize);
    let (code, mask) = (place(blob.code()), place(blob.bitmask()));
    bytes[code..code + len].fill_with(|| random.next() as u8);
    // It ends with the trap that it had.
    let trap = instruction_set.opcode_to_raw(Opcode::trap, 0).unwrap();
    let mut at = 0;
    while at < len {
        let opcodes = if random.below(4) == 0 { often } else { Opcode::ALL };
        let opcode = random.pick(opcodes);
        let of_any = instruction_set.opcode_to_raw(opcode, random.below(12) as u32);
        let Some((raw, operands)) = (if at + 32 < len { of_any } else { Some(trap) }) else {
            continue;
        };
        let Ok(raw) = u8::try_from(raw) else { continue };
        bytes[code + at] = raw;
        let mut next = at + 1 + operands as usize;
        // Where a mask says how long an instruction is, it may be of any length.
        if instruction_set.is_legacy() && at + 32 < len {
            let any = [1, 2, 23, 24, 25, random.below(30) as u32];
            let usual = random.below(20) as usize;
            next = at + 1 + any.get(usual).copied().unwrap_or(operands) as usize;
            for inside in at + 1..next {
                bytes[mask + inside / 8] &= !(1 << (inside % 8));
            }
        }
        at = next;
    }
    let bytes: ArcBytes = bytes.into();
    (bytes.clone(), ProgramBlob::parse(bytes).unwrap())
}

#[test]
fn what_is_selected_is_what_the_engine_sees() {
    let mut random = Random(1);
    let (mut longest, mut invalid) = (0, 0);
    for _ in 0..5_000 {
        let (_, program) = random_program(&mut random, Opcode::ALL);
        let mut all = Vec::new();
        for instruction in program.instructions_bounded_at(ProgramCounter(0)) {
            all.push(instruction);
            if instruction.kind == Instruction::invalid {
                invalid += 1;
                break;
            }
        }
        longest = longest.max(all.len());
        let some = [random.pick(Opcode::ALL), random.pick(Opcode::ALL), Opcode::sbrk];
        for opcodes in [Opcode::ALL, &some] {
            let mut selected = Vec::new();
            let mut is_over = false;
            select(&program, opcodes, &mut |one| {
                let instruction = one.instruction;
                if !is_over {
                    selected.push((instruction.kind, instruction.offset));
                    let before = instruction.offset.0.saturating_sub(REACH);
                    let is_known = |it: &ParsedInstruction| it.offset == one.out_of_reach;
                    assert!(one.out_of_reach.0 <= before && all.iter().any(is_known));
                }
                is_over |= instruction.kind == Instruction::invalid;
                assert!(is_over || all.contains(&instruction));
            });
            let is_expected = |kind: &Instruction| {
                *kind == Instruction::invalid || opcodes.contains(&kind.opcode())
            };
            let expected = all.iter().map(|it| (it.kind, it.offset));
            let expected: Vec<_> = expected.filter(|(kind, _)| is_expected(kind)).collect();
            assert_eq!(selected, expected, "{}", program.isa().name());
        }
    }
    assert!(longest > 300 && invalid > 1000, "{longest} {invalid}");
}
