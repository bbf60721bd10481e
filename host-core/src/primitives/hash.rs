//! 256-bit hashes, and what they are hashes of.

use super::hex::{self, HexError};
use parity_scale_codec::{Decode, Encode};
use std::{fmt, str::FromStr};

/// A 256-bit hash. Printed and parsed as hexadecimal.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        hex::decode_array(text).map(Self)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The BLAKE2b hash of `bytes` with an output of 256 bits, the one Polkadot uses throughout.
pub fn blake2_256(bytes: &[u8]) -> Hash {
    let digest = blake2b_simd::Params::new().hash_length(32).hash(bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_bytes());
    Hash(hash)
}

/// Defines a [`struct@Hash`] of something in particular, so that it can't be taken for another one.
macro_rules! hash_of_something {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            parity_scale_codec::Encode,
            parity_scale_codec::Decode,
        )]
        pub struct $name($crate::primitives::Hash);

        impl From<$crate::primitives::Hash> for $name {
            fn from(hash: $crate::primitives::Hash) -> Self {
                Self(hash)
            }
        }

        impl From<$name> for $crate::primitives::Hash {
            fn from(hash: $name) -> Self {
                hash.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::primitives::hex::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

pub(super) use hash_of_something;

hash_of_something! {
    /// The [`blake2_256`] hash of code as it was given: of the compressed form, if it is compressed.
    CodeHash
}

impl CodeHash {
    /// The hash of this code.
    pub fn of(code: &[u8]) -> Self {
        Self(blake2_256(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_printed_and_parsed_as_hexadecimal() {
        let hash = Hash::from([0xab; 32]);
        let text = format!("0x{}", "ab".repeat(32));
        assert_eq!(hash.to_string(), text);
        assert_eq!(format!("{hash:?}"), text);
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text[2..].parse(), Ok(CodeHash::from(hash)));
        assert_eq!("0xab".parse::<Hash>(), Err(HexError::WrongLength { expected: 32, found: 1 }));
    }

    #[test]
    fn a_hash_is_encoded_as_its_bytes() {
        assert_eq!(Hash([7; 32]).encode(), [7; 32]);
        assert_eq!(Hash::decode(&mut &[7; 32][..]), Ok(Hash([7; 32])));
        assert!(Hash::decode(&mut &[7; 31][..]).is_err());
    }
}
