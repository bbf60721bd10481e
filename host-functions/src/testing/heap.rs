//! The allocator against a model of it.
//!
//! The model knows what a well-behaved guest may rely on, and keeps it in the plainest form: which
//! blocks are in use, a stack of free ones per size, where fresh memory begins, how many pages there
//! are. It keeps nothing in the guest's memory. A guest that writes over the allocator's headers
//! leaves the model behind; from there on only what always holds is checked.
//!
//! A second allocator does the same on memory that it reaches directly, of which the first part may be
//! out of its reach, as it is with some engines. As long as that is possible, it must give the same
//! results, grow its memory in the same way, and write the same into it, whatever the guest does.

use super::TestGuest;
use super::script::Script;
use crate::{
    Allocator, AllocatorError, GrowError, GuestMemory, MAX_ALLOCATION, MemoryError, Window,
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

const PAGE: u64 = 65_536;
const ALL_PAGES: u64 = 65_536;
/// The most steps of one script.
const MAX_STEPS: usize = 1_000;

/// How often what happened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Successful allocations.
    pub allocated: usize,
    /// Those of them that took a free block.
    pub reused: usize,
    /// Successful frees.
    pub freed: usize,
    /// Growths of the memory.
    pub grown: usize,
    /// Errors but for those after an error.
    pub errors: usize,
    /// What was done on memory that is reached directly.
    pub done_directly: usize,
}

/// Uses an allocator and its model as the script says.
///
/// # Panics
///
/// When the two disagree: on a result, on the size of the memory, on a header. And when a block
/// overlaps another, or its content changes while it is in use.
pub fn check(script: &[u8]) -> Counts {
    let mut script = Script::new(script);
    let pages = u32::from(script.u8() % 5);
    let page_limit = match script.u8() % 8 {
        0 => pages,
        1 => 2080,
        2 => 65_536,
        3 => 65_568,
        _ => pages + u32::from(script.u8()),
    };
    let heap_base = match script.u8() % 8 {
        0 => script.u32(),
        1 => u32::MAX - u32::from(script.u8()),
        _ => u32::from(script.u16()),
    };
    let memory = Sparse { pages, page_limit, chunks: HashMap::new() };
    let twin = Twin {
        guest: TestGuest::new(pages, page_limit),
        heap: Allocator::new(heap_base),
        // Where the heap begins, or before.
        begin: if (pages + page_limit).is_multiple_of(2) { 0 } else { heap_base },
    };
    let mut run = Run {
        memory,
        twin: Some(twin),
        heap: Allocator::new(heap_base),
        model: Some(Model::new(heap_base, pages, page_limit)),
        failed: false,
        blocks: Vec::new(),
        in_use: Vec::new(),
        counts: Counts::default(),
    };
    for _ in 0..MAX_STEPS {
        if script.is_empty() {
            break;
        }
        run.step(&mut script);
    }
    if let Some(model) = &run.model {
        model.check_headers(&run.memory);
        model.check_contents(&run.memory);
    }
    if let Some(twin) = &run.twin {
        twin.check_memory(&run.memory);
    }
    run.counts
}

