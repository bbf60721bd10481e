//! Nodes for `trie-root`, which makes them from the leaves upwards.

use super::node::{self, Subvalue};
use hash_db::Hasher;
use trie_root::{TrieStream, Value};

/// One node being written.
pub(super) struct NodeStream(Vec<u8>);

impl TrieStream for NodeStream {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn append_empty_data(&mut self) {
        self.0.push(node::EMPTY);
    }

    fn begin_branch(
        &mut self,
        partial: Option<&[u8]>,
        value: Option<Value<'_>>,
        children: impl Iterator<Item = bool>,
    ) {
        let nibbles = partial.unwrap_or_default();
        let children = Some(node::bitmap(children));
        node::begin(
            pairs(nibbles),
            nibbles.len(),
            children,
            value.as_ref().map(Into::into),
            &mut self.0,
        );
    }

    fn append_leaf(&mut self, nibbles: &[u8], value: Value<'_>) {
        node::begin(pairs(nibbles), nibbles.len(), None, Some((&value).into()), &mut self.0);
    }

    fn append_extension(&mut self, _: &[u8]) {
        unreachable!("roots are asked for without extension nodes");
    }

    fn append_substream<H: Hasher>(&mut self, child: Self) {
        let child = child.out();
        if child.len() < H::LENGTH {
            node::counted(&child, &mut self.0);
        } else {
            node::counted(H::hash(&child).as_ref(), &mut self.0);
        }
    }

    fn out(self) -> Vec<u8> {
        self.0
    }
}

impl<'a> From<&'a Value<'_>> for Subvalue<'a> {
    fn from(value: &'a Value<'_>) -> Self {
        match value {
            Value::Inline(value) => Self::Inline(value),
            Value::Node(hash) => Self::Hash(hash),
        }
    }
}

/// Nibbles as bytes. If their number is odd, the first has a byte of its own.
fn pairs(nibbles: &[u8]) -> impl Iterator<Item = u8> {
    let (single, pairs) = nibbles.split_at(nibbles.len() % 2);
    let pairs = pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]);
    single.iter().copied().chain(pairs)
}
