//! What host functions see of an instance.

use crate::State;
use pvf_host_core::backend::{LogLevel, MANY_BYTES, populate, prefer_huge};
use pvf_host_functions::{
    Allocator, CallState, GrowError, GuestContext, GuestMemory, HostCallError, HostError,
    MemoryError, PAGE_SIZE, Window,
};
use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What an engine keeps of an instance.
pub trait Store {
    /// What is remembered beside it.
    fn state(&self) -> &State;

    /// The same, to be changed.
    fn state_mut(&mut self) -> &mut State;

    /// The memory that host functions see, if there is one.
    fn memory(&self) -> Option<&[u8]>;

    /// The same, to be changed.
    fn memory_mut(&mut self) -> Option<&mut [u8]>;

    /// Adds so many pages to that memory, and says how many there were. None if it can't.
    fn grow(&mut self, pages: u32) -> Option<u64>;

    /// How many bytes of memory there are.
    #[inline]
    fn size(&self) -> usize {
        self.memory().map_or(0, <[u8]>::len)
    }

    /// What [`GuestContext::heap`] asks for.
    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        None
    }
}

/// The guest, as host functions see it.
#[derive(Debug)]
pub struct Guest<S>(pub S);

impl<S: Store> Guest<S> {
    /// Calls a host function, for an engine through which a panic can't unwind. If there is one, it
    /// goes on when the engine has ended the call.
    ///
    /// # Errors
    ///
    /// When the function has refused or panicked, which is remembered. The engine is to end the
    /// call.
    pub fn call<R>(
        &mut self,
        name: &'static str,
        function: impl FnOnce(&mut Self) -> Result<R, HostError>,
    ) -> Result<R, String> {
        match catch_unwind(AssertUnwindSafe(|| function(self))) {
            Ok(result) => result.map_err(|error| {
                let error = HostCallError { function: name, error };
                self.0.state_mut().refused(&error);
                error.to_string()
            }),
            Err(panic) => {
                self.0.state_mut().panic = Some(panic);
                Err("a host function panicked".into())
            }
        }
    }
}

impl<S: Store> GuestMemory for Guest<S> {
    #[inline]
    fn size(&self) -> u64 {
        self.0.size() as u64
    }

    #[inline]
    fn page_limit(&self) -> u32 {
        self.0.state().page_limit()
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let old_size = self.0.grow(pages).ok_or(GrowError)? * PAGE_SIZE;
        let memory = self.0.memory_mut();
        if let Some(new) = memory.and_then(|memory| memory.get_mut(old_size as usize..)) {
            prefer_huge(new);
        }
        Ok(old_size)
    }

    #[inline]
    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let (ptr, len) = (ptr as usize, len as usize);
        let memory = self.0.memory().ok_or(MemoryError::NotReady)?;
        memory.get(ptr..ptr + len).map(Cow::Borrowed).ok_or(MemoryError::OutOfBounds)
    }

    fn will_be_written(&mut self, ptr: u32, len: u32) {
        let (ptr, len) = (ptr as usize, len as usize);
        if let Some(range) = self.0.memory_mut().and_then(|memory| memory.get_mut(ptr..ptr + len)) {
            populate(range);
        }
    }

    #[inline]
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let ptr = ptr as usize;
        let end = ptr.checked_add(bytes.len()).ok_or(MemoryError::OutOfBounds)?;
        let memory = self.0.memory_mut().ok_or(MemoryError::NotReady)?;
        let range = memory.get_mut(ptr..end).ok_or(MemoryError::OutOfBounds)?;
        if bytes.len() >= MANY_BYTES {
            populate(range);
        }
        range.copy_from_slice(bytes);
        Ok(())
    }
}

impl<S: Store> GuestContext for Guest<S> {
    #[inline]
    fn state(&mut self) -> &mut CallState {
        &mut self.0.state_mut().call
    }

    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        self.0.heap()
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.0.state_mut().log.log(level, target, message);
    }
}
