//! Going through the instructions of a program, once.
//!
//! Programs have half a million instructions and more, and few of these are of interest. The engine's
//! iterator makes a value of each; this looks at the opcode first.

use polkavm::{
    ProgramBlob, ProgramCounter,
    program::{Instruction, InstructionSet, InstructionSetKind, Opcode, ParsedInstruction},
};
use polkavm_common::program::OpcodeVisitor;

/// How many bytes of the code, from its first one on, decide what an instruction is: the engine looks at
/// no more, and at these even if the instruction is shorter.
pub(crate) const REACH: u32 = 16;

/// An instruction of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) instruction: ParsedInstruction,
    /// Where one begins that is so far before this one that it does not reach it: the first
    /// instruction, or one that is at least [`REACH`] bytes before.
    pub(crate) out_of_reach: ProgramCounter,
}

/// Calls `look` with each instruction that has one of these opcodes, and with each that is invalid, in
/// their order. What follows the first invalid instruction is of no meaning.
pub(crate) fn select(program: &ProgramBlob, opcodes: &[Opcode], look: &mut dyn FnMut(Selected)) {
    let mut walk = Walk { look, milestones: [ProgramCounter(0); 2] };
    let instruction_set = program.isa();
    // Where a mask says how long instructions are, what the engine has that would be quicker asserts, in a
    // build for development, what is not so in every program.
    if instruction_set.is_legacy() {
        for instruction in program.instructions_bounded_at(ProgramCounter(0)) {
            walk.pass(instruction.offset);
            let kind = instruction.kind;
            if kind == Instruction::invalid || opcodes.contains(&kind.opcode()) {
                walk.look(instruction);
            }
        }
    } else {
        let is_selected = std::array::from_fn(|raw| {
            let opcode = instruction_set.opcode_from_raw(raw as u32);
            opcode.is_none_or(|opcode| opcodes.contains(&opcode))
        });
        program.visit(Visitor { instruction_set, is_selected: &is_selected }, &mut walk);
    }
}

/// How far it has come.
struct Walk<'a> {
    look: &'a mut dyn FnMut(Selected),
    /// The last two instructions that were noted, at least [`REACH`] bytes from each other. At first
    /// both are the beginning.
    milestones: [ProgramCounter; 2],
}

impl Walk<'_> {
    #[inline(always)]
    fn pass(&mut self, offset: ProgramCounter) {
        let [_, last] = self.milestones;
        if offset.0 - last.0 >= REACH {
            self.milestones = [last, offset];
        }
    }

    fn look(&mut self, instruction: ParsedInstruction) {
        (self.look)(Selected { instruction, out_of_reach: self.milestones[0] });
    }
}

#[derive(Clone, Copy)]
struct Visitor<'a> {
    instruction_set: InstructionSetKind,
    /// By the numbers that opcodes have in a program. What is beyond is no instruction's.
    is_selected: &'a [bool; 512],
}

impl<'a> OpcodeVisitor for Visitor<'a> {
    type State = Walk<'a>;
    type ReturnTy = ();
    type InstructionSet = InstructionSetKind;

    fn instruction_set(self) -> InstructionSetKind {
        self.instruction_set
    }

    #[inline(always)]
    fn dispatch(self, walk: &mut Walk<'a>, raw: usize, chunk: u128, offset: u32, length: u32) {
        let [at, next_offset] = [offset, offset + length].map(ProgramCounter);
        walk.pass(at);
        if self.is_selected.get(raw).is_none_or(|it| *it) {
            let kind = self.instruction_set.parse_instruction(raw, chunk, offset, length);
            walk.look(ParsedInstruction { kind, offset: at, next_offset });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
