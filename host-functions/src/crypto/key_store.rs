//! What needs keys of one's own. A PVF has none: all of these trap.

use crate::{GuestContext, HostError};

macro_rules! without_key_store {
    ($($what:literal $name:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => {$(
        #[doc = concat!($what, " Traps.")]
        ///
        /// # Errors
        ///
        /// Always: [`HostError::NoKeyStore`].
        pub fn $name<C: GuestContext>(_: &mut C, $(_: $ty),*) -> Result<$result, HostError> {
            Err(HostError::NoKeyStore)
        }
    )*};
}

without_key_store! {
    "Would list the public keys of a type."
    ecdsa_public_keys_version_1(key_type: u32) -> u64;
    "Would make a key pair."
    ecdsa_generate_version_1(key_type: u32, seed: u64) -> u32;
    "Would sign a message."
    ecdsa_sign_version_1(key_type: u32, public_key: u32, message: u64) -> u64;
    "Would sign a message that is hashed already."
    ecdsa_sign_prehashed_version_1(key_type: u32, public_key: u32, digest: u32) -> u64;
    "Would list the public keys of a type."
    ed25519_public_keys_version_1(key_type: u32) -> u64;
    "Would make a key pair."
    ed25519_generate_version_1(key_type: u32, seed: u64) -> u32;
    "Would sign a message."
    ed25519_sign_version_1(key_type: u32, public_key: u32, message: u64) -> u64;
    "Would list the public keys of a type."
    sr25519_public_keys_version_1(key_type: u32) -> u64;
    "Would make a key pair."
    sr25519_generate_version_1(key_type: u32, seed: u64) -> u32;
    "Would sign a message."
    sr25519_sign_version_1(key_type: u32, public_key: u32, message: u64) -> u64;
}
