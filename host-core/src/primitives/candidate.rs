//! What is validated, and what comes of it.

use super::{BoundedVec, CodeHash, Hash, hex::Abbreviated};
use parity_scale_codec::{Compact, CompactLen, Decode, Encode, Error, Input, Output};
use std::{fmt, ops::Range};

/// The most messages to the relay chain that one candidate may send.
pub const MAX_UPWARD_MESSAGES: usize = 16_384;

/// The most messages to other parachains that one candidate may send.
pub const MAX_HORIZONTAL_MESSAGES: usize = 16_384;

/// Defines a byte string with a meaning. It is SCALE-encoded as a `Vec<u8>`.
macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, Hash, Encode, Decode)]
        pub struct $name(pub Vec<u8>);

        impl From<Vec<u8>> for $name {
            fn from(bytes: Vec<u8>) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), Abbreviated(&self.0))
            }
        }
    };
}

byte_string! {
    /// The head of a parachain: what the relay chain keeps of its newest block, in a form that only
    /// the parachain's code understands.
    HeadData
}

byte_string! {
    /// A parachain's block with all that is needed to check it, in a form that only the parachain's
    /// code understands. May be [compressed](super::compression) inside of a [`PoV`], never inside of
    /// [`ValidationParams`].
    BlockData
}

byte_string! {
    /// The code of a PVF, perhaps [compressed](super::compression).
    ValidationCode
}

impl ValidationCode {
    /// The hash by which this code is known.
    pub fn hash(&self) -> CodeHash {
        CodeHash::of(&self.0)
    }
}

/// The number of a parachain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ParaId(pub u32);

impl From<u32> for ParaId {
    fn from(id: u32) -> Self {
        Self(id)
    }
}

impl From<ParaId> for u32 {
    fn from(id: ParaId) -> Self {
        id.0
    }
}

impl fmt::Display for ParaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The proof of validity: what a collator sends to the validators.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PoV {
    /// The block and its witness, perhaps compressed.
    pub block_data: BlockData,
}

/// What the relay chain says about a candidate, and every validator can find out for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct PersistedValidationData {
    /// The head that the candidate builds on.
    pub parent_head: HeadData,
    /// The number of the relay-chain block in whose context the candidate is checked.
    pub relay_parent_number: u32,
    /// The storage root of that relay-chain block.
    pub relay_parent_storage_root: Hash,
    /// The most that the proof may measure, in bytes.
    pub max_pov_size: u32,
}

/// What a guest is called with.
///
/// A guest may ignore the extension, and those made before there was one see the very bytes that
/// they always saw: without extension nothing follows the storage root, not even a mark of its
/// absence. So this type can only be decoded from an input that ends where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationParams {
    /// The head that the candidate builds on.
    pub parent_head: HeadData,
    /// The candidate's block and witness, decompressed.
    pub block_data: BlockData,
    /// The number of the relay-chain block in whose context the candidate is checked.
    pub relay_parent_number: u32,
    /// The storage root of that relay-chain block.
    pub relay_parent_storage_root: Hash,
    /// What newer candidate descriptors add.
    pub extension: Option<ValidationParamsExtension>,
}

/// What newer candidate descriptors add to [`ValidationParams`]. The SCALE index is the
/// descriptor's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum ValidationParamsExtension {
    /// Of a version 3 descriptor.
    #[codec(index = 3)]
    V3 {
        /// The relay-chain block in whose context the candidate is checked.
        relay_parent: Hash,
        /// The relay-chain block by which the candidate's core was assigned.
        scheduling_parent: Hash,
    },
}

impl ValidationParams {
    /// All but the block data, borrowed.
    pub fn context(&self) -> ValidationContext<'_> {
        ValidationContext {
            parent_head: self.parent_head.as_ref(),
            relay_parent_number: self.relay_parent_number,
            relay_parent_storage_root: self.relay_parent_storage_root,
            extension: self.extension,
        }
    }
}

impl Encode for ValidationParams {
    fn size_hint(&self) -> usize {
        self.context().encoded_len(self.block_data.0.len())
    }

    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        let context = self.context();
        context.encode_before(self.block_data.0.len(), out);
        out.write(&self.block_data.0);
        context.encode_after(out);
    }
}

impl Decode for ValidationParams {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self {
            parent_head: Decode::decode(input)?,
            block_data: Decode::decode(input)?,
            relay_parent_number: Decode::decode(input)?,
            relay_parent_storage_root: Decode::decode(input)?,
            extension: match input.remaining_len()? {
                Some(0) => None,
                _ => Some(Decode::decode(input)?),
            },
        })
    }
}

