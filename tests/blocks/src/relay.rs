//! What the first extrinsic of a block tells of the relay chain.

use crate::{
    chain::Item,
    trie::{Hash, blake2_256},
};
use parity_scale_codec::{Compact, Decode, Encode, Error};

/// The kind of digest item that comes before consensus.
const CONSENSUS: u8 = 4;
/// Who puts the relay parent's storage root into the digest.
const ENGINE: [u8; 4] = *b"RPSR";

/// The first extrinsic, which sets the block's validation data.
#[derive(Clone)]
pub struct Told {
    /// That it is an extrinsic without signature, and its call.
    call: [u8; 3],
    parent_head: Vec<u8>,
    relay_parent: u32,
    /// The root of the relay chain's state.
    pub storage_root: Hash,
    max_pov_size: u32,
    /// The nodes of a proof of parts of the relay chain's state, and the values that are apart.
    proof: Vec<Item>,
    /// The messages, and whatever follows.
    rest: Vec<u8>,
}

impl Told {
    /// Reads the extrinsic.
    ///
    /// # Errors
    ///
    /// If it is another.
    pub fn decode(mut input: &[u8]) -> Result<Self, Error> {
        let (call, parent_head, relay_parent) = Decode::decode(&mut input)?;
        let (storage_root, max_pov_size, proof) = Decode::decode(&mut input)?;
        let rest = input.to_vec();
        Ok(Self { call, parent_head, relay_parent, storage_root, max_pov_size, proof, rest })
    }

    /// The extrinsic.
    pub fn encode(&self) -> Item {
        let mut bytes = (self.call, &self.parent_head, self.relay_parent).encode();
        (self.storage_root, self.max_pov_size, &self.proof).encode_to(&mut bytes);
        bytes.extend(&self.rest);
        bytes
    }

    /// The digest that a block gets from it.
    pub fn digest(&self) -> Vec<u8> {
        let data = (self.storage_root, Compact(self.relay_parent)).encode();
        (Compact(1u32), CONSENSUS, ENGINE, data).encode()
    }

    /// The same with another parent head, in the validation data and in the relay chain's state.
    ///
    /// # Errors
    ///
    /// If the relay chain's state doesn't have the old one, or it hasn't the same length.
    pub fn with_parent_head(&self, head: Vec<u8>) -> Result<Self, Error> {
        let mut told = self.clone();
        if head == self.parent_head {
            return Ok(told);
        }
        let (mut old, mut new) = (self.parent_head.encode(), head.encode());
        told.parent_head = head;
        if old.len() != new.len() {
            return Err("the parent heads differ in length".into());
        }
        // From the value upwards: who holds it, or its hash, gets another hash itself.
        loop {
            let holder = told.proof.iter_mut().find_map(|item| {
                let at = item.windows(old.len()).position(|window| window == old)?;
                Some((item, at))
            });
            let Some((item, at)) = holder else { break };
            let before = blake2_256(item);
            item[at..at + new.len()].copy_from_slice(&new);
            (old, new) = (before.to_vec(), blake2_256(item).to_vec());
        }
        if told.storage_root != old[..] {
            return Err("the relay chain's state doesn't have the parent head".into());
        }
        told.storage_root.copy_from_slice(&new);
        told.proof.sort();
        Ok(told)
    }
}
