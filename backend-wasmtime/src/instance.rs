//! The state behind one instance, and what host functions see of it.

use pvf_host_core::backend::{GuestLog, LogLevel};
use pvf_host_functions::{CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE};
use std::{borrow::Cow, io};
use wasmtime::{Memory, ResourceLimiter, StoreContextMut};

/// The most pages that a memory with 32-bit addresses can have.
const MAX_PAGES: u32 = 65_536;

/// What Wasmtime keeps beside an instance.
pub(crate) struct State {
    /// Set once the instance exists, so not while a start function runs.
    pub(crate) memory: Option<Memory>,
    /// Made new for the call. While a start function runs it has no allocator.
    pub(crate) call: CallState,
    /// Where the guest's log lines go.
    pub(crate) log: Box<dyn GuestLog>,
    /// The limit on the memory.
    pub(crate) limiter: Limiter,
}

impl State {
    pub(crate) fn new(page_limit: u32, log: Box<dyn GuestLog>) -> Self {
        let limiter = Limiter { page_limit, memory_exists: false, machine_failed: None };
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
        let by_machine =
            error.chain().any(|cause| cause.is::<io::Error>() || cause.is::<rustix::io::Errno>());
        if !by_machine {
            // More than the memory's type can have, which is the same everywhere.
            return Ok(());
        }
        self.machine_failed = Some(format!("{error:#}"));
        Err(error)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _elements: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The size that a table may be declared with is limited when code is validated, and no
        // instruction that is accepted grows one.
        Ok(true)
    }
}

/// The guest, as host functions see it.
pub(crate) struct Guest<'a>(pub(crate) StoreContextMut<'a, State>);

impl Guest<'_> {
    #[inline]
    fn memory(&self) -> Result<Memory, MemoryError> {
        self.0.data().memory.ok_or(MemoryError::NotReady)
    }

    #[inline]
    fn slice(&self, ptr: u32, len: usize) -> Result<&[u8], MemoryError> {
        let ptr = ptr as usize;
        let end = ptr.checked_add(len).ok_or(MemoryError::OutOfBounds)?;
        self.memory()?.data(&self.0).get(ptr..end).ok_or(MemoryError::OutOfBounds)
    }
}

impl GuestMemory for Guest<'_> {
    #[inline]
    fn size(&self) -> u64 {
        self.memory().map_or(0, |memory| memory.data_size(&self.0) as u64)
    }

    #[inline]
    fn page_limit(&self) -> u32 {
        self.0.data().limiter.page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<(), GrowError> {
        let memory = self.memory().map_err(|_| GrowError)?;
        memory.grow(&mut self.0, u64::from(pages)).map(drop).map_err(|_| GrowError)
    }

    #[inline]
    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        self.slice(ptr, len as usize).map(Cow::Borrowed)
    }

    #[inline]
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let ptr = ptr as usize;
        let end = ptr.checked_add(bytes.len()).ok_or(MemoryError::OutOfBounds)?;
        let memory = self.memory()?;
        let range = memory.data_mut(&mut self.0).get_mut(ptr..end);
        range.ok_or(MemoryError::OutOfBounds)?.copy_from_slice(bytes);
        Ok(())
    }
}

impl GuestContext for Guest<'_> {
    #[inline]
    fn state(&mut self) -> &mut CallState {
        &mut self.0.data_mut().call
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.0.data_mut().log.log(level, target, message);
    }
}
