//! The allocators that a guest can have.

use core::alloc::{GlobalAlloc, Layout};

/// The host's allocator, as Polkadot's runtimes use it. It ends the call if it has no more memory.
pub struct Host;

crate::import! {
    ext_allocator_malloc_version_1(u32) -> u32;
    ext_allocator_free_version_1(u32);
}

// SAFETY: the host gives what nobody else has, aligned to eight, or ends the call.
unsafe impl GlobalAlloc for Host {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Ok(size) = u32::try_from(layout.size()) else { return core::ptr::null_mut() };
        // SAFETY: it may be called with any size.
        unsafe { ext_allocator_malloc_version_1(size) as usize as *mut u8 }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
        // SAFETY: the pointer came from `alloc`.
        unsafe { ext_allocator_free_version_1(pointer as usize as u32) }
    }
}

/// Grows the heap for everything, with PolkaVM's instruction for that, and frees nothing.
#[cfg(target_env = "polkavm")]
pub struct Sbrk;

// SAFETY: what the heap has grown by is nobody else's.
#[cfg(target_env = "polkavm")]
unsafe impl GlobalAlloc for Sbrk {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let spare = layout.align() - 1;
        let Some(size) = layout.size().checked_add(spare) else { return core::ptr::null_mut() };
        match crate::machine::grow(size) {
            Some(start) => start.map_addr(|address| (address + spare) & !spare),
            None => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the same is asked of the caller. A part of the heap that is new is zero.
        unsafe { self.alloc(layout) }
    }
}

/// Has a fixed piece of memory and frees nothing. Needs no host and no instruction that only some of
/// PolkaVM's instruction sets have.
#[cfg(target_env = "polkavm")]
pub struct Arena;

// SAFETY: each part of the memory is given away once.
#[cfg(target_env = "polkavm")]
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        use core::{
            cell::UnsafeCell,
            sync::atomic::{AtomicUsize, Ordering::Relaxed},
        };

        const SIZE: usize = 0x4000;

        #[repr(align(16))]
        struct Memory(UnsafeCell<[u8; SIZE]>);
        // SAFETY: there are no threads.
        unsafe impl Sync for Memory {}

        static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));
        static USED: AtomicUsize = AtomicUsize::new(0);

        let start = USED.load(Relaxed).next_multiple_of(layout.align());
        if layout.align() > 16 || layout.size() > SIZE.saturating_sub(start) {
            return core::ptr::null_mut();
        }
        USED.store(start + layout.size(), Relaxed);
        // SAFETY: so much is left.
        unsafe { MEMORY.0.get().cast::<u8>().add(start) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
