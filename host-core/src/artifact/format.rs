//! The artifact file, byte by byte.
//!
//! A file is a header of [`HEADER_LEN`] bytes, drawn in `docs/src/artifacts.md`, and the payload
//! behind it. Two keyed BLAKE3 checksums protect it: one over the payload, which the worker verifies
//! on the very bytes that it loads, and one over the header, the first checksum included. The key is
//! derived from the cache's secret, the environment and the artifact's identity, so that a file which
//! was renamed, or copied from another cache, is not believed. See [`CacheKey`](super::CacheKey).

use super::ArtifactId;
use crate::{
    backend::{BackendId, CodePrefix},
    primitives::Hash,
};
use parity_scale_codec::{Decode, Encode};
use std::{fmt, time::Duration};

/// The length of the header, in bytes.
pub const HEADER_LEN: usize = 288;
/// The version of the format.
pub const FORMAT_VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"PVFARTIF";
/// Where the header's own checksum lies: all before it is covered by it.
const CHECKSUM_AT: usize = HEADER_LEN - 32;
/// Where the version of the backend lies.
const BACKEND_VERSION_AT: usize = 192;

/// A keyed BLAKE3 checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Checksum(pub [u8; 32]);

/// The key under which an artifact's checksums are made.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChecksumKey([u8; 32]);

impl fmt::Debug for ChecksumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChecksumKey(…)")
    }
}

impl ChecksumKey {
    /// A key made of all that is in `material`.
    pub(super) fn derive(material: &[u8]) -> Self {
        Self(blake3::derive_key("pvf-host artifact checksum, format 2", material))
    }

    /// The same for the functions that are kept beside an artifact.
    pub(super) fn derive_for_functions(material: &[u8]) -> Self {
        Self(blake3::derive_key("pvf-host compiled functions checksum, format 1", material))
    }

    /// The checksum of some bytes.
    pub fn checksum(&self, bytes: &[u8]) -> Checksum {
        Checksum(*blake3::keyed_hash(&self.0, bytes).as_bytes())
    }
}

/// What it took to prepare an artifact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareCost {
    /// Time from handing out the job to having its result.
    pub wall: Duration,
    /// CPU time of the job, all threads together.
    pub cpu: Duration,
    /// The most memory the job had resident, in bytes.
    pub peak_memory: u64,
}

/// What the header of an artifact's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How the code begins, by which a backend can be selected again without the code.
    pub code_prefix: CodePrefix,
    /// The length of the payload, in bytes.
    pub payload_len: u64,
    /// The checksum of the payload.
    pub payload_checksum: Checksum,
    /// What preparing took.
    pub cost: PrepareCost,
    /// The version of the backend that prepared it.
    pub backend_version: BackendVersion,
}

/// The version of a backend, as far as a header has room for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendVersion([u8; Self::MAX_LEN]);

impl BackendVersion {
    /// What there is room for, in bytes.
    pub const MAX_LEN: usize = CHECKSUM_AT - BACKEND_VERSION_AT;

    /// Cuts a version off where the room ends.
    pub fn new(version: &str) -> Self {
        let version = &version[..version.floor_char_boundary(Self::MAX_LEN)];
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..version.len()].copy_from_slice(version.as_bytes());
        Self(bytes)
    }

    /// Zeroes behind the text are no part of it.
    pub fn as_str(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for BackendVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why a header was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The file is shorter than a header.
    #[error("the file is cut short")]
    Truncated,
    /// The file is no artifact.
    #[error("not an artifact file")]
    Magic,
    /// It was written in another version of the format.
    #[error("format version {0}, expected {FORMAT_VERSION}")]
    Version(u32),
    /// The checksum does not fit: damaged, renamed, or from another environment.
    #[error("the header's checksum does not match")]
    Checksum,
    /// The checksum matches, but nobody would write such a header.
    #[error("the header is malformed")]
    Malformed,
    /// Another version of the backend made it.
    #[error("made by {id} {made_by}, which is {linked} here")]
    BackendVersion {
        /// The backend.
        id: BackendId,
        /// Its version then.
        made_by: String,
        /// Its version in this program.
        linked: String,
    },
    /// The length of the file is not what the header says.
    #[error("the payload has {actual} bytes, expected {expected}")]
    Length {
        /// What the header says, in bytes.
        expected: u64,
        /// What is there, in bytes.
        actual: u64,
    },
}

