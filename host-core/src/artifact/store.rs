//! The artifacts of the host that runs here.

pub use super::cache::LockError;
use super::{
    ArtifactId, CacheLock, Environment, EnvironmentDirectory,
    cache::{
        CacheEntry, EntryContent, EntryProblem, naming, open_file, remove_if_there,
        remove_temporary_files, temporary_file, write_file, write_file_unsynced, write_file_while,
    },
    format::{
        BackendVersion, Checksum, ChecksumKey, HEADER_LEN, Header, HeaderError, PrepareCost,
        failure::Failure,
        functions::{self, FunctionsHeader},
    },
};
use crate::{
    PrepareError,
    backend::{self, Artifact, CodePrefix, memory_file},
    failpoint::{self, Point},
};
use rustix::{fs::FallocateFlags, io::Errno};
use std::{
    collections::HashMap,
    convert::Infallible,
    fs::{self, File},
    io::{self, Read},
    path::Path,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};
use tokio::sync::oneshot;

/// The cache, as the one host that holds its lock uses it. All calls block on the disk.
///
/// The disk may fail, fill up, or be taken away. Each call says so, and the next one tries again: there
/// is nothing to be done for the store to be of use once the trouble has ended.
#[derive(Debug)]
pub(crate) struct ArtifactStore {
    environment: Environment,
    directory: EnvironmentDirectory,
    /// Held for as long as the store is used.
    lock: Mutex<CacheLock>,
    /// The lengths of files that there was no room for.
    lacking: Mutex<HashMap<ArtifactId, u64>>,
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

/// How long the files are that belong to an artifact, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileSizes {
    pub(crate) artifact: u64,
    /// Zero if no functions are kept.
    pub(crate) functions: u64,
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
    /// The disk failed. Another file may lie on a better place.
    #[error("{0}")]
    Disk(io::Error),
    /// The kernel has no memory or no descriptor to give.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl ArtifactStore {
    /// Opens the environment's directory, and removes those of all other environments and what dead
    /// hosts left unfinished.
    pub(crate) fn open(
        lock: CacheLock,
        environment: Environment,
    ) -> io::Result<(Self, Vec<CacheEntry>)> {
        let digest = environment.digest();
        if let Some((before, _)) = lock.cache().last_start()? {
            for change in environment.changes_since(&before) {
                tracing::warn!(change, "artifacts of the last start are of no use any more");
            }
        }
        lock.remove_environments(Some(digest))?;
        let directory = lock.environment(digest);
        let lacking = Mutex::default();
        let store = Self { environment, directory, lock: lock.into(), lacking, closed: None };
        store.ensure_directory()?;
        remove_temporary_files(store.directory.path())?;
        store.directory.remove_orphans()?;
        store.directory.note_start(&store.environment);
        let mut entries = store.directory.entries()?;
        for entry in &mut entries {
            if let Ok(EntryContent::Artifact(header)) = &entry.content
                && let Err(error) = check_version(&entry.id, header)
            {
                entry.content = Err(error.into());
            }
        }
        Ok((store, entries))
    }

