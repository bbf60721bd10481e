//! The artifacts of the host that runs here.

pub use super::cache::LockError;
use super::{
    ArtifactId, CacheLock, Environment, EnvironmentDirectory,
    cache::{CacheEntry, TEMPORARY_PREFIX, remove_temporary_files},
    format::{
        Checksum, ChecksumKey, HEADER_LEN, Header, HeaderError, PrepareCost, failure::Failure,
    },
};
use crate::{
    PrepareError,
    backend::{Artifact, CodePrefix, memory_file},
    failpoint::{self, Point},
};
use std::{
    convert::Infallible,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    time::SystemTime,
};
use tokio::sync::oneshot;

/// The cache, as the one host that holds its lock uses it. All calls block on the disk.
#[derive(Debug)]
pub(crate) struct ArtifactStore {
    directory: EnvironmentDirectory,
    /// Held for as long as the store is used.
    _lock: CacheLock,
    /// Last, so that whoever waits for this is told when the lock is free.
    closed: Option<oneshot::Sender<Infallible>>,
}

/// An artifact read from disk. Its header held; its payload is yet to be verified.
#[derive(Debug)]
pub(crate) struct StoredArtifact {
    pub(crate) artifact: Artifact,
    pub(crate) checksum: Checksum,
    pub(crate) key: ChecksumKey,
}

/// Why an artifact could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what was written, or not there at all: prepare it anew.
    #[error("{0}")]
    Corrupted(HeaderError),
    /// The file was there when the host started, and is not now.
    #[error("the file is gone")]
    Missing,
    /// The disk or the kernel failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl ArtifactStore {
    /// Opens the environment's directory, and removes those of all other environments and what dead
    /// hosts left unfinished.
    pub(crate) fn open(
        lock: CacheLock,
        environment: &Environment,
    ) -> io::Result<(Self, Vec<CacheEntry>)> {
        let digest = environment.digest();
        lock.remove_environments(Some(digest))?;
        let directory = lock.cache().environment(digest);
        fs::create_dir_all(directory.path())?;
        remove_temporary_files(directory.path())?;
        let entries = directory.entries()?;
        Ok((Self { directory, _lock: lock, closed: None }, entries))
    }

    /// Resolves once the store has been dropped by everybody who has it, which may be a thread that
    /// still writes.
    pub(crate) fn closed(&mut self) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.closed = Some(sender);
        async move {
            // There is nothing that could be sent.
            let _: Result<Infallible, _> = receiver.await;
        }
    }

    /// Writes an artifact, so that after a crash at any moment there is all of it or nothing.
    /// Returns the length of the file in bytes.
    pub(crate) fn write(
        &self,
        id: &ArtifactId,
        artifact: &Artifact,
        code_prefix: &CodePrefix,
        cost: PrepareCost,
    ) -> io::Result<u64> {
        let key = self.directory.key(id);
        let payload = artifact.bytes();
        let header = Header {
            code_prefix: code_prefix.clone(),
            payload_len: payload.len() as u64,
            payload_checksum: key.checksum(payload),
            cost,
        };
        self.write_file(&self.directory.artifact_path(id), &[&header.to_bytes(id, &key), payload])?;
        // It may have failed under other limits.
        remove_if_there(&self.directory.failure_path(id))?;
        Ok((HEADER_LEN + payload.len()) as u64)
    }

    /// Remembers that preparing fails, whenever and wherever it is tried.
    pub(crate) fn write_failure(
        &self,
        id: &ArtifactId,
        error: &PrepareError,
        code_prefix: &CodePrefix,
    ) -> io::Result<()> {
        let failure = Failure { code_prefix: code_prefix.clone(), error: error.clone() };
        let bytes = failure.to_bytes(&self.directory.key(id));
        self.write_file(&self.directory.failure_path(id), &[&bytes])
    }

    fn write_file(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        failpoint::reach(Point::HostWrite)?;
        let mut file =
            tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(self.directory.path())?;
        for part in parts {
            file.write_all(part)?;
        }
        failpoint::reach(Point::HostSync)?;
        file.as_file().sync_all()?;
        failpoint::reach(Point::HostRename)?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(self.directory.path())?.sync_all()
    }

    /// Copies an artifact into memory that nobody else can change.
    pub(crate) fn read(&self, id: &ArtifactId) -> Result<StoredArtifact, ReadError> {
        failpoint::reach(Point::HostRead)?;
        let mut file = match File::open(self.directory.artifact_path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::Missing);
            }
            other => other?,
        };
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        (&mut file).take(HEADER_LEN as u64).read_to_end(&mut bytes)?;
        let key = self.directory.key(id);
        let header = Header::from_bytes(&bytes, file.metadata()?.len(), id, &key)
            .map_err(ReadError::Corrupted)?;
        let mut memory = memory_file("pvf-artifact")?;
        let copied = io::copy(&mut file.take(header.payload_len), &mut memory)?;
        if copied != header.payload_len || copied == 0 {
            let expected = header.payload_len;
            return Err(ReadError::Corrupted(HeaderError::Length { expected, actual: copied }));
        }
        let artifact = Artifact::seal(memory)?;
        Ok(StoredArtifact { artifact, checksum: header.payload_checksum, key })
    }

    /// Notes on disk that the artifact was needed now.
    pub(crate) fn touch(&self, id: &ArtifactId) -> io::Result<()> {
        File::open(self.directory.artifact_path(id))?.set_modified(SystemTime::now())
    }

    /// Removes whatever is known about an artifact.
    pub(crate) fn remove(&self, id: &ArtifactId) -> io::Result<()> {
        for path in [self.directory.artifact_path(id), self.directory.failure_path(id)] {
            remove_if_there(&path)?;
        }
        Ok(())
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    failpoint::reach(Point::HostRemove)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
