//! Nodes for `trie-db`, which takes them from proofs and completes them.

use super::node::{self, Subvalue, Variant};
use hash_db::Hasher;
use parity_scale_codec::{Compact, Decode};
use std::{borrow::Borrow, marker::PhantomData, ops::Range};
use trie_db::{
    ChildReference,
    node::{NibbleSlicePlan, NodeHandlePlan, NodePlan, Value, ValuePlan},
};

/// Reads and writes nodes of a trie made with the hash function `H`.
pub(super) struct NodeCodec<H>(PhantomData<H>);

/// Bytes that are no node.
#[derive(Debug, thiserror::Error)]
#[error("malformed node")]
pub(super) struct Malformed;

impl<H: Hasher> trie_db::NodeCodec for NodeCodec<H> {
    type Error = Malformed;
    type HashOut = H::Out;

    fn hashed_null_node() -> H::Out {
        H::hash(Self::empty_node())
    }

    /// Bytes behind the end of a node are ignored: they don't get into the node that is made from
    /// it for hashing.
    fn decode_plan(data: &[u8]) -> Result<NodePlan, Malformed> {
        let mut input = Input { data, position: 0 };
        let first = input.byte()?;
        if first == node::EMPTY {
            return Ok(NodePlan::Empty);
        }
        let variant = Variant::of(first).ok_or(Malformed)?;
        let partial = input.partial(variant, first)?;
        match variant {
            Variant::Leaf => Ok(NodePlan::Leaf { partial, value: input.value()? }),
            Variant::LeafWithHash => Ok(NodePlan::Leaf { partial, value: input.hash(H::LENGTH)? }),
            Variant::Branch | Variant::BranchWithValue | Variant::BranchWithHash => {
                let bitmap = input.bitmap()?;
                let value = match variant {
                    Variant::BranchWithValue => Some(input.value()?),
                    Variant::BranchWithHash => Some(input.hash(H::LENGTH)?),
                    _ => None,
                };
                let mut children = [const { None }; 16];
                for (index, child) in children.iter_mut().enumerate() {
                    if bitmap & 1 << index != 0 {
                        *child = Some(input.child(H::LENGTH)?);
                    }
                }
                Ok(NodePlan::NibbledBranch { partial, value, children })
            }
        }
    }

    fn is_empty_node(data: &[u8]) -> bool {
        data == Self::empty_node()
    }

    fn empty_node() -> &'static [u8] {
        &[node::EMPTY]
    }

    fn leaf_node(partial: impl Iterator<Item = u8>, nibbles: usize, value: Value<'_>) -> Vec<u8> {
        let mut node = Vec::new();
        node::begin(partial, nibbles, None, Some(value.into()), &mut node);
        node
    }

    fn extension_node(_: impl Iterator<Item = u8>, _: usize, _: ChildReference<H::Out>) -> Vec<u8> {
        unreachable!("no node that was decoded is an extension node");
    }

    fn branch_node(
        _: impl Iterator<Item = impl Borrow<Option<ChildReference<H::Out>>>>,
        _: Option<Value<'_>>,
    ) -> Vec<u8> {
        unreachable!("no node that was decoded is a branch without partial key");
    }

    fn branch_node_nibbled(
        partial: impl Iterator<Item = u8>,
        nibbles: usize,
        children: impl Iterator<Item = impl Borrow<Option<ChildReference<H::Out>>>>,
        value: Option<Value<'_>>,
    ) -> Vec<u8> {
        let children: Vec<_> = children.collect();
        let bitmap = node::bitmap(children.iter().map(|child| child.borrow().is_some()));
        let mut node = Vec::new();
        node::begin(partial, nibbles, Some(bitmap), value.map(Into::into), &mut node);
        for child in &children {
            match child.borrow() {
                Some(ChildReference::Hash(hash)) => node::counted(hash.as_ref(), &mut node),
                Some(ChildReference::Inline(child, len)) => {
                    node::counted(&child.as_ref()[..*len], &mut node);
                }
                None => {}
            }
        }
        node
    }
}

impl<'a> From<Value<'a>> for Subvalue<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Inline(value) => Self::Inline(value),
            Value::Node(hash) => Self::Hash(hash),
        }
    }
}

/// What is left of a node, and where it is, for plans are made of positions.
struct Input<'a> {
    data: &'a [u8],
    position: usize,
}

impl Input<'_> {
    fn take(&mut self, count: usize) -> Result<Range<usize>, Malformed> {
        let end = self.position.checked_add(count).filter(|end| *end <= self.data.len());
        let range = self.position..end.ok_or(Malformed)?;
        self.position = range.end;
        Ok(range)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|range| self.data[range.start])
    }

    /// As many bytes as the number in front of them says.
    fn counted(&mut self) -> Result<Range<usize>, Malformed> {
        let mut rest = &self.data[self.position..];
        let Compact(count) = Compact::<u32>::decode(&mut rest).map_err(|_| Malformed)?;
        self.position = self.data.len() - rest.len();
        self.take(count as usize)
    }

    /// The partial key, and what the header says of its length behind `first`.
    fn partial(&mut self, variant: Variant, first: u8) -> Result<NibbleSlicePlan, Malformed> {
        let max = variant.max_length();
        let mut nibbles = usize::from(first & max);
        if first & max == max {
            loop {
                let more = self.byte()?;
                nibbles += usize::from(more);
                if more != u8::MAX {
                    break;
                }
            }
        }
        let padding = nibbles % 2;
        let range = self.take(nibbles.div_ceil(2))?;
        if padding == 1 && self.data[range.start] >> 4 != 0 {
            return Err(Malformed);
        }
        Ok(NibbleSlicePlan::new(range, padding))
    }

    /// Which children a branch has: one at the least.
    fn bitmap(&mut self) -> Result<u16, Malformed> {
        let bitmap = u16::from_le_bytes([self.byte()?, self.byte()?]);
        if bitmap == 0 { Err(Malformed) } else { Ok(bitmap) }
    }

    fn value(&mut self) -> Result<ValuePlan, Malformed> {
        self.counted().map(ValuePlan::Inline)
    }

    fn hash(&mut self, hash_length: usize) -> Result<ValuePlan, Malformed> {
        self.take(hash_length).map(ValuePlan::Node)
    }

    /// The Merkle value of a child: its hash if it is as long as one, else the child itself.
    fn child(&mut self, hash_length: usize) -> Result<NodeHandlePlan, Malformed> {
        let range = self.counted()?;
        Ok(if range.len() == hash_length {
            NodeHandlePlan::Hash(range)
        } else {
            NodeHandlePlan::Inline(range)
        })
    }
}
