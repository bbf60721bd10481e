//! Calls that stand for other instructions.
//!
//! When code is prepared, two kinds of instructions are replaced by calls of the host, with numbers that
//! no import has:
//!
//! * `sbrk`, by which programs grow their heap. It takes a number of bytes in one register, and gives the
//!   heap's new end in another, or zero when there is no more to have. The engine bounds the heap by the
//!   address space alone, and its compiler and its interpreter disagree about sizes that do not fit in 32
//!   bits. What it does is decided here, once, to the byte, on every kernel.
//! * One instruction of each [loop that compares memory](crate::compare). The compiler is given other
//!   code for it, which makes several rounds at once.
//!
//! The call is as long as what it replaces, so that nothing else in a program moves.

use crate::compare::Compare;
use parity_scale_codec::{Decode, Encode, Error, Input, Output};
use polkavm::{
    ArcBytes, ProgramBlob, ProgramCounter, Reg,
    program::{Instruction, InstructionSet, Opcode, ParsedInstruction},
};

/// What a call stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum StandIn {
    /// An `sbrk` with these registers.
    Sbrk { result: Register, size: Register },
    /// An instruction of such a loop.
    Compare(Compare),
}

/// A register in an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) Reg);

impl Encode for Register {
    fn size_hint(&self) -> usize {
        1
    }

    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        output.push_byte(self.0.to_u32() as u8);
    }
}

impl Decode for Register {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let raw = input.read_byte()?;
        Ok(Self(Reg::from_raw(raw.into()).ok_or("no register has this number")?))
    }
}

/// Which call stands for which instruction.
///
/// The first has number −1, the next −2: far above the numbers of imports, and short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StandIns(Vec<StandIn>);

/// The numbers from −1 on that fit into the one byte for operands that these instructions have.
const MAX_CALLS: usize = 128;

impl StandIn {
    /// The instruction that is replaced.
    fn instruction(self) -> Instruction {
        match self {
            Self::Sbrk { result, size } => Instruction::sbrk(result.0.into(), size.0.into()),
            Self::Compare(it) => it.instruction(),
        }
    }
}

impl StandIns {
    /// What the call with this number stands for, if it stands for anything.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<StandIn> {
        self.0.get(!number as usize).copied()
    }

    /// Whether any of them is of a loop.
    pub(crate) fn has_loops(&self) -> bool {
        self.0.iter().any(|it| matches!(it, StandIn::Compare(_)))
    }

    /// The number of the call that stands for this.
    fn number(&mut self, it: StandIn) -> Option<i32> {
        let index = match self.0.iter().position(|known| *known == it) {
            Some(index) => index,
            None if self.0.len() == MAX_CALLS => return None,
            None => {
                self.0.push(it);
                self.0.len() - 1
            }
        };
        Some(!(index as i32))
    }
}

/// A program while instructions are replaced.
struct Rewriting<'a> {
    blob: &'a ProgramBlob,
    bytes: Vec<u8>,
    /// Where in these the code begins.
    begin: usize,
    calls: StandIns,
}

impl<'a> Rewriting<'a> {
    /// `blob` is what `bytes` were parsed to, so the code is a part of these.
    fn new(bytes: &[u8], blob: &'a ProgramBlob) -> Self {
        let begin = blob.code().as_ptr() as usize - bytes.as_ptr() as usize;
        Self { blob, bytes: bytes.to_vec(), begin, calls: StandIns::default() }
    }

    /// Returns why it can't be replaced.
    fn replace(&mut self, instruction: &ParsedInstruction, it: StandIn) -> Result<(), String> {
        let at = instruction.offset.0;
        let too_many = || format!("with more than {MAX_CALLS} pairs of registers");
        let number = self.calls.number(it).ok_or_else(too_many)?;
        let place = self.begin + at as usize..self.begin + instruction.next_offset.0 as usize;
        write_call(self.blob.isa(), number, at, &mut self.bytes[place])
            .ok_or_else(|| "without operands".into())
    }
}

/// Replaces every `sbrk` in a program, and the instructions of loops if that is asked for and can be, and
/// makes sure that nothing else in it means anything else then.
///
/// `blob` is what `bytes` were parsed to. Returns the same of the rewritten program.
///
/// # Errors
///
/// When an `sbrk` has no operands, or they use more than [`MAX_CALLS`] pairs of registers; or when
/// another instruction is so written that its operands reach into one that is replaced.
pub(crate) fn replace(
    bytes: &ArcBytes,
    blob: &ProgramBlob,
    with_loops: bool,
) -> Result<(Vec<u8>, ProgramBlob, StandIns), String> {
    let replaced = try_replace(bytes, blob, with_loops);
    if with_loops && replaced.is_err() { try_replace(bytes, blob, false) } else { replaced }
}

fn try_replace(
    bytes: &ArcBytes,
    blob: &ProgramBlob,
    with_loops: bool,
) -> Result<(Vec<u8>, ProgramBlob, StandIns), String> {
    let mut rewriting = Rewriting::new(bytes, blob);
    for instruction in blob.instructions_bounded_at(ProgramCounter(0)) {
        let Instruction::sbrk(result, size) = instruction.kind else { continue };
        let it = StandIn::Sbrk { result: Register(result.get()), size: Register(size.get()) };
        rewriting
            .replace(&instruction, it)
            .map_err(|error| format!("sbrk {error} at {}", instruction.offset))?;
    }
    if with_loops {
        for (instruction, it) in Compare::find_all(blob) {
            // What can't be replaced stays.
            let _ = rewriting.replace(&instruction, StandIn::Compare(it));
        }
    }
    let Rewriting { bytes: program, calls, .. } = rewriting;
    let rewritten = ProgramBlob::parse(program[..].into()).map_err(|error| error.to_string())?;
    check(blob, &rewritten, &calls)?;
    Ok((program, rewritten, calls))
}

/// Whether `after` is `before`, but for the calls.
fn check(before: &ProgramBlob, after: &ProgramBlob, calls: &StandIns) -> Result<(), String> {
    let changed = |at: ProgramCounter| {
        format!("the instruction at {at} is so written that its operands reach into an sbrk")
    };
    let mut after = after.instructions_bounded_at(ProgramCounter(0));
    for expected in before.instructions_bounded_at(ProgramCounter(0)) {
        let at = expected.offset;
        let Some(mut found) = after.next() else { return Err(changed(at)) };
        if found == expected && !matches!(found.kind, Instruction::sbrk(..)) {
            continue;
        }
        let stands_for = match found.kind {
            Instruction::ecalli(number) => calls.get(number as u32).map(StandIn::instruction),
            _ => None,
        };
        if found.offset != at || stands_for != Some(expected.kind) {
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
        let (after, rewritten, calls) = replace(&bytes, &before, false).unwrap();
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
