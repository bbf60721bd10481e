//! The host-side allocator: memory for the guest, managed by the host.
//!
//! This is the freeing-bump allocator of the Polkadot Protocol Specification. All that a guest can
//! see of it is consensus: which pointers it returns, what it writes into the guest's memory, when it
//! fails, and how the memory grows.
//!
//! A block has a size of 8 bytes, or 16, or 32, up to 32 MiB: its *order* is 0 to 22. The eight bytes
//! before it are its header, one number in little endian:
//!
//! ```text
//!  63          33  32  31                                0
//! +--------------+----+----------------------------------+
//! |              |  1 | order                            |   in use
//! +--------------+----+----------------------------------+
//! |              |  0 | next free header, or 0xffff_ffff |   free
//! +--------------+----+----------------------------------+
//! ```
//!
//! A free block waits in its order's list, a stack. A request takes the list's top, else the *bump*
//! pointer's next bytes. Blocks are never split nor joined, and nothing returns to the bump pointer.
//!
//! The headers lie in the guest's memory, so the guest can write anything into them. They are
//! believed as far as the rules below go, since a guest may rely on what happens then. Any error
//! poisons the allocator; the guest traps anyway.
//!
//! Almost every request is served from memory that is there already, and nothing is wrong with it.
//! [`Allocator::allocate_in`] and [`Allocator::deallocate_in`] do that and nothing else, on memory that
//! can be reached directly. What they leave, the ordinary functions do from the beginning.
//!
//! Arithmetic that leaves 32 bits wraps where it is visible to the guest, as it does in the
//! reference implementation as it is deployed: a heap that fills all of 4 GiB begins again at 0.

use crate::{GuestMemory, PAGE_SIZE};

/// The largest request that can be served, in bytes.
pub const MAX_ALLOCATION: u32 = 32 << 20;

const ORDERS: usize = 23;
const MIN_BLOCK: u32 = 8;
const HEADER: u32 = 8;
const IN_USE: u64 = 1 << 32;
/// Ends a list of free blocks.
const NIL: u32 = u32::MAX;

/// How much of a heap is used before any of it is announced.
const UNANNOUNCED: u64 = 128 << 10;
/// The most that is announced at once. A block that is larger is not, for it need not be used to its end.
const MAX_ANNOUNCED: u64 = 512 << 10;

/// The state of one guest's heap: the freeing-bump allocator of the Polkadot Protocol Specification.
#[derive(Debug)]
pub struct Allocator {
    /// Where the next block begins that comes from no list.
    bump: u32,
    /// The header of each order's first free block.
    free: [u32; ORDERS],
    /// The bytes in blocks in use, with their headers. Freeing more than was allocated is an error,
    /// which a guest can provoke by writing headers.
    in_use: u32,
    /// The memory's size when last seen.
    memory_size: u64,
    /// Where the heap begins.
    begin: u32,
    /// Up to where the memory knows that it will be used.
    announced: u64,
    poisoned: bool,
}

/// The memory from which an allocator serves, where it can be reached directly.
///
/// It must end where [`GuestMemory::size`] says that the memory ends, and begin at or before where the
/// heap begins.
#[derive(Debug)]
pub struct Window<'a> {
    begin: u32,
    bytes: &'a mut [u8],
}

impl<'a> Window<'a> {
    /// What the guest has at the address `begin`.
    #[inline]
    pub fn new(begin: u32, bytes: &'a mut [u8]) -> Self {
        Self { begin, bytes }
    }

    #[inline]
    fn end(&self) -> u64 {
        u64::from(self.begin) + self.bytes.len() as u64
    }

    /// The header at this address, if the `total` bytes from there on, it included, are all inside.
    #[inline]
    fn header(&mut self, address: u32, total: u32) -> Option<&mut [u8; HEADER as usize]> {
        let at = address.checked_sub(self.begin)? as usize;
        self.bytes.get_mut(at..at + total as usize)?.first_chunk_mut()
    }
}

/// Why the allocator refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocatorError {
    /// The request is larger than [`MAX_ALLOCATION`].
    #[error("allocation is too large")]
    TooLarge,
    /// The memory is used up, and can't grow to serve the request.
    #[error("allocator ran out of space")]
    OutOfSpace,
    /// The memory is smaller than it was.
    #[error("memory has shrunk")]
    MemoryShrunk,
    /// The header at the top of a list lies outside of the memory.
    #[error("free list leads out of the memory")]
    FreeListOutOfBounds,
    /// A list contains a block in use.
    #[error("free list contains a block in use")]
    FreeListInUse,
    /// A block in use has an order that does not exist.
    #[error("block has an invalid order")]
    InvalidOrder,
    /// What should be freed is not in use.
    #[error("freed block is not in use")]
    NotInUse,
    /// What should be freed lies outside of the memory, header included.
    #[error("freed block is out of bounds")]
    FreedOutOfBounds,
    /// More is freed than was allocated.
    #[error("more freed than allocated")]
    Underflow,
    /// There was an error before.
    #[error("allocator has failed before")]
    Poisoned,
}

