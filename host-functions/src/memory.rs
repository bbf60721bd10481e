//! The guest's memory, as host functions see it.

use crate::FatPointer;
use std::borrow::Cow;

/// The bytes of one page of linear memory.
pub const PAGE_SIZE: u64 = 65_536;

/// A guest's linear memory.
///
/// Addresses are the guest's own. In a linear memory a range is inside when it *ends* at or before the
/// memory's end, so the empty range at the very end is inside. An engine whose guests have several
/// regions says by [`bytes`](Self::bytes) what can be read and by [`write`](Self::write) what can be
/// written; [`size`](Self::size) and [`grow`](Self::grow) are then those of the region with the heap.
pub trait GuestMemory {
    /// How many bytes there are; zero while there is no memory.
    fn size(&self) -> u64;

    /// How many pages this memory may grow to.
    fn page_limit(&self) -> u32;

    /// Adds `pages` pages of zeroes at the end, and says where they begin: at the old end, unless the
    /// engine lets guests take memory there themselves.
    ///
    /// # Errors
    ///
    /// When the limit or the engine forbids it; the memory is as it was before.
    fn grow(&mut self, pages: u32) -> Result<u64, GrowError>;

    /// The `len` bytes at `ptr`: borrowed where the engine can, else copied.
    ///
    /// Nothing is allocated for a range that is not inside.
    ///
    /// # Errors
    ///
    /// When the range is not inside the memory.
    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError>;

    /// Puts `bytes` at `ptr`.
    ///
    /// # Errors
    ///
    /// When they don't fit inside the memory; nothing was written.
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError>;

    /// The `len` bytes at `ptr` will probably be written soon. An engine can make that faster; what is in
    /// memory stays as it is.
    fn will_be_written(&mut self, ptr: u32, len: u32) {
        let _ = (ptr, len);
    }

    /// The bytes that a [`FatPointer`], as guests pass it, names.
    ///
    /// # Errors
    ///
    /// When they are not inside the memory.
    fn range(&self, packed: u64) -> Result<Cow<'_, [u8]>, MemoryError> {
        let FatPointer { ptr, len } = packed.into();
        self.bytes(ptr, len)
    }

    /// The `N` bytes at `ptr`.
    ///
    /// # Errors
    ///
    /// When they are not inside the memory.
    fn array<const N: usize>(&self, ptr: u32) -> Result<[u8; N], MemoryError> {
        let bytes = self.bytes(ptr, N as u32)?;
        (*bytes).try_into().map_err(|_| MemoryError::OutOfBounds)
    }

    /// To how many pages the allocator grows the memory if it can, when it needs more than there are:
    /// to twice as many, which is part of the consensus for WebAssembly. An engine whose guests take
    /// memory behind the allocator's says 0, for no more than is needed.
    fn preferred_pages(&self) -> u32 {
        self.pages().saturating_mul(2)
    }

    /// How many pages there are.
    fn pages(&self) -> u32 {
        (self.size() / PAGE_SIZE) as u32
    }

    /// The eight bytes at `ptr`, little endian.
    ///
    /// # Errors
    ///
    /// When they are not inside the memory.
    fn read_u64(&self, ptr: u32) -> Result<u64, MemoryError> {
        self.array(ptr).map(u64::from_le_bytes)
    }

    /// Puts `value` at `ptr`, little endian.
    ///
    /// # Errors
    ///
    /// When it doesn't fit inside the memory.
    fn write_u64(&mut self, ptr: u32, value: u64) -> Result<(), MemoryError> {
        self.write(ptr, &value.to_le_bytes())
    }
}

/// Why memory could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The range is not inside the guest's memory.
    #[error("memory access out of bounds")]
    OutOfBounds,
    /// The guest runs its start function, when it has no memory to speak of yet.
    #[error("no memory before the start function has returned")]
    NotReady,
}

/// The memory can't grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory can't grow")]
pub struct GrowError;
