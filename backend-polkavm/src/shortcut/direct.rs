//! Host functions that act while compiled code waits, and the guest as they see it then.
//!
//! They are the same functions as in the [ordinary way](crate::host_calls), and get their arguments and
//! give their results as there. What is another is the guest: its memory is read and written where it
//! lies, not through the engine, and all that takes more than that is refused, such as growing the heap.
//!
//! A function that was refused anything has done nothing: it is called once more in the ordinary way,
//! which finds out what is the matter. So a function may be in the [table](FUNCTIONS) if it changes
//! nothing before the last thing that it can be refused, and takes no more arguments than
//! [`Saved`] has. An allocation can be the last one: what is written to it fits.

#![expect(unsafe_code, reason = "reads and writes a guest's memory where it lies")]

use super::enter;
use crate::{
    host_calls::{Argument, CallResult, Registers},
    instance::Call,
};
use polkavm::Reg;
use pvf_host_core::backend::LogLevel;
use pvf_host_functions::{
    Allocator, CallState, GrowError, GuestContext, GuestMemory, HostError, MemoryError, Window,
};
use std::{
    borrow::Cow,
    ops::Range,
    ptr::{self, NonNull},
    slice,
};

/// What compiled code calls.
pub(super) type Entry = unsafe extern "sysv64" fn();

/// One of the functions.
pub(super) trait Function {
    /// Does what the guest calls for, as its registers say, and returns whether it did.
    ///
    /// # Safety
    ///
    /// Code that [`Lent::memory`] tells of waits until this is done.
    unsafe extern "sysv64" fn call(lent: &mut Lent, saved: &mut Saved) -> bool;
}

macro_rules! functions {
    ($($name:literal => $path:path;)*) => {
        /// The names of the functions, and what compiled code calls instead.
        pub(super) const FUNCTIONS: [(&str, Entry); [$($name),*].len()] = [$(($name, {
            struct It;
            impl Function for It {
                /// # Safety
                ///
                /// As of the trait.
                unsafe extern "sysv64" fn call(lent: &mut Lent, saved: &mut Saved) -> bool {
                    // SAFETY: the caller vouches for the same.
                    let Some(mut guest) = (unsafe { lent.guest(saved) }) else { return false };
                    let mut registers = Reg::ARG_REGS.into_iter();
                    let argument = Argument::take(&mut guest, &mut registers);
                    match $path(&mut guest, argument) {
                        Ok(result) => {
                            result.put(&mut guest);
                            true
                        }
                        Err(_) => false,
                    }
                }
            }
            enter::<It> as Entry
        })),*];
    };
}

functions! {
    "ext_allocator_free_version_1" => pvf_host_functions::allocation::free_version_1;
    "ext_allocator_malloc_version_1" => pvf_host_functions::allocation::malloc_version_1;
    "ext_hashing_blake2_128_version_1" => pvf_host_functions::hashing::blake2_128_version_1;
    "ext_hashing_blake2_256_version_1" => pvf_host_functions::hashing::blake2_256_version_1;
    "ext_hashing_keccak_256_version_1" => pvf_host_functions::hashing::keccak_256_version_1;
    "ext_hashing_keccak_512_version_1" => pvf_host_functions::hashing::keccak_512_version_1;
    "ext_hashing_sha2_256_version_1" => pvf_host_functions::hashing::sha2_256_version_1;
    "ext_hashing_twox_128_version_1" => pvf_host_functions::hashing::twox_128_version_1;
    "ext_hashing_twox_256_version_1" => pvf_host_functions::hashing::twox_256_version_1;
    "ext_hashing_twox_64_version_1" => pvf_host_functions::hashing::twox_64_version_1;
}

/// The registers A0 and A1, as they were when compiled code called, and as they will be when it goes on.
pub(super) type Saved = [u64; 2];

/// What compiled code is lent while it runs.
#[repr(C)]
pub(super) struct Lent {
    /// Where the base of the guest's memory lies; null until compiled code has noted it.
    pub(super) memory: *mut u8,
    pub(super) entries: [Entry; FUNCTIONS.len()],
    /// Null while no code runs.
    pub(super) call: *mut Call,
    /// The addresses of the heap that the allocator serves from, as far as there is memory.
    pub(super) arena: Range<u32>,
    /// The addresses that the guest can read: writable data and heap, the stack, and read-only data.
    pub(super) readable: [Range<u32>; 3],
    is_64_bit: bool,
}

impl Lent {
    /// For a program for 64 bits or 32. Nothing is lent yet.
    pub(super) fn new(is_64_bit: bool) -> Self {
        Self {
            memory: ptr::null_mut(),
            entries: FUNCTIONS.map(|(_, entry)| entry),
            call: ptr::null_mut(),
            arena: 0..0,
            readable: [0..0, 0..0, 0..0],
            is_64_bit,
        }
    }