struct Run {
    memory: Sparse,
    heap: Allocator,
    /// `None` once it would need too much memory.
    twin: Option<Twin>,
    /// `None` once the guest has written what it should not have.
    model: Option<Model>,
    failed: bool,
    /// All pointers ever returned.
    blocks: Vec<u32>,
    /// Those that were not given back.
    in_use: Vec<u32>,
    counts: Counts,
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.u8() % 16 {
            0..6 => self.allocate(script.u8().into()),
            6 | 7 => {
                let near = (script.u8() as i8 / 64).into();
                let largest = if script.u8() < 16 { 27 } else { 12 };
                self.allocate((1u32 << (script.u8() % largest)).saturating_add_signed(near));
            }
            8..13 => {
                if let Some(ptr) = script.pick(&self.in_use) {
                    self.free(ptr);
                }
            }
            13 if script.u8() < 32 => match script.u8() % 4 {
                0 => self.free(script.u32()),
                1 => self.free(self.memory.size().wrapping_sub(script.u8().into()) as u32),
                _ => {
                    // Perhaps once too often.
                    let ptr = script.pick(&self.blocks);
                    self.free(ptr.unwrap_or_else(|| script.u8().into()));
                }
            },
            15 if script.u8() < 32 => self.tamper(script),
            _ => {
                let pages = u32::from(script.u8()) / 128;
                if let Some(twin) = &mut self.twin {
                    let _ = twin.guest.grow(pages);
                }
                if self.memory.grow(pages).is_ok()
                    && let Some(model) = &mut self.model
                {
                    model.pages += u64::from(pages);
                }
            }
        }
        assert!(self.memory.pages <= self.memory.page_limit, "the limit is kept");
    }

    fn allocate(&mut self, size: u32) {
        let pages = self.memory.pages;
        let result = self.heap.allocate(&mut self.memory, size);
        self.twin.take_if(|_| self.memory.pages > Twin::MAX_PAGES);
        if let Some(twin) = &mut self.twin {
            assert_eq!(twin.allocate(size, &mut self.counts), result, "directly, {size} bytes");
            assert_eq!(twin.guest.size(), self.memory.size(), "directly, {size} bytes");
        }
        self.counts.grown += usize::from(self.memory.pages > pages);
        if let Some(model) = &mut self.model {
            let fresh = model.fresh;
            assert_eq!(result, model.allocate(size), "allocating {size} bytes");
            assert_eq!(u64::from(self.memory.pages), model.pages, "pages after {size} bytes");
            self.counts.reused += usize::from(result.is_ok() && model.fresh == fresh);
            model.check_headers(&self.memory);
        }
        self.note(result.map(drop));
        let Ok(ptr) = result else { return };
        self.counts.allocated += 1;
        self.blocks.push(ptr);
        self.in_use.push(ptr);
        let Some(model) = &mut self.model else { return };
        if model.fresh == ALL_PAGES * PAGE {
            // From here on it begins again at zero, over whatever is there.
            self.model = None;
            return;
        }
        for (at, stamp) in model.stamps(ptr) {
            self.memory.write_u64(at, stamp).expect("a block lies within the memory");
            if let Some(twin) = &mut self.twin {
                twin.guest.write_u64(at, stamp).expect("a block lies within the memory");
            }
        }
    }

    fn free(&mut self, ptr: u32) {
        if self.model.as_ref().is_some_and(|model| !model.can_judge(ptr)) {
            return;
        }
        if let Some(model) = &self.model {
            model.check_contents(&self.memory);
        }
        let result = self.heap.deallocate(&mut self.memory, ptr);
        if let Some(twin) = &mut self.twin {
            assert_eq!(twin.free(ptr, &mut self.counts), result, "freeing {ptr} directly");
        }
        if let Some(model) = &mut self.model {
            assert_eq!(result, model.free(ptr), "freeing {ptr}");
            model.check_headers(&self.memory);
        }
        self.note(result);
        if result.is_ok() {
            self.in_use.retain(|one| *one != ptr);
            self.counts.freed += 1;
        }
    }

    /// Writes something over a header.
    fn tamper(&mut self, script: &mut Script<'_>) {
        let Some(ptr) = script.pick(&self.blocks) else { return };
        let word = match script.u8() % 4 {
            0 => script.u64(),
            1 => 1 << 32 | u64::from(script.u8()),
            2 => u64::from(script.pick(&self.blocks).unwrap_or(0)).wrapping_sub(8),
            _ => script.u32().into(),
        };
        if self.memory.write_u64(ptr.wrapping_sub(8), word).is_ok() {
            self.model = None;
            if let Some(twin) = &mut self.twin {
                twin.guest.write_u64(ptr.wrapping_sub(8), word).expect("it is as large");
            }
        }
    }

    /// What holds for every result, whatever the guest did.
    fn note(&mut self, result: Result<(), AllocatorError>) {
        if self.failed {
            assert_eq!(result, Err(AllocatorError::Poisoned), "an error is the end");
        } else if result.is_err() {
            assert_ne!(result, Err(AllocatorError::Poisoned), "there was no error before");
            assert_ne!(result, Err(AllocatorError::MemoryShrunk), "it never shrinks here");
            self.failed = true;
            self.counts.errors += 1;
        }
    }
}

