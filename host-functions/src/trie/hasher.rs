//! The hash functions that tries are made with.

use crate::digest;
use hash_db::Hasher;
use std::hash::DefaultHasher;

/// BLAKE2b with an output of 256 bits.
pub(super) struct Blake2;

/// Keccak with an output of 256 bits, as it was before it became SHA-3.
pub(super) struct Keccak;

impl Hasher for Blake2 {
    type Out = [u8; 32];
    type StdHasher = DefaultHasher;
    const LENGTH: usize = 32;

    fn hash(bytes: &[u8]) -> Self::Out {
        digest::blake2_256(bytes)
    }
}

impl Hasher for Keccak {
    type Out = [u8; 32];
    type StdHasher = DefaultHasher;
    const LENGTH: usize = 32;

    fn hash(bytes: &[u8]) -> Self::Out {
        digest::keccak_256(bytes)
    }
}
