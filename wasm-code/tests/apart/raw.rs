//! Modules made of bytes, so that they can be as odd as wanted.

use crate::modules::Random;

/// The types: () -> i32, (i32, i32) -> i32, (i32) -> ().
const TYPES: &[u8] = &[3, 0x60, 0, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 0x60, 1, 0x7f, 0];

const HEADER: &[u8] = b"\0asm\x01\0\0\0";

/// A module with types, functions and their bodies.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    sections: Vec<(u8, Vec<u8>)>,
    types: Vec<u8>,
    bodies: Vec<Vec<u8>>,
    locals: Vec<u8>,
}

impl Default for Raw {
    fn default() -> Self {
        let sections = vec![(1, TYPES.to_vec()), (3, vec![0]), (10, vec![0])];
        Self { sections, types: Vec::new(), bodies: Vec::new(), locals: vec![0] }
    }
}

impl Raw {
    /// Adds a function of type () -> i32 with these instructions.
    pub(crate) fn body(self, instructions: &[u8]) -> Self {
        self.body_of(0, instructions)
    }

    /// Adds a function of one of the types.
    pub(crate) fn body_of(mut self, ty: u8, instructions: &[u8]) -> Self {
        self.types.push(ty);
        self.bodies.push([&self.locals, instructions].concat());
        let types = [number(self.types.len()), self.types.clone()].concat();
        let mut code = number(self.bodies.len());
        for body in &self.bodies {
            code.extend(number(body.len()));
            code.extend_from_slice(body);
        }
        self.with(3, &types).with(10, &code)
    }

    /// The functions that are added from now on have these locals.
    pub(crate) fn locals(mut self, locals: &[u8]) -> Self {
        self.locals = locals.to_vec();
        self
    }

    /// Another content for a section.
    pub(crate) fn with(mut self, id: u8, content: &[u8]) -> Self {
        let section = self.sections.iter_mut().find(|(other, _)| *other == id).unwrap();
        section.1 = content.to_vec();
        self
    }

    pub(crate) fn without(mut self, id: u8) -> Self {
        self.sections.retain(|(other, _)| *other != id);
        self
    }

    pub(crate) fn twice(mut self, id: u8) -> Self {
        let at = self.sections.iter().position(|(other, _)| *other == id).unwrap();
        self.sections.insert(at, self.sections[at].clone());
        self
    }

    /// One more section, before the first whose number is as high as `place`.
    pub(crate) fn before(mut self, place: u8, id: u8, content: &[u8]) -> Self {
        let at = self.sections.iter().position(|(other, _)| *other >= place);
        self.sections.insert(at.unwrap_or(self.sections.len()), (id, content.to_vec()));
        self
    }

    /// Puts all functions in a table.
    pub(crate) fn all_in_table(self) -> Self {
        let count = number(self.bodies.len());
        let functions = (0..self.bodies.len()).flat_map(number);
        let mut elements = vec![1, 0, 0x41, 0, 0x0b];
        elements.extend(&count);
        elements.extend(functions);
        let table = [&[1, 0x70, 0], &count[..]].concat();
        self.before(10, 4, &table).before(10, 9, &elements)
    }

    /// Custom sections before all others, behind them and between.
    pub(crate) fn with_customs(mut self) -> Self {
        let custom = || (0, vec![1, b'a', 10, 1, 0]);
        let mut sections = vec![custom()];
        for section in self.sections {
            sections.extend([section, custom()]);
        }
        self.sections = sections;
        self
    }

    /// What the code section holds.
    pub(crate) fn code(&self) -> Vec<u8> {
        self.sections.iter().find(|(id, _)| *id == 10).unwrap().1.clone()
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut code = HEADER.to_vec();
        for (id, content) in &self.sections {
            code.push(*id);
            code.extend(number(content.len()));
            code.extend_from_slice(content);
        }
        code
    }
}

