//! From an artifact to something that can be called.

#![expect(unsafe_code, reason = "loads machine code")]

use crate::{
    call::{Ready, classify},
    engine, error,
    instance::{Guest, State},
};
use pvf_host_core::{
    backend::{Artifact, ExecuteError, GuestLog, LoadError},
    primitives::ExecutorParams,
};
use pvf_host_functions::{HostCallError, HostFunction, IMPORT_MODULE, MissingFunction, ValueType};
use pvf_wasm_code::{Form, Loaded, split};
use std::collections::HashSet;
use wasmtime::{
    AsContextMut, Caller, Engine, ExternType, FuncType, InstancePre, Linker, Module, Store, ValType,
};

/// Code in memory, with all its imports.
pub(crate) struct Linked {
    pre: InstancePre<State>,
    form: Form,
    page_limit: u32,
}

impl pvf_wasm_code::Linked for Linked {
    type Instance = Ready;

    fn instantiate(&self, log: Box<dyn GuestLog>) -> Result<Ready, ExecuteError> {
        let engine = self.pre.module().engine();
        let mut store = Store::new(engine, State::new(self.page_limit, log));
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
) -> wasmtime::Result<InstancePre<State>> {
    let engine = engine::engine(params)?;
    // A duplicate of the descriptor, since Wasmtime keeps what it is given for as long as the module
    // lives, and maps the data of each instance from it. It maps the file from its beginning to its
    // end, so the read position, which the two share, does not matter.
    let file = artifact.file().try_clone()?;
    // SAFETY: Wasmtime asks for the unchanged output of `precompile_module`, in a file that does not
    // change while the module lives. The caller of `Execute::load` vouches for the bytes, which it
    // has checked against the checksum made when this backend prepared them; the byte behind them is
    // outside of what Wasmtime reads. An `Artifact`'s file is sealed: nobody can change it.
    let module = unsafe { Module::deserialize_open_file(&engine, file)? };
    let mut linker = Linker::new(&engine);
    let mut names = HashSet::new();
    for import in module.imports() {
        let (module, name) = (import.module(), import.name());
        if module != IMPORT_MODULE {
            return Err(UnknownImport::Module(module.into(), name.into()).into());
        }
        let ExternType::Func(ty) = import.ty() else {
            return Err(UnknownImport::Kind(module.into(), name.into()).into());
        };
        if !names.insert(name) {
            // A name may be imported twice.
            continue;
        }
        let function = HostFunction::find(name);
        if function.is_some_and(|function| function.is_offered(params, has_type(function, &ty))) {
            link_host_function(&mut linker, name)?;
        } else {
            let name = name.to_owned();
            linker.func_new(IMPORT_MODULE, &name.clone(), ty, move |_, _, _| {
                Err(MissingFunction(name.clone()).into())
            })?;
        }
    }
    // Compares the types of what is linked to those under which it is imported.
    linker.instantiate_pre(&module)
}

/// An import that no PVF can have.
#[derive(Debug, thiserror::Error)]
enum UnknownImport {
    #[error("import of {0}.{1}: there are only imports from the module {IMPORT_MODULE}")]
    Module(String, String),
    #[error("import of {0}.{1}: it is no function")]
    Kind(String, String),
}

macro_rules! link_host_functions {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// Links the host function of this name.
        fn link_host_function(linker: &mut Linker<State>, name: &str) -> wasmtime::Result<()> {
            match name {
                $($name => {
                    linker.func_wrap(
                        IMPORT_MODULE,
                        $name,
                        |mut caller: Caller<'_, State>, $($arg: $ty),*| -> wasmtime::Result<_> {
                            $path(&mut Guest::new(caller.as_context_mut()), $($arg),*)
                                .map_err(|error| HostCallError { function: $name, error }.into())
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

/// Whether a host function has this type.
fn has_type(function: &HostFunction, ty: &FuncType) -> bool {
    let same = |ours: &ValueType, theirs: ValType| match ours {
        ValueType::I32 => theirs.is_i32(),
        ValueType::I64 => theirs.is_i64(),
    };
    function.params.len() == ty.params().len()
        && function.params.iter().zip(ty.params()).all(|(ours, theirs)| same(ours, theirs))
        && function.result.iter().len() == ty.results().len()
        && function.result.iter().zip(ty.results()).all(|(ours, theirs)| same(ours, theirs))
}
