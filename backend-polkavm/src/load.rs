//! From an artifact to something that can be called.

use crate::{
    call::Loaded,
    engine::{self, Kind},
    host_calls::{self, HostCall},
    instance::Guest,
    memory,
    prepare::Prepared,
    shortcut::Shortcut,
    stand_in::StandIns,
};
use parity_scale_codec::DecodeAll;
use polkavm::{CompileError, Engine, Module, ProgramBlob};
use pvf_host_core::{
    backend::{Artifact, ExecuteError, LoadError, MachineError, RuntimeConstructionError},
    primitives::ExecutorParams,
};
use pvf_host_functions::{HostFunction, MissingFunction};

/// A compiled program with all its imports.
pub(crate) struct Linked {
    /// The program that was compiled.
    pub(crate) program: ProgramBlob,
    pub(crate) calls: StandIns,
    /// In the order of their numbers.
    pub(crate) imports: Vec<Result<HostCall, MissingFunction>>,
    /// Whether to use [`Guest::resume_by_address`].
    pub(crate) resume_by_address: bool,
    /// The gas that a call may use, if it is metered.
    pub(crate) max_gas: Option<u64>,
}

/// Why there is nothing that can be called.
pub(crate) enum Failure {
    /// The program can't be compiled.
    Compilation(CompileError),
    /// What was compiled can't be linked, or there can be no instance.
    Construction(LoadError),
}

impl From<RuntimeConstructionError> for Failure {
    fn from(error: RuntimeConstructionError) -> Self {
        Self::Construction(error.into())
    }
}

impl From<MachineError> for Failure {
    fn from(error: MachineError) -> Self {
        Self::Construction(error.into())
    }
}

impl From<Failure> for LoadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Compilation(CompileError::ValidationFailed(reason)) => refused(reason).into(),
            Failure::Compilation(CompileError::Error(error)) => {
                MachineError(error.to_string()).into()
            }
            Failure::Construction(error) => error,
        }
    }
}

fn refused(reason: String) -> RuntimeConstructionError {
    RuntimeConstructionError(reason)
}

/// Compiles the artifact, links it, and makes an instance.
pub(crate) fn load(
    kind: Kind,
    artifact: &Artifact,
    params: &ExecutorParams,
) -> Result<Loaded, LoadError> {
    let Prepared { calls, program } = Prepared::decode_all(&mut artifact.bytes())
        .map_err(|_| refused("not an artifact of this backend".into()))?;
    let program = ProgramBlob::parse(program.into()).map_err(|e| refused(e.to_string()))?;
    Ok(construct(kind, &engine::engine(kind)?, program, calls, params)?)
}

/// As [`load`], of what the artifact holds.
pub(crate) fn construct(
    kind: Kind,
    engine: &Engine,
    program: ProgramBlob,
    calls: StandIns,
    params: &ExecutorParams,
) -> Result<Loaded, Failure> {
    let machine = |error: polkavm::Error| MachineError(error.to_string());
    let map = memory::map(&program).map_err(refused)?;
    let names = program.imports().iter().map(|import| {
        let name = import.map(|symbol| String::from_utf8_lossy(symbol.as_bytes()).into_owned());
        name.unwrap_or_default()
    });
    let names: Vec<_> = names.collect();
    let imports: Vec<_> = names.iter().map(|name| link(name, params)).collect();
    let mut config = engine::module_config(params);
    let mut shortcut = (kind == Kind::Compiler).then(|| Shortcut::new(program.isa().is_64_bit()));
    if let Some(shortcut) = &shortcut {
        let offered =
            names.iter().zip(&imports).map(|(name, import)| import.is_ok().then_some(&name[..]));
        config.set_custom_codegen(shortcut.codegen(offered, &calls, params.max_gas().is_some()));
    } else if calls.has_loops() {
        return Err(refused("an artifact for the compiler".into()).into());
    }
    let module =
        Module::from_blob(engine, &config, program.clone()).map_err(Failure::Compilation)?;
    if !shortcut.as_ref().is_none_or(|shortcut| shortcut.check(&module)) {
        return Err(refused("the compiler's calls of imports are not as expected".into()).into());
    }
    let guest = match memory::heap_end(&map, params.memory_pages_limit()) {
        Ok(heap_end) => {
            let mut instance = module.instantiate().map_err(machine)?;
            if let Some(shortcut) = &mut shortcut
                && !shortcut.find_memory(&program, &mut instance).map_err(machine)?
            {
                return Err(refused("a call of an import is not as expected".into()).into());
            }
            // Gives back the memory that was written to make it zero: each job would have to copy it.
            instance.reset_memory().map_err(machine)?;
            Ok(Box::new(Guest::new(instance, heap_end, shortcut)))
        }
        // The code's own doing, so every candidate's verdict.
        Err(reason) => Err(ExecuteError::OutOfMemory(reason)),
    };
    let max_gas = params.max_gas();
    let resume_by_address = kind == Kind::Compiler && max_gas.is_none();
    Ok(Loaded::new(Linked { program, calls, imports, resume_by_address, max_gas }, guest))
}

fn link(name: &str, params: &ExecutorParams) -> Result<HostCall, MissingFunction> {
    // A program does not say of what type its imports are.
    let is_offered = HostFunction::find(name).is_some_and(|it| it.is_offered(params, true));
    match host_calls::find(name) {
        Some(host_call) if is_offered => Ok(host_call),
        _ => Err(MissingFunction(name.to_owned())),
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
