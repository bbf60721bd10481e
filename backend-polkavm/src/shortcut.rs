//! The allocator, called by compiled code without leaving it.
//!
//! A call of a host function ends the run of the compiled code: all registers are stored, the host acts,
//! looks up where to go on, and all registers are loaded again. That costs ten times what the allocator
//! does, and a block makes a million calls of it. So in front of each such call the compiler is given a
//! few instructions more, which call [`Allocator::allocate_in`] or [`Allocator::deallocate_in`] and, if
//! that was all, jump over what follows:
//!
//! ```text
//! mov  rcx, lent              what the host lends, see `Lent`
//! call [rcx + entry]          enter_allocate or enter_deallocate
//! jne  over
//! ...                         the call as the engine makes it
//! over:
//! ```
//!
//! What is not done there, such as growing the heap or ending the guest, is done as without it.
//!
//! The engine does not say how long its own call is. Its compiler's exact version is known, and that the
//! code is as expected is [checked](Shortcut::check) after it was compiled, at each of these places.
//!
//! Nor does it say where the guest's memory lies, which compiled code knows. So in front of the first
//! call of any import, whatever it is, that is noted in [`Lent`]; and to
//! [find it out](Shortcut::find_memory) before the guest runs, that call is made by itself.

#![expect(unsafe_code, reason = "is called by machine code that it has written")]

use polkavm::{
    CustomCodegen, Gas, InterruptKind, Module, ProgramBlob, ProgramCounter, RawInstance,
    program::Instruction,
};
use polkavm_assembler::Assembler;
use pvf_host_functions::{Allocator, Window};
use std::{
    arch::naked_asm,
    mem::offset_of,
    ptr::{self, NonNull},
    slice,
    sync::{Arc, Mutex, PoisonError},
};

/// The functions that there is a shortcut for.
const ALLOCATE: &str = "ext_allocator_malloc_version_1";
const DEALLOCATE: &str = "ext_allocator_free_version_1";

/// How an entry says that it did nothing. No pointer is this one.
const NOT_DONE: u64 = u64::MAX;

/// The length of the engine's own call: three times `mov dword ptr [r13 + disp32], imm32`, of which the
/// first has the import's number, and `call rel32`.
const CALL: usize = 3 * MOV + 5;
const MOV: usize = 11;
const MOV_BEGINS: [u8; 3] = [0x41, 0xc7, 0x85];
const CALL_BEGINS: u8 = 0xe8;

/// What compiled code is lent while it runs.
#[repr(C)]
struct Lent {
    enter_allocate: unsafe extern "sysv64" fn(),
    enter_deallocate: unsafe extern "sysv64" fn(),
    /// Null while no code runs.
    allocator: *mut Allocator,
    /// The heap: the addresses between which the guest that runs may read and write.
    begin: u32,
    end: u32,
    is_64_bit: bool,
    /// Where the base of the guest's memory lies; null until compiled code has noted it.
    memory: *mut u8,
}

/// The compiled code's way to the allocator of one instance.
pub(crate) struct Shortcut {
    /// Its address is in the code.
    lent: NonNull<Lent>,
    sites: Arc<Mutex<Vec<Site>>>,
}

/// Where instructions were added.
struct Site {
    /// Behind them, counted from the beginning of the machine code.
    end: usize,
    /// The import that is called.
    number: u32,
}

impl Shortcut {
    /// For a program for 64 bits or 32.
    pub(crate) fn new(is_64_bit: bool) -> Self {
        let lent = Box::new(Lent {
            enter_allocate,
            enter_deallocate,
            allocator: ptr::null_mut(),
            begin: 0,
            end: 0,
            is_64_bit,
            memory: ptr::null_mut(),
        });
        Self { lent: NonNull::from(Box::leak(lent)), sites: Arc::default() }
    }

