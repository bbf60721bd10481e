//! The call, and what its end means.

use crate::{host_calls::Registers, instance::Guest, load::Linked, stand_in::StandIn};
use polkavm::{
    InterruptKind, ProgramCounter, Reg,
    program::{Instruction, ProgramExport},
};
use pvf_host_core::backend::{
    ExecuteError, GuestLog, LoadedArtifact, MachineError, RuntimeConstructionError,
};
use pvf_host_functions::{FatPointer, GuestContext};

/// An artifact in memory, with an instance of it.
pub(crate) struct Loaded {
    linked: Linked,
    /// The instance, or why there never will be one. It is used again and again, and not dropped after a
    /// call: that takes system calls, which a job may not be allowed to make, and need not.
    pub(crate) guest: Result<Box<Guest>, ExecuteError>,
    /// Whether nobody has called into the instance.
    is_fresh: bool,
    /// An exported function that was looked up ahead of its call, by its name.
    looked_up: Option<(String, Result<ProgramCounter, ExecuteError>)>,
    gas_used: Option<u64>,
}

impl Loaded {
    pub(crate) fn new(linked: Linked, guest: Result<Box<Guest>, ExecuteError>) -> Self {
        Self { linked, guest, is_fresh: true, looked_up: None, gas_used: None }
    }
}

impl LoadedArtifact for Loaded {
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError> {
        let max_gas = self.linked.max_gas;
        self.gas_used = max_gas.map(|_| 0);
        let guest = self.guest.as_mut().map_err(|error| error.clone())?;
        if !std::mem::take(&mut self.is_fresh) {
            guest.reset().map_err(|error| MachineError(error.to_string()))?;
        }
        guest.begin(log);
        let target = match &self.looked_up {
            Some((name, found)) if name == entry_point => found.clone(),
            _ => export(&self.linked, entry_point),
        };
        let result = target.and_then(|target| call(&self.linked, guest, target, input));
        self.gas_used = max_gas.map(|max_gas| match &result {
            Err(ExecuteError::OutOfGas) => max_gas,
            _ => max_gas - u64::try_from(guest.instance().gas()).unwrap_or(0),
        });
        result
    }

    fn prepare_call(&mut self, entry_point: &str) {
        self.looked_up = Some((entry_point.to_owned(), export(&self.linked, entry_point)));
    }

    fn gas_used(&self) -> Option<u64> {
        self.gas_used
    }
}

fn call(
    linked: &Linked,
    guest: &mut Guest,
    target: ProgramCounter,
    input: &[u8],
) -> Result<Vec<u8>, ExecuteError> {
    // At most what a signed number holds: see `ExecutorParams::max_gas`.
    guest.instance().set_gas(linked.max_gas.unwrap_or(0) as i64);
    let argument = guest
        .allocate_and_write(input)
        .map_err(|error| machine_failure(guest).unwrap_or_else(|| error.for_input(input.len())))?;
    guest.set_call(target, argument.ptr, argument.len);
    run(linked, guest)?;

    let low = guest.register(Reg::A0);
    let packed = if guest.is_64_bit() { low } else { low | guest.register(Reg::A1) << 32 };
    let FatPointer { ptr, len } = packed.into();
    guest.read(ptr, len).ok_or_else(|| {
        ExecuteError::InvalidOutput(format!("output of {len} bytes at {ptr} exceeds the memory"))
    })
}

fn export(linked: &Linked, name: &str) -> Result<ProgramCounter, ExecuteError> {
    let mut exports = linked.program.exports();
    let export = exports.find(|export: &ProgramExport<&[u8]>| export.symbol() == name);
    export
        .map(|export| export.program_counter())
        .ok_or_else(|| ExecuteError::InvalidOutput(format!("{name} is not exported")))
}

/// Runs the guest until the call returns.
fn run(linked: &Linked, guest: &mut Guest) -> Result<(), ExecuteError> {
    loop {
        match guest.run() {
            Ok(InterruptKind::Ecalli(number)) => {
                host_call(linked, guest, number)?;
                if linked.resume_by_address {
                    guest.resume_by_address();
                }
            }
            Ok(InterruptKind::Finished) => return Ok(()),
            Ok(InterruptKind::NotEnoughGas) => return Err(ExecuteError::OutOfGas),
            Ok(InterruptKind::Trap) => return Err(trap(linked, guest)),
            Ok(interrupt @ (InterruptKind::Segfault(_) | InterruptKind::Step)) => {
                // Neither comes unless it is asked for.
                return Err(RuntimeConstructionError(format!("interrupted: {interrupt:?}")).into());
            }
            Err(error) => return Err(RuntimeConstructionError(error.to_string()).into()),
        }
    }
}

#[inline]
fn host_call(linked: &Linked, guest: &mut Guest, number: u32) -> Result<(), ExecuteError> {
    if let Some(import) = linked.imports.get(number as usize) {
        let result = match import {
            Ok(host_call) => host_call(guest),
            Err(missing) => return Err(missing.into()),
        };
        return result.map_err(|error| {
            machine_failure(guest).unwrap_or_else(|| guest.call.state.failed_in_host_call(&error))
        });
    }
    let Some(StandIn::Sbrk { result, size }) = linked.calls.get(number) else {
        // Refused when code is prepared, and nothing that the compiler's code of a loop does.
        return Err(ExecuteError::Trap(format!("call of import {number}, which does not exist")));
    };
    let size = guest.register(size.0);
    let top = guest.sbrk(size);
    if let Some(error) = machine_failure(guest) {
        return Err(error);
    }
    guest.set_register(result.0, top.map_or(0, u64::from));
    Ok(())
}

/// The machine failed, whatever the guest was told.
fn machine_failure(guest: &mut Guest) -> Option<ExecuteError> {
    guest.machine_failed.take().map(|reason| MachineError(reason).into())
}

/// Says which kind of instruction the guest ended with.
fn trap(linked: &Linked, guest: &mut Guest) -> ExecuteError {
    let at = guest.instance().program_counter();
    let kind = at.and_then(|at| linked.program.instructions_bounded_at(at).next());
    match kind.map(|instruction| instruction.kind) {
        Some(Instruction::trap) => {
            guest.call.state.failed_as_unreachable("trap instruction executed")
        }
        Some(Instruction::jump_indirect(..) | Instruction::load_imm_and_jump_indirect(..)) => {
            ExecuteError::Trap("jump to an address that is none of the program's".into())
        }
        Some(_) => ExecuteError::Trap("memory access out of bounds".into()),
        None => ExecuteError::Trap("an instruction that does not exist".into()),
    }
}
