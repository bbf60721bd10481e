use super::*;
use crate::{
    GrowError, MemoryError,
    testing::{TestGuest, heap, noise},
};
use std::{borrow::Cow, collections::BTreeMap};

const PAGE: u32 = PAGE_SIZE as u32;

fn header(guest: &TestGuest, ptr: u32) -> u64 {
    guest.read_u64(ptr - HEADER).unwrap()
}

#[test]
fn blocks_follow_each_other_with_their_headers() {
    let mut guest = TestGuest::new(1, 1);
    let mut heap = Allocator::new(1024);
    let pointers: Vec<_> = [1, 8, 9, 0].map(|size| heap.allocate(&mut guest, size).unwrap()).into();
    assert_eq!(pointers, [1032, 1048, 1064, 1088]);
    let headers: Vec<_> = pointers.iter().map(|ptr| header(&guest, *ptr)).collect();
    assert_eq!(headers, [IN_USE, IN_USE, IN_USE | 1, IN_USE]);
}

#[test]
fn the_heap_base_is_aligned_up() {
    for (base, first) in [(0, 8), (1, 16), (7, 16), (8, 16), (1027, 1040)] {
        let mut guest = TestGuest::new(1, 1);
        assert_eq!(Allocator::new(base).allocate(&mut guest, 1), Ok(first), "base {base}");
    }
}

#[test]
fn a_heap_base_that_can_not_be_aligned_begins_at_zero() {
    let mut guest = TestGuest::new(1, 1);
    assert_eq!(Allocator::new(u32::MAX).allocate(&mut guest, 1), Ok(8));
    assert_eq!(Allocator::new(u32::MAX - 6).allocate(&mut guest, 1), Ok(8));
}

#[test]
fn a_heap_base_beyond_the_limit_has_no_space() {
    let mut guest = TestGuest::new(1, 2080);
    let mut heap = Allocator::new(u32::MAX - 15);
    assert_eq!(heap.allocate(&mut guest, 8), Err(AllocatorError::OutOfSpace));
    assert_eq!(guest.pages(), 1);
}

#[test]
fn freed_blocks_are_used_again_last_first() {
    let mut guest = TestGuest::new(1, 1);
    let mut heap = Allocator::new(0);
    let [a, b, c] = [8, 8, 8].map(|size| heap.allocate(&mut guest, size).unwrap());
    for ptr in [a, c, b] {
        heap.deallocate(&mut guest, ptr).unwrap();
    }
    assert_eq!(header(&guest, a), u64::from(NIL));
    assert_eq!(header(&guest, c), u64::from(a - HEADER));
    assert_eq!(header(&guest, b), u64::from(c - HEADER));
    // Another order has a list of its own.
    assert_eq!(heap.allocate(&mut guest, 16), Ok(c + 16));
    assert_eq!([8, 8, 8].map(|size| heap.allocate(&mut guest, size).unwrap()), [b, c, a]);
    assert_eq!(header(&guest, b), IN_USE);
}

#[test]
fn the_largest_block_is_32_mib() {
    let mut guest = TestGuest::new(1, 2080);
    let mut heap = Allocator::new(0);
    assert_eq!(heap.allocate(&mut guest, MAX_ALLOCATION), Ok(8));
    assert_eq!(header(&guest, 8), IN_USE | 22);
    assert_eq!(guest.pages(), 513);
    assert_eq!(heap.allocate(&mut guest, MAX_ALLOCATION + 1), Err(AllocatorError::TooLarge));
    assert_eq!(heap.allocate(&mut guest, 1), Err(AllocatorError::Poisoned));
    assert_eq!(heap.deallocate(&mut guest, 8), Err(AllocatorError::Poisoned));
}

#[test]
fn memory_is_used_to_its_last_byte() {
    let mut guest = TestGuest::new(1, 1);
    let mut heap = Allocator::new(PAGE - 16);
    assert_eq!(heap.allocate(&mut guest, 8), Ok(PAGE - 8));
    assert_eq!(heap.allocate(&mut guest, 8), Err(AllocatorError::OutOfSpace));
}

