//! From an artifact to something that can be called.

use crate::{
    call::{Ready, classify},
    engine,
    guest::{Guest, State},
};
use pvf_host_core::backend::{
    Artifact, ExecuteError, GuestLog, LoadError, RuntimeConstructionError,
};
use pvf_host_core::primitives::ExecutorParams;
use pvf_host_functions::{
    CallState, HostCallError, HostFunction, IMPORT_MODULE, MissingFunction, ValueType,
    for_each_host_function,
};
use pvf_wasm_code::{Loaded, split};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmi::{
    AsContextMut, Caller, Error, ExternType, FuncType, Linker, Module, Store, ValType,
    errors::LinkerError,
};

/// Code in memory, with all its imports.
pub(crate) struct Linked {
    module: Module,
    linker: Linker<State>,
    page_limit: u32,
}

impl pvf_wasm_code::Linked for Linked {
    type Instance = Ready;

    fn instantiate(&self, log: Box<dyn GuestLog>) -> Result<Ready, ExecuteError> {
        let (page_limit, call) = (self.page_limit, CallState::default());
        let state = State {
            memory: None,
            call,
            log,
            page_limit,
            memory_exists: false,
            failure: None,
            panic: None,
        };
        let mut store = Store::new(self.linker.engine(), state);
        store.limiter(|state| state);
        match self.linker.instantiate_and_start(&mut store, &self.module) {
            Ok(instance) => Ok(Ready { store, instance }),
            Err(error) => Err(classify(&error, store.data_mut())),
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
    let module = Module::new(&engine(params), wasm);
    let module = module.map_err(|error| RuntimeConstructionError(error.to_string()))?;
    let linker = link(&module, params).map_err(RuntimeConstructionError)?;
    let linked = Linked { module, linker, page_limit: params.memory_pages_limit() };
    Loaded::new(linked, form, params)
}

fn link(module: &Module, params: &ExecutorParams) -> Result<Linker<State>, String> {
    let mut linker = Linker::new(module.engine());
    // A name may be imported twice.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let name = import.name();
        let (ExternType::Func(ty), IMPORT_MODULE) = (import.ty(), import.module()) else {
            return Err(format!("import of {}.{name}", import.module()));
        };
        let function = HostFunction::find(name);
        let linked = if function.is_some_and(|it| it.is_offered(params, has_type(it, ty))) {
            link_host_function(&mut linker, name)
        } else {
            let missing = MissingFunction(name.to_owned());
            let raise = move |mut caller: Caller<'_, State>, _: &[_], _: &mut [_]| {
                caller.data_mut().failure = Some((&missing).into());
                Err(Error::new(missing.to_string()))
            };
            linker.func_new(IMPORT_MODULE, name, ty.clone(), raise).map(drop)
        };
        linked.map_err(|error| error.to_string())?;
    }
    Ok(linker)
}

macro_rules! link_host_functions {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// Links the host function of this name.
        fn link_host_function(linker: &mut Linker<State>, name: &str) -> Result<(), LinkerError> {
            match name {
                $($name => linker.func_wrap(
                    IMPORT_MODULE,
                    $name,
                    |mut caller: Caller<'_, State>, $($arg: $ty),*| {
                        let call = || $path(&mut Guest(caller.as_context_mut()), $($arg),*);
                        let result = catch_unwind(AssertUnwindSafe(call));
                        let result = result.map_err(|panic| {
                            caller.data_mut().panic = Some(panic);
                            Error::new("a host function panicked")
                        });
                        result?.map_err(|error| {
                            raise(caller.data_mut(), &HostCallError { function: $name, error })
                        })
                    },
                ).map(drop),)*
                _ => unreachable!("the table is where the name comes from"),
            }
        }
    };
}

for_each_host_function!(link_host_functions);

/// Makes a trap of what a host function refuses. That the machine failed counts first.
fn raise(state: &mut State, error: &HostCallError) -> Error {
    let failure = state.failure.take();
    state.failure = failure.or_else(|| Some(state.call.failed_in_host_call(error)));
    Error::new(error.to_string())
}

/// Whether a host function has this type.
fn has_type(function: &HostFunction, ty: &FuncType) -> bool {
    let same = |ours: &[ValueType], theirs: &[ValType]| {
        let ours = ours.iter().map(|ty| match ty {
            ValueType::I32 => ValType::I32,
            ValueType::I64 => ValType::I64,
        });
        ours.eq(theirs.iter().copied())
    };
    same(function.params, ty.params()) && same(function.result.as_slice(), ty.results())
}
