//! The cache directory as it lies on disk.

use super::{
    ArtifactId, CacheKey, Environment, EnvironmentDigest,
    format::{
        ChecksumKey, HEADER_LEN, Header, HeaderError,
        failure::Failure,
        functions::{self, FunctionsHeader},
    },
};
use crate::{
    PrepareError,
    backend::Artifact,
    failpoint::{self, Point},
    primitives::hex,
};
use parity_scale_codec::{DecodeAll, Encode};
use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant, SystemTime},
};

/// What the names of files begin with that are not complete yet.
const TEMPORARY_PREFIX: &str = ".pvf-tmp-";
const ARTIFACT_ENDING: &str = "artifact";
const FAILURE_ENDING: &str = "failure";
const FUNCTIONS_ENDING: &str = "functions";
/// What an environment is made of, as the host that started last in it found it.
const ENVIRONMENT_FILE: &str = "environment";

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
        let key = self.key();
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().filter(|name| name.len() == 64).map(hex::decode);
            if let Some(Ok(digest)) = digest
                && let Ok(digest) = digest.try_into()
                && entry.file_type()?.is_dir()
            {
                found.push(EnvironmentDirectory::new(&self.root, EnvironmentDigest(digest), key));
            }
        }
        found.sort_by_key(|environment| environment.digest.0);
        Ok(found)
    }

    /// The directory of one environment, which need not exist.
    pub fn environment(&self, digest: EnvironmentDigest) -> EnvironmentDirectory {
        EnvironmentDirectory::new(&self.root, digest, self.key())
    }

    /// The environment in which a host was started last on this cache, and when that was. None if there
    /// was none, or if it was removed since.
    ///
    /// # Errors
    ///
    /// When the directory can't be read.
    pub fn last_start(&self) -> io::Result<Option<(Environment, SystemTime)>> {
        let environments = self.environments()?;
        let starts = environments.iter().filter_map(EnvironmentDirectory::last_start);
        Ok(starts.max_by_key(|(_, when)| *when))
    }

    /// The key, if it can be read. With another one, no file holds.
    fn key(&self) -> CacheKey {
        CacheKey::read(&self.root).ok().flatten().unwrap_or(CacheKey::new([0; 32]))
    }
}

/// The exclusive right to change a cache, until dropped.
///
/// It is a lock on the directory itself, which the kernel releases when its holder ends in whatever
/// way: there is no lock file to be left behind.
#[derive(Debug)]
pub struct CacheLock {
    cache: Cache,
    key: CacheKey,
    directory: OwnedFd,
}