impl Header {
    /// Writes the header of the artifact `id`.
    pub fn to_bytes(&self, id: &ArtifactId, key: &ChecksumKey) -> [u8; HEADER_LEN] {
        let mut backend = [0; 32];
        backend[..id.backend.as_str().len()].copy_from_slice(id.backend.as_str().as_bytes());
        let prefix = self.code_prefix.as_bytes();
        let mut prefix_field = [0; 16];
        prefix_field[..prefix.len()].copy_from_slice(prefix);
        prefix_field[8] = prefix.len() as u8;

        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend((HEADER_LEN as u32).to_le_bytes());
        bytes.extend(self.payload_len.to_le_bytes());
        bytes.extend(Hash::from(id.code_hash).0);
        bytes.extend(Hash::from(id.prep_hash).0);
        bytes.extend(backend);
        bytes.extend(prefix_field);
        bytes.extend((self.cost.wall.as_micros() as u64).to_le_bytes());
        bytes.extend((self.cost.cpu.as_micros() as u64).to_le_bytes());
        bytes.extend(self.cost.peak_memory.to_le_bytes());
        bytes.extend(self.payload_checksum.0);
        bytes.extend(self.backend_version.0);
        bytes.extend(key.checksum(&bytes).0);
        bytes.try_into().expect("all fields together have the header's length")
    }

