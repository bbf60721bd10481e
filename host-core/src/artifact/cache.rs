//! The cache directory as it lies on disk.

use super::{
    ArtifactId, EnvironmentDigest,
    format::{ChecksumKey, HEADER_LEN, Header, HeaderError, failure::Failure},
};
use crate::{PrepareError, backend::Artifact, primitives::hex};
use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What the names of files begin with that are not complete yet.
pub(super) const TEMPORARY_PREFIX: &str = ".pvf-tmp-";
const ARTIFACT_ENDING: &str = "artifact";
const FAILURE_ENDING: &str = "failure";

/// A cache directory to look at. Looking needs no lock; changing needs [`CacheLock`].
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Names a directory, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The environments that have a directory, ordered by name. None when the cache is not there.
    ///
    /// # Errors
    ///
    /// When the directory can't be read.
    pub fn environments(&self) -> io::Result<Vec<EnvironmentDirectory>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().filter(|name| name.len() == 64).map(hex::decode);
            if let Some(Ok(digest)) = digest
                && let Ok(digest) = digest.try_into()
                && entry.file_type()?.is_dir()
            {
                found.push(self.environment(EnvironmentDigest(digest)));
            }
        }
        found.sort_by_key(|environment| environment.digest.0);
        Ok(found)
    }

    /// The directory of one environment, which need not exist.
    pub fn environment(&self, digest: EnvironmentDigest) -> EnvironmentDirectory {
        EnvironmentDirectory { path: self.root.join(digest.to_string()), digest }
    }
}

/// The exclusive right to change a cache, until dropped.
///
/// It is a lock on the directory itself, which the kernel releases when its holder ends in whatever
/// way: there is no lock file to be left behind.
#[derive(Debug)]
pub struct CacheLock {
    cache: Cache,
    directory: OwnedFd,
}

/// Why a cache can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another host uses it.
    #[error("the cache {} is in use by another validation host", .0.display())]
    InUse(PathBuf),
    /// The directory can't be made, opened or written to.
    #[error("the cache {} can't be used: {error}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
}

impl CacheLock {
    /// Takes the cache, making the directory if it is not there, and checks that it can be written.
    ///
    /// # Errors
    ///
    /// See [`LockError`].
    pub fn acquire(root: &Path) -> Result<Self, LockError> {
        let unusable = |error: io::Error| LockError::Unusable { path: root.to_owned(), error };
        fs::create_dir_all(root).map_err(unusable)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(root, flags, Mode::empty()).map_err(|e| unusable(e.into()))?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::InUse(root.to_owned())),
            Err(error) => return Err(unusable(error.into())),
        }
        tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(root).map_err(unusable)?;
        Ok(Self { cache: Cache::new(root), directory })
    }

    /// The cache that is held.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Removes everything a host ever put into the cache.
    ///
    /// # Errors
    ///
    /// When a directory can't be removed.
    pub fn clear(&self) -> io::Result<()> {
        self.remove_environments(None)
    }

    /// Removes one file.
    ///
    /// # Errors
    ///
    /// When it can't be removed.
    pub fn remove(&self, entry: &CacheEntry) -> io::Result<()> {
        fs::remove_file(&entry.path)
    }

    /// Removes the directories of all environments but one, and what a host that was killed left
    /// unfinished.
    pub(super) fn remove_environments(&self, keep: Option<EnvironmentDigest>) -> io::Result<()> {
        for environment in self.cache.environments()? {
            if Some(environment.digest) != keep {
                environment.remove()?;
            }
        }
        remove_temporary_files(&self.cache.root)
    }
}

impl Drop for CacheLock {
    fn drop(&mut self) {
        // Closing the directory would do, but for processes that were forked off meanwhile and have
        // not executed their program yet: these have it open too.
        let _ = rustix::fs::flock(&self.directory, FlockOperation::Unlock);
    }
}

pub(super) fn remove_temporary_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file()
            && entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX)
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The artifacts of one environment.
#[derive(Debug, Clone)]
pub struct EnvironmentDirectory {
    path: PathBuf,
    digest: EnvironmentDigest,
}

/// A file in an environment's directory that bears an artifact's name.
#[derive(Debug)]
pub struct CacheEntry {
    /// Which artifact it is about.
    pub id: ArtifactId,
    /// Where it is.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub size: u64,
    /// When somebody last needed it.
    pub last_needed: SystemTime,
    /// What it says, as far as that can be believed without reading a payload.
    pub content: Result<EntryContent, EntryProblem>,
}

