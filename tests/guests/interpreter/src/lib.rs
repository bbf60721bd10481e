//! A guest that computes: an interpreter that runs a small program.
//!
//! ```text
//! block  rounds: u32
//! head   result: u64
//! ```
//!
//! A round of the program is about ten thousand instructions. It walks through 256 numbers: mixes the
//! next one into its sum, and puts back what a generator of random numbers makes of both.

#![no_std]

use Instruction::*;
use core::hint::black_box;
use support::{Params, ValidationResult};

support::entry_point!(validate);

fn validate(params: Params) -> ValidationResult {
    let mut block = params.block;
    let result = run(black_box(PROGRAM), block.u32());
    params.result(result.to_le_bytes())
}

/// One of eight registers.
type Register = u8;

#[derive(Clone, Copy)]
#[allow(dead_code)]
enum Instruction {
    /// Puts a number into the first one.
    Set(Register, u32),
    /// Puts the sum of the last two into the first one, wrapping around. So do all of the others.
    Add(Register, Register, Register),
    Multiply(Register, Register, Register),
    And(Register, Register, Register),
    Xor(Register, Register, Register),
    ShiftLeft(Register, Register, u8),
    ShiftRight(Register, Register, u8),
    /// Reads the number at the place that the second one says.
    Load(Register, Register),
    /// Writes the first one to the place that the second one says.
    Store(Register, Register),
    /// Goes on at this instruction if the register is 0.
    JumpIfZero(Register, u8),
    /// Takes 1 off, and goes on at this instruction.
    Repeat(Register, u8),
    Halt,
}

/// Register 0 has the rounds, 1 counts down in a round, 2 is the sum, 3 the random number.
static PROGRAM: &[Instruction] = &[
    Set(3, 0x9e37_79b9),
    Set(7, 0xff),
    // 2: a round.
    JumpIfZero(0, 18),
    Set(1, 768),
    // 4: a step. It makes another random number, by xorshift.
    JumpIfZero(1, 17),
    ShiftLeft(4, 3, 13),
    Xor(3, 3, 4),
    ShiftRight(4, 3, 7),
    Xor(3, 3, 4),
    ShiftLeft(4, 3, 17),
    Xor(3, 3, 4),
    // It reads a number, mixes it in, and puts it back.
    And(5, 1, 7),
    Load(6, 5),
    Add(2, 2, 6),
    Xor(6, 2, 3),
    Store(6, 5),
    Repeat(1, 4),
    // 17: the next round.
    Repeat(0, 2),
    Halt,
];

/// Runs a program, with `rounds` in its first register, and gives what is in its third.
fn run(program: &[Instruction], rounds: u32) -> u64 {
    let mut memory = [0_u64; 256];
    let mut registers = [0_u64; 8];
    registers[0] = rounds.into();
    let mut next = 0;
    macro_rules! register {
        ($number:expr) => {
            registers[usize::from($number % 8)]
        };
    }
    loop {
        let instruction = program[next];
        next += 1;
        match instruction {
            Set(to, number) => register!(to) = number.into(),
            Add(to, a, b) => register!(to) = register!(a).wrapping_add(register!(b)),
            Multiply(to, a, b) => register!(to) = register!(a).wrapping_mul(register!(b)),
            And(to, a, b) => register!(to) = register!(a) & register!(b),
            Xor(to, a, b) => register!(to) = register!(a) ^ register!(b),
            ShiftLeft(to, a, bits) => register!(to) = register!(a) << (bits % 64),
            ShiftRight(to, a, bits) => register!(to) = register!(a) >> (bits % 64),
            Load(to, place) => register!(to) = memory[register!(place) as u8 as usize],
            Store(from, place) => memory[register!(place) as u8 as usize] = register!(from),
            JumpIfZero(register, target) => {
                if register!(register) == 0 {
                    next = target.into();
                }
            }
            Repeat(count, target) => {
                register!(count) = register!(count).wrapping_sub(1);
                next = target.into();
            }
            Halt => return register!(2_u8),
        }
    }
}
