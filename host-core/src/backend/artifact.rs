//! The bytes a backend loads.

#![expect(unsafe_code, reason = "maps memory files")]

use bytes::Bytes;
use memmap2::Mmap;
use rustix::fs::{MemfdFlags, SealFlags};
use std::{
    fs::File,
    io::{self, Write},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
};

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
    /// The most bytes that an artifact may have.
    pub const MAX_LEN: u64 = 1 << 30;

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

    /// Takes a descriptor that may be anything, from somebody who wants the worst.
    ///
    /// # Errors
    ///
    /// When it is no memory file that is sealed against writing, growing and shrinking, or when that is
    /// empty or longer than [`MAX_LEN`](Self::MAX_LEN), or has holes: reading those takes memory, and
    /// where there is none the reader is killed.
    pub fn from_stranger(descriptor: OwnedFd) -> io::Result<Self> {
        /// What the kernel calls the file system of memory files of ordinary pages.
        const TMPFS: i64 = 0x0102_1994;
        check_seals(&descriptor)?;
        // From here on it is a memory file, of this size: nothing below can block.
        let file = File::from(descriptor);
        if rustix::fs::fstatfs(&file)?.f_type != TMPFS {
            return Err(refused("the artifact is in pages of another size"));
        }
        let metadata = file.metadata()?;
        if metadata.len() > Self::MAX_LEN {
            return Err(refused("the artifact is too long"));
        }
        const BLOCK: u64 = 512;
        if metadata.blocks().saturating_mul(BLOCK) < metadata.len() {
            return Err(refused("the artifact has holes"));
        }
        Self::from_sealed(file.into())
    }

    /// Takes a memory file that somebody sealed who is trusted.
    ///
    /// # Errors
    ///
    /// When it is not sealed against writing, growing and shrinking, or is empty.
    pub fn from_sealed(file: OwnedFd) -> io::Result<Self> {
        check_seals(&file)?;
        let file = File::from(file);
        if file.metadata()?.len() == 0 {
            return Err(refused("the artifact is empty"));
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

    /// The same bytes, without the file's descriptor.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.map)
    }

    /// The memory file that holds the artifact and nothing else. Its read position is undefined.
    pub fn file(&self) -> &File {
        &self.file
    }
}

fn check_seals(file: &OwnedFd) -> io::Result<()> {
    let needed = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    if rustix::fs::fcntl_get_seals(file)?.contains(needed) {
        Ok(())
    } else {
        Err(refused("the artifact's memory file is not sealed"))
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
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
        assert_eq!(artifact.into_bytes(), b"machine code"[..]);
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
        assert!(Artifact::from_sealed(file.try_clone().unwrap().into()).is_err());
        assert!(Artifact::from_stranger(file.into()).is_err());
    }

    fn sealed(file: &File) -> OwnedFd {
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
        rustix::fs::fcntl_add_seals(file, seals).unwrap();
        file.try_clone().unwrap().into()
    }

    #[test]
    fn a_stranger_can_hand_over_a_sealed_memory_file() {
        let mut file = memory_file("test").unwrap();
        file.write_all(&[7; 10_001]).unwrap();
        assert_eq!(Artifact::from_stranger(sealed(&file)).unwrap().bytes(), [7; 10_001]);
    }

    #[test]
    fn what_is_no_memory_file_is_refused_without_waiting_for_anybody() {
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let named = tempfile::tempdir().unwrap();
        let fifo = named.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
        let open = |path: &str| OwnedFd::from(File::open(path).unwrap());
        let fifo = OwnedFd::from(File::options().read(true).write(true).open(&fifo).unwrap());
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        for descriptor in
            [pipe, socket.into(), fifo, file, open("/"), open("/dev/zero"), open("/proc/self/stat")]
        {
            assert!(Artifact::from_stranger(descriptor).is_err());
        }
    }

    #[test]
    fn a_memory_file_that_is_too_long_or_has_holes_is_refused() {
        for len in [1, 10_000, Artifact::MAX_LEN, Artifact::MAX_LEN + 1, i64::MAX as u64] {
            let file = memory_file("test").unwrap();
            file.set_len(len).unwrap();
            assert!(Artifact::from_stranger(sealed(&file)).is_err(), "{len}");
        }
        // One hole, in the middle.
        let mut file = memory_file("test").unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.set_len(1 << 20).unwrap();
        assert!(Artifact::from_stranger(sealed(&file)).is_err());
    }

    #[test]
    fn a_memory_file_of_large_pages_is_refused() {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
        // A machine that has none of them hands over none.
        let Ok(file) = rustix::fs::memfd_create("test", flags) else { return };
        let file = File::from(file);
        file.set_len(1 << 30).unwrap();
        assert!(Artifact::from_stranger(sealed(&file)).is_err());
    }
}