impl Allocator {
    /// An empty heap that begins at `heap_base`, aligned up to 8.
    pub fn new(heap_base: u32) -> Self {
        let bump = heap_base.checked_next_multiple_of(HEADER).unwrap_or(0);
        Self {
            bump,
            free: [NIL; ORDERS],
            in_use: 0,
            memory_size: 0,
            begin: bump,
            announced: u64::from(bump) + UNANNOUNCED,
            poisoned: false,
        }
    }

    /// Allocates `size` bytes, or 8 when it is less, and returns the pointer to them.
    ///
    /// # Errors
    ///
    /// See [`AllocatorError`]. All later calls fail.
    pub fn allocate<M>(&mut self, memory: &mut M, size: u32) -> Result<u32, AllocatorError>
    where
        M: GuestMemory + ?Sized,
    {
        let result = self.try_allocate(memory, size);
        self.poisoned |= result.is_err();
        result
    }

    /// Frees what [`allocate`](Self::allocate) returned.
    ///
    /// # Errors
    ///
    /// See [`AllocatorError`]. All later calls fail.
    pub fn deallocate<M>(&mut self, memory: &mut M, ptr: u32) -> Result<(), AllocatorError>
    where
        M: GuestMemory + ?Sized,
    {
        let result = self.try_deallocate(memory, ptr);
        self.poisoned |= result.is_err();
        result
    }

    /// Allocates like [`allocate`](Self::allocate), if that takes nothing but memory that is there
    /// already. Otherwise nothing has happened.
    #[inline]
    pub fn allocate_in(&mut self, window: &mut Window<'_>, size: u32) -> Option<u32> {
        if self.poisoned || window.end() < self.memory_size || size > MAX_ALLOCATION {
            return None;
        }
        let (order, total) = block(size);
        let free = &mut self.free[order as usize];
        let top = *free;
        let address = if top == NIL { self.bump } else { top };
        let header = window.header(address, total)?;
        if top == NIL {
            if u64::from(address) + u64::from(total) > self.announced {
                return None;
            }
            self.bump = address.wrapping_add(total);
        } else {
            let raw = u64::from_le_bytes(*header);
            if raw & IN_USE != 0 {
                return None;
            }
            *free = raw as u32;
        }
        *header = (IN_USE | u64::from(order)).to_le_bytes();
        self.in_use = self.in_use.wrapping_add(total);
        self.memory_size = window.end();
        Some(address.wrapping_add(HEADER))
    }

    /// Frees like [`deallocate`](Self::deallocate), if nothing is wrong. Otherwise nothing has happened:
    /// the result is `None`.
    #[inline]
    pub fn deallocate_in(&mut self, window: &mut Window<'_>, ptr: u32) -> Option<()> {
        if self.poisoned || window.end() < self.memory_size {
            return None;
        }
        let address = ptr.checked_sub(HEADER)?;
        let header = window.header(address, HEADER)?;
        let raw = u64::from_le_bytes(*header);
        if raw & IN_USE == 0 {
            return None;
        }
        let order = raw as u32;
        let top = self.free.get_mut(order as usize)?;
        self.in_use = self.in_use.checked_sub((MIN_BLOCK << order) + HEADER)?;
        *header = u64::from(std::mem::replace(top, address)).to_le_bytes();
        self.memory_size = window.end();
        Some(())
    }

    #[inline]
    fn try_allocate<M>(&mut self, memory: &mut M, size: u32) -> Result<u32, AllocatorError>
    where
        M: GuestMemory + ?Sized,
    {
        self.check(memory)?;
        if size > MAX_ALLOCATION {
            return Err(AllocatorError::TooLarge);
        }
        let (order, total) = block(size);
        let top = self.free[order as usize];
        let header = if top == NIL {
            self.bump(memory, total)?
        } else {
            if u64::from(top) + u64::from(total) > self.memory_size {
                return Err(AllocatorError::FreeListOutOfBounds);
            }
            let raw = memory.read_u64(top).map_err(|_| AllocatorError::FreeListOutOfBounds)?;
            if raw & IN_USE != 0 {
                return Err(AllocatorError::FreeListInUse);
            }
            self.free[order as usize] = raw as u32;
            top
        };
        memory
            .write_u64(header, IN_USE | u64::from(order))
            .map_err(|_| AllocatorError::OutOfSpace)?;
        self.in_use = self.in_use.wrapping_add(total);
        Ok(header.wrapping_add(HEADER))
    }

