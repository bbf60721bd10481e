//! What one call into a guest carries.

use crate::{Allocator, FatPointer, GuestMemory, HostError, MemoryError};
use pvf_host_core::backend::LogLevel;

/// The guest on whose behalf a host function runs.
pub trait GuestContext: GuestMemory {
    /// Where the call's allocator is kept. `None` before there is a memory to allocate from, that is
    /// while a start function runs.
    ///
    /// It is boxed so that it can be taken out, which moves a pointer, while it works on the memory.
    fn allocator(&mut self) -> &mut Option<Box<Allocator>>;

    /// Takes one log line. The guest learns nothing of what becomes of it.
    fn log(&mut self, level: LogLevel, target: &str, message: &str);

    /// Remembers that the guest is about to trap because of a panic, and what the panic says.
    fn set_panic_message(&mut self, message: String);

    /// Allocates guest memory.
    ///
    /// # Errors
    ///
    /// When the allocator refuses, or there is none.
    fn allocate(&mut self, size: u32) -> Result<u32, HostError> {
        let mut allocator = self.allocator().take().ok_or(MemoryError::NotReady)?;
        let result = allocator.allocate(self, size);
        *self.allocator() = Some(allocator);
        Ok(result?)
    }

    /// Gives guest memory back.
    ///
    /// # Errors
    ///
    /// When the allocator refuses, or there is none.
    fn deallocate(&mut self, ptr: u32) -> Result<(), HostError> {
        let mut allocator = self.allocator().take().ok_or(MemoryError::NotReady)?;
        let result = allocator.deallocate(self, ptr);
        *self.allocator() = Some(allocator);
        Ok(result?)
    }

    /// Hands `bytes` to the guest in memory allocated for them.
    ///
    /// # Errors
    ///
    /// When the allocator refuses, or there is none.
    fn allocate_and_write(&mut self, bytes: &[u8]) -> Result<FatPointer, HostError> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let ptr = self.allocate(len)?;
        self.write(ptr, bytes)?;
        Ok(FatPointer { ptr, len })
    }
}
