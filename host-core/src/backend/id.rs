//! Names of backends.

use parity_scale_codec::{Decode, Encode, Error, Input, Output};
use std::{borrow::Cow, fmt, str::FromStr};

/// The name of a backend, as in `wasmtime`: 1 to [`BackendId::MAX_LEN`] characters, each a
/// lower-case letter, a digit or a hyphen.
///
/// SCALE-encoded as a string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(Cow<'static, str>);

/// A string that can't name a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} can't name a backend: 1 to {max} lower-case letters, digits or hyphens",
    max = BackendId::MAX_LEN
)]
pub struct InvalidBackendId(pub String);

impl BackendId {
    /// The longest name, in bytes. It fits the fixed field of an artifact's header.
    pub const MAX_LEN: usize = 32;

    /// A name known at compile time.
    ///
    /// # Panics
    ///
    /// On a string that can't name a backend; at compile time when used in a constant.
    pub const fn from_static(name: &'static str) -> Self {
        assert!(Self::is_valid(name.as_bytes()), "not a valid backend name");
        Self(Cow::Borrowed(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    const fn is_valid(name: &[u8]) -> bool {
        let mut i = 0;
        while i < name.len() {
            if !matches!(name[i], b'a'..=b'z' | b'0'..=b'9' | b'-') {
                return false;
            }
            i += 1;
        }
        !name.is_empty() && name.len() <= Self::MAX_LEN
    }
}

impl FromStr for BackendId {
    type Err = InvalidBackendId;

    fn from_str(name: &str) -> Result<Self, InvalidBackendId> {
        if Self::is_valid(name.as_bytes()) {
            Ok(Self(Cow::Owned(name.to_owned())))
        } else {
            Err(InvalidBackendId(name.to_owned()))
        }
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for BackendId {
    fn size_hint(&self) -> usize {
        self.0.len() + 1
    }

    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        self.0.as_bytes().encode_to(out);
    }
}

impl Decode for BackendId {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let name = Vec::<u8>::decode(input)?;
        if !Self::is_valid(&name) {
            return Err("not a valid backend name".into());
        }
        let name = String::from_utf8(name).map_err(|_| "backend name is not UTF-8")?;
        Ok(Self(Cow::Owned(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_lower_case_names_are_accepted() {
        for good in ["wasmtime", "polkavm-interpreter", "a", &"x".repeat(32)] {
            assert_eq!(good.parse::<BackendId>().unwrap().as_str(), good);
        }
        for bad in ["", "Wasmtime", "a b", "../x", "ü", &"x".repeat(33)] {
            assert_eq!(bad.parse::<BackendId>(), Err(InvalidBackendId(bad.to_owned())));
        }
    }

    #[test]
    fn a_name_is_encoded_as_a_string_and_checked_when_decoded() {
        let id = BackendId::from_static("wasmtime");
        assert_eq!(id.encode(), "wasmtime".encode());
        assert_eq!(BackendId::decode(&mut &id.encode()[..]), Ok(id));
        assert!(BackendId::decode(&mut &"../../etc".encode()[..]).is_err());
    }
}
