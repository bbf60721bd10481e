//! The state behind one instance, and what host functions see of it.

#![expect(unsafe_code, reason = "remembers where the guest's memory lies")]

use crate::error::is_of_machine;
use pvf_host_core::backend::{GuestLog, LogLevel};
use pvf_host_functions::{
    Allocator, CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE, Window,
};
use std::{borrow::Cow, ptr::NonNull, slice};
use wasmtime::{Memory, ResourceLimiter, StoreContextMut};

/// The most pages that a memory with 32-bit addresses can have.
const MAX_PAGES: u32 = 65_536;

/// What Wasmtime keeps beside an instance.
pub(crate) struct State {
    /// Set once the instance exists, so not while a start function runs.
    pub(crate) memory: Option<Memory>,
    /// New with the instance. While a start function runs it has no allocator.
    pub(crate) call: CallState,
    /// Where the guest's log lines go.
    pub(crate) log: Box<dyn GuestLog>,
    /// The limit on the memory.
    pub(crate) limiter: Limiter,
}

impl State {
    pub(crate) fn new(page_limit: u32, log: Box<dyn GuestLog>) -> Self {
        let limiter = Limiter {
            page_limit,
            memory_exists: false,
            has_huge_table: false,
            machine_failed: None,
        };
        Self { memory: None, call: CallState::default(), log, limiter }
    }
}

/// Holds an instance's memory to its limit.
///
/// A guest that asks for too much is told so, by a result of −1, and goes on. That the *machine* has
/// no memory to give must not reach the guest in the same way, since other machines may have it: the
/// call ends, with an error that says nothing about the candidate.
pub(crate) struct Limiter {
    /// In pages, from the executor parameters. It may exceed what any memory can have.
    page_limit: u32,
    memory_exists: bool,
    /// Whether the code has a table that not every machine has memory for.
    pub(crate) has_huge_table: bool,
    /// Why the machine had no memory to give.
    pub(crate) machine_failed: Option<String>,
}

/// A module's initial memory is above the limit.
#[derive(Debug, thiserror::Error)]
#[error("initial memory of {bytes} bytes is above the limit of {page_limit} pages")]
pub(crate) struct InitialMemoryAboveLimit {
    bytes: usize,
    page_limit: u32,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        bytes: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let page_limit = self.page_limit;
        let allowed = bytes as u64 <= u64::from(page_limit.min(MAX_PAGES)) * PAGE_SIZE;
        // Each module has at most one memory, and it is asked for before any code runs.
        let initial = !std::mem::replace(&mut self.memory_exists, true);
        if initial && !allowed {
            return Err(InitialMemoryAboveLimit { bytes, page_limit }.into());
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if !is_of_machine(&error) {
            // More than the memory's type can have, which is the same everywhere.
            return Ok(());
        }
        self.machine_failed = Some(format!("{error:#}"));
        Err(error)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        elements: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        /// Of 16 GiB.
        const HUGE: usize = 1 << 31;
        // The executor parameters have no limit for tables, and no instruction that is accepted grows
        // one.
        self.has_huge_table |= elements > HUGE;
        Ok(true)
    }
}

/// The guest, as host functions see it.
///
/// Where the memory lies is looked up once, since a host function often costs less than the look-up.
pub(crate) struct Guest<'a> {
    store: StoreContextMut<'a, State>,
    memory: Option<Memory>,
    base: NonNull<u8>,
    size: usize,
}

impl<'a> Guest<'a> {
    #[inline]
    pub(crate) fn new(store: StoreContextMut<'a, State>) -> Self {
        let memory = store.data().memory;
        let mut guest = Self { store, memory, base: NonNull::dangling(), size: 0 };
        guest.look_up();
        guest
    }

    #[inline]
    fn look_up(&mut self) {
        if let Some(memory) = self.memory {
            let bytes = memory.data_mut(&mut self.store);
            self.size = bytes.len();
            self.base = NonNull::from(bytes).cast();
        }
    }

    #[inline]
    fn slice(&self) -> &[u8] {
        // SAFETY: `base` and `size` are those of the memory's data, or of nothing. The memory belongs
        // to the store, which `self` borrows for as long as it lives: nobody else reaches the memory,
        // and it grows in `grow` alone, which looks it up anew. The result borrows `self`.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.size) }
    }

    #[inline]
    fn slice_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `slice`; and the result borrows `self` mutably.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.size) }
    }

    /// Why there is nothing at an address.
    #[cold]
    fn refuse(&self) -> MemoryError {
        if self.memory.is_some() { MemoryError::OutOfBounds } else { MemoryError::NotReady }
    }
}

impl GuestMemory for Guest<'_> {
    #[inline]
    fn size(&self) -> u64 {
        self.size as u64
    }

    #[inline]
    fn page_limit(&self) -> u32 {
        self.store.data().limiter.page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let memory = self.memory.ok_or(GrowError)?;
        let grown = memory.grow(&mut self.store, u64::from(pages));
        self.look_up();
        grown.map(|old| old * PAGE_SIZE).map_err(|_| GrowError)
    }

    #[inline]
    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let (ptr, len) = (ptr as usize, len as usize);
        match self.slice().get(ptr..ptr + len) {
            Some(bytes) if self.memory.is_some() => Ok(Cow::Borrowed(bytes)),
            _ => Err(self.refuse()),
        }
    }

    #[inline]
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let ptr = ptr as usize;
        let end = ptr.checked_add(bytes.len()).ok_or(MemoryError::OutOfBounds)?;
        let ready = self.memory.is_some();
        match self.slice_mut().get_mut(ptr..end) {
            Some(range) if ready => {
                range.copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(self.refuse()),
        }
    }
}

impl GuestContext for Guest<'_> {
    #[inline]
    fn state(&mut self) -> &mut CallState {
        &mut self.store.data_mut().call
    }

    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        self.memory?;
        // SAFETY: as in `slice_mut`. The allocator is part of the store's data, not of the memory.
        let bytes = unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.size) };
        let allocator = self.store.data_mut().call.allocator.as_deref_mut()?;
        Some((allocator, Window::new(0, bytes)))
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.store.data_mut().log.log(level, target, message);
    }
}
