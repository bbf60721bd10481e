//! Lists with a maximum length.

use parity_scale_codec::{Compact, Decode, Encode, Error, Input, Output, decode_vec_with_len};
use std::{fmt, ops::Deref};

/// A list of at most `MAX` items.
///
/// SCALE-encoded as a `Vec`. A longer list is refused when its length has been read, before memory
/// is reserved for any item.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BoundedVec<T, const MAX: usize>(Vec<T>);

/// More items than a list may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} items, at most {max} are allowed")]
pub struct TooMany {
    /// The maximum.
    pub max: usize,
    /// How many there were.
    pub found: usize,
}

impl<T, const MAX: usize> BoundedVec<T, MAX> {
    /// The items, without the bound.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for BoundedVec<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for BoundedVec<T, MAX> {
    type Error = TooMany;

    fn try_from(items: Vec<T>) -> Result<Self, TooMany> {
        if items.len() > MAX {
            return Err(TooMany { max: MAX, found: items.len() });
        }
        Ok(Self(items))
    }
}

impl<T, const MAX: usize> Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for BoundedVec<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Encode, const MAX: usize> Encode for BoundedVec<T, MAX> {
    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        self.0.encode_to(out);
    }
}

impl<T: Decode, const MAX: usize> Decode for BoundedVec<T, MAX> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let len = Compact::<u32>::decode(input)?.0 as usize;
        if len > MAX {
            return Err("a list has more items than allowed".into());
        }
        decode_vec_with_len(input, len).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Few = BoundedVec<u16, 3>;

    #[test]
    fn a_full_list_is_accepted_and_encoded_as_a_vec() {
        let full = Few::try_from(vec![1, 2, 3]).unwrap();
        assert_eq!(full.encode(), vec![1u16, 2, 3].encode());
        assert_eq!(Few::decode(&mut &full.encode()[..]), Ok(full.clone()));
        assert_eq!(full.into_inner(), [1, 2, 3]);
    }

    #[test]
    fn one_item_too_many_is_refused() {
        assert_eq!(Few::try_from(vec![0; 4]), Err(TooMany { max: 3, found: 4 }));
        assert!(Few::decode(&mut &vec![0u16; 4].encode()[..]).is_err());
    }
}
