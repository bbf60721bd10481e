//! The host's functions, as far as guests need them.

use crate::allocator;
use core::alloc::{GlobalAlloc, Layout};

crate::import! {
    ext_crypto_ed25519_verify_version_1(u32, u64, u32) -> u32;
    ext_crypto_sr25519_verify_version_2(u32, u64, u32) -> u32;
    ext_hashing_blake2_128_version_1(u64) -> u32;
    ext_hashing_blake2_256_version_1(u64) -> u32;
    ext_hashing_keccak_256_version_1(u64) -> u32;
    ext_hashing_keccak_512_version_1(u64) -> u32;
    ext_hashing_sha2_256_version_1(u64) -> u32;
    ext_hashing_twox_128_version_1(u64) -> u32;
    ext_hashing_twox_256_version_1(u64) -> u32;
    ext_hashing_twox_64_version_1(u64) -> u32;
    ext_logging_log_version_1(u32, u64, u64);
}

// Has more arguments than 32-bit PolkaVM has registers for them.
#[cfg(not(target_arch = "riscv32"))]
crate::import! {
    ext_trie_blake2_256_verify_proof_version_2(u32, u64, u64, u64, u32) -> u32;
}

/// The level at which runtimes log that they panic.
pub const ERROR: u32 = 0;

/// The address of some bytes.
fn address(bytes: &[u8]) -> u32 {
    bytes.as_ptr() as usize as u32
}

/// Address and length of some bytes.
pub(crate) fn range(bytes: &[u8]) -> u64 {
    (bytes.len() as u64) << 32 | u64::from(address(bytes))
}

/// Logs a line.
pub fn log(level: u32, target: &str, message: &str) {
    // SAFETY: the host reads, and no more than this.
    unsafe { ext_logging_log_version_1(level, range(target.as_bytes()), range(message.as_bytes())) }
}

/// Whether `public` has signed `message`.
pub fn ed25519_verify(signature: &[u8; 64], message: &[u8], public: &[u8; 32]) -> bool {
    let (signature, public) = (address(signature), address(public));
    // SAFETY: the host reads, and no more than this.
    unsafe { ext_crypto_ed25519_verify_version_1(signature, range(message), public) == 1 }
}

/// Whether `public` has signed `message`.
pub fn sr25519_verify(signature: &[u8; 64], message: &[u8], public: &[u8; 32]) -> bool {
    let (signature, public) = (address(signature), address(public));
    // SAFETY: the host reads, and no more than this.
    unsafe { ext_crypto_sr25519_verify_version_2(signature, range(message), public) == 1 }
}

/// Whether `proof`, an encoded list of nodes of the trie with this root, proves that it has `value`
/// at `key`. The state version is 0 or 1.
#[cfg(not(target_arch = "riscv32"))]
pub fn verify_proof(
    root: &[u8; 32],
    proof: &[u8],
    key: &[u8],
    value: &[u8],
    state_version: u8,
) -> bool {
    let (root, proof, key, value) = (address(root), range(proof), range(key), range(value));
    let version = state_version.into();
    // SAFETY: the host reads, and no more than this.
    unsafe { ext_trie_blake2_256_verify_proof_version_2(root, proof, key, value, version) == 1 }
}

macro_rules! hash_functions {
    ($($(#[$doc:meta])* $name:ident($import:ident) -> $len:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(data: &[u8]) -> [u8; $len] {
                // SAFETY: the host reads the data and returns an array that it has allocated.
                unsafe { take($import(range(data))) }
            }
        )*
    };
}

hash_functions! {
    /// BLAKE2b with 128 bits.
    blake2_128(ext_hashing_blake2_128_version_1) -> 16;
    /// BLAKE2b with 256 bits.
    blake2_256(ext_hashing_blake2_256_version_1) -> 32;
    /// Keccak with 256 bits.
    keccak_256(ext_hashing_keccak_256_version_1) -> 32;
    /// Keccak with 512 bits.
    keccak_512(ext_hashing_keccak_512_version_1) -> 64;
    /// SHA-2 with 256 bits.
    sha2_256(ext_hashing_sha2_256_version_1) -> 32;
    /// Two XXH64.
    twox_128(ext_hashing_twox_128_version_1) -> 16;
    /// Four XXH64.
    twox_256(ext_hashing_twox_256_version_1) -> 32;
    /// One XXH64.
    twox_64(ext_hashing_twox_64_version_1) -> 8;
}

/// Copies an array that the host has allocated, and frees it.
///
/// # Safety
///
/// The host has allocated so many bytes there, for us alone, and nobody frees them.
unsafe fn take<const N: usize>(pointer: u32) -> [u8; N] {
    let pointer = pointer as usize as *mut [u8; N];
    // SAFETY: the caller promises it.
    unsafe {
        let array = *pointer;
        allocator::Host.dealloc(pointer.cast(), Layout::new::<[u8; N]>());
        array
    }
}