/// An allocator that reaches its memory directly where it can.
struct Twin {
    guest: TestGuest,
    heap: Allocator,
    /// Where the memory begins that it reaches.
    begin: u32,
}

impl Twin {
    const MAX_PAGES: u32 = 64;

    fn window(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        let bytes = self.guest.memory.get_mut(self.begin as usize..)?;
        Some((&mut self.heap, Window::new(self.begin, bytes)))
    }

    fn allocate(&mut self, size: u32, counts: &mut Counts) -> Result<u32, AllocatorError> {
        if let Some((heap, mut window)) = self.window()
            && let Some(ptr) = heap.allocate_in(&mut window, size)
        {
            counts.done_directly += 1;
            return Ok(ptr);
        }
        self.heap.allocate(&mut self.guest, size)
    }

    fn free(&mut self, ptr: u32, counts: &mut Counts) -> Result<(), AllocatorError> {
        if let Some((heap, mut window)) = self.window()
            && let Some(()) = heap.deallocate_in(&mut window, ptr)
        {
            counts.done_directly += 1;
            return Ok(());
        }
        self.heap.deallocate(&mut self.guest, ptr)
    }

    /// Everything that was ever written, in one of the two or in both.
    fn check_memory(&self, memory: &Sparse) {
        const CHUNK: usize = Sparse::CHUNK as usize;
        let zero = [0; CHUNK];
        for (index, chunk) in self.guest.memory.chunks(CHUNK).enumerate() {
            let expected = memory.chunks.get(&(index as u64)).unwrap_or(&zero);
            assert!(chunk == expected, "memory at {}", index * CHUNK);
        }
    }
}

/// What the allocator should do.
struct Model {
    page_limit: u64,
    pages: u64,
    /// Where memory begins that was never given out.
    fresh: u64,
    heap_base: u64,
    /// The size of each block in use, without its header.
    in_use: BTreeMap<u32, u64>,
    /// The free blocks of each size, the one freed last at the end.
    free: BTreeMap<u64, Vec<u32>>,
    failed: bool,
}

impl Model {
    fn new(heap_base: u32, pages: u32, page_limit: u32) -> Self {
        let aligned = u64::from(heap_base).div_ceil(8) * 8;
        let fresh = if aligned > u64::from(u32::MAX) { 0 } else { aligned };
        Self {
            page_limit: page_limit.into(),
            pages: pages.into(),
            fresh,
            heap_base: fresh,
            in_use: BTreeMap::new(),
            free: BTreeMap::new(),
            failed: false,
        }
    }

    fn allocate(&mut self, size: u32) -> Result<u32, AllocatorError> {
        if self.failed {
            return Err(AllocatorError::Poisoned);
        }
        let result = self.find_block(size);
        self.failed = result.is_err();
        result
    }

    fn find_block(&mut self, size: u32) -> Result<u32, AllocatorError> {
        if size > MAX_ALLOCATION {
            return Err(AllocatorError::TooLarge);
        }
        let block = (3..).map(|log| 1u64 << log).find(|block| *block >= size.into()).unwrap_or(0);
        let ptr = match self.free.entry(block).or_default().pop() {
            Some(ptr) => ptr,
            None => {
                let ptr = self.fresh + 8;
                let end = ptr + block;
                if end > self.pages * PAGE {
                    self.grow(end.div_ceil(PAGE))?;
                }
                self.fresh = end;
                ptr as u32
            }
        };
        let next = self.in_use.range(ptr..).next();
        assert!(next.is_none_or(|(next, _)| u64::from(ptr) + block + 8 <= (*next).into()));
        let before = self.in_use.range(..ptr).next_back();
        assert!(before.is_none_or(|(at, size)| u64::from(*at) + size + 8 <= ptr.into()));
        self.in_use.insert(ptr, block);
        Ok(ptr)
    }

