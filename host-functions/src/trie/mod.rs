//! The family `trie`: roots of Merkle tries, and proofs of what is in them.
//!
//! A trie is the one in which Polkadot keeps its state: of radix 16, with nodes as the
//! [specification] describes them under "State Storage Trie" and "Merkle Proof". Two hash functions
//! are on offer, and two state versions, which differ in what becomes of large values. Guests name
//! the version by a number, of which the low eight bits count: 0 is version 0; 1, and also 2, is
//! version 1. Functions that take no such number use version 0.
//!
//! The crates `trie-root` and `trie-db` do the work. Here are the format of nodes, which both leave
//! to others, and the functions as guests see them.
//!
//! [specification]: https://spec.polkadot.network/chap-state#sect-state-storage-trie-structure

mod codec;
mod hasher;
mod layout;
mod node;
mod stream;
#[cfg(test)]
mod tests;

use self::{
    hasher::{Blake2, Keccak},
    layout::{LayoutV0, LayoutV1, StateVersion},
    stream::NodeStream,
};
use crate::{GuestContext, HostError};
use hash_db::Hasher;
use parity_scale_codec::{Compact, Decode, Encode, Error};
use trie_db::proof::verify_proof;
use trie_root::trie_root_no_extension;

/// Defines the functions of the family for one hash function.
macro_rules! functions {
    ($hasher:ty, $name:literal;
        $root_1:ident, $root_2:ident,
        $ordered_root_1:ident, $ordered_root_2:ident,
        $verify_proof_1:ident, $verify_proof_2:ident) => {
        #[doc = concat!("The root of a trie made with ", $name, ", in state version 0.")]
        ///
        /// `input` is the SCALE encoding of a list of keys and values. Of equal keys the last
        /// counts. The answer points to 32 bytes of guest memory, allocated for it.
        ///
        /// # Errors
        ///
        /// When `input` is out of bounds or no such encoding, or when the allocator refuses.
        pub fn $root_1<C: GuestContext>(guest: &mut C, input: u64) -> Result<u32, HostError> {
            root::<$hasher, _>(guest, input, StateVersion::V0)
        }

        #[doc = concat!("The root of a trie made with ", $name, ", in a state version to choose.")]
        ///
        #[doc = concat!("Apart from the choice this is [`", stringify!($root_1), "`].")]
        ///
        /// # Errors
        ///
        /// The same, and when `state_version` is none.
        pub fn $root_2<C: GuestContext>(
            guest: &mut C,
            input: u64,
            state_version: u32,
        ) -> Result<u32, HostError> {
            root::<$hasher, _>(guest, input, StateVersion::from_argument(state_version)?)
        }

        #[doc = concat!("The root of a list as a trie made with ", $name, ", in state version 0.")]
        ///
        /// `input` is the SCALE encoding of a list of values. The key of each is its position in
        /// the list, SCALE-encoded as a compact number. The answer points to 32 bytes of guest
        /// memory, allocated for it.
        ///
        /// # Errors
        ///
        /// When `input` is out of bounds or no such encoding, or when the allocator refuses.
        pub fn $ordered_root_1<C: GuestContext>(
            guest: &mut C,
            input: u64,
        ) -> Result<u32, HostError> {
            ordered_root::<$hasher, _>(guest, input, StateVersion::V0)
        }

        #[doc = concat!(
            "The root of a list as a trie made with ", $name, ", in a state version to choose."
        )]
        ///
        #[doc = concat!("Apart from the choice this is [`", stringify!($ordered_root_1), "`].")]
        ///
        /// # Errors
        ///
        /// The same, and when `state_version` is none.
        pub fn $ordered_root_2<C: GuestContext>(
            guest: &mut C,
            input: u64,
            state_version: u32,
        ) -> Result<u32, HostError> {
            ordered_root::<$hasher, _>(guest, input, StateVersion::from_argument(state_version)?)
        }

        #[doc = concat!(
            "Whether a trie made with ", $name, " holds a value, as proven, in state version 0."
        )]
        ///
        /// `root` points to the 32 bytes of the trie's root. `proof` is the SCALE encoding of a
        /// list of nodes: those on the way from the root to `key`, each without the hash of the
        /// next, the last without `value`. The answer is 1 if this is what it takes to get to the
        /// root, no more and no less, else 0.
        ///
        /// # Errors
        ///
        /// When an argument is out of bounds, or `proof` is no such encoding.
        pub fn $verify_proof_1<C: GuestContext>(
            guest: &mut C,
            root: u32,
            proof: u64,
            key: u64,
            value: u64,
        ) -> Result<u32, HostError> {
            verify::<$hasher, _>(guest, root, proof, key, value, StateVersion::V0)
        }

        #[doc = concat!(
            "Whether a trie made with ", $name, " holds a value, as proven, in a state version to",
            " choose."
        )]
        ///
        #[doc = concat!("Apart from the choice this is [`", stringify!($verify_proof_1), "`].")]
        ///
        /// # Errors
        ///
        /// The same, and when `state_version` is none.
        pub fn $verify_proof_2<C: GuestContext>(
            guest: &mut C,
            root: u32,
            proof: u64,
            key: u64,
            value: u64,
            state_version: u32,
        ) -> Result<u32, HostError> {
            let version = StateVersion::from_argument(state_version)?;
            verify::<$hasher, _>(guest, root, proof, key, value, version)
        }
    };
}