#[test]
fn memory_doubles_when_that_is_enough() {
    let mut guest = TestGuest::new(2, 2080);
    let mut heap = Allocator::new(2 * PAGE);
    heap.allocate(&mut guest, 8).unwrap();
    assert_eq!(guest.pages(), 4);
}

#[test]
fn memory_grows_to_what_is_needed_when_doubling_is_not_enough() {
    let mut guest = TestGuest::new(1, 2080);
    let mut heap = Allocator::new(0);
    heap.allocate(&mut guest, 2 * PAGE).unwrap();
    assert_eq!(guest.pages(), 3);
}

#[test]
fn memory_grows_at_most_to_the_limit() {
    let mut guest = TestGuest::new(2, 3);
    let mut heap = Allocator::new(2 * PAGE);
    heap.allocate(&mut guest, 8).unwrap();
    assert_eq!(guest.pages(), 3);
    assert_eq!(heap.allocate(&mut guest, PAGE), Err(AllocatorError::OutOfSpace));
    assert_eq!(guest.pages(), 3);
}

#[test]
fn memory_that_the_guest_grew_is_used() {
    let mut guest = TestGuest::new(1, 4);
    let mut heap = Allocator::new(PAGE - 8);
    guest.grow(2).unwrap();
    heap.allocate(&mut guest, 8).unwrap();
    assert_eq!(guest.pages(), 3);
}

#[test]
fn memory_that_shrinks_is_an_error() {
    let mut guest = TestGuest::new(2, 2);
    let mut heap = Allocator::new(0);
    heap.allocate(&mut guest, 8).unwrap();
    guest.memory.truncate(PAGE as usize);
    assert_eq!(heap.allocate(&mut guest, 8), Err(AllocatorError::MemoryShrunk));
}

#[test]
fn what_was_not_allocated_can_not_be_freed() {
    let free = |ptr| {
        let mut guest = TestGuest::new(1, 1);
        let mut heap = Allocator::new(0);
        heap.allocate(&mut guest, 64).unwrap();
        heap.deallocate(&mut guest, ptr)
    };
    assert_eq!(free(8), Ok(()));
    assert_eq!(free(16), Err(AllocatorError::NotInUse));
    for outside in [0, 7, PAGE + 1, u32::MAX] {
        assert_eq!(free(outside), Err(AllocatorError::FreedOutOfBounds), "{outside}");
    }
}

#[test]
fn freeing_twice_is_an_error() {
    let mut guest = TestGuest::new(1, 1);
    let mut heap = Allocator::new(0);
    let ptr = heap.allocate(&mut guest, 64).unwrap();
    heap.deallocate(&mut guest, ptr).unwrap();
    assert_eq!(heap.deallocate(&mut guest, ptr), Err(AllocatorError::NotInUse));
}

#[test]
fn headers_that_the_guest_wrote_are_believed_within_the_rules() {
    // Each writes over the header of a block in use at 8 and frees it.
    let free = |raw: u64| {
        let mut guest = TestGuest::new(1, 1);
        let mut heap = Allocator::new(0);
        heap.allocate(&mut guest, 8).unwrap();
        heap.allocate(&mut guest, 1024).unwrap();
        guest.write_u64(0, raw).unwrap();
        heap.deallocate(&mut guest, 8)
    };
    assert_eq!(free(IN_USE | 23), Err(AllocatorError::InvalidOrder));
    assert_eq!(free(IN_USE | 22), Err(AllocatorError::Underflow));
    assert_eq!(free(IN_USE | 7), Ok(()), "within what was allocated altogether");
    assert_eq!(free(0xffff_ffff_0000_0000), Ok(()), "only bit 32 says that it is in use");
    assert_eq!(free(0xffff_fffe_0000_0000), Err(AllocatorError::NotInUse));
}