    /// To twice the pages, or the limit if that is less, but at least to `needed`.
    fn grow(&mut self, needed: u64) -> Result<(), AllocatorError> {
        let target = needed.max(self.page_limit.min(2 * self.pages));
        if needed > self.page_limit || target > ALL_PAGES {
            return Err(AllocatorError::OutOfSpace);
        }
        self.pages = target;
        Ok(())
    }

    /// Whether the model knows what comes of freeing this. It does not know the content of blocks,
    /// in which there may be what looks like a header.
    fn can_judge(&self, ptr: u32) -> bool {
        let ptr64 = u64::from(ptr);
        let is_block =
            |ptr| self.in_use.contains_key(&ptr) || self.free.values().flatten().any(|p| *p == ptr);
        is_block(ptr) || ptr64 <= self.heap_base || ptr64 >= self.fresh + 8
    }

    fn free(&mut self, ptr: u32) -> Result<(), AllocatorError> {
        if self.failed {
            return Err(AllocatorError::Poisoned);
        }
        match self.in_use.remove(&ptr) {
            Some(block) => {
                self.free.entry(block).or_default().push(ptr);
                Ok(())
            }
            None => {
                self.failed = true;
                Err(if ptr < 8 || u64::from(ptr) > self.pages * PAGE {
                    AllocatorError::FreedOutOfBounds
                } else {
                    AllocatorError::NotInUse
                })
            }
        }
    }

    fn check_headers(&self, memory: &Sparse) {
        for (ptr, block) in &self.in_use {
            let order = u64::from(block.trailing_zeros() - 3);
            assert_eq!(memory.read_u64(ptr - 8), Ok(1 << 32 | order), "in use at {ptr}");
        }
        for list in self.free.values() {
            let mut next = u32::MAX;
            for ptr in list {
                assert_eq!(memory.read_u64(ptr - 8), Ok(next.into()), "free at {ptr}");
                next = ptr - 8;
            }
        }
    }

    /// What is written into a block in use: a number at its start, and one at its end.
    fn stamps(&self, ptr: u32) -> [(u32, u64); 2] {
        let block = self.in_use.get(&ptr).copied().unwrap_or(8);
        let end = (u64::from(ptr) + block - 8) as u32;
        [(ptr, !u64::from(end)), (end, !u64::from(end))]
    }

    fn check_contents(&self, memory: &Sparse) {
        for ptr in self.in_use.keys() {
            for (at, stamp) in self.stamps(*ptr) {
                assert_eq!(memory.read_u64(at), Ok(stamp), "content at {at}");
            }
        }
    }
}

/// Up to 4 GiB of memory, of which only what was written exists.
struct Sparse {
    pages: u32,
    page_limit: u32,
    chunks: HashMap<u64, [u8; Sparse::CHUNK as usize]>,
}

impl Sparse {
    const CHUNK: u64 = 64;

    fn range(&self, ptr: u32, len: u64) -> Result<std::ops::Range<u64>, MemoryError> {
        let range = u64::from(ptr)..u64::from(ptr) + len;
        if range.end > self.size() { Err(MemoryError::OutOfBounds) } else { Ok(range) }
    }
}

impl GuestMemory for Sparse {
    fn size(&self) -> u64 {
        u64::from(self.pages) * PAGE
    }

    fn page_limit(&self) -> u32 {
        self.page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let begin = self.size();
        let pages = self.pages.checked_add(pages).ok_or(GrowError)?;
        if pages > self.page_limit || u64::from(pages) > ALL_PAGES {
            return Err(GrowError);
        }
        self.pages = pages;
        Ok(begin)
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let byte = |at: u64| {
            self.chunks.get(&(at / Self::CHUNK)).map_or(0, |c| c[(at % Self::CHUNK) as usize])
        };
        Ok(self.range(ptr, len.into())?.map(byte).collect())
    }

    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        for (at, byte) in self.range(ptr, bytes.len() as u64)?.zip(bytes) {
            let chunk = self.chunks.entry(at / Self::CHUNK).or_insert([0; _]);
            chunk[(at % Self::CHUNK) as usize] = *byte;
        }
        Ok(())
    }
}