/// What a file in the cache says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryContent {
    /// An artifact with this header.
    Artifact(Header),
    /// Preparing failed, and always will.
    Failure(PrepareError, crate::backend::CodePrefix),
}

/// Why a file in the cache is not believed.
#[derive(Debug, thiserror::Error)]
pub enum EntryProblem {
    /// The header of an artifact does not hold.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The payload of an artifact does not hold.
    #[error("the payload's checksum does not match")]
    Payload,
    /// The record of a failure does not hold.
    #[error("the record of a failure is damaged")]
    Failure,
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
}

impl EnvironmentDirectory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The environment it belongs to.
    pub fn digest(&self) -> EnvironmentDigest {
        self.digest
    }

    /// The file of an artifact.
    pub fn artifact_path(&self, id: &ArtifactId) -> PathBuf {
        self.path.join(format!("{}.{ARTIFACT_ENDING}", id.file_stem()))
    }

    /// The file that remembers a failure.
    pub(super) fn failure_path(&self, id: &ArtifactId) -> PathBuf {
        self.path.join(format!("{}.{FAILURE_ENDING}", id.file_stem()))
    }

    pub(super) fn key(&self, id: &ArtifactId) -> ChecksumKey {
        ChecksumKey::new(&self.digest, id)
    }

    /// All artifacts and remembered failures, from headers alone. None when the directory is not
    /// there; files of other names are passed over.
    ///
    /// # Errors
    ///
    /// When the directory can't be read. A file that can't is an entry with a problem.
    pub fn entries(&self) -> io::Result<Vec<CacheEntry>> {
        let files = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            other => other?,
        };
        let mut entries = Vec::new();
        for file in files {
            let path = file?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let Some(id) = stem.and_then(ArtifactId::from_file_stem) else { continue };
            let is_artifact = match path.extension().and_then(|ending| ending.to_str()) {
                Some(ARTIFACT_ENDING) => true,
                Some(FAILURE_ENDING) => false,
                _ => continue,
            };
            let metadata = match fs::symlink_metadata(&path) {
                // Removed while we looked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            // No host has made anything else, and opening it might block for ever.
            if !metadata.is_file() {
                continue;
            }
            let content = if is_artifact {
                self.read_header(&id, &path).map(EntryContent::Artifact)
            } else {
                self.read_failure(&id, &path)
                    .map(|failure| EntryContent::Failure(failure.error, failure.code_prefix))
            };
            entries.push(CacheEntry {
                id,
                size: metadata.len(),
                last_needed: metadata.modified()?,
                content,
                path,
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Reads an artifact, and checks the bytes that were read against its checksum. Needs no host:
    /// it is for tools that look at artifacts.
    ///
    /// # Errors
    ///
    /// When it does not hold, or is the record of a failure.
    pub fn read(&self, entry: &CacheEntry) -> Result<Artifact, EntryProblem> {
        let header = self.read_header(&entry.id, &entry.path)?;
        let bytes = fs::read(&entry.path)?;
        let payload = bytes.get(HEADER_LEN..).ok_or(HeaderError::Truncated)?;
        if self.key(&entry.id).checksum(payload) != header.payload_checksum {
            return Err(EntryProblem::Payload);
        }
        Ok(Artifact::from_bytes(payload)?)
    }

    /// Removes what a host has put here, and the directory if nothing else is in it.
    fn remove(&self) -> io::Result<()> {
        for entry in self.entries()? {
            fs::remove_file(entry.path)?;
        }
        remove_temporary_files(&self.path)?;
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                tracing::warn!(directory = %self.path.display(), "not removing what is not ours");
                Ok(())
            }
            other => other,
        }
    }

    fn read_header(&self, id: &ArtifactId, path: &Path) -> Result<Header, EntryProblem> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        (&mut file).take(HEADER_LEN as u64).read_to_end(&mut bytes)?;
        Ok(Header::from_bytes(&bytes, file.metadata()?.len(), id, &self.key(id))?)
    }

    fn read_failure(&self, id: &ArtifactId, path: &Path) -> Result<Failure, EntryProblem> {
        /// Longer than any error's text.
        const LIMIT: u64 = 1 << 20;
        let mut bytes = Vec::new();
        File::open(path)?.take(LIMIT).read_to_end(&mut bytes)?;
        Failure::from_bytes(&bytes, &self.key(id)).ok_or(EntryProblem::Failure)
    }
}