    /// Reads the header at the start of a file of `file_len` bytes that claims to be artifact `id`.
    ///
    /// # Errors
    ///
    /// When anything about it is not as [`to_bytes`](Self::to_bytes) would have written it.
    pub fn from_bytes(
        bytes: &[u8],
        file_len: u64,
        id: &ArtifactId,
        key: &ChecksumKey,
    ) -> Result<Self, HeaderError> {
        let bytes: &[u8; HEADER_LEN] = bytes
            .get(..HEADER_LEN)
            .and_then(|b| b.try_into().ok())
            .ok_or(HeaderError::Truncated)?;
        if bytes[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let version = u32::from_le_bytes(field(bytes, 8));
        if version != FORMAT_VERSION {
            return Err(HeaderError::Version(version));
        }
        if key.checksum(&bytes[..CHECKSUM_AT]).0 != field(bytes, CHECKSUM_AT) {
            return Err(HeaderError::Checksum);
        }
        let number = |at| u64::from_le_bytes(field(bytes, at));
        let header = Self {
            payload_len: number(16),
            code_prefix: CodePrefix::decode(&mut &bytes[120..129])
                .expect("fixed-size fields decode from any bytes"),
            cost: PrepareCost {
                wall: Duration::from_micros(number(136)),
                cpu: Duration::from_micros(number(144)),
                peak_memory: number(152),
            },
            payload_checksum: Checksum(field(bytes, 160)),
            backend_version: BackendVersion::new(
                BackendVersion(field(bytes, BACKEND_VERSION_AT)).as_str(),
            ),
        };
        // Whoever can read the cache's key can make a checksum that matches.
        if header.to_bytes(id, key) != *bytes {
            return Err(HeaderError::Malformed);
        }
        let actual = file_len.saturating_sub(HEADER_LEN as u64);
        if actual != header.payload_len {
            return Err(HeaderError::Length { expected: header.payload_len, actual });
        }
        Ok(header)
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the field lies within the header")
}

/// Functions that a preparation has kept for later ones, in a file beside the artifact.
///
/// It is a kind of its own: neither its header nor its checksums hold for an artifact, nor the other way
/// round.
pub(crate) mod functions {
    use super::{BackendVersion, Checksum, ChecksumKey, HeaderError};
    use crate::{artifact::ArtifactId, primitives::Hash};

    const MAGIC: [u8; 8] = *b"PVFFUNCS";
    const VERSION: u32 = 1;
    /// The length of the header, in bytes.
    pub(crate) const HEADER_LEN: usize = 248;
    /// Where the header's own checksum lies: all before it is covered by it.
    const CHECKSUM_AT: usize = HEADER_LEN - 32;

    /// What the header says.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct FunctionsHeader {
        pub(crate) payload_len: u64,
        pub(crate) payload_checksum: Checksum,
        pub(crate) backend_version: BackendVersion,
    }

    impl FunctionsHeader {
        pub(crate) fn to_bytes(self, id: &ArtifactId, key: &ChecksumKey) -> [u8; HEADER_LEN] {
            let mut backend = [0; 32];
            backend[..id.backend.as_str().len()].copy_from_slice(id.backend.as_str().as_bytes());
            let mut bytes = Vec::with_capacity(HEADER_LEN);
            bytes.extend(MAGIC);
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend((HEADER_LEN as u32).to_le_bytes());
            bytes.extend(self.payload_len.to_le_bytes());
            bytes.extend(Hash::from(id.code_hash).0);
            bytes.extend(Hash::from(id.prep_hash).0);
            bytes.extend(backend);
            bytes.extend(self.backend_version.0);
            bytes.extend(self.payload_checksum.0);
            bytes.extend(key.checksum(&bytes).0);
            bytes.try_into().expect("all fields together have the header's length")
        }

        /// Reads the header of a file of `file_len` bytes that claims to be beside the artifact `id`.
        pub(crate) fn from_bytes(
            bytes: &[u8],
            file_len: u64,
            id: &ArtifactId,
            key: &ChecksumKey,
        ) -> Result<Self, HeaderError> {
            let bytes: &[u8; HEADER_LEN] = bytes
                .get(..HEADER_LEN)
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(HeaderError::Truncated)?;
            if bytes[..8] != MAGIC {
                return Err(HeaderError::Magic);
            }
            if key.checksum(&bytes[..CHECKSUM_AT]).0 != bytes[CHECKSUM_AT..] {
                return Err(HeaderError::Checksum);
            }
            let field = |at: usize| -> [u8; 32] {
                bytes[at..at + 32].try_into().expect("the field lies within the header")
            };
            let mut version = [0; BackendVersion::MAX_LEN];
            version.copy_from_slice(&bytes[120..120 + BackendVersion::MAX_LEN]);
            let mut payload_len = [0; 8];
            payload_len.copy_from_slice(&bytes[16..24]);
            let header = Self {
                payload_len: u64::from_le_bytes(payload_len),
                payload_checksum: Checksum(field(184)),
                backend_version: BackendVersion::new(BackendVersion(version).as_str()),
            };
            // Whoever can read the cache's key can make a checksum that matches.
            if header.to_bytes(id, key) != *bytes {
                return Err(HeaderError::Malformed);
            }
            let actual = file_len.saturating_sub(HEADER_LEN as u64);
            if actual != header.payload_len {
                return Err(HeaderError::Length { expected: header.payload_len, actual });
            }
            Ok(header)
        }
    }
}

/// A remembered deterministic failure, in the file beside where the artifact would be.
pub(crate) mod failure {
    use super::ChecksumKey;
    use crate::{PrepareError, backend::CodePrefix};
    use parity_scale_codec::{Decode, DecodeAll, Encode};

    const MAGIC: [u8; 8] = *b"PVFFAILD";

    #[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
    pub(crate) struct Failure {
        pub(crate) code_prefix: CodePrefix,
        pub(crate) error: PrepareError,
    }

    impl Failure {
        pub(crate) fn to_bytes(&self, key: &ChecksumKey) -> Vec<u8> {
            let mut bytes = MAGIC.to_vec();
            self.encode_to(&mut bytes);
            bytes.extend(key.checksum(&bytes).0);
            bytes
        }

