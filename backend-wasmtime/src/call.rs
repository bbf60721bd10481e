//! The call, and what its errors mean.

use crate::{
    error,
    instance::{Guest, InitialMemoryAboveLimit, State},
    load::{Linked, Ready},
};
use pvf_host_core::backend::{
    ExecuteError, GuestLog, LoadedArtifact, MachineError, RuntimeConstructionError,
};
use pvf_host_functions::{
    Allocator, FatPointer, GuestContext, HostCallError, HostError, MissingFunction,
};
use pvf_wasm_code::{Form, START};
use wasmtime::{AsContextMut, Memory, Trap, TypedFunc};

/// The exported memory.
const MEMORY: &str = "memory";
/// The exported global where the heap begins.
const HEAP_BASE: &str = "__heap_base";

/// An artifact in memory, and usually an instance of it.
pub(crate) struct Loaded {
    linked: Linked,
    next: Next,
    /// The instance of the last call. Dropping it would unmap its memory: a system call, which a job
    /// may not be allowed to make, and need not.
    last: Option<Ready>,
    gas_used: Option<u64>,
}

/// What the next call begins with.
pub(crate) enum Next {
    /// An instance that nobody has called into.
    Ready(Ready),
    /// The code can't be instantiated, and never will be.
    Fail(ExecuteError),
    /// Making an instance.
    Instantiate,
}

impl Loaded {
    pub(crate) fn new(linked: Linked, next: Next) -> Self {
        Self { linked, next, last: None, gas_used: None }
    }
}

impl LoadedArtifact for Loaded {
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError> {
        // None of it, as long as no code runs.
        self.gas_used = self.linked.gas_limit().map(|_| 0);
        if let Next::Fail(error) = &self.next {
            return Err(error.clone());
        }
        let ready = match std::mem::replace(&mut self.next, Next::Instantiate) {
            Next::Ready(mut ready) => {
                ready.store.data_mut().log = log;
                ready
            }
            Next::Instantiate | Next::Fail(_) => self.linked.instantiate(log)?,
        };
        let ready = self.last.insert(ready);
        let result =
            start(ready, self.linked.form()).and_then(|()| call(ready, entry_point, input));
        let Some(gas) = ready.gas else { return result };
        self.gas_used = Some(gas.used(&mut ready.store));
        // Nothing of the guest's ran after that, whatever the error says.
        if gas.is_exhausted(&mut ready.store) { Err(ExecuteError::OutOfGas) } else { result }
    }

    fn gas_used(&self) -> Option<u64> {
        self.gas_used
    }
}

/// Runs the start function, if there is one.
fn start(ready: &mut Ready, form: Form) -> Result<(), ExecuteError> {
    if !form.has_start() {
        return Ok(());
    }
    let store = &mut ready.store;
    let function = ready
        .instance
        .get_typed_func::<(), ()>(&mut *store, START)
        .map_err(|error| RuntimeConstructionError(format!("{error:#}")))?;
    function.call(&mut *store, ()).map_err(|error| classify(&error, store.data_mut()))
}

fn call(ready: &mut Ready, entry_point: &str, input: &[u8]) -> Result<Vec<u8>, ExecuteError> {
    let memory = memory(ready)?;
    let heap_base = heap_base(ready)?;
    let function = function(ready, entry_point)?;
    let store = &mut ready.store;

    store.data_mut().memory = Some(memory);
    // The rest of the state lasts from the start function on.
    store.data_mut().call.allocator = Some(Box::new(Allocator::new(heap_base)));
    let injected = Guest::new(store.as_context_mut()).allocate_and_write(input);
    let argument = injected.map_err(|error| refused_input(error, input.len(), store.data_mut()))?;

    let result = function.call(&mut *store, (argument.ptr, argument.len));
    let packed = result.map_err(|error| classify(&error, store.data_mut()))?;

    let FatPointer { ptr, len } = packed.into();
    let (begin, end) = (ptr as usize, ptr as usize + len as usize);
    // The bounds are checked before anything is reserved for the copy.
    let output = memory.data(&*store).get(begin..end).ok_or_else(|| {
        ExecuteError::InvalidOutput(format!("output of {len} bytes at {ptr} exceeds the memory"))
    })?;
    Ok(output.to_vec())
}

fn memory(ready: &mut Ready) -> Result<Memory, ExecuteError> {
    export(ready, MEMORY)?
        .into_memory()
        .ok_or_else(|| ExecuteError::InvalidOutput(format!("{MEMORY} is not a memory")))
}

fn heap_base(ready: &mut Ready) -> Result<u32, ExecuteError> {
    export(ready, HEAP_BASE)?
        .into_global()
        .and_then(|global| global.get(&mut ready.store).i32())
        .map(|base| base as u32)
        .ok_or_else(|| {
            ExecuteError::InvalidOutput(format!("{HEAP_BASE} is not a global of type i32"))
        })
}

fn function(ready: &mut Ready, name: &str) -> Result<TypedFunc<(u32, u32), u64>, ExecuteError> {
    let function = export(ready, name)?
        .into_func()
        .ok_or_else(|| ExecuteError::InvalidOutput(format!("{name} is not a function")))?;
    function.typed(&ready.store).map_err(|_| {
        ExecuteError::InvalidOutput(format!("{name} is not a function (i32, i32) -> i64"))
    })
}

fn export(ready: &mut Ready, name: &str) -> Result<wasmtime::Extern, ExecuteError> {
    ready
        .instance
        .get_export(&mut ready.store, name)
        .ok_or_else(|| ExecuteError::InvalidOutput(format!("{name} is not exported")))
}

/// What it means that the input could not be handed over.
fn refused_input(error: HostError, len: usize, state: &mut State) -> ExecuteError {
    match state.limiter.machine_failed.take() {
        Some(reason) => MachineError(reason).into(),
        None => error.for_input(len),
    }
}

/// What it means that the instance could not be made, or that the call did not return.
///
/// A trap in the start function, or of a data segment that does not fit, is the code's doing like any
/// other trap. Trying again with a new artifact, as after [`ExecuteError::RuntimeConstruction`], would
/// not help.
pub(crate) fn classify(error: &wasmtime::Error, state: &mut State) -> ExecuteError {
    if let Some(reason) = state.limiter.machine_failed.take() {
        MachineError(reason).into()
    } else if let Some(error) = error.downcast_ref::<InitialMemoryAboveLimit>() {
        ExecuteError::OutOfMemory(error.to_string())
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        match trap {
            Trap::UnreachableCodeReached => state.call.failed_as_unreachable(trap),
            _ => ExecuteError::Trap(trap.to_string()),
        }
    } else if let Some(error) = error.downcast_ref::<HostCallError>() {
        state.call.failed_in_host_call(error)
    } else if let Some(error) = error.downcast_ref::<MissingFunction>() {
        error.into()
    } else if state.limiter.has_huge_table {
        // However large the machine is, the code can ask for more.
        RuntimeConstructionError(format!("{error:#}")).into()
    } else {
        // Something of the engine's or the kernel's own.
        error::of_load(error).into()
    }
}
