//! An allocator that counts, for programs with a single test: all tests of a program share its memory.

#![expect(unsafe_code, reason = "counts what is allocated")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Counts what a program allocates and holds. To be its `#[global_allocator]`.
#[derive(Debug, Default)]
pub struct Counting {
    pieces: AtomicUsize,
    bytes: AtomicUsize,
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl Counting {
    /// Nothing is counted yet.
    pub const fn new() -> Self {
        Self {
            pieces: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    /// How many pieces of memory were allocated up to now, and how many bytes these have in all.
    pub fn allocated(&self) -> (usize, usize) {
        (self.pieces.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// The most that was held at once since [`reset_peak`](Self::reset_peak), in bytes.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Forgets the peak, and gives what is held now, in bytes.
    pub fn reset_peak(&self) -> usize {
        let held = self.held.load(Ordering::Relaxed);
        self.peak.store(held, Ordering::Relaxed);
        held
    }

    /// A piece of so many bytes is asked for.
    fn count(&self, bytes: usize) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn grow(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(held, Ordering::Relaxed);
    }

    fn shrink(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: all is left to the system's allocator, which is one.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        self.grow(layout.size());
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        self.grow(layout.size());
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.shrink(layout.size());
        // SAFETY: the caller vouches for pointer and layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.count(size);
        if size >= layout.size() {
            self.grow(size - layout.size());
        } else {
            self.shrink(layout.size() - size);
        }
        // SAFETY: the caller vouches for pointer, layout and size.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
