//! Plain instructions: those that take values from the stack, put values there, and do nothing about
//! where the code goes on.
//!
//! Most instructions are such. Of one whose bytes are those that `parity-wasm` would write, nothing
//! has to be known but how long it is and how many values it takes and puts: both say its bytes. So
//! `parity-wasm` is spared them, which takes longer for each than all else. An instruction that is
//! not known here, or whose numbers are longer than need be or nearly too long, is left to it.

/// An instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    /// How many bytes it has.
    pub(crate) len: usize,
    /// How many values it takes from the stack.
    pub(crate) pops: u32,
    /// How many it puts there.
    pub(crate) pushes: u32,
}

/// What comes behind an instruction's first byte.
#[derive(Clone, Copy)]
enum Operands {
    None,
    /// A number.
    Index,
    /// An alignment and an offset.
    Memory,
    /// A constant of type i32.
    I32,
    /// One of type i64.
    I64,
    /// As many bytes.
    Bytes(u8),
}

/// What instructions have behind their first byte, how many values they take, and how many they put
/// on the stack, by that byte.
static KINDS: [Option<(Operands, u8, u8)>; 256] = {
    let mut kinds = [None; 256];
    let mut opcode = 0;
    while opcode < kinds.len() {
        kinds[opcode] = kind(opcode as u8);
        opcode += 1;
    }
    kinds
};

const fn kind(opcode: u8) -> Option<(Operands, u8, u8)> {
    Some(match opcode {
        // drop
        0x1a => (Operands::None, 1, 0),
        // local.get, local.set, local.tee, global.get, global.set
        0x20 | 0x23 => (Operands::Index, 0, 1),
        0x21 | 0x24 => (Operands::Index, 1, 0),
        0x22 => (Operands::Index, 1, 1),
        // loads, stores
        0x28..=0x35 => (Operands::Memory, 1, 1),
        0x36..=0x3e => (Operands::Memory, 2, 0),
        // constants
        0x41 => (Operands::I32, 0, 1),
        0x42 => (Operands::I64, 0, 1),
        0x43 => (Operands::Bytes(4), 0, 1),
        0x44 => (Operands::Bytes(8), 0, 1),
        // comparisons: with 0, with another value
        0x45 | 0x50 => (Operands::None, 1, 1),
        0x46..=0x4f | 0x51..=0x66 => (Operands::None, 2, 1),
        // arithmetic: unary and binary, of i32, i64, f32 and f64
        0x67..=0x69 | 0x79..=0x7b | 0x8b..=0x91 | 0x99..=0x9f => (Operands::None, 1, 1),
        0x6a..=0x78 | 0x7c..=0x8a | 0x92..=0x98 | 0xa0..=0xa6 => (Operands::None, 2, 1),
        // conversions, with those that extend a sign
        0xa7..=0xc4 => (Operands::None, 1, 1),
        _ => return None,
    })
}

/// The first instruction of some code, if it is a plain one and its bytes are as they would be
/// written.
#[inline]
pub(crate) fn plain(code: &[u8]) -> Option<Plain> {
    let (opcode, behind) = code.split_first()?;
    let (operands, pops, pushes) = (*KINDS.get(usize::from(*opcode))?)?;
    let len = match operands {
        Operands::None => 0,
        Operands::Index => len_of_number(behind)?,
        Operands::Memory => {
            let align = len_of_number(behind)?;
            align + len_of_number(behind.get(align..)?)?
        }
        Operands::I32 => len_of_signed(behind, 4)?,
        Operands::I64 => len_of_signed(behind, 9)?,
        Operands::Bytes(len) => behind.get(..len.into())?.len(),
    };
    Some(Plain { len: 1 + len, pops: pops.into(), pushes: pushes.into() })
}

/// How many bytes a number of 28 bits at most has. None when it is larger, or longer than need be.
#[inline]
fn len_of_number(code: &[u8]) -> Option<usize> {
    match code {
        [last, ..] if last & 0x80 == 0 => Some(1),
        [_, rest @ ..] => {
            let more = rest.iter().take(3).position(|byte| byte & 0x80 == 0)?;
            (rest.get(more)? != &0).then_some(2 + more)
        }
        [] => None,
    }
}

/// How many bytes a number with a sign has. None when there are more than `most`, or more than need
/// be.
fn len_of_signed(code: &[u8], most: usize) -> Option<usize> {
    match code {
        [last, ..] if last & 0x80 == 0 => Some(1),
        _ => {
            let at = code.iter().take(most).position(|byte| byte & 0x80 == 0)?;
            // A last byte that only repeats the sign of the one before it is one too many.
            let sign = if code.get(at.checked_sub(1)?)? & 0x40 == 0 { 0 } else { 0x7f };
            (code.get(at)? != &sign).then_some(at + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bodies::operands, stack::effect};
    use wasm_instrument::parity_wasm::elements::{Deserialize, Instruction, serialize};

    /// The same, by those who decide.
    fn by_parity_wasm(code: &[u8]) -> Option<Plain> {
        let mut rest = code;
        let instruction = Instruction::deserialize(&mut rest).ok()?;
        let len = code.len() - rest.len();
        let (pops, pushes) = effect(&instruction);
        assert_eq!(serialize(instruction.clone()).unwrap().len(), 1 + operands(&instruction));
        (serialize(instruction).unwrap() == code[..len]).then_some(Plain { len, pops, pushes })
    }

    #[test]
    fn a_plain_instruction_is_what_parity_wasm_reads_and_would_write() {
        const DIGITS: [u8; 9] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xff];
        const TAILS: [&[u8]; 7] = [
            &[],
            &[0],
            &[0x7f],
            &[0x80, 0x80, 1],
            &[0x80, 0x80, 0x80, 0x80, 1],
            &[0x80, 0xff, 0x80, 0xc0, 0x80, 0x80, 0x7f],
            &[0; 8],
        ];
        let mut count = 0;
        let mut check = |code: &[u8]| {
            if let Some(plain) = plain(code) {
                assert_eq!(Some(plain), by_parity_wasm(code), "{code:x?}");
                count += 1;
            }
        };
        for opcode in 0..=u8::MAX {
            // All that begin with three of these bytes, and then go on or are cut off.
            for digits in 0..DIGITS.len().pow(3) {
                let digit = |at: u32| DIGITS[digits / DIGITS.len().pow(at) % DIGITS.len()];
                for tail in TAILS {
                    check(&[&[opcode, digit(0), digit(1), digit(2)][..], tail].concat());
                }
                check(&[opcode, digit(0), digit(1)][..1 + digits % 3]);
            }
        }
        assert!(count > 100_000);
    }

    #[test]
    fn most_instructions_that_can_be_are_plain() {
        let plain = (0..=u8::MAX).filter(|opcode| kind(*opcode).is_some()).count();
        // Not: control, calls, select, and those about the size of the memory.
        let others = (0..=u8::MAX).filter(|opcode| {
            let code = [*opcode, 0x40, 0, 0, 0, 0, 0, 0, 0];
            let code_of_zeros = [*opcode, 0, 0, 0, 0, 0, 0, 0, 0];
            kind(*opcode).is_none()
                && (by_parity_wasm(&code).is_some() || by_parity_wasm(&code_of_zeros).is_some())
        });
        assert_eq!((plain, others.count()), (161, 16));
    }
}
