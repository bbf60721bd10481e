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

use crate::{
    compare::{Compare, Search},
    instructions::Selected,
};
use parity_scale_codec::{Decode, Encode, Error, Input, Output};
use polkavm::{
    ProgramBlob, ProgramCounter, Reg,
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
pub(crate) struct Rewriting<'a> {
    blob: &'a ProgramBlob,
    bytes: Vec<u8>,
    /// Where in these the code begins.
    begin: usize,
    calls: StandIns,
    /// What looks for loops, if that is asked for.
    search: Option<Search>,
    /// From where to where the code may mean anything else now, in its order.
    changed: Vec<[ProgramCounter; 2]>,
    failure: Option<String>,
}

impl<'a> Rewriting<'a> {
    /// What [`look`](Self::look) has to see.
    pub(crate) const OPCODES: [Opcode; 3] = {
        let [load, hint] = Search::OPCODES;
        [Opcode::sbrk, load, hint]
    };

    /// Replaces every `sbrk`, and the instructions of loops if that is asked for and can be.
    ///
    /// `blob` is what `bytes` were parsed to, so the code is a part of these.
    pub(crate) fn new(bytes: &[u8], blob: &'a ProgramBlob, with_loops: bool) -> Self {
        Self {
            blob,
            bytes: bytes.to_vec(),
            begin: blob.code().as_ptr() as usize - bytes.as_ptr() as usize,
            calls: StandIns::default(),
            search: with_loops.then(Search::default),
            changed: Vec::new(),
            failure: None,
        }
    }

    /// To be called with each instruction that has one of these opcodes, in their order.
    pub(crate) fn look(&mut self, selected: &Selected) {
        let Selected { instruction, out_of_reach } = selected;
        if let Instruction::sbrk(result, size) = instruction.kind {
            let it = StandIn::Sbrk { result: Register(result.get()), size: Register(size.get()) };
            if let Err(error) = self.replace(*out_of_reach, instruction, it) {
                let error = format!("sbrk {error} at {}", instruction.offset);
                self.failure.get_or_insert(error);
            }
        } else if let Some(search) = &mut self.search
            && let Some((instruction, it)) = search.look(self.blob, instruction)
        {
            // What can't be replaced stays.
            let _ = self.replace(*out_of_reach, &instruction, StandIn::Compare(it));
        }
    }

    /// Returns why it can't be replaced.
    fn replace(
        &mut self,
        out_of_reach: ProgramCounter,
        instruction: &ParsedInstruction,
        it: StandIn,
    ) -> Result<(), String> {
        let [at, end] = [instruction.offset, instruction.next_offset];
        let too_many = || format!("with more than {MAX_CALLS} pairs of registers");
        let number = self.calls.number(it).ok_or_else(too_many)?;
        let place = self.begin + at.0 as usize..self.begin + end.0 as usize;
        write_call(self.blob.isa(), number, at.0, &mut self.bytes[place])
            .ok_or("without operands")?;
        match self.changed.last_mut() {
            Some([_, last]) if *last >= out_of_reach => *last = end,
            _ => self.changed.push([out_of_reach, end]),
        }
        Ok(())
    }

    /// The rewritten program, once all instructions were seen.
    ///
    /// # Errors
    ///
    /// When an `sbrk` has no operands, or they use more than [`MAX_CALLS`] pairs of registers; or when
    /// another instruction is so written that its operands reach into one that is replaced.
    pub(crate) fn finish(self) -> Result<(Vec<u8>, ProgramBlob, StandIns), String> {
        let Self { blob, bytes: program, calls, changed, failure, .. } = self;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let rewritten =
            ProgramBlob::parse(program[..].into()).map_err(|error| error.to_string())?;
        for place in changed {
            check(blob, &rewritten, place, &calls)?;
        }
        Ok((program, rewritten, calls))
    }
}

