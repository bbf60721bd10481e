//! Keccak-256, in the guest: so the guest needs none of the host's hash functions.

/// How many words are absorbed at a time.
const RATE: usize = 17;

/// The hash of some bytes.
pub(crate) fn keccak_256(bytes: &[u8]) -> [u8; 32] {
    let mut state = [0; 25];
    let (blocks, rest) = bytes.as_chunks::<{ RATE * 8 }>();
    for block in blocks {
        absorb(&mut state, block);
    }
    let mut last = [0; RATE * 8];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] ^= 0x01;
    last[RATE * 8 - 1] ^= 0x80;
    absorb(&mut state, &last);

    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    hash
}

fn absorb(state: &mut [u64; 25], block: &[u8; RATE * 8]) {
    for (word, bytes) in state.iter_mut().zip(block.as_chunks().0) {
        *word ^= u64::from_le_bytes(*bytes);
    }
    permute(state);
}

/// Keccak-f[1600].
fn permute(state: &mut [u64; 25]) {
    let mut constants = 1_u8;
    for _ in 0..24 {
        // Theta.
        let parity: [u64; 5] =
            core::array::from_fn(|x| (0..5).fold(0, |parity, y| parity ^ state[x + 5 * y]));
        for x in 0..5 {
            let change = parity[(x + 4) % 5] ^ parity[(x + 1) % 5].rotate_left(1);
            for y in 0..5 {
                state[x + 5 * y] ^= change;
            }
        }
        // Rho and pi.
        let (mut x, mut y) = (1, 0);
        let mut moved = state[1];
        for step in 1..25 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let place = &mut state[x + 5 * y];
            (moved, *place) = (*place, moved.rotate_left(step * (step + 1) / 2 % 64));
        }
        // Chi.
        for row in state.as_chunks_mut::<5>().0 {
            let old = *row;
            for x in 0..5 {
                row[x] = old[x] ^ !old[(x + 1) % 5] & old[(x + 2) % 5];
            }
        }
        // Iota: the constants come from a shift register of eight bits.
        for place in 0..7 {
            if constants & 1 != 0 {
                state[0] ^= 1 << ((1_u32 << place) - 1);
            }
            constants = constants << 1 ^ if constants & 0x80 == 0 { 0 } else { 0x71 };
        }
    }
}
