//! The parts of the parachain's blocks, and its accounts.

use crate::trie::{Hash, Trie, Version, blake2_256};
use blake2b_simd::Params;
use parity_scale_codec::{Compact, Decode, Encode};
use rand_chacha::{ChaChaRng, rand_core::SeedableRng};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, context};

/// The first bytes of block data that tells its version.
const VERSIONED: &[u8] = b"VERSIONEDPBD";
/// The version of block data that is read and written here: several blocks, one proof.
const VERSION: u8 = 1;

/// An account, named by its public key.
pub type AccountId = [u8; 32];

/// The version of the runtime, and that of its transactions, both of which are signed.
const VERSIONS: (u32, u32) = (1, 1);
/// An era without end, nonce 0, and no tip.
const EXTENSION: (u8, Compact<u32>, Compact<u128>) = (0, Compact(0), Compact(0));
/// The first bytes of the call `transfer_keep_alive` to an account.
const TRANSFER: [u8; 3] = [10, 3, 0];
/// The first bytes of a signed extrinsic of version 4 from an account.
const SIGNED: [u8; 2] = [0x84, 0];
/// Says that an sr25519 signature follows.
const SR25519: u8 = 1;

/// `twox_128("System")` and `twox_128("Account")`: the accounts are below.
pub const ACCOUNTS: [u8; 32] = [
    0x26, 0xaa, 0x39, 0x4e, 0xea, 0x56, 0x30, 0xe0, 0x7c, 0x48, 0xae, 0x0c, 0x95, 0x58, 0xce, 0xf7,
    0xb9, 0x9d, 0x88, 0x0e, 0xc6, 0x81, 0x79, 0x9c, 0x0c, 0xf3, 0x0e, 0x88, 0x86, 0x37, 0x1d, 0xa9,
];

/// Bytes that are an extrinsic, or another item that is encoded with its length in front.
pub type Item = Vec<u8>;

/// A block's header.
#[derive(Clone)]
pub struct Header {
    /// The hash of the block before.
    pub parent: Hash,
    /// The block's number.
    pub number: u32,
    /// The state after the block.
    pub state_root: Hash,
    /// The root of the trie of the extrinsics by their index.
    pub extrinsics_root: Hash,
    /// The digest, encoded.
    pub digest: Vec<u8>,
}

impl Header {
    /// Reads a header. Of digests, those are understood that are empty or have one item made up of
    /// an engine and data.
    ///
    /// # Errors
    ///
    /// If it isn't such a header.
    pub fn decode(input: &mut &[u8]) -> Result<Self, parity_scale_codec::Error> {
        let (parent, number) = <(Hash, Compact<u32>)>::decode(input)?;
        let (state_root, extrinsics_root) = <(Hash, Hash)>::decode(input)?;
        let digest = match Compact::<u32>::decode(input)?.0 {
            0 => Vec::<()>::new().encode(),
            1 => (Compact(1u32), <(u8, [u8; 4], Item)>::decode(input)?).encode(),
            _ => return Err("a digest of several items".into()),
        };
        Ok(Self { parent, number: number.0, state_root, extrinsics_root, digest })
    }

    /// The header as it is hashed and sent.
    pub fn encode(&self) -> Vec<u8> {
        let roots = (self.state_root, self.extrinsics_root);
        let mut bytes = (self.parent, Compact(self.number), roots).encode();
        bytes.extend(&self.digest);
        bytes
    }

    /// The hash of the block.
    pub fn hash(&self) -> Hash {
        blake2_256(&self.encode())
    }
}

/// A block with the proof of the state that it reads.
pub struct BlockData {
    /// The block's header.
    pub header: Header,
    /// The block's extrinsics.
    pub extrinsics: Vec<Item>,
    /// The items of the compact proof.
    pub proof: Vec<Item>,
}

impl BlockData {
    /// Reads block data with a single block.
    ///
    /// # Errors
    ///
    /// If it isn't that.
    pub fn decode(bytes: &[u8]) -> Result<Self, parity_scale_codec::Error> {
        let mut input = bytes.strip_prefix(VERSIONED).ok_or("block data of no version")?;
        if <(u8, Compact<u32>)>::decode(&mut input)? != (VERSION, Compact(1)) {
            return Err("block data of another version, or of several blocks".into());
        }
        let header = Header::decode(&mut input)?;
        let (extrinsics, proof) = Decode::decode(&mut input)?;
        if input.is_empty() { Ok(Self { header, extrinsics, proof }) } else { Err("rest".into()) }
    }

    /// The block data as a collator sends it.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = VERSIONED.to_vec();
        (VERSION, Compact(1u32)).encode_to(&mut bytes);
        bytes.extend(self.header.encode());
        (&self.extrinsics, &self.proof).encode_to(&mut bytes);
        bytes
    }

    /// Has the header name these extrinsics.
    ///
    /// # Errors
    ///
    /// Never, in fact.
    pub fn extrinsics_root(&self) -> Result<Hash, String> {
        let mut trie = Trie::new(Version::V0);
        for (index, extrinsic) in (0u32..).zip(&self.extrinsics) {
            trie.insert(&Compact(index).encode(), extrinsic.encode())?;
        }
        Ok(trie.root())
    }
}

/// The key pair of the sender of this index.
pub fn sender(index: u32) -> Keypair {
    let seed = blake2_256(&("sender", index).encode());
    let secret = MiniSecretKey::from_bytes(&seed).expect("any 32 bytes are a seed; qed");
    secret.expand_to_keypair(ExpansionMode::Ed25519)
}

/// The account of this index that nobody has a key of.
pub fn other(index: u32) -> AccountId {
    blake2_256(&("other", index).encode())
}

/// Where in the state the account is.
pub fn account_key(account: &AccountId) -> Vec<u8> {
    let digest = Params::new().hash_length(16).hash(account);
    [&ACCOUNTS, digest.as_bytes(), account].concat()
}

/// An account that has this much, free, and nothing else.
pub fn account_value(free: u128) -> Vec<u8> {
    let (nonce, consumers, providers, sufficients) = (0u32, 0u32, 1u32, 0u32);
    let (reserved, frozen, flags) = (0u128, 0u128, 1u128 << 127);
    (nonce, consumers, providers, sufficients, free, reserved, frozen, flags).encode()
}

/// An extrinsic, the first of the sender, that transfers `amount`. The same arguments make the same
/// signature.
pub fn transfer(sender: &Keypair, receiver: &AccountId, amount: u128, genesis: &Hash) -> Item {
    let call = (TRANSFER, receiver, Compact(amount)).encode();
    let transcript = context::signing_context(b"substrate").bytes(&payload(&call, genesis));
    let transcript = context::attach_rng(transcript, ChaChaRng::from_seed([0; 32]));
    let signature = sender.sign(transcript).to_bytes();
    let signed = (SIGNED, sender.public.to_bytes(), SR25519, signature);
    [(signed, EXTENSION).encode(), call].concat()
}

/// What the sender of this call signs. The hash of the genesis block is in it twice: as that, and
/// as the block at which the era begins.
pub fn payload(call: &[u8], genesis: &Hash) -> Vec<u8> {
    [call, &(EXTENSION, VERSIONS, genesis, genesis).encode()].concat()
}
