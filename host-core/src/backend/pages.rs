//! Pages of memory that the kernel makes before they are used.
//!
//! The first write to each page is a fault, which costs the processor several times what it takes the
//! kernel to make the page. Asked for many, it makes them without any fault.

#![expect(unsafe_code, reason = "advises the kernel about memory")]

use rustix::mm::{Advice, madvise};

/// From how many bytes on that are copied into new memory it pays to [`populate`] it before.
pub const MANY_BYTES: usize = 64 << 10;

/// What the kernel's pages are multiples of.
const PAGE: usize = 4096;

/// Has the kernel make the pages that lie within the range, for memory that will be written soon.
///
/// What is in memory stays as it is. A kernel that knows of no such advice, or has no memory to give,
/// does nothing, and makes each page when it is used.
pub fn populate(range: *mut [u8]) {
    let start = range.cast::<u8>();
    let padding = start.addr().wrapping_neg() % PAGE;
    let len = range.len().saturating_sub(padding) / PAGE * PAGE;
    if len > 0 {
        // SAFETY: this advice changes no memory, whatever is there, and none that is not there.
        let _ =
            unsafe { madvise(start.wrapping_add(padding).cast(), len, Advice::LinuxPopulateWrite) };
    }
}

/// Asks for huge pages in memory that was just reserved and will be written soon, where there is room
/// for some.
///
/// To make one takes a tenth of the time that as many small ones take. A kernel that has none to give
/// makes small ones.
pub fn prefer_huge(range: *mut [u8]) {
    /// The size of a huge page, where it matters.
    const HUGE: usize = 2 << 20;
    /// Of less, not much may be left between their boundaries, and it may never be needed.
    const LEAST: usize = 2 * HUGE;
    let start = range.cast::<u8>();
    if range.len() < LEAST {
        return;
    }
    let padding = start.addr().wrapping_neg() % HUGE;
    let len = (range.len() - padding) / HUGE * HUGE;
    // SAFETY: this advice changes no memory, whatever is there, and none that is not there.
    let _ = unsafe { madvise(start.wrapping_add(padding).cast(), len, Advice::LinuxHugepage) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_stays_as_it_is() {
        let mut bytes = vec![7; 3 * PAGE + 100];
        for begin in [0, 1, PAGE - 1] {
            for end in [begin, begin + 1, begin + PAGE, bytes.len()] {
                populate(&raw mut bytes[begin..end]);
            }
        }
        assert!(bytes.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn huge_pages_are_asked_for_within_large_memory_alone() {
        let mut bytes = vec![7_u8; 9 << 20];
        for len in [0, 1, 1 << 20, 4 << 20, 9 << 20] {
            prefer_huge(&raw mut bytes[..len]);
        }
        assert!(bytes.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn memory_that_is_not_there_is_no_harm() {
        let nothing = std::ptr::slice_from_raw_parts_mut(std::ptr::null_mut(), 10 << 20);
        populate(nothing);
        prefer_huge(nothing);
    }
}
