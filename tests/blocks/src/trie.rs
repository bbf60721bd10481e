//! A state trie of which parts are known by their hash only.
//!
//! It is the base-16 Merkle Patricia trie of a chain's state: BLAKE2b-256 hashes, and no extension
//! nodes. [`Trie::from_proof`] reads one out of a compact proof, [`Trie::insert`] adds to it,
//! [`Trie::record`] marks what a block will read, and [`Trie::proof`] writes a compact proof of all
//! that is marked, in which equal values are but once.

use blake2b_simd::Params;
use parity_scale_codec::{Compact, Decode, Encode};
use std::collections::HashSet;

/// A BLAKE2b-256 hash.
pub type Hash = [u8; 32];

/// In front of a node of a compact proof whose value is the next item of the proof.
const VALUE_FOLLOWS: u8 = 1;
/// The only node of an empty trie.
const EMPTY: u8 = 0;

/// How many bits of a node's first byte tell its kind, and which they are.
struct Kind {
    bits: u32,
    prefix: u8,
    branch: bool,
    value: ValueKind,
}

#[derive(Clone, Copy, PartialEq)]
enum ValueKind {
    None,
    Inline,
    Hashed,
}

const KINDS: [Kind; 5] = [
    Kind { bits: 2, prefix: 0b0100_0000, branch: false, value: ValueKind::Inline },
    Kind { bits: 2, prefix: 0b1000_0000, branch: true, value: ValueKind::None },
    Kind { bits: 2, prefix: 0b1100_0000, branch: true, value: ValueKind::Inline },
    Kind { bits: 3, prefix: 0b0010_0000, branch: false, value: ValueKind::Hashed },
    Kind { bits: 4, prefix: 0b0001_0000, branch: true, value: ValueKind::Hashed },
];

/// BLAKE2b-256 of `bytes`.
pub fn blake2_256(bytes: &[u8]) -> Hash {
    let digest = Params::new().hash_length(32).hash(bytes);
    digest.as_bytes().try_into().expect("the length was asked for; qed")
}

/// From which length on a value is stored apart from its node, which then has its hash.
#[derive(Clone, Copy)]
pub enum Version {
    /// All values are in their nodes.
    V0,
    /// Values of 33 bytes and more are apart.
    V1,
}

impl Version {
    fn is_apart(self, value: &[u8]) -> bool {
        matches!(self, Self::V1) && value.len() > 32
    }
}

enum Value {
    Inline(Vec<u8>),
    Apart { bytes: Vec<u8>, recorded: bool },
    Unknown(Hash),
}

#[derive(Default)]
struct Node {
    /// The nibbles between the node above and this one.
    partial: Vec<u8>,
    value: Option<Value>,
    children: [Option<Child>; 16],
    recorded: bool,
}

enum Child {
    Known(Box<Node>),
    Unknown(Hash),
}

/// A compact proof while it is written.
#[derive(Default)]
struct Proof {
    items: Vec<Vec<u8>>,
    /// The hashes of the values in it. None of them is there twice.
    values: HashSet<Hash>,
}

/// A state trie, see the [module](self).
pub struct Trie {
    root: Option<Box<Node>>,
    version: Version,
}

impl Trie {
    /// An empty trie.
    pub fn new(version: Version) -> Self {
        Self { root: None, version }
    }

    /// Reads the trie that the items of a compact proof describe. All in it is marked as recorded.
    ///
    /// # Errors
    ///
    /// If it isn't such a proof.
    pub fn from_proof(proof: &[Vec<u8>], version: Version) -> Result<Self, String> {
        let mut items = proof.iter().map(Vec::as_slice);
        let root = Some(Box::new(Node::from_items(&mut items)?));
        match items.next() {
            None => Ok(Self { root, version }),
            Some(_) => Err("the proof has items that belong to nothing".into()),
        }
    }

    /// The hash of the root node.
    pub fn root(&self) -> Hash {
        let encoded = self.root.as_ref().map(|node| node.encode(&mut Proof::default()));
        blake2_256(&encoded.unwrap_or_else(|| vec![EMPTY]))
    }