functions!(Blake2, "BLAKE2b";
    blake2_256_root_version_1, blake2_256_root_version_2,
    blake2_256_ordered_root_version_1, blake2_256_ordered_root_version_2,
    blake2_256_verify_proof_version_1, blake2_256_verify_proof_version_2);
functions!(Keccak, "Keccak";
    keccak_256_root_version_1, keccak_256_root_version_2,
    keccak_256_ordered_root_version_1, keccak_256_ordered_root_version_2,
    keccak_256_verify_proof_version_1, keccak_256_verify_proof_version_2);

fn root<H: Hasher, C: GuestContext>(
    guest: &mut C,
    input: u64,
    version: StateVersion,
) -> Result<u32, HostError> {
    let input = guest.range(input)?;
    let entries = list(&input, |input| Ok((byte_string(input)?, byte_string(input)?)))
        .map_err(|_| HostError::Undecodable("list of keys and values"))?;
    let threshold = version.hashed_from();
    let root = trie_root_no_extension::<H, NodeStream, _, _, _>(entries, threshold);
    drop(input);
    Ok(guest.allocate_and_write(root.as_ref())?.ptr)
}

fn ordered_root<H: Hasher, C: GuestContext>(
    guest: &mut C,
    input: u64,
    version: StateVersion,
) -> Result<u32, HostError> {
    let input = guest.range(input)?;
    let values =
        list(&input, byte_string).map_err(|_| HostError::Undecodable("list of byte strings"))?;
    let entries = (0u32..).map(|index| Compact(index).encode()).zip(values);
    let threshold = version.hashed_from();
    let root = trie_root_no_extension::<H, NodeStream, _, _, _>(entries, threshold);
    drop(input);
    Ok(guest.allocate_and_write(root.as_ref())?.ptr)
}

fn verify<H: Hasher<Out = [u8; 32]>, C: GuestContext>(
    guest: &mut C,
    root: u32,
    proof: u64,
    key: u64,
    value: u64,
    version: StateVersion,
) -> Result<u32, HostError> {
    let root = guest.array(root)?;
    let proof = list(&guest.range(proof)?, |input| byte_string(input).map(<[u8]>::to_vec))
        .map_err(|_| HostError::Undecodable("list of byte strings"))?;
    let (key, value) = (guest.range(key)?, guest.range(value)?);
    let items = [(key, Some(value))];
    let good = match version {
        StateVersion::V0 => verify_proof::<LayoutV0<H>, _, _, _>(&root, &proof, &items).is_ok(),
        StateVersion::V1 => verify_proof::<LayoutV1<H>, _, _, _>(&root, &proof, &items).is_ok(),
    };
    Ok(good.into())
}

/// Decodes a list from the beginning of `input`; what is behind it is ignored.
///
/// Nothing is reserved for the number of items that is claimed: collecting results can't know how
/// many there will be.
fn list<'a, T>(
    mut input: &'a [u8],
    mut item: impl FnMut(&mut &'a [u8]) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let Compact(count) = Compact::<u32>::decode(&mut input)?;
    (0..count).map(|_| item(&mut input)).collect()
}

/// Takes a byte string from the beginning of `input`.
fn byte_string<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let Compact(len) = Compact::<u32>::decode(input)?;
    input.split_off(..len as usize).ok_or_else(|| "not enough bytes".into())
}
