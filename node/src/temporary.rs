//! Caches for the time of one command.

use crate::failure::Failure;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

const PREFIX: &str = "pvf-temporary-";

/// A cache that is gone when dropped. If this process is killed, the next one removes it.
#[derive(Debug)]
pub(crate) struct TemporaryCache {
    directory: TempDir,
    /// Tells others that the directory is in use.
    _lock: OwnedFd,
}

impl TemporaryCache {
    /// Makes one, and removes what commands that were killed have left.
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::new_in(&std::env::temp_dir()).map_err(|error| {
            Failure::runtime("io", format!("can't make a temporary directory: {error}"))
        })
    }

    fn new_in(parent: &Path) -> io::Result<Self> {
        // What can't be removed is no reason not to go on.
        let _ = remove_abandoned(parent);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = lock(directory.path())?;
        Ok(Self { directory, _lock: lock })
    }

    /// Where the cache is.
    pub(crate) fn path(&self) -> PathBuf {
        // A host locks its cache's directory for itself.
        self.directory.path().join("cache")
    }
}

fn lock(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(directory, flags, Mode::empty())?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    Ok(directory)
}

fn remove_abandoned(parent: &Path) -> io::Result<()> {
    /// Longer than any process takes from making a directory to locking it.
    const AGE: Duration = Duration::from_secs(60);
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_old =
            || entry.metadata()?.modified().map(|at| at.elapsed().is_ok_and(|age| age > AGE));
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && is_old().unwrap_or(false)
            && let Ok(_lock) = lock(&entry.path())
        {
            tracing::info!(directory = %entry.path().display(), "removing what was left behind");
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn age(directory: &Path) {
        let long_ago = SystemTime::now() - Duration::from_secs(100);
        fs::File::open(directory).unwrap().set_modified(long_ago).unwrap();
    }

    #[test]
    fn what_a_killed_command_left_is_removed_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join(format!("{PREFIX}abandoned"));
        let young = parent.path().join(format!("{PREFIX}young"));
        let foreign = parent.path().join("foreign");
        for path in [&abandoned, &young, &foreign] {
            fs::create_dir_all(path.join("cache")).unwrap();
        }
        let used = TemporaryCache::new_in(parent.path()).unwrap();
        for path in [&abandoned, &foreign, used.directory.path()] {
            age(path);
        }
        let other = TemporaryCache::new_in(parent.path()).unwrap();
        assert!(!abandoned.exists());
        let kept = [&young, &foreign, used.directory.path(), other.directory.path()];
        assert!(kept.into_iter().all(|path: &Path| path.exists()));
        drop((used, other));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
    }
}
