//! For tests: a guest that is a vector, and what is done to it with arbitrary bytes.
//!
//! [`calls`] makes sequences of calls of all host functions out of bytes, and [`heap`] uses the
//! allocator and a model of it in step. Both are run by tests, on bytes from [`noise`], and by the
//! fuzz targets.

pub mod calls;
pub mod heap;
mod script;

use crate::{
    Allocator, CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE, Window,
};
use pvf_host_core::backend::LogLevel;
use std::borrow::Cow;

/// A guest that is a vector.
#[derive(Debug)]
pub struct TestGuest {
    /// Its memory.
    pub memory: Vec<u8>,
    /// What it logged: level, target and message of each line.
    pub lines: Vec<(LogLevel, String, String)>,
    /// Whether [`bytes`](GuestMemory::bytes) copies what it could borrow, as some engines must, and
    /// [`heap`](GuestContext::heap) lends nothing.
    pub copies: bool,
    page_limit: u32,
    state: CallState,
}

impl TestGuest {
    /// With so many pages of memory, all zero, and without a heap.
    pub fn new(pages: u32, page_limit: u32) -> Self {
        let memory = vec![0; pages as usize * PAGE_SIZE as usize];
        let state = CallState::default();
        Self { memory, lines: Vec::new(), copies: false, page_limit, state }
    }

    /// With a heap that begins at `heap_base`.
    pub fn with_heap(pages: u32, page_limit: u32, heap_base: u32) -> Self {
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

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let begin = self.size();
        let pages = self.pages().checked_add(pages).ok_or(GrowError)?;
        if pages > self.page_limit || pages > 65_536 {
            return Err(GrowError);
        }
        self.memory.resize(pages as usize * PAGE_SIZE as usize, 0);
        Ok(begin)
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let range = ptr as usize..ptr as usize + len as usize;
        let bytes = self.memory.get(range).ok_or(MemoryError::OutOfBounds)?;
        Ok(if self.copies { Cow::Owned(bytes.to_vec()) } else { Cow::Borrowed(bytes) })
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

    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        if self.copies {
            return None;
        }
        Some((self.state.allocator.as_deref_mut()?, Window::new(0, &mut self.memory)))
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.lines.push((level, target.to_owned(), message.to_owned()));
    }
}

/// `len` bytes without any order to them, the same for the same `seed`.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    // SplitMix64.
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(len).collect()
}