    /// The compact proof of all that is recorded.
    pub fn proof(&self) -> Vec<Vec<u8>> {
        let mut proof = Proof::default();
        if let Some(node) = &self.root {
            node.encode(&mut proof);
        }
        proof.items
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// If its place is in a part of the trie of which only the hash is known.
    pub fn insert(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), String> {
        let value = if self.version.is_apart(&value) {
            Value::Apart { bytes: value, recorded: false }
        } else {
            Value::Inline(value)
        };
        let key = nibbles(key);
        match &mut self.root {
            None => self.root = Some(Box::new(Node::leaf(&key, value))),
            Some(node) => node.insert(&key, value)?,
        }
        Ok(())
    }

    /// Removes all that begins with `prefix`, which has to be a child of a branch.
    ///
    /// # Errors
    ///
    /// If there is no such child.
    pub fn remove_prefix(&mut self, prefix: &[u8]) -> Result<(), String> {
        let mut rest = &nibbles(prefix)[..];
        let mut node = self.root.as_deref_mut().ok_or("the trie is empty")?;
        loop {
            rest = rest.strip_prefix(&node.partial[..]).ok_or("nothing has this prefix")?;
            let (first, below) = rest.split_first().ok_or("the prefix ends at a branch")?;
            let slot = &mut node.children[usize::from(*first)];
            match slot {
                Some(Child::Known(child)) if child.partial.starts_with(below) => {
                    *slot = None;
                    return Ok(());
                }
                Some(Child::Known(child)) => node = child,
                Some(Child::Unknown(_)) | None => return Err("nothing has this prefix".into()),
            }
            rest = below;
        }
    }

    /// Marks what it takes to look up `key`, whether there is such a key or not: the nodes on the
    /// way to it, and its value.
    pub fn record(&mut self, key: &[u8]) {
        let mut rest = &nibbles(key)[..];
        let mut next = self.root.as_deref_mut();
        while let Some(node) = next {
            node.recorded = true;
            let Some(below) = rest.strip_prefix(&node.partial[..]) else {
                return;
            };
            let Some((first, below)) = below.split_first() else {
                if let Some(Value::Apart { recorded, .. }) = &mut node.value {
                    *recorded = true;
                }
                return;
            };
            rest = below;
            next = match &mut node.children[usize::from(*first)] {
                Some(Child::Known(child)) => Some(child),
                Some(Child::Unknown(_)) | None => None,
            };
        }
    }
}

impl Node {
    fn leaf(partial: &[u8], value: Value) -> Self {
        Self { partial: partial.to_vec(), value: Some(value), ..Self::default() }
    }

    fn insert(&mut self, key: &[u8], value: Value) -> Result<(), String> {
        let common = self.partial.iter().zip(key).take_while(|(ours, its)| ours == its).count();
        if common < self.partial.len() {
            let mut lower = std::mem::take(self);
            let rest = lower.partial.split_off(common);
            self.recorded = lower.recorded;
            self.partial = std::mem::replace(&mut lower.partial, rest[1..].to_vec());
            self.children[usize::from(rest[0])] = Some(Child::Known(Box::new(lower)));
        }
        let Some((first, below)) = key[common..].split_first() else {
            self.value = Some(value);
            return Ok(());
        };
        match &mut self.children[usize::from(*first)] {
            Some(Child::Known(child)) => child.insert(below, value),
            Some(Child::Unknown(_)) => Err("this part of the trie is not known".into()),
            slot => {
                *slot = Some(Child::Known(Box::new(Self::leaf(below, value))));
                Ok(())
            }
        }
    }

    /// The node's encoding. What is recorded of it, and below, is appended to `proof`.
    fn encode(&self, proof: &mut Proof) -> Vec<u8> {
        let place = proof.items.len();
        if self.recorded {
            proof.items.push(Vec::new());
        }
        let branch = self.children.iter().any(Option::is_some);
        let kind = match &self.value {
            None => ValueKind::None,
            Some(Value::Inline(_)) => ValueKind::Inline,
            Some(Value::Apart { .. } | Value::Unknown(_)) => ValueKind::Hashed,
        };
        let mut full = header(branch, kind, &self.partial);
        let mut compact = full.clone();
        if branch {
            let taken = (0..16).filter(|&slot| self.children[slot].is_some());
            let bitmap = taken.fold(0u16, |bitmap, slot| bitmap | 1 << slot);
            bitmap.encode_to(&mut full);
            bitmap.encode_to(&mut compact);
        }
        match &self.value {
            None => {}
            Some(Value::Inline(bytes)) => {
                bytes.encode_to(&mut full);
                bytes.encode_to(&mut compact);
            }
            Some(Value::Apart { bytes, recorded }) => {
                let hash = blake2_256(bytes);
                full.extend(hash);
                if self.recorded && *recorded && proof.values.insert(hash) {
                    let bitmap = compact.split_off(compact.len() - 2 * usize::from(branch));
                    compact = vec![VALUE_FOLLOWS];
                    compact.extend(header(branch, ValueKind::Inline, &self.partial));
                    compact.extend(bitmap);
                    Vec::<u8>::new().encode_to(&mut compact);
                    proof.items.push(bytes.clone());
                } else {
                    compact.extend(hash);
                }
            }
            Some(Value::Unknown(hash)) => {
                full.extend(hash);
                compact.extend(hash);
            }
        }
        for child in self.children.iter().flatten() {
            let before = proof.items.len();
            let reference = child.reference(proof);
            reference.encode_to(&mut full);
            let follows = proof.items.len() > before;
            if follows { Vec::new() } else { reference }.encode_to(&mut compact);
        }
        if self.recorded {
            proof.items[place] = compact;
        }
        full
    }