/// [`ValidationParams`] without the block data, for writing their encoding around block data that
/// is large and should not be copied on the way.
///
/// ```
/// use parity_scale_codec::Encode;
/// use pvf_host_core::primitives::{Hash, ValidationContext};
///
/// let context = ValidationContext {
///     parent_head: b"head",
///     relay_parent_number: 7,
///     relay_parent_storage_root: Hash::default(),
///     extension: None,
/// };
/// let block_data = [1; 1000];
///
/// let mut memory = vec![0; context.encoded_len(block_data.len())];
/// let place = context.encode_around(block_data.len(), &mut memory);
/// memory[place].copy_from_slice(&block_data);
/// # use pvf_host_core::primitives::ValidationParams;
/// # assert_eq!(memory, ValidationParams {
/// #     parent_head: b"head".to_vec().into(),
/// #     block_data: block_data.to_vec().into(),
/// #     relay_parent_number: 7,
/// #     relay_parent_storage_root: Hash::default(),
/// #     extension: None,
/// # }.encode());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationContext<'a> {
    /// The head that the candidate builds on.
    pub parent_head: &'a [u8],
    /// The number of the relay-chain block in whose context the candidate is checked.
    pub relay_parent_number: u32,
    /// The storage root of that relay-chain block.
    pub relay_parent_storage_root: Hash,
    /// What newer candidate descriptors add.
    pub extension: Option<ValidationParamsExtension>,
}

impl<'a> ValidationContext<'a> {
    /// The context that the relay chain's data and the candidate's descriptor give.
    pub fn new(
        data: &'a PersistedValidationData,
        extension: Option<ValidationParamsExtension>,
    ) -> Self {
        Self {
            parent_head: data.parent_head.as_ref(),
            relay_parent_number: data.relay_parent_number,
            relay_parent_storage_root: data.relay_parent_storage_root,
            extension,
        }
    }

    /// The length of the encoded parameters around block data of `block_data_len` bytes.
    ///
    /// # Panics
    ///
    /// When head or block data are of 4 GiB or more, which SCALE can't express.
    pub fn encoded_len(&self, block_data_len: usize) -> usize {
        self.block_data_range(block_data_len).end
            + self.relay_parent_number.encoded_size()
            + self.relay_parent_storage_root.encoded_size()
            + self.extension.map_or(0, |extension| extension.encoded_size())
    }

    /// Where in the encoded parameters the bytes of the block data are, without their length prefix.
    ///
    /// # Panics
    ///
    /// When head or block data are of 4 GiB or more, which SCALE can't express.
    pub fn block_data_range(&self, block_data_len: usize) -> Range<usize> {
        let start = prefix_len(self.parent_head.len())
            + self.parent_head.len()
            + prefix_len(block_data_len);
        start..start + block_data_len
    }

    /// Writes the encoded parameters into `out`, but for the bytes of the block data: the range that
    /// is returned is left as it is.
    ///
    /// # Panics
    ///
    /// When the length of `out` is not [`encoded_len`](Self::encoded_len), and when head or block
    /// data are of 4 GiB or more.
    pub fn encode_around(&self, block_data_len: usize, out: &mut [u8]) -> Range<usize> {
        assert_eq!(out.len(), self.encoded_len(block_data_len), "the buffer has another length");
        let place = self.block_data_range(block_data_len);
        self.encode_before(block_data_len, &mut Filling(&mut out[..place.start]));
        self.encode_after(&mut Filling(&mut out[place.end..]));
        place
    }

    fn encode_before<O: Output + ?Sized>(&self, block_data_len: usize, out: &mut O) {
        self.parent_head.encode_to(out);
        Compact(scale_len(block_data_len)).encode_to(out);
    }

    fn encode_after<O: Output + ?Sized>(&self, out: &mut O) {
        self.relay_parent_number.encode_to(out);
        self.relay_parent_storage_root.encode_to(out);
        if let Some(extension) = self.extension {
            extension.encode_to(out);
        }
    }
}

/// An output that fills a slice from its start.
struct Filling<'a>(&'a mut [u8]);

impl Output for Filling<'_> {
    fn write(&mut self, bytes: &[u8]) {
        let (now, later) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        self.0 = later;
    }
}

fn prefix_len(len: usize) -> usize {
    Compact::<u32>::compact_len(&scale_len(len))
}

fn scale_len(len: usize) -> u32 {
    u32::try_from(len).expect("SCALE has no byte strings of 4 GiB and more")
}

/// A message from a parachain to the relay chain.
pub type UpwardMessage = Vec<u8>;

/// The messages to the relay chain that a candidate sends.
pub type UpwardMessages = BoundedVec<UpwardMessage, MAX_UPWARD_MESSAGES>;