    fn ensure_directory(&self) -> io::Result<()> {
        match fs::create_dir(self.directory.path()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(naming("make", self.directory.path(), &error))
            }
            _ => Ok(()),
        }
    }

    /// Makes directories that are gone again, and takes the lock of a cache that is another one now.
    fn ensure_in_place(&self) -> io::Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_in_place() && self.directory.path().is_dir() {
            return Ok(());
        }
        tracing::warn!(directory = %self.directory.path().display(), "somebody has removed the cache");
        if !lock.is_in_place() {
            *lock = lock.acquire_again().map_err(io::Error::other)?;
        }
        drop(lock);
        self.ensure_directory()?;
        self.directory.note_start(&self.environment);
        Ok(())
    }

    /// Finds out whether an artifact could be written, before it is made.
    ///
    /// There is no telling how long it will be, unless there was no room for it before.
    pub(crate) fn check_room(&self, id: &ArtifactId) -> io::Result<()> {
        self.ensure_in_place()?;
        let path = self.directory.artifact_path(id);
        if path.is_dir() {
            return Err(naming("write", &path, &io::ErrorKind::IsADirectory.into()));
        }
        let file = temporary_file(self.directory.path())?;
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        let len = lacking.get(id).copied().unwrap_or(HEADER_LEN as u64);
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, len) {
            // Not every file system can.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(naming("write", &path, &errno.into())),
        }
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

    /// Writes an artifact, so that after a crash at any moment there is all of it or nothing. If `functions`
    /// are to be kept with it, they are written while it waits for the disk. That they can't be is no error.
    pub(crate) fn write(
        &self,
        id: &ArtifactId,
        artifact: &Artifact,
        functions: Option<&Artifact>,
        code_prefix: &CodePrefix,
        cost: PrepareCost,
    ) -> io::Result<FileSizes> {
        let key = self.directory.checksum_key(id);
        let payload = artifact.bytes();
        let header = Header {
            code_prefix: code_prefix.clone(),
            payload_len: payload.len() as u64,
            payload_checksum: key.checksum(payload),
            cost,
            backend_version: linked_version(id).unwrap_or(BackendVersion::new("")),
        };
        let len = (HEADER_LEN + payload.len()) as u64;
        let path = self.directory.artifact_path(id);
        let mut functions_len = 0;
        let keep = || {
            // Without them, there is only more to compile later.
            functions_len = self.write_functions(id, functions).unwrap_or_else(|error| {
                tracing::debug!(artifact = %id, %error, "compiled functions are not kept");
                0
            });
        };
        let parts = [&header.to_bytes(id, &key)[..], payload];
        let written = self
            .ensure_in_place()
            .and_then(|()| write_file_while(self.directory.path(), &path, &parts, keep));
        if written.is_err() && functions_len > 0 {
            // They are nobody's. If they stay, the next host removes them.
            self.remove_functions(id);
        }
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(()) => lacking.remove(id),
            Err(_) => lacking.insert(id.clone(), len),
        };
        drop(lacking);
        written?;
        // It may have failed under other limits.
        remove_if_there(&self.directory.failure_path(id))?;
        Ok(FileSizes { artifact: len, functions: functions_len })
    }

    /// Keeps the functions of an artifact beside the place where it will be. Returns the length of the file
    /// in bytes. What was kept there before is gone then, even if these can't be written.
    ///
    /// Nobody waits for the disk: if the machine crashes before it has all of them, their checksum shows it,
    /// and there is only more to compile; or what was there before is there again, which is as good.
    fn write_functions(&self, id: &ArtifactId, functions: Option<&Artifact>) -> io::Result<u64> {
        let path = self.directory.functions_path(id);
        let written = match functions {
            Some(functions) => {
                let key = self.directory.functions_checksum_key(id);
                let payload = functions.bytes();
                let header = FunctionsHeader {
                    payload_len: payload.len() as u64,
                    payload_checksum: key.checksum(payload),
                    backend_version: linked_version(id).unwrap_or(BackendVersion::new("")),
                };
                let parts = [&header.to_bytes(id, &key)[..], payload];
                write_file_unsynced(self.directory.path(), &path, &parts)
                    .map(|()| (functions::HEADER_LEN + payload.len()) as u64)
            }
            None => Ok(0),
        };
        if !matches!(written, Ok(1..)) {
            remove_if_there(&path)?;
        }
        written
    }

    /// Copies the functions that are kept beside an artifact into memory that nobody else can change, and
    /// checks them there. Those that do not hold are removed.
    pub(crate) fn read_functions(&self, id: &ArtifactId) -> Result<Artifact, EntryProblem> {
        let read = || {
            failpoint::reach(Point::HostRead)?;
            let (header, file) = self.directory.open_functions(id)?;
            if linked_version(id) != Some(header.backend_version) {
                return Err(EntryProblem::Payload);
            }
            let mut memory = memory_file("pvf-functions")?;
            io::copy(&mut file.take(header.payload_len), &mut memory)?;
            let functions = Artifact::seal(memory)?;
            let key = self.directory.functions_checksum_key(id);
            if key.checksum(functions.bytes()) != header.payload_checksum {
                return Err(EntryProblem::Payload);
            }
            Ok(functions)
        };
        read().inspect_err(|problem| {
            if !matches!(problem, EntryProblem::Io(error) if is_for_want_of_room_in_memory(error)) {
                self.remove_functions(id);
            }
        })
    }

    /// Remembers that preparing fails, whenever and wherever it is tried.
    pub(crate) fn write_failure(
        &self,
        id: &ArtifactId,
        error: &PrepareError,
        code_prefix: &CodePrefix,
    ) -> io::Result<()> {
        let failure = Failure { code_prefix: code_prefix.clone(), error: error.clone() };
        let bytes = failure.to_bytes(&self.directory.checksum_key(id));
        self.write_file(&self.directory.failure_path(id), &[&bytes])
    }

    fn write_file(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.ensure_in_place()?;
        write_file(self.directory.path(), path, parts)
    }

    /// Copies an artifact into memory that nobody else can change.
    pub(crate) fn read(&self, id: &ArtifactId) -> Result<StoredArtifact, ReadError> {
        let path = self.directory.artifact_path(id);
        let failed = |error: io::Error| {
            let is_for_want = is_for_want_of_room_in_memory(&error);
            let error = naming("read", &path, &error);
            if is_for_want { ReadError::Io(error) } else { ReadError::Disk(error) }
        };
        failpoint::reach(Point::HostRead).map_err(failed)?;
        let mut file = match open_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::Missing);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        (&mut file).take(HEADER_LEN as u64).read_to_end(&mut bytes).map_err(failed)?;
        let key = self.directory.checksum_key(id);
        let len = file.metadata().map_err(failed)?.len();
        let header = Header::from_bytes(&bytes, len, id, &key)
            .and_then(|header| check_version(id, &header).map(|()| header))
            .map_err(ReadError::Corrupted)?;
        let mut memory = memory_file("pvf-artifact")?;
        let copied = io::copy(&mut file.take(header.payload_len), &mut memory).map_err(failed)?;
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

    /// Removes what is kept beside a file, and then that: if either can't be removed, nothing is left alone
    /// that belongs to something.
    pub(crate) fn remove_entry(&self, entry: &CacheEntry) -> io::Result<()> {
        if let Some(functions) = &entry.functions {
            remove_if_there(&functions.path)?;
        }
        remove_if_there(&entry.path)
    }

    /// Removes the functions that are kept beside an artifact. If they stay, they are not believed either.
    pub(crate) fn remove_functions(&self, id: &ArtifactId) {
        if let Err(error) = remove_if_there(&self.directory.functions_path(id)) {
            tracing::debug!(artifact = %id, %error, "compiled functions can't be removed");
        }
    }

    /// Removes whatever is known about an artifact, what is kept beside it first.
    pub(crate) fn remove(&self, id: &ArtifactId) -> io::Result<()> {
        let directory = &self.directory;
        for path in
            [directory.functions_path(id), directory.artifact_path(id), directory.failure_path(id)]
        {
            remove_if_there(&path)?;
        }
        Ok(())
    }
}

