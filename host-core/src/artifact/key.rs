//! The secret by which a cache knows its own files.

use super::{EnvironmentDigest, cache::open_file};
use crate::artifact::{ArtifactId, format::ChecksumKey};
use parity_scale_codec::Encode;
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

const MAGIC: [u8; 8] = *b"PVFCACHE";
const FILE_NAME: &str = "key";
/// More than a key is long, in bytes.
const LIMIT: u64 = 100;

/// A cache's secret, in a file that its owner alone can read.
///
/// Every checksum is keyed with it, so that a file from another cache does not hold here, even if that
/// cache belongs to the same program on the same machine, and nor does one that somebody made who can
/// write to the cache but not read it. Without its key, a cache is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CacheKey([u8; 32]);

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheKey(…)")
    }
}

impl CacheKey {
    /// A key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key of one artifact's checksums in one environment.
    pub fn checksum_key(&self, environment: &EnvironmentDigest, id: &ArtifactId) -> ChecksumKey {
        ChecksumKey::derive(&(self.0, environment.0, id).encode())
    }

    /// The same for the functions that are kept beside it.
    pub(super) fn functions_checksum_key(
        &self,
        environment: &EnvironmentDigest,
        id: &ArtifactId,
    ) -> ChecksumKey {
        ChecksumKey::derive_for_functions(&(self.0, environment.0, id).encode())
    }

    /// A new one, of random bytes.
    fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The key of the cache at `root`. None if it has none, or no whole one.
    pub(super) fn read(root: &Path) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let file = open_file(&root.join(FILE_NAME));
        match file.and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)) {
            Ok(_) => {
                let key = bytes.strip_prefix(&MAGIC).and_then(|key| key.try_into().ok());
                Ok(key.map(Self))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The key of the cache at `root`, which gets one if it has none.
    pub(super) fn read_or_generate(root: &Path) -> io::Result<Self> {
        if let Some(key) = Self::read(root)? {
            return Ok(key);
        }
        let key = Self::generate()?;
        key.write(root)?;
        Ok(key)
    }

    /// Removes the key of the cache at `root`.
    pub(super) fn remove(root: &Path) -> io::Result<()> {
        fs::remove_file(root.join(FILE_NAME))
    }

    /// Makes this the key of the cache at `root`.
    pub(super) fn write(&self, root: &Path) -> io::Result<()> {
        super::cache::write_file(root, &root.join(FILE_NAME), &[&MAGIC, &self.0])
    }
}
