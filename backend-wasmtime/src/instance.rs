//! The state behind one instance, and what host functions see of it.

#![expect(unsafe_code, reason = "remembers where the guest's memory lies")]

use crate::error::is_of_machine;
use pvf_host_core::backend::{GuestLog, MachineError};
use pvf_host_functions::{Allocator, Window};
use pvf_wasm_code::State;
use std::{cell::Cell, ptr::NonNull, slice};
use wasmtime::{Memory, ResourceLimiter, StoreContextMut};

/// What Wasmtime keeps beside an instance.
pub(crate) struct Data {
    /// Set once the instance exists, so not while a start function runs. Never changed after that.
    pub(crate) memory: Option<Memory>,
    /// Where the memory lies, for the allocator.
    seen: Cell<Seen>,
    /// What has nothing to do with the engine, and what tells it of limits.
    pub(crate) limiter: Limiter,
}

/// As much of the memory as there was when its size was asked for last. To look it up costs more
/// than to allocate.
#[derive(Clone, Copy)]
struct Seen {
    base: NonNull<u8>,
    size: usize,
}

impl Data {
    pub(crate) fn new(page_limit: u32, log: Box<dyn GuestLog>) -> Self {
        let limiter = Limiter { state: State::new(page_limit, log), has_huge_table: false };
        let seen = Cell::new(Seen { base: NonNull::dangling(), size: 0 });
        Self { memory: None, seen, limiter }
    }
}

/// Holds an instance to its limits.
pub(crate) struct Limiter {
    pub(crate) state: State,
    /// Whether the code has a table that not every machine has memory for.
    pub(crate) has_huge_table: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        bytes: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.state.allows_memory(bytes))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if !is_of_machine(&error) {
            // More than the memory's type can have, which is the same everywhere.
            return Ok(());
        }
        self.state.failure = Some(MachineError(format!("{error:#}")).into());
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
        // The executor parameters have no limit for tables, and no instruction that is accepted
        // grows one.
        self.has_huge_table |= elements > HUGE;
        Ok(true)
    }
}

/// An instance, as host functions see it.
pub(crate) struct View<'a>(pub(crate) StoreContextMut<'a, Data>);

impl pvf_wasm_code::Store for View<'_> {
    #[inline]
    fn state(&self) -> &State {
        &self.0.data().limiter.state
    }

    #[inline]
    fn state_mut(&mut self) -> &mut State {
        &mut self.0.data_mut().limiter.state
    }

    #[inline]
    fn memory(&self) -> Option<&[u8]> {
        Some(self.0.data().memory?.data(&self.0))
    }

    #[inline]
    fn memory_mut(&mut self) -> Option<&mut [u8]> {
        Some(self.0.data().memory?.data_mut(&mut self.0))
    }

    fn grow(&mut self, pages: u32) -> Option<u64> {
        self.0.data().memory?.grow(&mut self.0, pages.into()).ok()
    }

    fn size(&self) -> usize {
        let Some(memory) = self.0.data().memory else { return 0 };
        let size = memory.data_size(&self.0);
        if let Some(base) = NonNull::new(memory.data_ptr(&self.0)) {
            self.0.data().seen.set(Seen { base, size });
        }
        size
    }

    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        let Data { seen, limiter, .. } = self.0.data_mut();
        let Seen { base, size } = seen.get();
        // SAFETY: this is what there was of the store's memory when its size was asked for last, or
        // nothing. A memory stays where it is, as the engine is set, and never shrinks. Nobody else
        // reaches it, since `self` borrows the store; the result borrows `self`. The allocator is
        // no part of it.
        let bytes = unsafe { slice::from_raw_parts_mut(base.as_ptr(), size) };
        Some((limiter.state.call.allocator.as_deref_mut()?, Window::new(0, bytes)))
    }
}
