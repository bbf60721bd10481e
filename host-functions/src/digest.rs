//! Hash functions on plain bytes, for the host functions that need them. None of them allocates.

use sha2::{Digest, Sha256};
use sha3::{Keccak256, Keccak512};
use twox_hash::XxHash64;

/// Keccak with an output of 256 bits and the padding from before SHA-3 was a standard.
pub(crate) fn keccak_256(data: &[u8]) -> [u8; 32] {
    Keccak256::digest(data).into()
}

/// The same with an output of 512 bits.
pub(crate) fn keccak_512(data: &[u8]) -> [u8; 64] {
    Keccak512::digest(data).into()
}

/// SHA-256.
pub(crate) fn sha2_256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// BLAKE2b with an output of 128 bits.
pub(crate) fn blake2_128(data: &[u8]) -> [u8; 16] {
    blake2b(data)
}

/// BLAKE2b with an output of 256 bits.
pub(crate) fn blake2_256(data: &[u8]) -> [u8; 32] {
    blake2b(data)
}

/// The length of the output is part of what is hashed: a shorter one is not the start of a longer
/// one.
fn blake2b<const N: usize>(data: &[u8]) -> [u8; N] {
    let hash = blake2b_simd::Params::new().hash_length(N).hash(data);
    let mut digest = [0; N];
    digest.copy_from_slice(hash.as_bytes());
    digest
}

/// XXH64 with the seed 0, little endian.
pub(crate) fn twox_64(data: &[u8]) -> [u8; 8] {
    twox(data)
}

/// XXH64 with the seeds 0 and 1, one behind the other, each little endian.
pub(crate) fn twox_128(data: &[u8]) -> [u8; 16] {
    twox(data)
}

/// The same with the seeds 0 to 3.
pub(crate) fn twox_256(data: &[u8]) -> [u8; 32] {
    twox(data)
}

fn twox<const N: usize>(data: &[u8]) -> [u8; N] {
    let mut digest = [0; N];
    for (seed, eight) in (0..).zip(digest.as_chunks_mut::<8>().0) {
        *eight = XxHash64::oneshot(seed, data).to_le_bytes();
    }
    digest
}

/// Published vectors. Those for the borders of blocks are with the host functions.
#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::hex;

    #[track_caller]
    fn check(digest: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(hex::encode(digest), format!("0x{expected}"));
    }

    /// From the Keccak team's submission, and what Ethereum calls the empty hash.
    #[test]
    fn keccak_is_the_one_from_before_the_standard() {
        check(keccak_256(b""), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        check(
            keccak_256(b"abc"),
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
        );
        check(
            keccak_512(b""),
            "0eab42de4c3ceb9235fc91acffe746b29c29a8c366b7c60e4e67c466f36a4304\
             c00fa9caf9d87976ba469bcbe06713b435f091ef2769fb160cdab33d3670680e",
        );
        check(
            keccak_512(b"abc"),
            "18587dc2ea106b9a1563e32b3312421ca164c7f1f07bc922a9c83d77cea3a1e5\
             d0c69910739025372dc14ac9642629379540c17e2a65b19d77aa511a9d00bb96",
        );
    }

    /// From FIPS 180-4's examples.
    #[test]
    fn sha2_is_that_of_the_standard() {
        check(sha2_256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check(sha2_256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            sha2_256(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        );
        check(
            sha2_256(&[b'a'; 1_000_000]),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        );
    }

    /// The first one is from RFC 7693, appendix A, the others from other implementations.
    #[test]
    fn blake2b_is_that_of_the_rfc() {
        check(
            blake2b::<64>(b"abc"),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        );
        check(blake2_256(b""), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
        check(
            blake2_256(b"abc"),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
        );
        check(blake2_128(b""), "cae66941d9efbd404e4d88758ea67670");
        check(blake2_128(b"abc"), "cf4ab791c62b8d2b2109c90275287816");
    }

    /// From the sanity check of xxHash's own command line: lengths, and hashes with the seed 0.
    #[test]
    fn twox_is_xxh64() {
        let mut state = 2_654_435_761_u64;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            let byte = (state >> 56) as u8;
            state = state.wrapping_mul(11_400_714_785_074_694_797);
            byte
        })
        .take(222)
        .collect();
        let expected = [
            (0, 0xef46_db37_51d8_e999_u64),
            (1, 0xe934_a84a_db05_2768),
            (4, 0x9136_a0dc_a574_57ee),
            (14, 0x8282_dcc4_994e_35c8),
            (222, 0xb641_ae8c_b691_c174),
        ];
        for (len, hash) in expected {
            assert_eq!(twox_64(&bytes[..len]), hash.to_le_bytes(), "{len} bytes");
        }
    }

    #[test]
    fn longer_digests_go_on_with_the_next_seeds() {
        for data in [&b""[..], b"System", &[7; 100]] {
            let long = twox_256(data);
            assert_eq!(long[..16], twox_128(data));
            assert_eq!(long[..8], twox_64(data));
            for (seed, eight) in (0..).zip(long.chunks(8)) {
                assert_eq!(eight, XxHash64::oneshot(seed, data).to_le_bytes());
            }
        }
    }

    /// The first halves of keys of every Substrate chain's state.
    #[test]
    fn well_known_storage_keys_come_out() {
        check(twox_128(b"System"), "26aa394eea5630e07c48ae0c9558cef7");
        check(twox_128(b"Account"), "b99d880ec681799c0cf30e8886371da9");
        check(twox_128(b"Balances"), "c2261276cc9d1f8598ea4b6a74b15c2f");
    }
}
