//! From an artifact to something that can be called.

use crate::{
    engine,
    instance::{Data, Ready, View, classify},
};
use pvf_host_core::backend::{
    Artifact, ExecuteError, GuestLog, LoadError, RuntimeConstructionError,
};
use pvf_host_core::primitives::ExecutorParams;
use pvf_host_functions::{HostFunction, IMPORT_MODULE, ValueType, for_each_host_function};
use pvf_wasm_code::{Guest, Import, Loaded, State, split};
use std::error;
use wasmi::{
    AsContextMut, Caller, Error, FuncType, Linker, Module, Store, ValType, errors::LinkerError,
};

/// Code in memory, with all its imports.
pub(crate) struct Linked {
    module: Module,
    linker: Linker<Data>,
    page_limit: u32,
}

impl pvf_wasm_code::Linked for Linked {
    type Instance = Ready;

    fn instantiate(&self, log: Box<dyn GuestLog>) -> Result<Ready, ExecuteError> {
        let data = Data { memory: None, state: State::new(self.page_limit, log) };
        let mut store = Store::new(self.linker.engine(), data);
        store.limiter(|data| data);
        match self.linker.instantiate_and_start(&mut store, &self.module) {
            Ok(instance) => Ok(Ready { store, instance }),
            Err(error) => Err(classify(&error, &mut store.data_mut().state)),
        }
    }
}

/// Translates the artifact, links it, and instantiates it, which runs no code of the guest.
pub(crate) fn load(
    artifact: &Artifact,
    params: &ExecutorParams,
) -> Result<Loaded<Linked>, LoadError> {
    let (bytes, form) = split(artifact, params)?;
    // Code that lacks its end may be code all the same.
    let (wasm, _) = bytes
        .split_last_chunk()
        .filter(|(wasm, length)| wasm.len() as u64 == u64::from_le_bytes(**length))
        .ok_or_else(|| RuntimeConstructionError("the artifact is cut short".into()))?;
    let linked = link(wasm, params).map_err(|error| RuntimeConstructionError(error.to_string()))?;
    Loaded::new(linked, form, params)
}

fn link(wasm: &[u8], params: &ExecutorParams) -> Result<Linked, Box<dyn error::Error>> {
    let module = Module::new(&engine(params), wasm)?;
    let mut linker = Linker::new(module.engine());
    // A name may be imported twice.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let (name, ty) = (import.name(), import.ty().func().cloned());
        let has_type = |function: &HostFunction, ty: &_| type_of(function) == *ty;
        match Import::find((import.module(), name), ty, has_type, params)? {
            Import::Offered(function) => link_host_function(&mut linker, function.name)?,
            Import::Missing(missing, ty) => {
                linker.func_new(IMPORT_MODULE, name, ty, move |mut caller, _, _| {
                    caller.data_mut().state.failure = Some((&missing).into());
                    Err(Error::new(missing.to_string()))
                })?;
            }
        }
    }
    Ok(Linked { module, linker, page_limit: params.memory_pages_limit() })
}

macro_rules! link_host_functions {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// Links the host function of this name.
        fn link_host_function(linker: &mut Linker<Data>, name: &str) -> Result<(), LinkerError> {
            match name {
                $($name => linker.func_wrap(
                    IMPORT_MODULE,
                    $name,
                    |mut caller: Caller<'_, Data>, $($arg: $ty),*| {
                        let mut guest = Guest(View(caller.as_context_mut()));
                        guest.call($name, |guest| $path(guest, $($arg),*)).map_err(Error::new)
                    },
                ).map(drop),)*
                _ => unreachable!("the table is where the name comes from"),
            }
        }
    };
}

for_each_host_function!(link_host_functions);

/// The type of a host function.
fn type_of(function: &HostFunction) -> FuncType {
    let value_type = |ty: &ValueType| match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
    };
    let (params, result) = (function.params.iter(), function.result.iter());
    FuncType::new(params.map(value_type), result.map(value_type))
}