/// The version of an artifact's backend in this program.
fn linked_version(id: &ArtifactId) -> Option<BackendVersion> {
    Some(BackendVersion::new(backend::find(&id.backend).ok()?.version))
}

/// The environment tells versions apart; this is for an environment that does not tell the truth.
fn check_version(id: &ArtifactId, header: &Header) -> Result<(), HeaderError> {
    match linked_version(id) {
        Some(linked) if linked == header.backend_version => Ok(()),
        linked => Err(HeaderError::BackendVersion {
            id: id.backend.clone(),
            made_by: header.backend_version.as_str().to_owned(),
            linked: linked.map_or("not there".into(), |linked| linked.as_str().to_owned()),
        }),
    }
}

/// Whether the kernel has no descriptor to give, or no memory to copy to, which is no fault of the disk
/// that was read.
fn is_for_want_of_room_in_memory(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::environment::tests::environment,
        backend::BackendId,
        primitives::{ExecutorParams, Hash},
    };

    fn store(root: &Path) -> ArtifactStore {
        ArtifactStore::open(CacheLock::acquire(root).unwrap(), environment()).unwrap().0
    }

    fn id() -> ArtifactId {
        ArtifactId {
            code_hash: Hash([2; 32]).into(),
            prep_hash: ExecutorParams::default().prep_hash(),
            backend: BackendId::from_static("test"),
        }
    }

    #[test]
    fn functions_are_kept_beside_an_artifact_and_never_alone() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let (id, directory) = (id(), &store.directory);
        let (artifact, functions) = (directory.artifact_path(&id), directory.functions_path(&id));
        let write = |kept: Option<&[u8]>| {
            let made = Artifact::from_bytes(b"artifact").unwrap();
            let kept = kept.map(|kept| Artifact::from_bytes(kept).unwrap());
            store.write(&id, &made, kept.as_ref(), &CodePrefix::of(b""), PrepareCost::default())
        };
        let len = |path: &Path| fs::metadata(path).unwrap().len();
        let sizes = write(Some(b"functions")).unwrap();
        assert_eq!((sizes.artifact, sizes.functions), (len(&artifact), len(&functions)));

        // Without any, those from before are gone.
        assert_eq!(write(None).unwrap().functions, 0);
        assert!(artifact.is_file() && !functions.exists());

        // They are in the way of nothing if they can't be written.
        fs::create_dir(&functions).unwrap();
        assert_eq!(write(Some(b"functions")).unwrap().functions, 0);
        fs::remove_dir(&functions).unwrap();

        // Where there can be no artifact, there are none.
        fs::remove_file(&artifact).unwrap();
        fs::create_dir(&artifact).unwrap();
        write(Some(b"functions")).unwrap_err();
        assert!(!functions.exists());
        fs::remove_dir(&artifact).unwrap();
        assert_eq!(write(Some(b"functions")).unwrap().functions, sizes.functions);
    }
}