/// Why a cache can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
        Self::acquire_with(root, CacheKey::read_or_generate)
    }

    /// Takes what is now where this cache was, and gives it the same key.
    pub(super) fn acquire_again(&self) -> Result<Self, LockError> {
        Self::acquire_with(&self.cache.root, |root| {
            if CacheKey::read(root)? != Some(self.key) {
                self.key.write(root)?;
            }
            Ok(self.key)
        })
    }

    /// Whether what is locked is what lies at its path, or somebody has removed or replaced that.
    pub(super) fn is_in_place(&self) -> bool {
        let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let ours = rustix::fs::fstat(&self.directory).map(identity);
        let theirs = rustix::fs::stat(&self.cache.root).map(identity);
        ours.is_ok() && ours == theirs
    }

    fn acquire_with(
        root: &Path,
        key: impl FnOnce(&Path) -> io::Result<CacheKey>,
    ) -> Result<Self, LockError> {
        let unusable = |error: io::Error| LockError::Unusable { path: root.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(unusable)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(root, flags, Mode::empty()).map_err(|e| unusable(e.into()))?;
        lock_patiently(&directory).map_err(|errno| match errno {
            Errno::WOULDBLOCK => LockError::InUse(root.to_owned()),
            errno => unusable(errno.into()),
        })?;
        temporary_file(root).map_err(unusable)?;
        let key = key(root).map_err(|error| unusable(naming("use the key of", root, &error)))?;
        Ok(Self { cache: Cache::new(root), key, directory })
    }

    /// The cache that is held.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The directory of one environment, which need not exist.
    pub(super) fn environment(&self, digest: EnvironmentDigest) -> EnvironmentDirectory {
        EnvironmentDirectory::new(&self.cache.root, digest, self.key)
    }

    /// Removes everything a host ever put into the cache, and gives it up.
    ///
    /// # Errors
    ///
    /// When a directory can't be removed.
    pub fn clear(self) -> io::Result<()> {
        self.remove_environments(None)?;
        CacheKey::remove(&self.cache.root)
    }

    /// Removes one file, and what is kept beside it.
    ///
    /// # Errors
    ///
    /// When it can't be removed.
    pub fn remove(&self, entry: &CacheEntry) -> io::Result<()> {
        if let Some(functions) = &entry.functions {
            remove_if_there(&functions.path)?;
        }
        fs::remove_file(&entry.path)
    }

    /// Removes the directories of all environments but one, and what a host that was killed left
    /// unfinished.
    pub(super) fn remove_environments(&self, keep: Option<EnvironmentDigest>) -> io::Result<()> {
        for environment in self.cache.environments()? {
            if Some(environment.digest) != keep
                && let Err(error) = environment.remove()
            {
                let error = naming("remove", &environment.path, &error);
                if keep.is_none() {
                    return Err(error);
                }
                // It stays, and is not looked at.
                tracing::warn!(%error, "an old environment stays");
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

/// Takes the lock, and gives up when somebody holds on to it.
///
/// A host that was killed may be survived for a moment by processes that it had forked off to become its
/// workers, and these hold its lock until they have executed their program.
fn lock_patiently(directory: &OwnedFd) -> Result<(), Errno> {
    const PATIENCE: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        match rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => thread::sleep(INTERVAL),
            result => return result,
        }
    }
}

pub(super) fn temporary_file(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let made = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(directory);
    made.map_err(|error| naming("make a file in", directory, &error))
}

/// Writes a file so that, after a crash at any moment, of the machine too, there is all of it or nothing.
pub(super) fn write_file(directory: &Path, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    place_file(directory, path, parts, |file| {
        failpoint::reach(Point::HostSync)?;
        file.sync_all()
    })?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| naming("sync", directory, &error))
}

/// Does the same, and something else while it waits for the disk. That is not done if the file can't even
/// be written.
///
/// The directory is not synced: if the machine crashes before the file system has noted by itself what is in
/// it, the file may be gone, but there is never a part of it.
pub(super) fn write_file_while(
    directory: &Path,
    path: &Path,
    parts: &[&[u8]],
    meanwhile: impl FnOnce(),
) -> io::Result<()> {
    place_file(directory, path, parts, |file| {
        failpoint::reach(Point::HostSync)?;
        thread::scope(|scope| {
            let sync = || file.sync_all();
            let syncing = thread::Builder::new().name("pvf-sync".into()).spawn_scoped(scope, sync);
            meanwhile();
            match syncing.map(ScopedJoinHandle::join) {
                Ok(synced) => synced.unwrap_or_else(|_| Err(io::Error::other("a panic"))),
                // The kernel has no thread to give.
                Err(_) => sync(),
            }
        })
    })
}

/// Does the same without waiting for the disk. After a crash of the machine there may be some of it.
pub(super) fn write_file_unsynced(
    directory: &Path,
    path: &Path,
    parts: &[&[u8]],
) -> io::Result<()> {
    place_file(directory, path, parts, |_| Ok(()))
}

fn place_file(
    directory: &Path,
    path: &Path,
    parts: &[&[u8]],
    sync: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = temporary_file(directory)?;
    let write = || -> io::Result<()> {
        failpoint::reach(Point::HostWrite)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        sync(file.as_file())
    };
    write().map_err(|error| naming("write", path, &error))?;
    failpoint::reach(Point::HostRename)
        .and_then(|()| file.persist(path).map_err(|error| error.error))
        .map_err(|error| naming("make", path, &error))?;
    Ok(())
}

/// Opens a file to read it. Never waits for anybody to write it, as a named pipe would have one do.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"))
    }
}

/// The error with what failed, and where.
pub(super) fn naming(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("can't {what} {}: {error}", path.display()))
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    failpoint::reach(Point::HostRemove)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
    key: CacheKey,
}

/// A file in an environment's directory that bears an artifact's name.
#[derive(Debug)]
#[non_exhaustive]
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
    /// What is kept beside an artifact for later preparations.
    pub functions: Option<KeptFunctions>,
}

impl CacheEntry {
    /// The length of the file, and of what is kept beside it, in bytes.
    pub fn total_size(&self) -> u64 {
        self.size + self.functions.as_ref().map_or(0, |functions| functions.size)
    }
}