        /// `None` when the file is not what was written.
        pub(crate) fn from_bytes(bytes: &[u8], key: &ChecksumKey) -> Option<Self> {
            let (covered, checksum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
            if key.checksum(covered).0 != checksum {
                return None;
            }
            Self::decode_all(&mut covered.strip_prefix(&MAGIC)?).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{failure::Failure, functions::FunctionsHeader, *};
    use crate::{
        PrepareError,
        artifact::{CacheKey, EnvironmentDigest},
        backend::BackendId,
        primitives::{CodeHash, ExecutorParamsPrepHash},
    };

    /// Under Miri, which is a thousand times slower, some stand for all.
    const STEP: usize = if cfg!(miri) { 97 } else { 1 };

    fn id(n: u8) -> ArtifactId {
        ArtifactId {
            code_hash: CodeHash::from(Hash([n; 32])),
            prep_hash: ExecutorParamsPrepHash::from(Hash([2; 32])),
            backend: BackendId::from_static("wasmtime"),
        }
    }

    fn header() -> Header {
        Header {
            code_prefix: CodePrefix::of(b"\0asm"),
            payload_len: 1000,
            payload_checksum: Checksum([9; 32]),
            cost: PrepareCost {
                wall: Duration::from_millis(5),
                cpu: Duration::from_micros(9_001),
                peak_memory: 1 << 20,
            },
            backend_version: BackendVersion::new("1.2.3"),
        }
    }

    /// The key of an artifact in an environment.
    fn key(environment: u8, artifact: u8) -> ChecksumKey {
        let environment = EnvironmentDigest([environment; 32]);
        CacheKey::new([7; 32]).checksum_key(&environment, &id(artifact))
    }

    const FILE_LEN: u64 = HEADER_LEN as u64 + 1000;

    #[test]
    fn a_header_reads_back_as_written() {
        let key = key(1, 1);
        let bytes = header().to_bytes(&id(1), &key);
        assert_eq!(Header::from_bytes(&bytes, FILE_LEN, &id(1), &key), Ok(header()));
    }

    #[test]
    fn a_long_version_is_cut_off_between_characters() {
        let version = BackendVersion::new(&format!("{}é", "v".repeat(63)));
        assert_eq!(version.as_str(), "v".repeat(63));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = key(1, 1);
        let good = header().to_bytes(&id(1), &key);
        for bit in (0..HEADER_LEN * 8).step_by(STEP) {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::from_bytes(&bytes, FILE_LEN, &id(1), &key).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_with_a_checksum_of_its_own_making_is_refused() {
        let key = key(1, 1);
        let good = header().to_bytes(&id(1), &key);
        // The length of a header, a hash, the length of the code's prefix, and what must be zero.
        for at in [12, 24, 128, 135, 192 + 10, CHECKSUM_AT - 1] {
            let mut bytes = good;
            bytes[at] = 0xff;
            let checksum = key.checksum(&bytes[..CHECKSUM_AT]);
            bytes[CHECKSUM_AT..].copy_from_slice(&checksum.0);
            let read = Header::from_bytes(&bytes, FILE_LEN, &id(1), &key);
            assert_eq!(read, Err(HeaderError::Malformed), "byte {at}");
        }
    }

    #[test]
    fn a_header_holds_only_for_its_own_artifact_and_environment() {
        let key = key(1, 1);
        let bytes = header().to_bytes(&id(1), &key);
        let other_cache = CacheKey::new([8; 32]).checksum_key(&EnvironmentDigest([1; 32]), &id(1));
        for (id, key) in [(id(2), self::key(1, 2)), (id(1), self::key(2, 1)), (id(1), other_cache)]
        {
            let read = Header::from_bytes(&bytes, FILE_LEN, &id, &key);
            assert_eq!(read, Err(HeaderError::Checksum));
        }
    }

    #[test]
    fn a_file_of_any_other_length_is_refused() {
        let key = key(1, 1);
        let bytes = header().to_bytes(&id(1), &key);
        for len in (0..HEADER_LEN).step_by(STEP) {
            let read = Header::from_bytes(&bytes[..len], len as u64, &id(1), &key);
            assert_eq!(read, Err(HeaderError::Truncated));
        }
        for len in [HEADER_LEN as u64, FILE_LEN - 1, FILE_LEN + 1] {
            let read = Header::from_bytes(&bytes, len, &id(1), &key);
            assert!(matches!(read, Err(HeaderError::Length { .. })));
        }
    }

    #[test]
    fn the_header_of_kept_functions_holds_for_them_alone_and_every_flipped_bit_is_noticed() {
        const LEN: usize = functions::HEADER_LEN;
        let file_len = LEN as u64 + 1000;
        let cache = CacheKey::new([7; 32]);
        let environment = EnvironmentDigest([1; 32]);
        let key = cache.functions_checksum_key(&environment, &id(1));
        let header = FunctionsHeader {
            payload_len: 1000,
            payload_checksum: Checksum([9; 32]),
            backend_version: BackendVersion::new("1.2.3"),
        };
        let good = header.to_bytes(&id(1), &key);
        assert_eq!(FunctionsHeader::from_bytes(&good, file_len, &id(1), &key), Ok(header));
        for bit in (0..LEN * 8).step_by(STEP) {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = FunctionsHeader::from_bytes(&bytes, file_len, &id(1), &key);
            assert!(read.is_err(), "bit {bit}");
        }
        for at in [8, 12, 24, LEN - 33 - 32] {
            let mut bytes = good;
            bytes[at] ^= 0xff;
            let checksum = key.checksum(&bytes[..LEN - 32]);
            bytes[LEN - 32..].copy_from_slice(&checksum.0);
            let read = FunctionsHeader::from_bytes(&bytes, file_len, &id(1), &key);
            assert_eq!(read, Err(HeaderError::Malformed), "byte {at}");
        }
        for len in (0..LEN).step_by(STEP) {
            let read = FunctionsHeader::from_bytes(&good[..len], len as u64, &id(1), &key);
            assert_eq!(read, Err(HeaderError::Truncated));
        }
        for len in [LEN as u64, file_len - 1, file_len + 1] {
            let read = FunctionsHeader::from_bytes(&good, len, &id(1), &key);
            assert!(matches!(read, Err(HeaderError::Length { .. })));
        }
        // Beside another artifact, in another environment, of another cache, or as another kind of file.
        let others = [
            (id(2), cache.functions_checksum_key(&environment, &id(2))),
            (id(1), cache.functions_checksum_key(&EnvironmentDigest([2; 32]), &id(1))),
            (id(1), CacheKey::new([8; 32]).functions_checksum_key(&environment, &id(1))),
            (id(1), cache.checksum_key(&environment, &id(1))),
        ];
        for (id, key) in others {
            let read = FunctionsHeader::from_bytes(&good, file_len, &id, &key);
            assert_eq!(read, Err(HeaderError::Checksum));
        }
        assert_eq!(
            Header::from_bytes(&[good.to_vec(), vec![0; 100]].concat(), file_len, &id(1), &key),
            Err(HeaderError::Magic)
        );
    }

    #[test]
    fn a_remembered_failure_reads_back_and_only_under_its_own_key() {
        let key = key(1, 1);
        let failure = Failure {
            code_prefix: CodePrefix::of(b"text"),
            error: PrepareError::Prevalidation("not wasm".into()),
        };
        let bytes = failure.to_bytes(&key);
        assert_eq!(Failure::from_bytes(&bytes, &key), Some(failure));
        let other = self::key(1, 2);
        assert_eq!(Failure::from_bytes(&bytes, &other), None);
        for len in 0..bytes.len() {
            assert_eq!(Failure::from_bytes(&bytes[..len], &key), None);
        }
    }
}