    /// The guest, if anything is lent.
    ///
    /// # Safety
    ///
    /// `memory` is the base of the memory of the guest that [`run`](super::Shortcut::run) runs, which
    /// waits until the result is dropped.
    #[inline]
    unsafe fn guest<'a>(&'a mut self, saved: &'a mut Saved) -> Option<Waiting<'a>> {
        let memory = NonNull::new(self.memory)?;
        // SAFETY: whoever runs the guest has lent it, so uses it no sooner.
        let call = unsafe { NonNull::new(self.call)?.as_mut() };
        Some(Waiting { memory, call, saved, lent: self })
    }
}

/// A guest that waits for a function's end.
struct Waiting<'a> {
    /// What `lent` says of it, but not null.
    memory: NonNull<u8>,
    call: &'a mut Call,
    saved: &'a mut Saved,
    lent: &'a Lent,
}

/// What is refused may be granted in the ordinary way.
const REFUSED: MemoryError = MemoryError::NotReady;

impl Registers for Waiting<'_> {
    #[inline]
    fn is_64_bit(&self) -> bool {
        self.lent.is_64_bit
    }

    #[inline]
    fn register(&mut self, register: Reg) -> u64 {
        let value = self.saved[index(register)];
        if self.is_64_bit() { value } else { value & u64::from(u32::MAX) }
    }

    #[inline]
    fn set_register(&mut self, register: Reg, value: u64) {
        let is_64_bit = self.is_64_bit();
        self.saved[index(register)] = if is_64_bit { value } else { value & u64::from(u32::MAX) };
    }
}

/// Where in [`Saved`] a register is, which must be one of the two.
#[inline]
fn index(register: Reg) -> usize {
    register as usize - Reg::A0 as usize
}

impl GuestMemory for Waiting<'_> {
    #[inline]
    fn size(&self) -> u64 {
        u64::from(self.lent.arena.end)
    }

    fn page_limit(&self) -> u32 {
        0
    }

    fn grow(&mut self, _: u32) -> Result<u64, GrowError> {
        Err(GrowError)
    }

    #[inline]
    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        if len == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let end = ptr.checked_add(len).ok_or(REFUSED)?;
        let holds = |range: &Range<u32>| range.start <= ptr && end <= range.end;
        if !self.lent.readable.iter().any(holds) {
            return Err(REFUSED);
        }
        // SAFETY: all of the range can be read, as `run` has made sure. Nobody writes to it: the guest
        // waits, and whatever writes for it borrows `self` alone.
        let bytes =
            unsafe { slice::from_raw_parts(self.memory.add(ptr as usize).as_ptr(), len as usize) };
        Ok(Cow::Borrowed(bytes))
    }

    #[inline]
    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let at = ptr.checked_sub(self.lent.arena.start).ok_or(REFUSED)? as usize;
        // SAFETY: as of `arena`, and the reference is gone before `self` is used again.
        let arena = unsafe { &mut *self.arena() };
        let place = arena.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or(REFUSED)?.copy_from_slice(bytes);
        Ok(())
    }
}

impl Waiting<'_> {
    /// What the guest has where its allocator serves from. All of it can be read and written, as `run`
    /// has made sure, and by whoever borrows `self` alone.
    #[inline]
    fn arena(&self) -> *mut [u8] {
        let Range { start, end } = self.lent.arena;
        let begin = self.memory.as_ptr().wrapping_add(start as usize);
        ptr::slice_from_raw_parts_mut(begin, end.saturating_sub(start) as usize)
    }
}

impl GuestContext for Waiting<'_> {
    #[inline]
    fn state(&mut self) -> &mut CallState {
        &mut self.call.state
    }

    #[inline]
    fn heap(&mut self) -> Option<(&mut Allocator, Window<'_>)> {
        // SAFETY: as of `arena`, and the result borrows `self`.
        let arena = unsafe { &mut *self.arena() };
        let window = Window::new(self.lent.arena.start, arena);
        Some((self.call.state.allocator.as_deref_mut()?, window))
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.call.log.log(level, target, message);
    }

    #[inline]
    fn allocate(&mut self, size: u32) -> Result<u32, HostError> {
        let (allocator, mut window) = self.heap().ok_or(REFUSED)?;
        Ok(allocator.allocate_in(&mut window, size).ok_or(REFUSED)?)
    }

    #[inline]
    fn deallocate(&mut self, ptr: u32) -> Result<(), HostError> {
        let (allocator, mut window) = self.heap().ok_or(REFUSED)?;
        Ok(allocator.deallocate_in(&mut window, ptr).ok_or(REFUSED)?)
    }
}