    fn from_items<'a>(items: &mut impl Iterator<Item = &'a [u8]>) -> Result<Self, String> {
        let mut item = items.next().ok_or("the proof ends early")?;
        let value_follows = item.first() == Some(&VALUE_FOLLOWS);
        if value_follows {
            item = &item[1..];
        }
        let node = Self::decode(&mut item, value_follows, items)?;
        if item.is_empty() { Ok(node) } else { Err("a node has bytes left".into()) }
    }

    fn decode<'a>(
        input: &mut &'a [u8],
        value_follows: bool,
        items: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, String> {
        let first = u8::decode(input).map_err(|error| error.to_string())?;
        let kind =
            KINDS.iter().find(|kind| first >> (8 - kind.bits) == kind.prefix >> (8 - kind.bits));
        let kind = kind.ok_or("a node of an unknown kind")?;
        let most = usize::from(u8::MAX >> kind.bits);
        let mut length = usize::from(first) & most;
        if length == most {
            loop {
                let more = u8::decode(input).map_err(|error| error.to_string())?;
                length += usize::from(more);
                if more < u8::MAX {
                    break;
                }
            }
        }
        let packed = take(input, length.div_ceil(2))?;
        let partial = nibbles(packed)[length % 2..].to_vec();
        let bitmap =
            if kind.branch { u16::decode(input).map_err(|error| error.to_string())? } else { 0 };
        let value = match kind.value {
            ValueKind::None => None,
            ValueKind::Inline => {
                Some(Value::Inline(Vec::decode(input).map_err(|error| error.to_string())?))
            }
            ValueKind::Hashed => {
                Some(Value::Unknown(Hash::decode(input).map_err(|error| error.to_string())?))
            }
        };
        let value = if value_follows {
            let bytes = items.next().ok_or("the proof ends early")?.to_vec();
            Some(Value::Apart { bytes, recorded: true })
        } else {
            value
        };
        let mut node = Self { partial, value, recorded: true, ..Self::default() };
        for slot in (0..16).filter(|slot| bitmap >> slot & 1 == 1) {
            let length =
                Compact::<u32>::decode(input).map_err(|error| error.to_string())?.0 as usize;
            let mut bytes = take(input, length)?;
            node.children[slot] = Some(match length {
                0 => Child::Known(Box::new(Self::from_items(items)?)),
                32 => Child::Unknown(bytes.try_into().expect("it has 32 bytes; qed")),
                _ => Child::Known(Box::new(Self::decode(&mut bytes, false, items)?)),
            });
        }
        Ok(node)
    }
}

impl Child {
    /// How the node above names this one: by its hash, or by itself if it is shorter than that.
    fn reference(&self, proof: &mut Proof) -> Vec<u8> {
        let before = proof.items.len();
        let encoded = match self {
            Self::Known(node) => node.encode(proof),
            Self::Unknown(hash) => return hash.to_vec(),
        };
        if encoded.len() < 32 {
            proof.items.truncate(before);
            return encoded;
        }
        blake2_256(&encoded).to_vec()
    }
}

/// The start of a node: its kind, the number of nibbles of its `partial` key, and these.
fn header(branch: bool, value: ValueKind, partial: &[u8]) -> Vec<u8> {
    let kind = KINDS.iter().find(|kind| kind.branch == branch && kind.value == value);
    let kind = kind.expect("a node that is no branch has a value; qed");
    let most = u8::MAX >> kind.bits;
    let mut bytes = match u8::try_from(partial.len()) {
        Ok(length) if length < most => vec![kind.prefix | length],
        _ => {
            let rest = partial.len() - usize::from(most);
            let mut bytes = vec![kind.prefix | most];
            bytes.resize(1 + rest / 255, u8::MAX);
            bytes.push((rest % 255) as u8);
            bytes
        }
    };
    let (odd, even) = partial.split_at(partial.len() % 2);
    bytes.extend(odd);
    bytes.extend(even.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
    bytes
}

fn nibbles(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect()
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = input.split_at_checked(length).ok_or("a node ends early")?;
    *input = rest;
    Ok(taken)
}