#[test]
fn free_lists_that_the_guest_wrote_are_believed_within_the_rules() {
    // Each writes over the header of a free block and allocates twice.
    let allocate = |raw: u64| {
        let mut guest = TestGuest::new(1, 1);
        let mut heap = Allocator::new(0);
        let ptr = heap.allocate(&mut guest, 8).unwrap();
        heap.deallocate(&mut guest, ptr).unwrap();
        guest.write_u64(0, raw).unwrap();
        heap.allocate(&mut guest, 8)?;
        heap.allocate(&mut guest, 8)
    };
    assert_eq!(allocate(u64::from(NIL)), Ok(24));
    assert_eq!(allocate(4097), Ok(4105), "needs no alignment");
    assert_eq!(allocate(u64::from(PAGE) - 16), Ok(PAGE - 8));
    assert_eq!(allocate(u64::from(PAGE) - 15), Err(AllocatorError::FreeListOutOfBounds));
    assert_eq!(allocate(u64::from(NIL) - 1), Err(AllocatorError::FreeListOutOfBounds));
    assert_eq!(allocate(0), Err(AllocatorError::FreeListInUse), "a list that bites its tail");
    assert_eq!(allocate(IN_USE), Err(AllocatorError::FreeListInUse));
}

/// 4 GiB of memory of which only what is written exists.
struct Sparse {
    pages: u32,
    page_limit: u32,
    words: BTreeMap<u32, u64>,
}

impl GuestMemory for Sparse {
    fn size(&self) -> u64 {
        u64::from(self.pages) * PAGE_SIZE
    }

    fn page_limit(&self) -> u32 {
        self.page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let begin = self.size();
        self.pages = self.pages.checked_add(pages).filter(|p| *p <= 65_536).ok_or(GrowError)?;
        Ok(begin)
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        assert_eq!(len, 8);
        let word = self.words.get(&ptr).copied().unwrap_or(0);
        Ok(word.to_le_bytes().to_vec().into())
    }

    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        self.words.insert(ptr, u64::from_le_bytes(bytes.try_into().unwrap()));
        Ok(())
    }
}

#[test]
fn a_heap_that_fills_all_of_4_gib_begins_again_at_zero() {
    let mut memory = Sparse { pages: 1, page_limit: 65_536, words: BTreeMap::new() };
    let mut heap = Allocator::new(0u32.wrapping_sub(32));
    assert_eq!(heap.allocate(&mut memory, 8), Ok(0u32.wrapping_sub(24)));
    assert_eq!(memory.pages, 65_536);
    assert_eq!(heap.allocate(&mut memory, 8), Ok(0u32.wrapping_sub(8)));
    assert_eq!(heap.allocate(&mut memory, 8), Ok(8));
}

#[test]
fn a_limit_above_4_gib_makes_growth_fail_where_doubling_passes_it() {
    let mut memory = Sparse { pages: 40_000, page_limit: 65_568, words: BTreeMap::new() };
    let mut heap = Allocator::new(40_000 * PAGE);
    assert_eq!(heap.allocate(&mut memory, 8), Err(AllocatorError::OutOfSpace));
    let mut memory = Sparse { pages: 32_768, page_limit: 65_568, words: BTreeMap::new() };
    let mut heap = Allocator::new(32_768 * PAGE);
    assert!(heap.allocate(&mut memory, 8).is_ok());
    assert_eq!(memory.pages, 65_536);
}

#[test]
fn the_allocator_does_what_a_simple_model_does() {
    let mut total = heap::Counts::default();
    for seed in 0..200 {
        let counts = heap::check(&noise(seed, 400));
        total.allocated += counts.allocated;
        total.reused += counts.reused;
        total.freed += counts.freed;
        total.grown += counts.grown;
        total.errors += counts.errors;
        total.done_directly += counts.done_directly;
    }
    // The scripts reach everything.
    assert!(total.reused > 1_000, "{total:?}");
    assert!(total.freed > 2_000, "{total:?}");
    assert!(total.grown > 20, "{total:?}");
    assert!(total.errors > 100, "{total:?}");
    assert!(total.done_directly > 3_000, "{total:?}");
}

