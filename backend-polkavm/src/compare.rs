//! Loops in which programs compare memory, a byte in each round.
//!
//! What compilers compare memory with is a part of each program, and nobody calls it by a name that could
//! be trusted. So what is looked for is the loop itself, instruction by instruction:
//!
//! ```text
//! begin: left_byte = u8 [left]
//!        right_byte = u8 [right]         this one is replaced
//!        jump elsewhere if left_byte != right_byte
//!        left += 1, right += 1, count -= 1, in any order
//!        jump begin if count != 0
//! ```
//!
//! One instruction is replaced by a call that [stands](crate::stand_in) for it, and the compiler is given
//! other code there. That does what the instruction does. Then it makes as many rounds more as it can be
//! sure of, at once: those that would have changed nothing but registers, and would not have ended the
//! loop. It leaves the registers as that many rounds would have left them, so that it does not matter what
//! is before and behind the loop, or who enters it, and how: nobody can enter behind its first instruction
//! and before the one that is replaced, since jumps end behind instructions that end a basic block, also
//! where some instruction sets begin one at each kilobyte of the code.
//!
//! Gas is charged by the round, so where it is metered nothing but the instruction is done.

use crate::stand_in::Register;
use parity_scale_codec::{Decode, Encode};
use polkavm::{
    ProgramBlob, ProgramCounter, Reg,
    program::{Instruction, Opcode, ParsedInstruction, RawReg},
};

/// Such a loop, by the registers that it uses. All of them are different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Compare {
    pub(crate) left: Register,
    pub(crate) left_byte: Register,
    pub(crate) right: Register,
    pub(crate) right_byte: Register,
    pub(crate) count: Register,
}

impl Compare {
    /// The instruction that is replaced.
    pub(crate) fn instruction(self) -> Instruction {
        Instruction::load_indirect_u8(self.right_byte.0.into(), self.right.0.into(), 0)
    }

    /// The loop that begins with this load, of which everything behind that is `rest`, and the instruction
    /// that can be replaced. A jump to it ends at one of `begins`.
    fn find(
        (left_byte, left): (RawReg, RawReg),
        begins: [ProgramCounter; 2],
        mut rest: impl Iterator<Item = ParsedInstruction>,
    ) -> Option<(ParsedInstruction, Self)> {
        let second = rest.next()?;
        let Instruction::load_indirect_u8(right_byte, right, 0) = second.kind else { return None };
        let Instruction::branch_not_eq(one, other, _) = rest.next()?.kind else { return None };
        let bytes = [(left_byte, right_byte), (right_byte, left_byte)];
        let steps = [rest.next()?.kind, rest.next()?.kind, rest.next()?.kind];
        let Instruction::branch_not_eq_imm(count, 0, target) = rest.next()?.kind else {
            return None;
        };
        let all = [left, left_byte, right, right_byte, count].map(RawReg::get);
        let is_it = bytes.contains(&(one, other))
            && steps.contains(&Instruction::add_imm_64(left, left, 1))
            && steps.contains(&Instruction::add_imm_64(right, right, 1))
            && steps.contains(&Instruction::add_imm_64(count, count, -1))
            && begins.contains(&ProgramCounter(target))
            && second.next_offset.0 - second.offset.0 == LENGTH
            && are_different(all);
        let [left, left_byte, right, right_byte, count] = all.map(Register);
        is_it.then_some((second, Self { left, left_byte, right, right_byte, count }))
    }
}

/// Looks for such loops while a program's instructions go by.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Hints in a row: where the first begins, and where the last ends.
    hints: Option<[ProgramCounter; 2]>,
}

impl Search {
    /// What has to go by.
    pub(crate) const OPCODES: [Opcode; 2] = [Opcode::load_indirect_u8, Opcode::unlikely];

    /// The loop that begins with this instruction, with the instruction that can be replaced. Programs for
    /// 32 bits have none.
    pub(crate) fn look(
        &mut self,
        program: &ProgramBlob,
        first: &ParsedInstruction,
    ) -> Option<(ParsedInstruction, Compare)> {
        let hinted = self.hints.take().filter(|[_, end]| *end == first.offset);
        let begin = hinted.map_or(first.offset, |[begin, _]| begin);
        if is_hint(first) {
            self.hints = Some([begin, first.next_offset]);
            return None;
        }
        let Instruction::load_indirect_u8(byte, at, 0) = first.kind else { return None };
        if !program.isa().is_64_bit() {
            return None;
        }
        let rest = program.instructions_bounded_at_known_boundary(first.next_offset);
        let rest = rest.filter(|next| !is_hint(next));
        Compare::find((byte, at), [first.offset, begin], rest)
    }
}

/// The bytes of the instruction that is replaced, if it is written as short as can be. If it is not, the
/// call might need something behind it to be as long, which would cost gas.
const LENGTH: u32 = 2;

/// Whether it does nothing.
fn is_hint(instruction: &ParsedInstruction) -> bool {
    matches!(instruction.kind, Instruction::unlikely)
}

fn are_different<const N: usize>(registers: [Reg; N]) -> bool {
    let is_new = |(index, register)| !registers[..index].contains(register);
    registers.iter().enumerate().all(is_new)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
