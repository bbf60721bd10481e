//! The heaps in which code is compiled: large from the start, in huge pages, and never given back.
//!
//! Compiling takes a hundred mebibytes in small blocks and in some large ones. Left to itself, the GNU C
//! library has the heap of a thread grow by a page or a few at a time, with a system call for each and a
//! fault for each page, and has large blocks mapped and unmapped. That takes a tenth of the time of a
//! preparation after an upgrade. Another C library is left to itself.

#![expect(unsafe_code, reason = "sets parameters of the allocator")]

use pvf_host_core::backend::prefer_huge;
use std::{hint::black_box, ptr};

/// The largest block that comes from a heap, in bytes: the most that can be set.
const LARGEST: i32 = 32 << 20;
/// How far a heap grows, in blocks of so many bytes: together less than a thread's heap can have, which is
/// 64 MiB.
const BLOCKS: usize = 2;
const BLOCK: usize = 28 << 20;
/// What all heaps together grow at most, in bytes. That is little beside what a job may have in any case
/// beyond the memory limit that it watches itself.
const TOGETHER: usize = 256 << 20;

/// Has this process keep what memory it has.
pub(crate) fn keep() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes numbers, which the allocator notes under its lock.
    unsafe {
        // If one can't be set, the heap is what it would have been.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Has the heap of this thread, which is one of so many, grow without making a page. To be called when
/// there is little in it.
pub(crate) fn grow(heaps: usize) {
    let len = BLOCK.min(TOGETHER / heaps.max(1) / BLOCKS);
    let blocks = [(); BLOCKS].map(|()| {
        let mut block = Vec::<u8>::with_capacity(len);
        prefer_huge(ptr::slice_from_raw_parts_mut(block.as_mut_ptr(), block.capacity()));
        block
    });
    // Behind them there is nothing, so both become a part of what the heap has left.
    drop(black_box(blocks));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, thread};

    /// How many pages the kernel has made for this thread because they were used.
    fn faults() -> u64 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let behind_name = &stat[stat.rfind(')').unwrap()..];
        // The tenth number of all, of which two and the name's end are not counted here.
        behind_name.split(' ').nth(8).unwrap().parse().unwrap()
    }

    /// The faults of a thread that fills mebibytes with small blocks.
    fn faults_of_filling(grows: bool) -> u64 {
        let thread = thread::spawn(move || {
            if grows {
                grow(3);
            }
            let before = faults();
            let blocks: Vec<_> = (0..8 << 10).map(|at| vec![at as u8; 1 << 10]).collect();
            drop(black_box(blocks));
            faults() - before
        });
        thread.join().unwrap()
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn a_heap_that_has_grown_is_filled_with_few_faults() {
        let huge = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        if huge.is_ok_and(|huge| huge.contains("[never]")) {
            eprintln!("skipped: this kernel makes no huge pages");
            return;
        }
        keep();
        assert!(faults_of_filling(false) > 2000, "one for each page");
        assert!(faults_of_filling(true) < 200);
    }

    #[test]
    fn many_heaps_do_not_grow_beyond_what_all_of_them_may() {
        for heaps in [0, 1, 2, 64, 10_000] {
            grow(heaps);
        }
    }
}
