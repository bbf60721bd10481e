//! The heaps in which code is compiled: large from the start, in huge pages, and never given back.
//!
//! Compiling takes a hundred mebibytes in small blocks and in some large ones. Left to itself, the GNU C
//! library has the heap of a thread grow by a page or a few at a time, with a system call for each and a
//! fault for each page, and has large blocks mapped and unmapped. That takes a tenth of the time of a
//! preparation after an upgrade. Another C library is left to itself.
//!
//! What a job has resident at most, which a limit may be put on, gets larger by what is left of a huge
//! page at the end of each heap, and of large blocks.

#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "sets parameters of the allocator"))]

use super::prefer_huge;
use std::{hint::black_box, ptr};

/// How far a heap grows, in blocks of so many bytes: together less than a thread's heap can have, which is
/// 64 MiB.
const BLOCKS: usize = 2;
const BLOCK: usize = 28 << 20;
/// In shorter blocks there are no huge pages.
const SHORTEST: usize = 4 << 20;
/// What all heaps together grow at most, in bytes: half of what a job may reserve in any case beyond the
/// memory limit that it watches itself.
const TOGETHER: usize = 256 << 20;

/// Has this process keep what memory it has. To be called before its other threads are started.
pub fn keep() {
    #[cfg(target_env = "gnu")]
    {
        /// The largest block that comes from a heap, in bytes: the most that can be set.
        const LARGEST: i32 = 32 << 20;
        // SAFETY: it takes numbers, which the allocator notes under its lock.
        unsafe {
            // If one can't be set, the heap is what it would have been.
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
    }
}

/// Has the heap of this thread, which is one of so many, grow without making a page. To be called when
/// there is little in it.
///
/// Where there are very many, each has little to do, and is left as it is.
pub fn grow(heaps: usize) {
    let Some(len) = block_len(heaps).filter(|_| cfg!(target_env = "gnu")) else { return };
    let blocks = [(); BLOCKS].map(|()| {
        let mut block = Vec::<u8>::with_capacity(len);
        prefer_huge(ptr::slice_from_raw_parts_mut(block.as_mut_ptr(), block.capacity()));
        block
    });
    // Behind them there is nothing, so both become a part of what the heap has left.
    drop(black_box(blocks));
}

/// The length of each block that one of so many heaps grows by.
fn block_len(heaps: usize) -> Option<usize> {
    let len = BLOCK.min(TOGETHER / BLOCKS / heaps.max(1));
    (len >= SHORTEST).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_heaps_together_grow_within_bounds() {
        assert_eq!(block_len(1), Some(BLOCK));
        assert_eq!(block_len(3), Some(BLOCK));
        for heaps in 1..=32 {
            let len = block_len(heaps).unwrap();
            assert!(len >= SHORTEST && heaps * BLOCKS * len <= TOGETHER, "{heaps}");
        }
        assert_eq!(block_len(33), None);
    }
}
