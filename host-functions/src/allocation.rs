//! The family `allocator`: memory on the guest's heap, managed by the host.

use crate::{GuestContext, HostError};

/// Allocates `size` bytes, aligned to 8, and returns the pointer to them.
///
/// # Errors
///
/// When the allocator refuses.
pub fn malloc_version_1<C: GuestContext>(guest: &mut C, size: u32) -> Result<u32, HostError> {
    guest.allocate(size)
}

/// Frees what [`malloc_version_1`] returned.
///
/// # Errors
///
/// When the allocator finds that `ptr` is nothing it gave out.
pub fn free_version_1<C: GuestContext>(guest: &mut C, ptr: u32) -> Result<(), HostError> {
    guest.deallocate(ptr)
}
