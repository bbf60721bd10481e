//! The bytes a backend loads.

#![expect(unsafe_code, reason = "maps memory files")]

use memmap2::Mmap;
use rustix::fs::{MemfdFlags, SealFlags};
use std::{fs::File, io, io::Write, os::fd::OwnedFd};

/// The output of [`Prepare::prepare`](super::Prepare::prepare), as it reaches
/// [`Execute::load`](super::Execute::load): bytes that nobody can change any more, in a memory file.
///
/// An engine that can map a file takes [`file`](Self::file), which holds the artifact from its first
/// byte to its last; the others read [`bytes`](Self::bytes). Both are the same memory.
#[derive(Debug)]
pub struct Artifact {
    file: File,
    map: Mmap,
}

impl Artifact {
    /// Copies `bytes` into a new sealed memory file.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory or no descriptor to give, or `bytes` is empty.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let mut file = memory_file("pvf-artifact")?;
        file.write_all(bytes)?;
        Self::seal(file)
    }

    /// Seals a memory file that was written before, and takes its content.
    ///
    /// # Errors
    ///
    /// When `file` is no memory file made with [`memory_file`], is mapped writable somewhere, or is
    /// empty.
    pub fn seal(file: File) -> io::Result<Self> {
        rustix::fs::fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
        )?;
        Self::from_sealed(file.into())
    }

    /// Takes a memory file that somebody else sealed.
    ///
    /// # Errors
    ///
    /// When it is not sealed against writing, growing and shrinking, or is empty.
    pub fn from_sealed(file: OwnedFd) -> io::Result<Self> {
        let needed = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
        if !rustix::fs::fcntl_get_seals(&file)?.contains(needed) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the artifact's memory file is not sealed",
            ));
        }
        let file = File::from(file);
        if file.metadata()?.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the artifact is empty"));
        }
        // SAFETY: the seals, checked above, forbid every change of content and size for as long as
        // the file exists, so the map stays what it is.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self { file, map })
    }

    /// The artifact.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// The memory file that holds the artifact and nothing else. Its read position is undefined.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// A new empty memory file that can be sealed, close-on-exec and not executable as a program.
///
/// # Errors
///
/// When the kernel has no memory or no descriptor to give.
pub fn memory_file(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3 the flag is unknown.
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create(name, flags)?,
        other => other?,
    };
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_file_hold_the_same() {
        let artifact = Artifact::from_bytes(b"machine code").unwrap();
        assert_eq!(artifact.bytes(), b"machine code");
        assert_eq!(artifact.file().metadata().unwrap().len(), 12);
    }

    #[test]
    fn nobody_can_write_to_an_artifact() {
        let artifact = Artifact::from_bytes(b"machine code").unwrap();
        let error = artifact.file().try_clone().unwrap().write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn an_empty_file_is_refused() {
        assert!(Artifact::from_bytes(&[]).is_err());
        assert!(Artifact::seal(memory_file("test").unwrap()).is_err());
    }

    #[test]
    fn an_unsealed_file_is_refused() {
        let mut file = memory_file("test").unwrap();
        file.write_all(b"x").unwrap();
        assert!(Artifact::from_sealed(file.into()).is_err());
    }
}