    /// What adds the instructions to a program with these imports. One that is not offered is `None`.
    pub(crate) fn codegen<'a>(&self, imports: impl Iterator<Item = Option<&'a str>>) -> Codegen {
        let entry = |name: Option<&str>| match name? {
            ALLOCATE => Some(offset_of!(Lent, enter_allocate) as u8),
            DEALLOCATE => Some(offset_of!(Lent, enter_deallocate) as u8),
            _ => None,
        };
        Codegen {
            lent: self.lent.as_ptr() as u64,
            entries: imports.map(entry).collect(),
            sites: Arc::clone(&self.sites),
        }
    }

    /// Makes sure that what follows each of these places is the call, so that the jumps end where they
    /// should.
    pub(crate) fn check(&self, module: &Module) -> bool {
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(code) = module.machine_code() else { return sites.is_empty() };
        sites.iter().all(|site| site.is_as_expected(code))
    }

    /// Runs the instance with the allocator, to which its heap up to `end` belongs.
    #[inline]
    pub(crate) fn run(
        &mut self,
        instance: &mut RawInstance,
        allocator: Option<&mut Allocator>,
        end: u32,
    ) -> Result<InterruptKind, polkavm::Error> {
        let begin = instance.module().memory_map().heap_base();
        // What is beyond can't be written.
        let end = end.min(begin + instance.heap_size());
        self.lend(allocator.map_or(ptr::null_mut(), ptr::from_mut), begin, end);
        let result = instance.run();
        self.lend(ptr::null_mut(), 0, 0);
        result
    }

    /// Finds out where the base of a new instance's memory lies, if its program calls imports at all.
    ///
    /// Runs the first of these calls and nothing else: the engine leaves the compiled code there, and
    /// nobody does what is called for. An allocator, which compiled code would call, there is none. The
    /// registers and the memory stay as they are; where to run next and with how much gas is for each
    /// call to set.
    ///
    /// Returns whether that is how it went.
    pub(crate) fn find_memory(
        &mut self,
        program: &ProgramBlob,
        instance: &mut RawInstance,
    ) -> Result<bool, polkavm::Error> {
        let first = self.first_call(program, instance.module());
        let Some((call, number)) = first else { return Ok(true) };
        // No basic block costs as much.
        instance.set_gas(Gas::MAX);
        instance.set_next_program_counter(call);
        let end = self.run(instance, None, 0);
        instance.set_gas(0);
        Ok(matches!(end?, InterruptKind::Ecalli(called) if called == number))
    }

    /// The first call in the program, and the import that it calls.
    fn first_call(&self, program: &ProgramBlob, module: &Module) -> Option<(ProgramCounter, u32)> {
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let Site { end, number } = *sites.first()?;
        // Where the code of each instruction begins, in their order.
        let begins = module.program_counter_to_machine_code_offset()?;
        let after = begins.partition_point(|(_, begin)| (*begin as usize) < end);
        let (call, _) = *begins.get(after.checked_sub(1)?)?;
        let instruction = program.instructions_bounded_at(call).next()?;
        let is_it = instruction.offset == call
            && matches!(instruction.kind, Instruction::ecalli(called) if called as u32 == number);
        is_it.then_some((call, number))
    }

    /// Where the base of the guest's memory lies, once that is found out.
    pub(crate) fn memory(&self) -> Option<NonNull<u8>> {
        // SAFETY: as in `lend`.
        NonNull::new(unsafe { self.lent.as_ref() }.memory)
    }

    #[inline]
    fn lend(&mut self, allocator: *mut Allocator, begin: u32, end: u32) {
        // SAFETY: it lives as long as `self`, and nothing else uses it but code that runs in `run`.
        let lent = unsafe { self.lent.as_mut() };
        lent.allocator = allocator;
        lent.begin = begin;
        lent.end = end;
    }
}

impl Drop for Shortcut {
    fn drop(&mut self) {
        // SAFETY: it came out of a box, in `new`, and the code that knows of it does not run any more.
        drop(unsafe { Box::from_raw(self.lent.as_ptr()) });
    }
}

impl Site {
    fn is_as_expected(&self, code: &[u8]) -> bool {
        let Some(call) = code.get(self.end..).and_then(|rest| rest.get(..CALL)) else {
            return false;
        };
        let (moves, call) = call.split_at(3 * MOV);
        moves.chunks(MOV).all(|one| one.starts_with(&MOV_BEGINS))
            && moves[MOV - 4..MOV] == self.number.to_le_bytes()
            && call[0] == CALL_BEGINS
    }
}

/// Adds the instructions.
pub(crate) struct Codegen {
    /// The address of [`Lent`].
    lent: u64,
    /// For each import, where in [`Lent`] its entry is.
    entries: Vec<Option<u8>>,
    sites: Arc<Mutex<Vec<Site>>>,
}

