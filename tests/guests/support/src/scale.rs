//! The SCALE codec, as far as guests need it.

use alloc::vec::Vec;

/// What is left to read. Reading what is not there is a panic.
#[derive(Clone, Copy)]
pub struct Reader(pub &'static [u8]);

impl Reader {
    /// A byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(*self.array())
    }

    /// A `u32` of four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(*self.array())
    }

    /// A `u64` of eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(*self.array())
    }

    /// As many bytes as the type says.
    pub fn array<const N: usize>(&mut self) -> &'static [u8; N] {
        let (taken, left) = self.0.split_first_chunk().expect("the input ends too early");
        self.0 = left;
        taken
    }

    /// A length, as one, two or four bytes.
    pub fn length(&mut self) -> usize {
        let first = u32::from(self.byte());
        let more = match first & 3 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => panic!("a length is too large"),
        };
        let rest = self.slice(more).iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        ((rest << 8 | first) >> 2) as usize
    }

    /// A length and as many bytes.
    pub fn bytes(&mut self) -> &'static [u8] {
        let len = self.length();
        self.slice(len)
    }

    /// A length and as many of what `read` reads.
    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.length();
        (0..len).map(|_| read(self)).collect()
    }

    fn slice(&mut self, len: usize) -> &'static [u8] {
        let (taken, left) = self.0.split_at_checked(len).expect("the input ends too early");
        self.0 = left;
        taken
    }
}

/// Puts a length.
pub fn put_length(output: &mut Vec<u8>, len: usize) {
    let len = len as u32;
    let (shortest, size) = match len {
        ..0x40 => (len << 2, 1),
        ..0x4000 => (len << 2 | 1, 2),
        ..0x4000_0000 => (len << 2 | 2, 4),
        _ => panic!("a length is too large"),
    };
    output.extend_from_slice(&shortest.to_le_bytes()[..size]);
}

/// Puts a length and as many bytes.
pub fn put_bytes(output: &mut Vec<u8>, bytes: &[u8]) {
    put_length(output, bytes.len());
    output.extend_from_slice(bytes);
}
