//! The state behind one instance, and what host functions see of it.

#![expect(unsafe_code, reason = "remembers where the guest's memory lies")]

use crate::error::is_of_machine;
use pvf_host_core::backend::{GuestLog, LogLevel, MANY_BYTES, populate, prefer_huge};
use pvf_host_functions::{
    Allocator, CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE, Window,
};
use std::{borrow::Cow, cell::Cell, ptr::NonNull, slice};
use wasmtime::{Memory, ResourceLimiter, StoreContextMut};

/// The most pages that a memory with 32-bit addresses can have.
const MAX_PAGES: u32 = 65_536;

/// What Wasmtime keeps beside an instance.
pub(crate) struct State {
    /// Set once the instance exists, so not while a start function runs. Never changed after that.
    pub(crate) memory: Option<Memory>,
    /// Where the memory lies, for the allocator.
    seen: Cell<Seen>,
    /// New with the instance. While a start function runs it has no allocator.
    pub(crate) call: CallState,
    /// Where the guest's log lines go.
    pub(crate) log: Box<dyn GuestLog>,
    /// The limit on the memory.
    pub(crate) limiter: Limiter,
}

/// As much of the memory as there was when its size was asked for last. To look it up costs more than
/// to allocate.
#[derive(Clone, Copy)]
struct Seen {
    base: NonNull<u8>,
    size: usize,
}

impl State {
    pub(crate) fn new(page_limit: u32, log: Box<dyn GuestLog>) -> Self {
        let limiter = Limiter {
            page_limit,
            memory_exists: false,
            has_huge_table: false,
            machine_failed: None,
        };
        let seen = Cell::new(Seen { base: NonNull::dangling(), size: 0 });
        Self { memory: None, seen, call: CallState::default(), log, limiter }
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
pub(crate) struct Guest<'a> {
    store: StoreContextMut<'a, State>,
}

impl<'a> Guest<'a> {
    #[inline]
    pub(crate) fn new(store: StoreContextMut<'a, State>) -> Self {
        Self { store }
    }

    #[inline]
    fn memory(&self) -> Result<&[u8], MemoryError> {
        let memory = self.store.data().memory.ok_or(MemoryError::NotReady)?;
        Ok(memory.data(&self.store))
    }

    #[inline]
    fn memory_mut(&mut self) -> Result<&mut [u8], MemoryError> {
        let memory = self.store.data().memory.ok_or(MemoryError::NotReady)?;
        Ok(memory.data_mut(&mut self.store))
    }
}

impl GuestMemory for Guest<'_> {
    fn size(&self) -> u64 {
        let Some(memory) = self.store.data().memory else { return 0 };
        let size = memory.data_size(&self.store);
        if let Some(base) = NonNull::new(memory.data_ptr(&self.store)) {
            self.store.data().seen.set(Seen { base, size });
        }
        size as u64
    }

    #[inline]
    fn page_limit(&self) -> u32 {
        self.store.data().limiter.page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let memory = self.store.data().memory.ok_or(GrowError)?;
        let grown = memory.grow(&mut self.store, u64::from(pages));
        let old_size = grown.map_err(|_| GrowError)? * PAGE_SIZE;
        if let Some(new) = memory.data_mut(&mut self.store).get_mut(old_size as usize..) {
            prefer_huge(new);
        }
        Ok(old_size)
    }

    #[inline]
    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let (ptr, len) = (ptr as usize, len as usize);
        let bytes = self.memory()?.get(ptr..ptr + len).ok_or(MemoryError::OutOfBounds)?;
        Ok(Cow::Borrowed(bytes))
    }

    fn will_be_written(&mut self, ptr: u32, len: u32) {
        let (ptr, len) = (ptr as usize, len as usize);
        if let Ok(memory) = self.memory_mut()
            && let Some(range) = memory.get_mut(ptr..ptr + len)
        {
            populate(range);
        }
    }

    #[inline]
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let ptr = ptr as usize;
        let end = ptr.checked_add(bytes.len()).ok_or(MemoryError::OutOfBounds)?;
        let range = self.memory_mut()?.get_mut(ptr..end).ok_or(MemoryError::OutOfBounds)?;
        if bytes.len() >= MANY_BYTES {
            populate(range);
        }
        range.copy_from_slice(bytes);
        Ok(())
    }
}

impl GuestContext for Guest<'_> {
    #[inline]
    fn state(&mut self) -> &mut CallState {
        &mut self.store.data_mut().call
    }

    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        let state = self.store.data_mut();
        let Seen { base, size } = state.seen.get();
        // SAFETY: this is what there was of the store's memory when its size was asked for last, or
        // nothing. A memory stays where it is, as the engine is set, and never shrinks. Nobody else reaches
        // it, since `self` borrows the store; the result borrows `self`. The allocator is no part of it.
        let bytes = unsafe { slice::from_raw_parts_mut(base.as_ptr(), size) };
        Some((state.call.allocator.as_deref_mut()?, Window::new(0, bytes)))
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.store.data_mut().log.log(level, target, message);
    }
}
