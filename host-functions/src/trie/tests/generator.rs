//! Sets of keys and values that grow out of a number, always the same from the same.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn one_of(&mut self, choices: &[usize]) -> usize {
        choices[self.below(choices.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A value, most often with a length near one that matters.
    pub(crate) fn value(&mut self) -> Vec<u8> {
        let len = match self.below(100) {
            0 => self.one_of(&[16_383, 16_384, 16_385]),
            1..10 => self.below(200),
            _ => self.one_of(&[0, 1, 2, 5, 20, 28, 29, 30, 31, 32, 33, 34, 63, 64, 65]),
        };
        self.bytes(len)
    }

    /// Keys and values in any order. Many keys begin alike, some end where others go on, some are
    /// long, a few occur twice.
    pub(crate) fn entries(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let count = self.one_of(&[0, 1, 1, 2, 2, 3, 4, 6, 10, 16, 17, 40, 100]);
        let dense = self.below(2) == 0;
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for _ in 0..count {
            let key = match (self.below(8), entries.len()) {
                (0, 1..) => entries[self.below(entries.len())].0.clone(),
                (1 | 2, known @ 1..) => {
                    let known = &entries[self.below(known)].0;
                    known[..self.below(known.len() + 1)].to_vec()
                }
                (3 | 4, known @ 1..) => {
                    let mut key = entries[self.below(known)].0.clone();
                    key.extend(self.key(dense));
                    key
                }
                (5, known @ 1..) => {
                    let mut key = entries[self.below(known)].0.clone();
                    if !key.is_empty() {
                        let position = self.below(key.len());
                        key[position] ^= self.one_of(&[0x01, 0x10, 0x80, 0x08]) as u8;
                    }
                    key
                }
                _ => self.key(dense),
            };
            entries.push((key, self.value()));
        }
        entries
    }

    /// As many values as asked for, most of them short.
    pub(crate) fn list(&mut self, count: usize) -> Vec<Vec<u8>> {
        let small = count > 1000;
        (0..count)
            .map(|_| if small { self.next().to_le_bytes().to_vec() } else { self.value() })
            .collect()
    }

    fn key(&mut self, dense: bool) -> Vec<u8> {
        let len = match self.below(10) {
            0 => self.one_of(&[31, 32, 63, 64, 127, 128, 135, 136, 159, 160, 260]),
            1 => self.one_of(&[7, 8, 14, 15, 16, 17]),
            _ => self.below(5),
        };
        if dense {
            (0..len).map(|_| self.one_of(&[0x00, 0x01, 0x10, 0x11, 0xff]) as u8).collect()
        } else {
            self.bytes(len)
        }
    }
}