/// Whether the instructions from `begin` to `end` are in `after` what they are in `before`, but for the
/// calls. Each program has an instruction that begins at `begin`.
///
/// What an instruction is depends on nothing that is before it, but for where in the code it is, and on no
/// more behind its beginning than [`REACH`](crate::instructions::REACH). So with each changed place checked
/// in its turn, from where nothing reaches it to where both programs have an instruction begin behind it,
/// nothing else in a program means anything else.
fn check(
    before: &ProgramBlob,
    after: &ProgramBlob,
    [begin, end]: [ProgramCounter; 2],
    calls: &StandIns,
) -> Result<(), String> {
    let changed = |at: ProgramCounter| {
        format!("the instruction at {at} is so written that its operands reach into an sbrk")
    };
    let before = before.instructions_bounded_at_known_boundary(begin);
    let mut after = after.instructions_bounded_at_known_boundary(begin);
    for expected in before.take_while(|instruction| instruction.offset < end) {
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
    Ok(())
}

/// Fills `place` with a call. None, and nothing is changed, if it can't be.
fn write_call(isa: impl InstructionSet, number: i32, at: u32, place: &mut [u8]) -> Option<()> {
    let operands = u32::try_from(place.len()).ok()?.checked_sub(1)?;
    let mut call = [0; 32];
    let length = Instruction::ecalli(number).serialize_into(isa, at, &mut call);
    // In some instruction sets an instruction is as long as a mask of its own says. There, all that
    // follows its first byte is its operand, which is negative. In the others, the call is followed by
    // instructions of one byte that do nothing.
    let filler = match isa.opcode_to_raw(Opcode::ecalli, operands) {
        Some((_, taken)) if taken == operands => 0xff,
        _ => u8::try_from(isa.opcode_to_raw(Opcode::unlikely, 0)?.0).ok()?,
    };
    let (begin, rest) = place.split_at_mut_checked(length)?;
    begin.copy_from_slice(&call[..length]);
    rest.fill(filler);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        instructions::{self, tests::random_program},
        random::Random,
    };
    use polkavm::ArcBytes;
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
        let mut rewriting = Rewriting::new(&bytes, &before, false);
        let mut look = |selected| rewriting.look(&selected);
        instructions::select(&before, &Rewriting::OPCODES, &mut look);
        let (after, rewritten, calls) = rewriting.finish().unwrap();
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

    /// Whether two programs are the same instruction by instruction, but for the calls.
    fn is_same(before: &ProgramBlob, after: &ProgramBlob, calls: &StandIns) -> bool {
        let mut after = after.instructions_bounded_at(ProgramCounter(0)).peekable();
        for expected in before.instructions_bounded_at(ProgramCounter(0)) {
            let Some(mut found) = after.next() else { return false };
            if let Instruction::ecalli(number) = found.kind
                && let Some(it) = calls.get(number as u32)
            {
                found.kind = it.instruction();
                while found.next_offset < expected.next_offset
                    && let Some(hint) = after.next_if(|next| next.kind == Instruction::unlikely)
                {
                    found.next_offset = hint.next_offset;
                }
            }
            if found != expected {
                return false;
            }
        }
        after.next().is_none()
    }

    /// What is checked around each changed place holds for the whole of the program.
    #[test]
    fn nothing_else_in_a_program_means_anything_else() {
        let mut random = Random(2);
        let (mut same, mut refused) = (0, 0);
        for _ in 0..40_000 {
            let often = [Opcode::sbrk, Opcode::count_set_bits_32, Opcode::load_indirect_u8];
            let (bytes, before) = random_program(&mut random, &often);
            let mut rewriting = Rewriting::new(&bytes, &before, true);
            let mut is_valid = true;
            let opcodes = [&[Opcode::ecalli], &Rewriting::OPCODES[..]].concat();
            instructions::select(&before, &opcodes, &mut |selected| {
                // Calls of imports that do not exist are refused.
                let kind = selected.instruction.kind;
                is_valid &= !matches!(kind, Instruction::invalid | Instruction::ecalli(_));
                if is_valid {
                    rewriting.look(&selected);
                }
            });
            if !is_valid || rewriting.changed.is_empty() || rewriting.failure.is_some() {
                continue;
            }
            let (changed, calls) = (rewriting.bytes.clone(), rewriting.calls.clone());
            let is_same = is_same(&before, &ProgramBlob::parse(changed.into()).unwrap(), &calls);
            assert_eq!(rewriting.finish().is_ok(), is_same, "{}", before.isa().name());
            same += usize::from(is_same);
            refused += usize::from(!is_same);
        }
        assert!(same > 500 && refused > 50, "{same} {refused}");
    }
}
