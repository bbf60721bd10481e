//! From an artifact to something that can be called.

#![expect(unsafe_code, reason = "loads machine code")]

use crate::{
    call::{Ready, classify},
    engine, error,
    instance::{Data, View},
};
use pvf_host_core::{
    backend::{Artifact, ExecuteError, GuestLog, LoadError},
    primitives::ExecutorParams,
};
use pvf_host_functions::{HostCallError, HostFunction, IMPORT_MODULE, ValueType};
use pvf_wasm_code::{Form, Guest, Import, Loaded, split};
use std::collections::HashSet;
use wasmtime::{
    AsContextMut, Caller, Engine, FuncType, InstancePre, Linker, Module, Store, ValType,
};

/// Code in memory, with all its imports.
pub(crate) struct Linked {
    pre: InstancePre<Data>,
    form: Form,
    page_limit: u32,
}

impl pvf_wasm_code::Linked for Linked {
    type Instance = Ready;

    fn instantiate(&self, log: Box<dyn GuestLog>) -> Result<Ready, ExecuteError> {
        let engine = self.pre.module().engine();
        let mut store = Store::new(engine, Data::new(self.page_limit, log));
        store.limiter(|state| &mut state.limiter);
        match self.pre.instantiate(&mut store) {
            Ok(instance) => Ok(Ready { store, instance }),
            Err(error) => Err(classify(&error, store.data_mut())),
        }
    }
}

/// Maps the artifact, links it, and instantiates it, which runs no code of the guest.
pub(crate) fn load(
    artifact: &Artifact,
    params: &ExecutorParams,
) -> Result<Loaded<Linked>, LoadError> {
    let linked = link(artifact, params)?;
    // What a thread needs to handle traps. A forked job has the thread that forks it.
    Engine::tls_eager_initialize();
    let form = linked.form;
    Loaded::new(linked, form, params)
}

/// Maps the artifact and links it.
pub(crate) fn link(artifact: &Artifact, params: &ExecutorParams) -> Result<Linked, LoadError> {
    let (_, form) = split(artifact, params)?;
    let pre = instance_pre(artifact, params).map_err(|error| error::of_load(&error))?;
    Ok(Linked { pre, form, page_limit: params.memory_pages_limit() })
}

fn instance_pre(
    artifact: &Artifact,
    params: &ExecutorParams,
) -> wasmtime::Result<InstancePre<Data>> {
    let engine = engine::engine(params)?;
    // A duplicate of the descriptor, since Wasmtime keeps what it is given for as long as the
    // module lives, and maps the data of each instance from it. It maps the file from its beginning
    // to its end, so the read position, which the two share, does not matter.
    let file = artifact.file().try_clone()?;
    // SAFETY: Wasmtime asks for the unchanged output of `precompile_module`, in a file that does
    // not change while the module lives. The caller of `Execute::load` vouches for the bytes, which
    // it has checked against the checksum made when this backend prepared them; the byte behind
    // them is outside of what Wasmtime reads. An `Artifact`'s file is sealed: nobody can change it.
    let module = unsafe { Module::deserialize_open_file(&engine, file)? };
    let mut linker = Linker::new(&engine);
    let mut names = HashSet::new();
    for import in module.imports() {
        let (name, ty) = (import.name(), import.ty().func().cloned());
        let has_type =
            |function: &HostFunction, ty: &_| FuncType::eq(&type_of(&engine, function), ty);
        let found = Import::find((import.module(), name), ty, has_type, params)?;
        if !names.insert(name) {
            // A name may be imported twice.
            continue;
        }
        match found {
            Import::Offered(function) => link_host_function(&mut linker, function.name)?,
            Import::Missing(missing, ty) => {
                linker.func_new(IMPORT_MODULE, name, ty, move |mut caller, _, _| {
                    caller.data_mut().limiter.state.failure = Some((&missing).into());
                    Err(missing.clone().into())
                })?;
            }
        }
    }
    // Compares the types of what is linked to those under which it is imported.
    linker.instantiate_pre(&module)
}

macro_rules! link_host_functions {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// Links the host function of this name.
        fn link_host_function(linker: &mut Linker<Data>, name: &str) -> wasmtime::Result<()> {
            match name {
                $($name => {
                    linker.func_wrap(
                        IMPORT_MODULE,
                        $name,
                        |mut caller: Caller<'_, Data>, $($arg: $ty),*| -> wasmtime::Result<_> {
                            $path(&mut Guest(View(caller.as_context_mut())), $($arg),*).map_err(
                                |error| {
                                    let error = HostCallError { function: $name, error };
                                    raise(caller.data_mut(), error)
                                },
                            )
                        },
                    )?;
                    Ok(())
                })*
                _ => unreachable!("the table is where the name comes from"),
            }
        }
    };
}

pvf_host_functions::for_each_host_function!(link_host_functions);

/// Makes a trap of what a host function refuses.
#[cold]
fn raise(data: &mut Data, error: HostCallError) -> wasmtime::Error {
    data.limiter.state.refused(&error);
    error.into()
}

/// The type of a host function.
fn type_of(engine: &Engine, function: &HostFunction) -> FuncType {
    let value_type = |ty: &ValueType| match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
    };
    let (params, result) = (function.params.iter(), function.result.iter());
    FuncType::new(engine, params.map(value_type), result.map(value_type))
}
