//! A guest that is a vector.

use crate::{CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE};
use pvf_host_core::backend::LogLevel;
use std::borrow::Cow;

pub(crate) struct TestGuest {
    pub(crate) memory: Vec<u8>,
    pub(crate) lines: Vec<(LogLevel, String, String)>,
    page_limit: u32,
    state: CallState,
}

impl TestGuest {
    pub(crate) fn new(pages: u32, page_limit: u32) -> Self {
        let memory = vec![0; pages as usize * PAGE_SIZE as usize];
        Self { memory, lines: Vec::new(), page_limit, state: CallState::default() }
    }

    /// With a heap that begins at `heap_base`.
    pub(crate) fn with_heap(pages: u32, page_limit: u32, heap_base: u32) -> Self {
        Self { state: CallState::new(heap_base), ..Self::new(pages, page_limit) }
    }
}

impl GuestMemory for TestGuest {
    fn size(&self) -> u64 {
        self.memory.len() as u64
    }

    fn page_limit(&self) -> u32 {
        self.page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<(), GrowError> {
        let pages = self.pages() + pages;
        if pages > self.page_limit || pages > 65_536 {
            return Err(GrowError);
        }
        self.memory.resize(pages as usize * PAGE_SIZE as usize, 0);
        Ok(())
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let range = ptr as usize..ptr as usize + len as usize;
        self.memory.get(range).map(Cow::Borrowed).ok_or(MemoryError::OutOfBounds)
    }

    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let range = ptr as usize..ptr as usize + bytes.len();
        self.memory.get_mut(range).ok_or(MemoryError::OutOfBounds)?.copy_from_slice(bytes);
        Ok(())
    }
}

impl GuestContext for TestGuest {
    fn state(&mut self) -> &mut CallState {
        &mut self.state
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.lines.push((level, target.to_owned(), message.to_owned()));
    }
}
