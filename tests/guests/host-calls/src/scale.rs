//! The SCALE codec, as far as scripts and results need it.

use crate::machine::trap;
use alloc::vec::Vec;

/// What is left to read. Reading what is not there ends the call.
pub(crate) struct Reader(pub(crate) &'static [u8]);

impl Reader {
    /// A byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.slice(1)[0]
    }

    /// A `u64` of eight bytes.
    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.slice(8).try_into().unwrap_or_else(|_| trap()))
    }

    /// A length, as one, two or four bytes.
    pub(crate) fn length(&mut self) -> usize {
        let first = u32::from(self.byte());
        let more = match first & 3 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => trap(),
        };
        let rest = self.slice(more).iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        ((rest << 8 | first) >> 2) as usize
    }

    /// A length and as many bytes.
    pub(crate) fn bytes(&mut self) -> &'static [u8] {
        let len = self.length();
        self.slice(len)
    }

    fn slice(&mut self, len: usize) -> &'static [u8] {
        let Some((taken, left)) = self.0.split_at_checked(len) else { trap() };
        self.0 = left;
        taken
    }
}

/// Puts a length.
pub(crate) fn put_length(output: &mut Vec<u8>, len: usize) {
    let len = len as u32;
    let (shortest, size) = match len {
        ..0x40 => (len << 2, 1),
        ..0x4000 => (len << 2 | 1, 2),
        ..0x4000_0000 => (len << 2 | 2, 4),
        _ => trap(),
    };
    output.extend_from_slice(&shortest.to_le_bytes()[..size]);
}
