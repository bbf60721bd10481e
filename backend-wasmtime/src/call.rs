//! How an instance is called, and what errors mean.

use crate::{
    error,
    instance::{Data, Limiter, View},
};
use pvf_host_core::backend::{ExecuteError, RuntimeConstructionError};
use pvf_host_functions::FatPointer;
use pvf_wasm_code::Guest;
use wasmtime::{AsContextMut, Extern, Instance, Store, Trap, TypedFunc, Val};

/// An instance.
pub(crate) struct Ready {
    pub(crate) store: Store<Data>,
    pub(crate) instance: Instance,
}

impl Ready {
    fn export(&mut self, name: &str) -> Option<Extern> {
        self.instance.get_export(&mut self.store, name)
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
        self.export(name)?.into_global()?.get(&mut self.store).i32()
    }

    fn global_i64(&mut self, name: &str) -> Option<i64> {
        self.export(name)?.into_global()?.get(&mut self.store).i64()
    }

    fn set_global_i64(&mut self, name: &str, value: i64) -> Option<()> {
        self.export(name)?.into_global()?.set(&mut self.store, Val::I64(value)).ok()
    }

    fn function(&mut self, name: &str) -> Option<Self::Function> {
        self.export(name)?.into_func()?.typed(&self.store).ok()
    }

    fn call(&mut self, function: &Self::Function, input: FatPointer) -> Result<u64, ExecuteError> {
        let result = function.call(&mut self.store, (input.ptr, input.len));
        result.map_err(|error| classify(&error, self.store.data_mut()))
    }

    fn call_start(&mut self, name: &str) -> Result<(), ExecuteError> {
        let function = self.instance.get_typed_func::<(), ()>(&mut self.store, name);
        let function = function.map_err(|error| RuntimeConstructionError(format!("{error:#}")))?;
        let result = function.call(&mut self.store, ());
        result.map_err(|error| classify(&error, self.store.data_mut()))
    }
}

/// What it means that the instance could not be made, or that the call did not return.
///
/// A trap in the start function, or of a data segment that does not fit, is the code's doing like
/// any other trap. Trying again with a new artifact, as after
/// [`ExecuteError::RuntimeConstruction`], would not help.
pub(crate) fn classify(error: &wasmtime::Error, data: &mut Data) -> ExecuteError {
    let Limiter { state, has_huge_table } = &mut data.limiter;
    if let Some(failure) = state.failure.take() {
        failure
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        match trap {
            Trap::UnreachableCodeReached => state.call.failed_as_unreachable(trap),
            _ => ExecuteError::Trap(trap.to_string()),
        }
    } else if *has_huge_table {
        // However large the machine is, the code can ask for more.
        RuntimeConstructionError(format!("{error:#}")).into()
    } else {
        // Something of the engine's or the kernel's own.
        error::of_load(error).into()
    }
}