/// The file of compiled functions that is kept beside an artifact.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeptFunctions {
    /// Where it is.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub size: u64,
    /// Why it is not believed, as far as its header tells.
    pub problem: Option<EntryProblem>,
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
#[non_exhaustive]
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
    fn new(root: &Path, digest: EnvironmentDigest, key: CacheKey) -> Self {
        Self { path: root.join(digest.to_string()), digest, key }
    }

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

    /// The file of the functions that are kept beside an artifact.
    pub fn functions_path(&self, id: &ArtifactId) -> PathBuf {
        self.path.join(format!("{}.{FUNCTIONS_ENDING}", id.file_stem()))
    }

    /// The key of the checksums of those functions.
    pub(super) fn functions_checksum_key(&self, id: &ArtifactId) -> ChecksumKey {
        self.key.functions_checksum_key(&self.digest, id)
    }

    /// The key of an artifact's checksums.
    pub fn checksum_key(&self, id: &ArtifactId) -> ChecksumKey {
        self.key.checksum_key(&self.digest, id)
    }

    /// Notes what the environment is made of, and that a host starts in it. That is for people: if it
    /// fails, the host goes on.
    pub(super) fn note_start(&self, environment: &Environment) {
        let path = self.path.join(ENVIRONMENT_FILE);
        if let Err(error) = write_file(&self.path, &path, &[&environment.encode()]) {
            tracing::warn!(%error, "the start can't be noted");
        }
    }

    /// What the environment is made of, and when a host was started in it. None if that was not noted.
    pub fn last_start(&self) -> Option<(Environment, SystemTime)> {
        let path = self.path.join(ENVIRONMENT_FILE);
        let environment = Environment::decode_all(&mut &fs::read(&path).ok()?[..]).ok()?;
        let when = fs::metadata(&path).ok()?.modified().ok()?;
        (environment.digest() == self.digest).then_some((environment, when))
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
            let functions = if is_artifact { self.kept_functions(&id)? } else { None };
            entries.push(CacheEntry {
                id,
                functions,
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
        let mut bytes = Vec::new();
        open_file(&entry.path)?.read_to_end(&mut bytes)?;
        let payload = bytes.get(HEADER_LEN..).ok_or(HeaderError::Truncated)?;
        if self.checksum_key(&entry.id).checksum(payload) != header.payload_checksum {
            return Err(EntryProblem::Payload);
        }
        Ok(Artifact::from_bytes(payload)?)
    }

    /// What is kept beside an artifact, from its header alone.
    fn kept_functions(&self, id: &ArtifactId) -> io::Result<Option<KeptFunctions>> {
        let path = self.functions_path(id);
        let size = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let problem = self.open_functions(id).err();
        Ok(Some(KeptFunctions { path, size, problem }))
    }

    /// Opens the file of the functions that are kept beside an artifact, behind its header.
    pub(super) fn open_functions(
        &self,
        id: &ArtifactId,
    ) -> Result<(FunctionsHeader, File), EntryProblem> {
        let mut file = open_file(&self.functions_path(id))?;
        let mut bytes = Vec::with_capacity(functions::HEADER_LEN);
        (&mut file).take(functions::HEADER_LEN as u64).read_to_end(&mut bytes)?;
        let key = self.functions_checksum_key(id);
        let header = FunctionsHeader::from_bytes(&bytes, file.metadata()?.len(), id, &key)?;
        Ok((header, file))
    }

    /// Checks the functions that are kept beside an artifact, down to the last byte. None are as good as
    /// any. Needs no host.
    ///
    /// # Errors
    ///
    /// When they do not hold.
    pub fn check_functions(&self, entry: &CacheEntry) -> Result<(), EntryProblem> {
        if entry.functions.is_none() {
            return Ok(());
        }
        let (header, mut file) = self.open_functions(&entry.id)?;
        let mut payload = Vec::new();
        file.read_to_end(&mut payload)?;
        if self.functions_checksum_key(&entry.id).checksum(&payload) != header.payload_checksum {
            return Err(EntryProblem::Payload);
        }
        Ok(())
    }

    /// Removes the functions beside artifacts that are not there any more.
    pub(super) fn remove_orphans(&self) -> io::Result<()> {
        for file in fs::read_dir(&self.path)? {
            let path = file?.path();
            let id = path.file_stem().and_then(|s| s.to_str()).and_then(ArtifactId::from_file_stem);
            if let Some(id) = id
                && path == self.functions_path(&id)
                && !self.artifact_path(&id).exists()
            {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what a host has put here, and the directory if nothing else is in it.
    fn remove(&self) -> io::Result<()> {
        for entry in self.entries()? {
            if let Some(functions) = &entry.functions {
                remove_if_there(&functions.path)?;
            }
            fs::remove_file(entry.path)?;
        }
        self.remove_orphans()?;
        remove_if_there(&self.path.join(ENVIRONMENT_FILE))?;
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
        let mut file = open_file(path)?;
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        (&mut file).take(HEADER_LEN as u64).read_to_end(&mut bytes)?;
        Ok(Header::from_bytes(&bytes, file.metadata()?.len(), id, &self.checksum_key(id))?)
    }

    fn read_failure(&self, id: &ArtifactId, path: &Path) -> Result<Failure, EntryProblem> {
        /// Longer than any error's text.
        const LIMIT: u64 = 1 << 20;
        let mut bytes = Vec::new();
        open_file(path)?.take(LIMIT).read_to_end(&mut bytes)?;
        Failure::from_bytes(&bytes, &self.checksum_key(id)).ok_or(EntryProblem::Failure)
    }
}
