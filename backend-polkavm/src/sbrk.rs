//! The instruction by which programs grow their heap.
//!
//! `sbrk` takes a number of bytes in one register, and gives the heap's new end in another, or zero
//! when there is no more to have. The engine bounds the heap by the address space alone, and its
//! compiler and its interpreter disagree about sizes that do not fit in 32 bits. So each `sbrk` is
//! replaced by a call of the host, with a number that stands for the two registers: what it does is
//! then decided here, once, to the byte, on every kernel.
//!
//! The call is as long as what it replaces, so that nothing else in a program moves.

use parity_scale_codec::{Decode, Encode};
use polkavm::{
    ArcBytes, ProgramBlob, ProgramCounter, Reg,
    program::{Instruction, InstructionSet, Opcode},
};

/// Which call stands for which `sbrk`.
///
/// The first has number −1, the next −2: far above the numbers of imports, and short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Calls(Vec<(u8, u8)>);

/// The numbers from −1 on that fit into the one byte for operands that an `sbrk` has.
const MAX_CALLS: usize = 128;

impl Calls {
    /// The registers for the result and the size that a call stands for, if it stands for an `sbrk`.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<(Reg, Reg)> {
        let (result, size) = self.0.get(!number as usize)?;
        Some((Reg::from_raw(u32::from(*result))?, Reg::from_raw(u32::from(*size))?))
    }

    /// The number of the call for these registers.
    fn number(&mut self, result: Reg, size: Reg) -> Option<i32> {
        let registers = (result.to_u32() as u8, size.to_u32() as u8);
        let index = self.0.iter().position(|known| *known == registers).unwrap_or_else(|| {
            self.0.push(registers);
            self.0.len() - 1
        });
        (index < MAX_CALLS).then_some(!(index as i32))
    }
}

/// Replaces every `sbrk` in a program, and makes sure that nothing else in it means anything else then.
///
/// `blob` is what `bytes` were parsed to. Returns the same of the rewritten program.
///
/// # Errors
///
/// When one of them has no operands, or they use more than [`MAX_CALLS`] pairs of registers; or when
/// another instruction is so written that its operands reach into one of them.
pub(crate) fn replace(
    bytes: &ArcBytes,
    blob: &ProgramBlob,
) -> Result<(Vec<u8>, ProgramBlob, Calls), String> {
    // The code is a part of the program's bytes.
    let begin = blob.code().as_ptr() as usize - bytes.as_ptr() as usize;
    let mut calls = Calls::default();
    let mut program = bytes.to_vec();
    for instruction in blob.instructions_bounded_at(ProgramCounter(0)) {
        let Instruction::sbrk(result, size) = instruction.kind else { continue };
        let at = instruction.offset.0;
        let number = calls
            .number(result.get(), size.get())
            .ok_or_else(|| format!("sbrk with more than {MAX_CALLS} pairs of registers at {at}"))?;
        let place = begin + at as usize..begin + instruction.next_offset.0 as usize;
        write_call(blob.isa(), number, at, &mut program[place])
            .ok_or_else(|| format!("sbrk without operands at {at}"))?;
    }
    let rewritten = ProgramBlob::parse(program[..].into()).map_err(|error| error.to_string())?;
    check(blob, &rewritten, &calls)?;
    Ok((program, rewritten, calls))
}

/// Whether `after` is `before`, but for the calls.
fn check(before: &ProgramBlob, after: &ProgramBlob, calls: &Calls) -> Result<(), String> {
    let changed = |at: ProgramCounter| {
        format!("the instruction at {at} is so written that its operands reach into an sbrk")
    };
    let mut after = after.instructions_bounded_at(ProgramCounter(0));
    for expected in before.instructions_bounded_at(ProgramCounter(0)) {
        let at = expected.offset;
        let Some(mut found) = after.next() else { return Err(changed(at)) };
        if let Instruction::sbrk(result, size) = expected.kind {
            let registers = match found.kind {
                Instruction::ecalli(number) => calls.get(number as u32),
                _ => None,
            };
            if found.offset != at || registers != Some((result.get(), size.get())) {
                return Err(changed(at));
            }
            while found.next_offset < expected.next_offset {
                match after.next() {
                    Some(filler) if filler.kind == Instruction::unlikely => found = filler,
                    _ => return Err(changed(at)),
                }
            }
            if found.next_offset != expected.next_offset {
                return Err(changed(at));
            }
        } else if found != expected {
            return Err(changed(at));
        }
    }
    match after.next() {
        Some(more) => Err(changed(more.offset)),
        None => Ok(()),
    }
}

/// Fills `place` with a call.
fn write_call(isa: impl InstructionSet, number: i32, at: u32, place: &mut [u8]) -> Option<()> {
    let operands = u32::try_from(place.len()).ok()?.checked_sub(1)?;
    let mut call = [0; 32];
    let length = Instruction::ecalli(number).serialize_into(isa, at, &mut call);
    let (begin, rest) = place.split_at_mut_checked(length)?;
    begin.copy_from_slice(&call[..length]);
    // In some instruction sets an instruction is as long as a mask of its own says. There, all that
    // follows its first byte is its operand, which is negative. In the others, the call is followed by
    // instructions of one byte that do nothing.
    let filler = match isa.opcode_to_raw(Opcode::ecalli, operands) {
        Some((_, taken)) if taken == operands => 0xff,
        _ => u8::try_from(isa.opcode_to_raw(Opcode::unlikely, 0)?.0).ok()?,
    };
    rest.fill(filler);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::compression;

    /// Of a real program: each `sbrk` became a call that stands for it, and nothing else changed.
    #[test]
    fn a_real_program_keeps_all_but_the_growth_of_its_heap() {
        let Some(folder) = std::env::var_os("PVF_FIXTURES").map(std::path::PathBuf::from) else {
            eprintln!("skipped: PVF_FIXTURES is not set");
            return;
        };
        let blob = std::fs::read(folder.join("cumulus/para-guest-alloc.polkavm.blob")).unwrap();
        let before = compression::decompress(&blob, 1 << 26).unwrap();
        let bytes: ArcBytes = (&before[..]).into();
        let before = ProgramBlob::parse(bytes.clone()).unwrap();
        let (after, rewritten, calls) = replace(&bytes, &before).unwrap();
        assert_eq!(after.len(), bytes.len());
        let after = rewritten;
        let count = |program: &ProgramBlob, counts: fn(Instruction) -> bool| {
            let instructions = program.instructions_bounded_at(ProgramCounter(0));
            instructions.filter(|instruction| counts(instruction.kind)).count()
        };
        let is_call = |kind| matches!(kind, Instruction::ecalli(..0));
        assert_eq!(count(&after, |kind| matches!(kind, Instruction::sbrk(..))), 0);
        let count = count(&before, |kind| matches!(kind, Instruction::sbrk(..)));
        assert!(!calls.0.is_empty());
        let made = after.instructions_bounded_at(ProgramCounter(0));
        assert_eq!(made.filter(|instruction| is_call(instruction.kind)).count(), count);
        assert!(count > 100, "{count}");
    }
}
