//! Host functions, called by compiled code without leaving it.
//!
//! A call of a host function ends the run of the compiled code: all registers are stored, the host acts,
//! looks up where to go on, and all registers are loaded again. That costs ten times what the allocator
//! does, and a block makes a million calls of it, and thousands of those that hash. So in front of each
//! call of a function in [`FUNCTIONS`] the compiler is given a few instructions more, which call that
//! function and, if it could do what it should, jump over what follows:
//!
//! ```text
//! mov  rcx, lent              what the host lends, see `Lent`
//! call [rcx + entry]          `enter` for this function
//! jne  over
//! ...                         the call as the engine makes it
//! over:
//! ```
//!
//! What is not done there, such as growing the heap or ending the guest, is done as without it: see
//! [`direct`].
//!
//! The engine does not say how long its own call is. Its compiler's exact version is known, and that the
//! code is as expected is [checked](Shortcut::check) after it was compiled, at each of these places.
//!
//! Nor does it say where the guest's memory lies, which compiled code knows. So in front of the first
//! call of any import, whatever it is, that is noted in [`Lent`]; and to
//! [find it out](Shortcut::find_memory) before the guest runs, that call is made by itself.

#![expect(unsafe_code, reason = "is called by machine code that it has written")]

mod compare;
mod direct;

use crate::{
    instance::Call,
    stand_in::{StandIn, StandIns},
};
use direct::{Entry, FUNCTIONS, Function, Lent};
use polkavm::{
    CustomCodegen, Gas, InterruptKind, Module, ProgramBlob, ProgramCounter, RawInstance,
    program::Instruction,
};
use polkavm_assembler::Assembler;
use std::{
    arch::naked_asm,
    mem::offset_of,
    ptr::{self, NonNull},
    sync::{Arc, Mutex, PoisonError},
};

/// The length of the engine's own call: three times `mov dword ptr [r13 + disp32], imm32`, of which the
/// first has the import's number, and `call rel32`.
const CALL: usize = 3 * MOV + 5;
const MOV: usize = 11;
const MOV_BEGINS: [u8; 3] = [0x41, 0xc7, 0x85];
const CALL_BEGINS: u8 = 0xe8;

/// The bytes of all entries in [`Lent`].
const ENTRIES: usize = FUNCTIONS.len() * size_of::<Entry>();

/// The compiled code's way to the host functions of one instance.
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
        let lent = Box::new(Lent::new(is_64_bit));
        Self { lent: NonNull::from(Box::leak(lent)), sites: Arc::default() }
    }

    /// What adds the instructions to a program with these imports, of which one that is not offered is
    /// `None`, and these calls that stand for others.
    pub(crate) fn codegen<'a>(
        &self,
        imports: impl Iterator<Item = Option<&'a str>>,
        calls: &StandIns,
        is_metered: bool,
    ) -> Codegen {
        let entry = |name: Option<&str>| {
            let index = FUNCTIONS.iter().position(|(known, _)| Some(*known) == name)?;
            Some((offset_of!(Lent, entries) + index * size_of::<Entry>()) as u8)
        };
        Codegen {
            lent: self.lent.as_ptr() as u64,
            entries: imports.map(entry).collect(),
            calls: calls.clone(),
            is_metered,
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

    /// Runs the instance with what its call carries. To the allocator belongs its heap up to `end`.
    #[inline]
    pub(crate) fn run(
        &mut self,
        instance: &mut RawInstance,
        call: &mut Call,
        end: u32,
    ) -> Result<InterruptKind, polkavm::Error> {
        let map = instance.module().memory_map();
        let begin = map.heap_base();
        // What is beyond is not there.
        let top = begin + instance.heap_size();
        // SAFETY: as in `lend`.
        let lent = unsafe { self.lent.as_mut() };
        lent.arena = begin..end.min(top);
        // All of it is there from the beginning, but for the heap.
        lent.readable = [map.rw_data_address()..top, map.stack_range(), map.ro_data_range()];
        self.lend(call);
        let result = instance.run();
        self.lend(ptr::null_mut());
        result
    }

    /// Finds out where the base of a new instance's memory lies, if its program calls imports at all.
    ///
    /// Runs the first of these calls and nothing else: the engine leaves the compiled code there, and
    /// nobody does what is called for, as nothing is lent to the functions that compiled code calls. The
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
        let end = instance.run();
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
    fn lend(&mut self, call: *mut Call) {
        // SAFETY: it lives as long as `self`, and nothing else uses it but code that runs in `run`.
        unsafe { self.lent.as_mut() }.call = call;
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
    /// For each import in [`FUNCTIONS`], where in [`Lent`] its entry is.
    entries: Vec<Option<u8>>,
    calls: StandIns,
    is_metered: bool,
    sites: Arc<Mutex<Vec<Site>>>,
}

impl CustomCodegen for Codegen {
    fn should_emit_ecalli(&self, number: u32, asm: &mut Assembler) -> bool {
        if let Some(StandIn::Compare(it)) = self.calls.get(number) {
            compare::emit(it, self.is_metered, asm);
            return false;
        }
        let entry = self.entries.get(number as usize).copied().flatten();
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = sites.is_empty();
        if entry.is_none() && !is_first {
            return true;
        }
        const { assert!(offset_of!(Lent, entries) + ENTRIES <= i8::MAX as usize) };
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

/// Called by compiled code, with [`Lent`] in rcx. All registers but rcx and rsp are the guest's: A0
/// and A1 are rdi and rax. Leaves there what the function did, and the zero flag clear; or everything
/// as it is but rcx, and the zero flag set.
///
/// # Safety
///
/// Nobody else calls it.
// SAFETY: the assembly is a whole function, which keeps to what is said above.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter<F: Function>() {
    naked_asm!(
        // What a function may change.
        "push r11",
        "push r10",
        "push r9",
        "push r8",
        "push rsi",
        "push rdx",
        // The last two are what the function gets as `Saved`.
        "push rax",
        "push rdi",
        "mov rsi, rsp",
        "push rbp",
        "mov rbp, rsp",
        "and rsp, -16",
        "mov rdi, rcx",
        "call {call}",
        "mov rsp, rbp",
        // From here on nothing changes the flags.
        "test al, al",
        "pop rbp",
        "pop rdi",
        "pop rax",
        "pop rdx",
        "pop rsi",
        "pop r8",
        "pop r9",
        "pop r10",
        "pop r11",
        "ret",
        call = sym F::call,
    );
}

#[cfg(test)]
mod tests;