/// What is left to the ordinary functions has changed nothing, whatever is wrong.
#[test]
fn what_can_not_be_done_directly_is_left_as_it_was() {
    let with_header = |raw: u64, free_before: bool| {
        let mut guest = TestGuest::new(1, 1);
        let mut heap = Allocator::new(0);
        let ptr = heap.allocate(&mut guest, 8).unwrap();
        if free_before {
            heap.deallocate(&mut guest, ptr).unwrap();
        }
        guest.write_u64(0, raw).unwrap();
        (guest, heap)
    };
    let check =
        |(mut guest, mut heap): (TestGuest, Allocator), begin: u32, free: bool, arg: u32| {
            let before = (format!("{heap:?}"), guest.memory.clone());
            let mut window = Window::new(begin, &mut guest.memory[begin as usize..]);
            let done = if free {
                heap.deallocate_in(&mut window, arg).is_some()
            } else {
                heap.allocate_in(&mut window, arg).is_some()
            };
            assert!(!done, "{free} {arg}");
            assert!(before == (format!("{heap:?}"), guest.memory), "{free} {arg}");
        };
    // Allocating: too much at all, more than there is, from a list that is not as it should be.
    check(with_header(IN_USE, false), 0, false, MAX_ALLOCATION + 1);
    check(with_header(IN_USE, false), 0, false, PAGE);
    check(with_header(IN_USE, true), 0, false, 8);
    check(with_header(u64::from(NIL), true), 8, false, 8);
    // Freeing: no header, none in use, one of no order, more than was allocated.
    check(with_header(IN_USE, false), 0, true, 7);
    check(with_header(IN_USE, false), 0, true, PAGE + 1);
    check(with_header(0, false), 0, true, 8);
    check(with_header(IN_USE | 23, false), 0, true, 8);
    check(with_header(IN_USE | 22, false), 0, true, 8);
    check(with_header(IN_USE, false), 8, true, 8);
    // After an error, and when memory has shrunk.
    let (mut guest, mut heap) = with_header(IN_USE, false);
    heap.allocate(&mut guest, MAX_ALLOCATION + 1).unwrap_err();
    check((guest, heap), 0, true, 8);
    let (mut guest, heap) = with_header(IN_USE, false);
    guest.memory.pop();
    check((guest, heap), 0, true, 8);
}

/// A memory at whose end the guest takes 100 bytes for itself whenever it can.
struct Shared {
    guest: TestGuest,
    /// How far the allocator may go.
    end: u64,
    /// What the guest has taken.
    taken: Vec<std::ops::Range<u64>>,
}

impl GuestMemory for Shared {
    fn size(&self) -> u64 {
        self.end
    }

    fn page_limit(&self) -> u32 {
        self.guest.page_limit()
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let begin = self.end + 100;
        self.taken.push(self.end..begin);
        self.guest.grow(pages + 1)?;
        self.end = begin + u64::from(pages) * PAGE_SIZE;
        Ok(begin)
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        self.guest.bytes(ptr, len)
    }

    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        self.guest.write(ptr, bytes)
    }
}

#[test]
fn memory_that_the_guest_has_taken_is_never_handed_out() {
    let guest = TestGuest::new(1, 1000);
    let mut memory = Shared { end: guest.size(), guest, taken: vec![] };
    let mut allocator = Allocator::new(1000);
    let mut all = Vec::new();
    // The last one needs more than the memory's double, so more than one go.
    for size in [60_000, 8, 70_000, 16, 300_000, 8, 8, 1_000_000] {
        let ptr = u64::from(allocator.allocate(&mut memory, size).unwrap());
        assert_eq!(ptr % 8, 0);
        all.push(ptr - 8..ptr + u64::from(size));
    }
    assert!(memory.taken.len() > 4);
    all.extend(memory.taken);
    all.sort_by_key(|range| range.start);
    assert!(all.windows(2).all(|pair| pair[0].end <= pair[1].start), "{all:?}");
    assert!(all.iter().all(|range| range.end <= memory.guest.size()));
}
