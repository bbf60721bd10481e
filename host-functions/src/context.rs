//! What one call into a guest carries.

use crate::{Allocator, FatPointer, GuestMemory, HostError, MemoryError, Window};
use pvf_host_core::backend::LogLevel;

/// What the host remembers about a guest, from its start function to the end of the one call into
/// it.
#[derive(Debug, Default)]
pub struct CallState {
    /// `None` before there is a memory to allocate from, that is while a start function runs.
    ///
    /// It is boxed so that it can be taken out, which moves a pointer, while it works on the memory.
    pub allocator: Option<Box<Allocator>>,
    /// Whether all signatures since the start of a batch were good; `None` outside of a batch.
    pub batch_verification: Option<bool>,
    /// What the guest last said about a panic of its own. It counts if the guest traps.
    panic_message: Option<String>,
}

/// Of a longer panic message only so many bytes are kept: the reason of a verdict is for people.
pub const MAX_PANIC_MESSAGE: usize = 16 << 10;

impl CallState {
    /// For a call into a guest whose heap begins at `heap_base`.
    pub fn new(heap_base: u32) -> Self {
        Self { allocator: Some(Box::new(Allocator::new(heap_base))), ..Self::default() }
    }

    /// Remembers what the guest says about a panic of its own, up to [`MAX_PANIC_MESSAGE`].
    pub fn set_panic_message(&mut self, message: &str) {
        let end = message.floor_char_boundary(MAX_PANIC_MESSAGE);
        self.panic_message = Some(message[..end].to_owned());
    }

    /// What the guest last said about a panic of its own. It counts if the guest traps.
    pub fn take_panic_message(&mut self) -> Option<String> {
        self.panic_message.take()
    }
}

/// The guest on whose behalf a host function runs.
pub trait GuestContext: GuestMemory {
    /// What is remembered about this call.
    fn state(&mut self) -> &mut CallState;

    /// The allocator, and the memory from which it serves, if there is an allocator and the engine can
    /// lend memory. Makes allocations fast, and nothing else.
    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        None
    }

    /// Takes one log line. The guest learns nothing of what becomes of it.
    fn log(&mut self, level: LogLevel, target: &str, message: &str);

    /// Allocates guest memory.
    ///
    /// # Errors
    ///
    /// When the allocator refuses, or there is none.
    #[inline]
    fn allocate(&mut self, size: u32) -> Result<u32, HostError> {
        if let Some((allocator, mut window)) = self.heap()
            && let Some(ptr) = allocator.allocate_in(&mut window, size)
        {
            return Ok(ptr);
        }
        allocate_anyhow(self, size)
    }

    /// Gives guest memory back.
    ///
    /// # Errors
    ///
    /// When the allocator refuses, or there is none.
    #[inline]
    fn deallocate(&mut self, ptr: u32) -> Result<(), HostError> {
        if let Some((allocator, mut window)) = self.heap()
            && let Some(()) = allocator.deallocate_in(&mut window, ptr)
        {
            return Ok(());
        }
        deallocate_anyhow(self, ptr)
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

/// Allocates, whatever it takes.
#[cold]
#[inline(never)]
fn allocate_anyhow<C>(guest: &mut C, size: u32) -> Result<u32, HostError>
where
    C: GuestContext + ?Sized,
{
    let mut allocator = guest.state().allocator.take().ok_or(MemoryError::NotReady)?;
    let result = allocator.allocate(guest, size);
    guest.state().allocator = Some(allocator);
    Ok(result?)
}

/// Frees, or says what is wrong.
#[cold]
#[inline(never)]
fn deallocate_anyhow<C>(guest: &mut C, ptr: u32) -> Result<(), HostError>
where
    C: GuestContext + ?Sized,
{
    let mut allocator = guest.state().allocator.take().ok_or(MemoryError::NotReady)?;
    let result = allocator.deallocate(guest, ptr);
    guest.state().allocator = Some(allocator);
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_panic_message_is_cut_between_characters() {
        let mut state = CallState::default();
        state.set_panic_message(&format!("{}é and more", "x".repeat(MAX_PANIC_MESSAGE - 1)));
        assert_eq!(state.take_panic_message().map(|text| text.len()), Some(MAX_PANIC_MESSAGE - 1));
        assert_eq!(state.take_panic_message(), None);
    }
}
