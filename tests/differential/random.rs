//! Random numbers that are the same for the same seed, for ever.

/// A generator after "SplitMix64".
pub(crate) struct Random(u64);

impl Random {
    /// What this seed leads to. Different uses of one seed are told apart by their name.
    pub(crate) fn new(usage: &str, seed: u64) -> Self {
        let mut random = Self(seed);
        for byte in usage.bytes() {
            random.0 ^= u64::from(byte);
            random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Whether something happens that does so this many times in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// A number that is likely to be at the edge of something.
    pub(crate) fn odd_number(&mut self) -> u64 {
        match self.below(6) {
            0 => self.next() >> self.below(64),
            1 => self.below(256) as u64,
            2 => (self.below(256) as u64).wrapping_neg(),
            3 => (1_u64 << self.below(64)).wrapping_sub(self.below(3) as u64),
            4 => self.next(),
            _ => (self.below(40) as u64) * 65_536 - self.below(2) as u64 * 8 + 8,
        }
    }
}