/// The messages to other parachains that a candidate sends.
pub type HorizontalMessages = BoundedVec<OutboundHrmpMessage, MAX_HORIZONTAL_MESSAGES>;

/// A message from a parachain to another.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct OutboundHrmpMessage {
    /// Whom it is for.
    pub recipient: ParaId,
    /// What it says.
    pub data: Vec<u8>,
}

impl fmt::Debug for OutboundHrmpMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundHrmpMessage({}, {})", self.recipient, Abbreviated(&self.data))
    }
}

/// What a guest returns for a valid candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct ValidationResult {
    /// The head after the candidate.
    pub head_data: HeadData,
    /// Code that the parachain wants to change to.
    pub new_validation_code: Option<ValidationCode>,
    /// Messages to the relay chain.
    pub upward_messages: UpwardMessages,
    /// Messages to other parachains.
    pub horizontal_messages: HorizontalMessages,
    /// How many messages from the relay chain were processed, counted from the oldest.
    pub processed_downward_messages: u32,
    /// The relay-chain block up to which all messages of other parachains were processed.
    pub hrmp_watermark: u32,
}

impl ValidationResult {
    /// Decodes the output of a guest. Bytes behind the result are ignored, for Polkadot's validators
    /// ignore them too, and a guest that writes some must get the same verdict here.
    ///
    /// # Errors
    ///
    /// When `output` does not begin with a result. The candidate is invalid.
    pub fn from_guest_output(output: &[u8]) -> Result<Self, Error> {
        Self::decode(&mut &*output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: ValidationParamsExtension = ValidationParamsExtension::V3 {
        relay_parent: Hash([0x11; 32]),
        scheduling_parent: Hash([0x22; 32]),
    };

    fn params(head: usize, block: usize, extension: bool) -> ValidationParams {
        ValidationParams {
            parent_head: HeadData(vec![1; head]),
            block_data: BlockData(vec![2; block]),
            relay_parent_number: 3,
            relay_parent_storage_root: Hash([4; 32]),
            extension: extension.then_some(V3),
        }
    }

    #[test]
    fn parameters_written_around_the_block_data_equal_those_written_at_once() {
        for head in [0, 1, 63, 64, 16_383, 16_384] {
            for block in [0, 1, 63, 64, 16_383, 16_384, 100_000] {
                for extension in [false, true] {
                    let params = params(head, block, extension);
                    let context = params.context();
                    let encoded = params.encode();
                    assert_eq!(context.encoded_len(block), encoded.len());
                    assert_eq!(params.size_hint(), encoded.len());

                    let mut around = vec![0xee; encoded.len()];
                    let place = context.encode_around(block, &mut around);
                    assert_eq!(place, context.block_data_range(block));
                    assert_eq!(encoded[place.clone()], params.block_data.0);
                    assert!(around[place.clone()].iter().all(|&byte| byte == 0xee));
                    around[place].copy_from_slice(&params.block_data.0);
                    assert_eq!(around, encoded);
                    assert_eq!(ValidationParams::decode(&mut &encoded[..]), Ok(params));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "another length")]
    fn a_buffer_of_another_length_is_not_written_to() {
        params(1, 1, true).context().encode_around(1, &mut [0; 200]);
    }

    #[test]
    fn a_context_comes_from_the_relay_chains_data() {
        let data = PersistedValidationData {
            parent_head: HeadData(vec![1; 5]),
            relay_parent_number: 3,
            relay_parent_storage_root: Hash([4; 32]),
            max_pov_size: 1,
        };
        assert_eq!(ValidationContext::new(&data, Some(V3)), params(5, 9, true).context());
    }

    #[test]
    fn an_extension_cut_short_or_of_an_unknown_version_is_an_error() {
        let encoded = params(1, 1, true).encode();
        assert!(ValidationParams::decode(&mut &encoded[..encoded.len() - 1]).is_err());
        let mut unknown = params(1, 1, false).encode();
        unknown.push(4);
        assert!(ValidationParams::decode(&mut &unknown[..]).is_err());
    }

    #[test]
    fn bytes_behind_a_guests_result_are_ignored() {
        let result = ValidationResult { hrmp_watermark: 7, ..Default::default() };
        let mut output = result.encode();
        output.extend([0xff; 10]);
        assert_eq!(ValidationResult::from_guest_output(&output), Ok(result));
        assert!(ValidationResult::from_guest_output(&output[..11]).is_err());
    }

    #[test]
    fn large_data_is_abbreviated_for_people() {
        let text = format!("{:?}", BlockData(vec![0xab; 1 << 20]));
        assert!(text.starts_with("BlockData(0xabab") && text.ends_with("1048576 bytes)"), "{text}");
    }
}
