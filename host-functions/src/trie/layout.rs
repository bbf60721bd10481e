//! What a state version means for a trie.

use super::codec::NodeCodec;
use crate::HostError;
use hash_db::Hasher;
use std::marker::PhantomData;
use trie_db::TrieLayout;

/// How a state is laid out as a trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateVersion {
    /// Every value is stored in its node.
    V0,
    /// Of a value above 32 bytes the node stores the hash.
    V1,
}

impl StateVersion {
    /// The state version that an argument stands for: its low eight bits, with 2 as another name of
    /// version 1.
    pub(super) fn from_argument(argument: u32) -> Result<Self, HostError> {
        match argument as u8 {
            0 => Ok(Self::V0),
            1 | 2 => Ok(Self::V1),
            other => Err(HostError::NotAStateVersion(other)),
        }
    }

    /// From how many bytes on only the hash of a value is stored.
    pub(super) const fn hashed_from(self) -> Option<u32> {
        match self {
            Self::V0 => None,
            Self::V1 => Some(33),
        }
    }
}

/// [`StateVersion::V0`] with the hash function `H`.
pub(super) struct LayoutV0<H>(PhantomData<H>);

/// [`StateVersion::V1`] with the hash function `H`.
pub(super) struct LayoutV1<H>(PhantomData<H>);

impl<H: Hasher> TrieLayout for LayoutV0<H> {
    const USE_EXTENSION: bool = false;
    const ALLOW_EMPTY: bool = true;
    const MAX_INLINE_VALUE: Option<u32> = StateVersion::V0.hashed_from();
    type Hash = H;
    type Codec = NodeCodec<H>;
}

impl<H: Hasher> TrieLayout for LayoutV1<H> {
    const USE_EXTENSION: bool = false;
    const ALLOW_EMPTY: bool = true;
    const MAX_INLINE_VALUE: Option<u32> = StateVersion::V1.hashed_from();
    type Hash = H;
    type Codec = NodeCodec<H>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_low_byte_of_the_state_version_counts_and_two_means_one() {
        assert_eq!(StateVersion::from_argument(0), Ok(StateVersion::V0));
        assert_eq!(StateVersion::from_argument(0xffff_ff00), Ok(StateVersion::V0));
        assert_eq!(StateVersion::from_argument(1), Ok(StateVersion::V1));
        assert_eq!(StateVersion::from_argument(2), Ok(StateVersion::V1));
        assert_eq!(StateVersion::from_argument(0x102), Ok(StateVersion::V1));
        for other in 3..=255 {
            let refused = Err(HostError::NotAStateVersion(other));
            assert_eq!(StateVersion::from_argument(other.into()), refused);
        }
    }
}
