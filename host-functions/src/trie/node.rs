//! How a node is written as bytes: its *node value*, as the specification calls it.
//!
//! A header says what the node is and how long its partial key is. The partial key follows, two
//! nibbles to a byte, with a nibble of zero in front when their number is odd; then, in a branch,
//! the bitmap of its children; then the value that is stored here, if there is one, or the hash of
//! that value; then, in a branch, the children that the bitmap names.

use parity_scale_codec::{Compact, Encode};

/// The header of the node that is a trie with nothing in it; the node has no more than that.
pub(super) const EMPTY: u8 = 0;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Leaf,
    Branch,
    BranchWithValue,
    LeafWithHash,
    BranchWithHash,
}

impl Variant {
    /// What the header begins with for this variant, and how many bits that is. The rest of the
    /// first byte is the length of the partial key.
    fn bits(self) -> (u8, u32) {
        match self {
            Self::Leaf => (0b01 << 6, 2),
            Self::Branch => (0b10 << 6, 2),
            Self::BranchWithValue => (0b11 << 6, 2),
            Self::LeafWithHash => (0b001 << 5, 3),
            Self::BranchWithHash => (0b0001 << 4, 4),
        }
    }

    /// The variant that a header with this first byte has. There is none for [`EMPTY`], nor for
    /// what is reserved.
    pub(super) fn of(first: u8) -> Option<Self> {
        Some(match first {
            0b1100_0000.. => Self::BranchWithValue,
            0b1000_0000.. => Self::Branch,
            0b0100_0000.. => Self::Leaf,
            0b0010_0000.. => Self::LeafWithHash,
            0b0001_0000.. => Self::BranchWithHash,
            _ => return None,
        })
    }

    /// The greatest length that a header's first byte can hold. It says that more bytes follow, to
    /// be added to it up to and including the first that is not 255.
    pub(super) fn max_length(self) -> u8 {
        u8::MAX >> self.bits().1
    }
}

/// The value that is stored at a node, as it is written there.
#[derive(Clone, Copy)]
pub(super) enum Subvalue<'a> {
    /// The value itself.
    Inline(&'a [u8]),
    /// Its hash.
    Hash(&'a [u8]),
}

/// Begins a node: everything but the children.
///
/// `partial` is the partial key of `nibbles` nibbles as bytes; `children` is the bitmap, if the
/// node is a branch.
pub(super) fn begin(
    partial: impl Iterator<Item = u8>,
    nibbles: usize,
    children: Option<u16>,
    value: Option<Subvalue<'_>>,
    node: &mut Vec<u8>,
) {
    let variant = match (&children, &value) {
        (None, Some(Subvalue::Hash(_))) => Variant::LeafWithHash,
        (None, _) => Variant::Leaf,
        (Some(_), None) => Variant::Branch,
        (Some(_), Some(Subvalue::Inline(_))) => Variant::BranchWithValue,
        (Some(_), Some(Subvalue::Hash(_))) => Variant::BranchWithHash,
    };
    header(variant, nibbles, node);
    node.extend(partial);
    if let Some(bitmap) = children {
        node.extend(bitmap.to_le_bytes());
    }
    match value {
        Some(Subvalue::Inline(value)) => counted(value, node),
        Some(Subvalue::Hash(hash)) => node.extend(hash),
        None => {}
    }
}

fn header(variant: Variant, nibbles: usize, node: &mut Vec<u8>) {
    let max = variant.max_length();
    let first = nibbles.min(usize::from(max)) as u8;
    node.push(variant.bits().0 | first);
    if first == max {
        let rest = nibbles - usize::from(max);
        node.resize(node.len() + rest / 255, 255);
        node.push((rest % 255) as u8);
    }
}

/// Appends `bytes` behind their number: an inline value, or a child's Merkle value.
pub(super) fn counted(bytes: &[u8], node: &mut Vec<u8>) {
    // They came out of a memory with addresses of 32 bits.
    Compact(bytes.len() as u32).encode_to(node);
    node.extend(bytes);
}

/// The bitmap of a branch with these children.
pub(super) fn bitmap(children: impl Iterator<Item = bool>) -> u16 {
    children.enumerate().fold(0, |bitmap, (index, present)| bitmap | u16::from(present) << index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_of(variant: Variant, nibbles: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        header(variant, nibbles, &mut bytes);
        bytes
    }

    #[test]
    fn every_first_byte_belongs_to_at_most_one_variant() {
        for first in 0..=255u8 {
            let bits = format!("{first:08b}");
            let expected = match bits.find('1') {
                Some(0) if bits.starts_with("11") => Some(Variant::BranchWithValue),
                Some(0) => Some(Variant::Branch),
                Some(1) => Some(Variant::Leaf),
                Some(2) => Some(Variant::LeafWithHash),
                Some(3) => Some(Variant::BranchWithHash),
                _ => None,
            };
            assert_eq!(Variant::of(first), expected, "{bits}");
        }
    }

    #[test]
    fn a_length_goes_on_in_further_bytes_once_the_first_is_full() {
        assert_eq!(header_of(Variant::Leaf, 0), [0b0100_0000]);
        assert_eq!(header_of(Variant::Leaf, 62), [0b0111_1110]);
        assert_eq!(header_of(Variant::Leaf, 63), [0b0111_1111, 0]);
        assert_eq!(header_of(Variant::Branch, 63 + 254), [0b1011_1111, 254]);
        assert_eq!(header_of(Variant::BranchWithValue, 63 + 255), [0b1111_1111, 255, 0]);
        assert_eq!(header_of(Variant::LeafWithHash, 30), [0b0011_1110]);
        assert_eq!(header_of(Variant::LeafWithHash, 31), [0b0011_1111, 0]);
        assert_eq!(header_of(Variant::BranchWithHash, 14), [0b0001_1110]);
        assert_eq!(header_of(Variant::BranchWithHash, 15 + 511), [0b0001_1111, 255, 255, 1]);
    }

    #[test]
    fn the_bitmap_begins_with_child_zero() {
        assert_eq!(bitmap([true, false, true].into_iter()), 0b101);
        assert_eq!(bitmap((0..16).map(|index| index == 15)), 0x8000);
    }
}
