//! An instance: its limits, what host functions see of it, how it is called, and what errors mean.

use pvf_host_core::backend::{ExecuteError, MachineError, RuntimeConstructionError};
use pvf_host_functions::FatPointer;
use pvf_wasm_code::{Guest, State};
use wasmi::{
    AsContextMut, Error, Extern, Instance, Memory, ResourceLimiter, Store, StoreContextMut,
    TrapCode, TypedFunc, Val,
    errors::{self, ErrorKind, InstantiationError},
};
use wasmi_core::LimiterError;

/// The most elements that a table may have, which take 128 MiB: the engine writes all of a table
/// when it makes one. Only a compiler could do with more: the executor parameters have no limit.
const MAX_TABLE: usize = 1 << 24;

/// What the engine keeps beside an instance.
pub(crate) struct Data {
    /// What host functions see. None while a start function runs.
    pub(crate) memory: Option<Memory>,
    pub(crate) state: State,
}

impl Data {
    /// That the *machine* has no memory must not reach the guest: others may have it.
    fn fail(&mut self, error: &dyn ToString) -> Result<(), LimiterError> {
        self.state.failure = Some(MachineError(error.to_string()).into());
        Err(LimiterError::ResourceLimiterDeniedAllocation)
    }
}

impl ResourceLimiter for Data {
    fn memory_growing(
        &mut self,
        _: usize,
        bytes: usize,
        _: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(self.state.allows_memory(bytes))
    }

    fn memory_grow_failed(&mut self, error: &errors::MemoryError) -> Result<(), LimiterError> {
        match error {
            errors::MemoryError::OutOfSystemMemory => self.fail(error),
            _ => Ok(()),
        }
    }

    fn table_growing(
        &mut self,
        _: usize,
        elements: usize,
        _: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(elements <= MAX_TABLE)
    }

    fn table_grow_failed(&mut self, error: &errors::TableError) -> Result<(), LimiterError> {
        self.fail(error)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// An instance, as host functions see it.
pub(crate) struct View<'a>(pub(crate) StoreContextMut<'a, Data>);

impl pvf_wasm_code::Store for View<'_> {
    fn state(&self) -> &State {
        &self.0.data().state
    }

    fn state_mut(&mut self) -> &mut State {
        &mut self.0.data_mut().state
    }

    fn memory(&self) -> Option<&[u8]> {
        Some(self.0.data().memory?.data(&self.0))
    }

    fn memory_mut(&mut self) -> Option<&mut [u8]> {
        Some(self.0.data().memory?.data_mut(&mut self.0))
    }

    fn grow(&mut self, pages: u32) -> Option<u64> {
        self.0.data().memory?.grow(&mut self.0, pages.into()).ok()
    }
}

/// An instance.
pub(crate) struct Ready {
    pub(crate) store: Store<Data>,
    pub(crate) instance: Instance,
}

impl Ready {
    fn export(&self, name: &str) -> Option<Extern> {
        self.instance.get_export(&self.store, name)
    }
}

impl pvf_wasm_code::Instance for Ready {
    type Function = TypedFunc<(u32, u32), u64>;

    fn guest(&mut self) -> Guest<impl pvf_wasm_code::Store> {
        Guest(View(self.store.as_context_mut()))
    }

    fn is_exported(&mut self, name: &str) -> bool {
        self.export(name).is_some()
    }

    fn show_memory(&mut self, name: &str) -> Option<()> {
        self.store.data_mut().memory = Some(self.export(name)?.into_memory()?);
        Some(())
    }

    fn global_i32(&mut self, name: &str) -> Option<i32> {
        self.export(name)?.into_global()?.get(&self.store).i32()
    }

    fn global_i64(&mut self, name: &str) -> Option<i64> {
        self.export(name)?.into_global()?.get(&self.store).i64()
    }

    fn set_global_i64(&mut self, name: &str, value: i64) -> Option<()> {
        self.export(name)?.into_global()?.set(&mut self.store, Val::I64(value)).ok()
    }

    fn function(&mut self, name: &str) -> Option<Self::Function> {
        self.export(name)?.into_func()?.typed(&self.store).ok()
    }

    fn call(&mut self, function: &Self::Function, input: FatPointer) -> Result<u64, ExecuteError> {
        let result = function.call(&mut self.store, (input.ptr, input.len));
        result.map_err(|error| classify(&error, &mut self.store.data_mut().state))
    }

    fn call_start(&mut self, name: &str) -> Result<(), ExecuteError> {
        let function = self.instance.get_typed_func::<(), ()>(&self.store, name);
        let result = function.and_then(|function| function.call(&mut self.store, ()));
        result.map_err(|error| classify(&error, &mut self.store.data_mut().state))
    }
}

/// What it means that the instance could not be made, or that a call did not return.
pub(crate) fn classify(error: &Error, state: &mut State) -> ExecuteError {
    if let Some(failure) = state.failure.take() {
        return failure;
    }
    let trap = match error.kind() {
        // Elements that do not fit are the code's doing like any other trap.
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => {
            Some(TrapCode::TableOutOfBounds)
        }
        _ => error.as_trap_code(),
    };
    match trap {
        Some(TrapCode::UnreachableCodeReached) => state.call.failed_as_unreachable(error),
        Some(TrapCode::OutOfSystemMemory) => MachineError(error.to_string()).into(),
        Some(trap) => ExecuteError::Trap(trap.to_string()),
        None => RuntimeConstructionError(error.to_string()).into(),
    }
}