impl CustomCodegen for Codegen {
    fn should_emit_ecalli(&self, number: u32, asm: &mut Assembler) -> bool {
        let entry = self.entries.get(number as usize).copied().flatten();
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = sites.is_empty();
        if entry.is_none() && !is_first {
            return true;
        }
        asm.push_raw(&[0x48, 0xb9]);
        asm.push_raw(&self.lent.to_le_bytes());
        if is_first {
            // mov [rcx + memory], r13
            asm.push_raw(&[0x4c, 0x89, 0x69, offset_of!(Lent, memory) as u8]);
        }
        if let Some(entry) = entry {
            asm.push_raw(&[0xff, 0x51, entry]);
            asm.push_raw(&[0x75, CALL as u8]);
        }
        sites.push(Site { end: asm.len(), number });
        true
    }
}

/// Called by compiled code, with [`Lent`] in rcx, the base of the guest's memory in r13, and the guest's
/// register A0 in rdi. All registers but rcx and rsp are the guest's. Leaves the pointer in rdi and the
/// zero flag clear; or everything as it is but rcx, and the zero flag set.
///
/// # Safety
///
/// Nobody else calls it.
// SAFETY: the assembly is a whole function, which keeps to what is said above.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_allocate() {
    naked_asm!(
        // What a function may change.
        "push rax",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbp",
        "mov rbp, rsp",
        "and rsp, -16",
        "mov rsi, rdi",
        "mov rdi, rcx",
        "mov rdx, r13",
        "call {allocate}",
        "mov rsp, rbp",
        "mov rcx, rax",
        // From here on nothing changes the flags.
        "cmp rax, {NOT_DONE}",
        "pop rbp",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "cmovne rdi, rcx",
        "pop rsi",
        "pop rdx",
        "pop rax",
        "ret",
        allocate = sym allocate,
        NOT_DONE = const NOT_DONE as i64,
    );
}

/// The same, but that it leaves rdi as it is.
///
/// # Safety
///
/// Nobody else calls it.
// SAFETY: as above.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_deallocate() {
    naked_asm!(
        "push rax",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbp",
        "mov rbp, rsp",
        "and rsp, -16",
        "mov rsi, rdi",
        "mov rdi, rcx",
        "mov rdx, r13",
        "call {deallocate}",
        "mov rsp, rbp",
        "cmp rax, {NOT_DONE}",
        "pop rbp",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rax",
        "ret",
        deallocate = sym deallocate,
        NOT_DONE = const NOT_DONE as i64,
    );
}

/// Returns what goes to A0, or [`NOT_DONE`].
///
/// # Safety
///
/// As of [`reach`].
unsafe extern "sysv64" fn allocate(lent: &mut Lent, size: u64, memory: *mut u8) -> u64 {
    // SAFETY: the same.
    let Some((allocator, mut window)) = (unsafe { reach(lent, memory) }) else { return NOT_DONE };
    match allocator.allocate_in(&mut window, size as u32) {
        // As in RISC-V, 32 bits in a register of 64 are sign-extended.
        Some(ptr) if lent.is_64_bit => ptr as i32 as u64,
        Some(ptr) => ptr.into(),
        None => NOT_DONE,
    }
}

/// Returns 0, or [`NOT_DONE`].
///
/// # Safety
///
/// As of [`reach`].
unsafe extern "sysv64" fn deallocate(lent: &mut Lent, ptr: u64, memory: *mut u8) -> u64 {
    // SAFETY: the same.
    let Some((allocator, mut window)) = (unsafe { reach(lent, memory) }) else { return NOT_DONE };
    allocator.deallocate_in(&mut window, ptr as u32).map_or(NOT_DONE, |()| 0)
}

/// # Safety
///
/// `memory` is the base of the memory of the guest that [`Shortcut::run`] runs.
#[inline]
unsafe fn reach<'a>(lent: &mut Lent, memory: *mut u8) -> Option<(&'a mut Allocator, Window<'a>)> {
    let mut allocator = NonNull::new(lent.allocator)?;
    let len = lent.end.saturating_sub(lent.begin) as usize;
    // SAFETY: all of the range can be read and written, as `run` has made sure, and the guest waits for
    // this call's end. Whoever runs it has lent the allocator, so uses it no sooner.
    unsafe {
        let bytes = slice::from_raw_parts_mut(memory.add(lent.begin as usize), len);
        Some((allocator.as_mut(), Window::new(lent.begin, bytes)))
    }
}
