//! How an instance is called, and what errors mean.

use crate::guest::{Guest, State};
use pvf_host_core::backend::{ExecuteError, GuestLog, MachineError, RuntimeConstructionError};
use pvf_host_functions::{FatPointer, GuestContext};
use std::panic::resume_unwind;
use wasmi::{
    AsContextMut, Error, Extern, Instance, Store, TrapCode, TypedFunc, Val,
    errors::{ErrorKind, InstantiationError},
};

/// An instance.
pub(crate) struct Ready {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
}

impl Ready {
    fn export(&self, name: &str) -> Option<Extern> {
        self.instance.get_export(&self.store, name)
    }

    /// What came of a call.
    fn returned<T>(&mut self, result: Result<T, Error>) -> Result<T, ExecuteError> {
        let state = self.store.data_mut();
        if let Some(panic) = state.panic.take() {
            resume_unwind(panic);
        }
        result.map_err(|error| classify(&error, state))
    }
}

impl pvf_wasm_code::Instance for Ready {
    type Function = TypedFunc<(u32, u32), u64>;

    fn guest(&mut self) -> impl GuestContext {
        Guest(self.store.as_context_mut())
    }

    fn set_log(&mut self, log: Box<dyn GuestLog>) {
        self.store.data_mut().log = log;
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
        self.returned(result)
    }

    fn call_start(&mut self, name: &str) -> Result<(), ExecuteError> {
        let function = self.instance.get_typed_func::<(), ()>(&self.store, name);
        let result = function.and_then(|function| function.call(&mut self.store, ()));
        self.returned(result)
    }

    fn machine_failure(&mut self) -> Option<ExecuteError> {
        self.store.data_mut().failure.take()
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