    #[inline]
    fn try_deallocate<M>(&mut self, memory: &mut M, ptr: u32) -> Result<(), AllocatorError>
    where
        M: GuestMemory + ?Sized,
    {
        self.check(memory)?;
        let header = ptr.checked_sub(HEADER).ok_or(AllocatorError::FreedOutOfBounds)?;
        let raw = memory.read_u64(header).map_err(|_| AllocatorError::FreedOutOfBounds)?;
        if raw & IN_USE == 0 {
            return Err(AllocatorError::NotInUse);
        }
        let order = raw as u32;
        let top = self.free.get_mut(order as usize).ok_or(AllocatorError::InvalidOrder)?;
        let next = std::mem::replace(top, header);
        memory.write_u64(header, u64::from(next)).map_err(|_| AllocatorError::FreedOutOfBounds)?;
        let total = (MIN_BLOCK << order) + HEADER;
        self.in_use = self.in_use.checked_sub(total).ok_or(AllocatorError::Underflow)?;
        Ok(())
    }

    /// What comes before everything else.
    #[inline]
    fn check<M>(&mut self, memory: &M) -> Result<(), AllocatorError>
    where
        M: GuestMemory + ?Sized,
    {
        if self.poisoned {
            return Err(AllocatorError::Poisoned);
        }
        let size = memory.size();
        if size < self.memory_size {
            return Err(AllocatorError::MemoryShrunk);
        }
        self.memory_size = size;
        Ok(())
    }

    /// Takes `total` bytes that were never used before.
    #[inline]
    fn bump<M>(&mut self, memory: &mut M, total: u32) -> Result<u32, AllocatorError>
    where
        M: GuestMemory + ?Sized,
    {
        while u64::from(self.bump) + u64::from(total) > self.memory_size {
            let begin = grow(memory, u64::from(self.bump) + u64::from(total))?;
            if begin != self.memory_size {
                // What lies between is the guest's own.
                self.bump = u32::try_from(begin.next_multiple_of(u64::from(HEADER)))
                    .map_err(|_| AllocatorError::OutOfSpace)?;
            }
            self.memory_size = memory.size();
        }
        let header = self.bump;
        self.bump = header.wrapping_add(total);
        self.announce(memory, header, total);
        Ok(header)
    }

    /// Lets the memory know what will be used next: as long as the heap grows, a quarter of what it has
    /// used.
    fn announce<M>(&mut self, memory: &mut M, header: u32, total: u32)
    where
        M: GuestMemory + ?Sized,
    {
        let end = u64::from(header) + u64::from(total);
        if end <= self.announced {
            return;
        }
        let used = end.saturating_sub(self.begin.into());
        let next = (end + (used / 4).min(MAX_ANNOUNCED)).min(self.memory_size);
        let is_large = u64::from(total) > MAX_ANNOUNCED;
        let from = if is_large { end } else { self.announced.max(header.into()) };
        self.announced = next;
        if from < next {
            // Both are within the memory, and not its end.
            memory.will_be_written(from as u32, (next - from) as u32);
        }
    }
}

/// The order of the block for a request of at most [`MAX_ALLOCATION`], and its bytes with its header.
#[inline]
fn block(size: u32) -> (u32, u32) {
    // The logarithm of the power of two that is not below the size.
    let log = u32::BITS - (size.max(MIN_BLOCK) - 1).leading_zeros();
    (log - MIN_BLOCK.trailing_zeros(), (1 << log) + HEADER)
}

/// Grows the memory to at least `end` bytes: to the size that it prefers if the limit allows, else up
/// to the limit. Returns where the new memory begins.
#[cold]
fn grow<M>(memory: &mut M, end: u64) -> Result<u64, AllocatorError>
where
    M: GuestMemory + ?Sized,
{
    let current = memory.pages();
    let limit = memory.page_limit();
    // At most 65,536 and some: the end is below 4 GiB and 33 MiB.
    let required = end.div_ceil(PAGE_SIZE) as u32;
    if current >= limit || required > limit {
        return Err(AllocatorError::OutOfSpace);
    }
    // A limit above 4 GiB leads to a size that no memory can have, and so to an error, even when
    // less would do. That, too, is what the reference implementation does.
    let target = memory.preferred_pages().min(limit).max(required);
    memory.grow(target - current).map_err(|_| AllocatorError::OutOfSpace)
}

#[cfg(test)]
mod tests;
