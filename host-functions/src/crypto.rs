//! The family `crypto`: checking signatures.
//!
//! Which signatures are good is part of the consensus, to the last odd encoding. So each scheme is
//! checked by the rules of Polkadot's own host:
//!
//! * `ed25519` is checked by ZIP-215: the equation is the cofactored one, points need not be
//!   encoded canonically, scalars must be.
//! * `sr25519` is that of schnorrkel, with the context `substrate`. Version 1 takes signatures as
//!   schnorrkel 0.1.1 made them, too.
//! * `ecdsa` and `secp256k1` go by the key that a signature recovers to, so s may be low or high.
//!   Version 1 takes r and s modulo the curve's order, version 2 wants them below it.
//!
//! Signatures come by pointer: 64 bytes, or 65 for `ecdsa`, of which the last is the recovery
//! identifier. So do public keys: 32 bytes, or 33 for `ecdsa`.
//!
//! A guest has no keys of its own. The functions that would need a key store trap.

mod batch;
mod ecdsa;
mod ed25519;
mod key_store;
mod sr25519;

pub use batch::{finish_batch_verify_version_1, start_batch_verify_version_1};
pub use ecdsa::{
    ecdsa_batch_verify_version_1, ecdsa_verify_prehashed_version_1, ecdsa_verify_version_1,
    ecdsa_verify_version_2, secp256k1_ecdsa_recover_compressed_version_1,
    secp256k1_ecdsa_recover_compressed_version_2, secp256k1_ecdsa_recover_version_1,
    secp256k1_ecdsa_recover_version_2,
};
pub use ed25519::{ed25519_batch_verify_version_1, ed25519_verify_version_1};
pub use key_store::{
    ecdsa_generate_version_1, ecdsa_public_keys_version_1, ecdsa_sign_prehashed_version_1,
    ecdsa_sign_version_1, ed25519_generate_version_1, ed25519_public_keys_version_1,
    ed25519_sign_version_1, sr25519_generate_version_1, sr25519_public_keys_version_1,
    sr25519_sign_version_1,
};
pub use sr25519::{
    sr25519_batch_verify_version_1, sr25519_verify_version_1, sr25519_verify_version_2,
};

#[cfg(test)]
mod tests;
