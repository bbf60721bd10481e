//! One instance with its state, and what host functions see of it.

use crate::{host_calls::Registers, shortcut::Shortcut};
use polkavm::{InterruptKind, MemoryProtection, ProgramCounter, RawInstance, Reg};
use pvf_host_core::backend::{GuestLog, LogLevel, MANY_BYTES, populate, prefer_huge};
use pvf_host_functions::{CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE};
use std::{
    borrow::Cow,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

/// What one call into an instance carries.
pub(crate) struct Call {
    pub(crate) state: CallState,
    pub(crate) log: Box<dyn GuestLog>,
}

/// An instance, and what one call into it carries.
pub(crate) struct Guest {
    /// The engine reads memory through an exclusive reference alone.
    instance: RefCell<RawInstance>,
    is_64_bit: bool,
    pub(crate) call: Call,
    /// The address up to which the heap may grow.
    heap_end: u32,
    /// The end of what the host's allocator has of the heap. The guest has the rest.
    arena_end: u32,
    /// How compiled code calls host functions itself.
    shortcut: Option<Shortcut>,
    /// Why the machine had no memory to give.
    pub(crate) machine_failed: Option<String>,
}

impl Guest {
    /// `shortcut` is that of the instance's module.
    pub(crate) fn new(instance: RawInstance, heap_end: u32, shortcut: Option<Shortcut>) -> Self {
        Self {
            is_64_bit: instance.is_64_bit(),
            arena_end: instance.module().memory_map().heap_base(),
            instance: RefCell::new(instance),
            call: Call { state: CallState::default(), log: Box::new(()) },
            heap_end,
            shortcut,
            machine_failed: None,
        }
    }

    /// Makes the memory as it was when the instance was new.
    pub(crate) fn reset(&mut self) -> Result<(), polkavm::Error> {
        let instance = self.instance.get_mut();
        instance.reset_memory()?;
        self.arena_end = instance.module().memory_map().heap_base();
        self.machine_failed = None;
        Ok(())
    }

    /// Begins another call.
    pub(crate) fn begin(&mut self, log: Box<dyn GuestLog>) {
        self.call = Call { state: CallState::new(self.arena_end), log };
    }

    /// Runs the guest until it needs something, or ends.
    #[inline]
    pub(crate) fn run(&mut self) -> Result<InterruptKind, polkavm::Error> {
        let instance = self.instance.get_mut();
        match &mut self.shortcut {
            Some(shortcut) => shortcut.run(instance, &mut self.call, self.arena_end),
            None => instance.run(),
        }
    }

    #[inline]
    pub(crate) fn instance(&mut self) -> &mut RawInstance {
        self.instance.get_mut()
    }

    /// Prepares the call of the function at `entry_point`.
    pub(crate) fn set_call(&mut self, entry_point: ProgramCounter, ptr: u32, len: u32) {
        let instance = self.instance();
        instance.prepare_call_untyped(entry_point, &[u64::from(ptr), u64::from(len)]);
    }

    /// Lets the guest go on after a call of a host function as if it was called there.
    ///
    /// To go on is what the engine does by itself, but in some instruction sets its compiler first reads
    /// the code before that place, up to a kilobyte, each time. To look up where to go is several times
    /// faster. Metered, it would charge for the basic block once more.
    #[inline]
    pub(crate) fn resume_by_address(&mut self) {
        let instance = self.instance();
        if let Some(next) = instance.next_program_counter() {
            instance.set_next_program_counter(next);
        }
    }

    /// The address where the heap ends now.
    fn heap_top(&mut self) -> u32 {
        let instance = self.instance();
        instance.module().memory_map().heap_base() + instance.heap_size()
    }

    /// Grows the heap by `size` bytes, and returns the address where it ends then; `None` when it may
    /// not grow so far, or the machine has failed.
    pub(crate) fn sbrk(&mut self, size: u64) -> Option<u32> {
        let top = self.heap_top();
        if size > u64::from(self.heap_end.saturating_sub(top)) {
            return None;
        }
        // What the engine does when the kernel refuses memory is panic.
        let grow = AssertUnwindSafe(|| self.instance.get_mut().sbrk(size as u32));
        match catch_unwind(grow) {
            Ok(Ok(new_top)) => {
                if let Some(memory) = self.memory() {
                    let begin = memory.as_ptr().wrapping_add(top as usize);
                    prefer_huge(std::ptr::slice_from_raw_parts_mut(begin, size as usize));
                }
                new_top
            }
            Ok(Err(error)) => {
                self.machine_failed = Some(error.to_string());
                None
            }
            Err(_) => {
                self.machine_failed = Some(format!("no memory to grow the heap by {size} bytes"));
                None
            }
        }
    }

    /// Where the base of its memory lies, if that is known.
    pub(crate) fn memory(&self) -> Option<NonNull<u8>> {
        self.shortcut.as_ref().and_then(Shortcut::memory)
    }

    /// Has pages made for the bytes at `ptr`, if they can be written and where they lie is known.
    fn populate(&mut self, ptr: u32, len: usize) {
        let Some(memory) = self.memory() else { return };
        let instance = self.instance();
        let is_there = |len| instance.is_memory_accessible(ptr, len, MemoryProtection::ReadWrite);
        if u32::try_from(len).is_ok_and(is_there) {
            let begin = memory.as_ptr().wrapping_add(ptr as usize);
            populate(std::ptr::slice_from_raw_parts_mut(begin, len));
        }
    }

    /// The bytes at `ptr`, copied once it is certain that they are there.
    pub(crate) fn read(&self, ptr: u32, len: u32) -> Option<Vec<u8>> {
        let mut instance = self.instance.borrow_mut();
        if len == 0 {
            return Some(Vec::new());
        }
        if !instance.is_memory_accessible(ptr, len, MemoryProtection::Read) {
            return None;
        }
        instance.read_memory(ptr, len).ok()
    }
}

impl Registers for Guest {
    #[inline]
    fn is_64_bit(&self) -> bool {
        self.is_64_bit
    }

    #[inline]
    fn register(&mut self, register: Reg) -> u64 {
        self.instance().reg(register)
    }

    #[inline]
    fn set_register(&mut self, register: Reg, value: u64) {
        self.instance().set_reg(register, value);
    }
}

impl GuestMemory for Guest {
    #[inline]
    fn size(&self) -> u64 {
        u64::from(self.arena_end)
    }

    #[inline]
    fn page_limit(&self) -> u32 {
        (u64::from(self.heap_end) / PAGE_SIZE) as u32
    }

    fn preferred_pages(&self) -> u32 {
        0
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let top = self.heap_top();
        // The guest may have moved the heap's end since.
        let begin = top.max(self.arena_end);
        let pages = u64::from(begin) / PAGE_SIZE + u64::from(pages);
        let end = u32::try_from(pages * PAGE_SIZE).map_err(|_| GrowError)?;
        let size = end.checked_sub(top).ok_or(GrowError)?;
        self.sbrk(u64::from(size)).ok_or(GrowError)?;
        self.arena_end = end;
        Ok(u64::from(begin))
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        self.read(ptr, len).map(Cow::Owned).ok_or(MemoryError::OutOfBounds)
    }

    #[inline]
    fn array<const N: usize>(&self, ptr: u32) -> Result<[u8; N], MemoryError> {
        let mut array = [0; N];
        let read = self.instance.borrow_mut().read_memory_into(ptr, &mut array[..]).is_ok();
        if read { Ok(array) } else { Err(MemoryError::OutOfBounds) }
    }

    fn will_be_written(&mut self, ptr: u32, len: u32) {
        self.populate(ptr, len as usize);
    }

    #[inline]
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        if bytes.len() >= MANY_BYTES {
            self.populate(ptr, bytes.len());
        }
        self.instance().write_memory(ptr, bytes).map_err(|_| MemoryError::OutOfBounds)
    }
}

impl GuestContext for Guest {
    #[inline]
    fn state(&mut self) -> &mut CallState {
        &mut self.call.state
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.call.log.log(level, target, message);
    }
}