/// Whether a module that can be read has functions of its own.
pub(crate) fn has_functions(code: &[u8]) -> bool {
    let mut rest = &code[HEADER.len()..];
    while let [id, behind @ ..] = rest {
        let mut len = 0;
        let digits = behind.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        for (at, byte) in behind[..digits].iter().enumerate() {
            len |= usize::from(byte & 0x7f) << (7 * at);
        }
        let (content, others) = behind[digits..].split_at(len);
        if *id == 10 {
            return content[0] != 0;
        }
        rest = others;
    }
    false
}

fn number(mut number: usize) -> Vec<u8> {
    let mut digits = Vec::new();
    while number >= 0x80 {
        digits.push(number as u8 | 0x80);
        number >>= 7;
    }
    digits.push(number as u8);
    digits
}

/// Instructions of a function: each can be read, and blocks end. What is on the stack is left to
/// chance, with more that puts something there than takes it away.
pub(crate) fn instructions(random: &mut Random) -> Vec<u8> {
    let mut out = [0x41, 0].repeat(random.below(6));
    let mut depth = 0;
    for _ in 0..random.below(40) {
        let small = |random: &mut Random| padded(random.below(4) as u64, random);
        match random.below(24) {
            0 => {
                out.extend([2 + random.below(3) as u8, [0x40, 0x7f, 0x7e][random.below(3)]]);
                depth += 1;
            }
            1 if depth > 0 => {
                out.push(0x0b);
                depth -= 1;
            }
            2 => out.push([0, 1, 5, 0x0f][random.below(4)]),
            3 => {
                out.push(0x0c + random.below(2) as u8);
                out.extend(padded(random.below(depth + 1) as u64, random));
            }
            4 => {
                let labels = random.below(3);
                out.push(0x0e);
                out.extend(padded(labels as u64, random));
                for _ in 0..=labels {
                    out.extend(padded(random.below(depth + 1) as u64, random));
                }
            }
            5..=7 => {
                out.push(0x10);
                out.extend(padded(random.below(3) as u64, random));
            }
            8 => {
                out.push(0x11);
                out.extend(padded(random.below(3) as u64, random));
                out.push(0);
            }
            9 => out.push(0x1a + random.below(2) as u8),
            10 => {
                out.push(0x20 + random.below(5) as u8);
                out.extend(small(random));
            }
            11 => {
                out.push(0x28 + random.below(0x17) as u8);
                out.extend(small(random));
                out.extend(padded(random.next() >> random.below(64) & 0xffff_ffff, random));
            }
            12 => out.extend([0x3f + random.below(2) as u8, 0]),
            13 | 14 => out.push(0x45 + random.below(0x80) as u8),
            15 => {
                out.push(0x43);
                out.extend_from_slice(&(random.next() as u32).to_le_bytes());
            }
            16 => {
                out.push(0x44);
                out.extend_from_slice(&random.next().to_le_bytes());
            }
            17 => {
                out.push(0x42);
                out.extend(signed((random.next() as i64) >> random.below(64), random));
            }
            _ => {
                out.push(0x41);
                out.extend(signed(i64::from((random.next() as i32) >> random.below(32)), random));
            }
        }
    }
    out.extend([0x0b].repeat(depth + 1));
    out
}

/// A number, now and then longer than need be.
fn padded(number: u64, random: &mut Random) -> Vec<u8> {
    let mut digits = self::number(number as usize);
    if random.below(8) == 0 && digits.len() < 5 {
        *digits.last_mut().unwrap() |= 0x80;
        digits.resize(digits.len() + random.below(5 - digits.len()), 0x80);
        digits.push(0);
    }
    digits
}

/// A number with a sign, now and then longer than need be.
fn signed(mut number: i64, random: &mut Random) -> Vec<u8> {
    let is_longer = random.below(8) == 0;
    let mut digits = Vec::new();
    loop {
        let digit = number as u8 & 0x7f;
        number >>= 7;
        let is_last = number == if digit & 0x40 == 0 { 0 } else { -1 };
        if is_last && !(is_longer && digits.len() < 4) {
            digits.push(digit);
            return digits;
        }
        digits.push(digit | 0x80);
        if is_last {
            digits.push(number as u8 & 0x7f);
            return digits;
        }
    }
}
