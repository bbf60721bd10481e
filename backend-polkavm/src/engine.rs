//! The engine's settings, and why they are so.

use polkavm::{
    BackendKind, Config, CostModel, CostModelKind, Engine, GasMeteringKind, ModuleConfig,
    SandboxKind,
};
use pvf_host_core::{
    backend::{Fingerprint, LoadError, MachineError},
    primitives::ExecutorParams,
};

/// The unit in which memory is accessible, in bytes: up to its next multiple, a program may use memory
/// behind its data and its heap that it did not ask for. So it is part of what programs mean.
pub(crate) const PAGE_SIZE: u32 = 4096;

/// The engine's exact version, since `Cargo.lock` alone decides about it.
const ENGINE_VERSION: &[u8] = b"0.37.0";

/// Counts up when artifacts change their form without the version of this crate changing.
const ARTIFACT_REVISION: &[u8] = b"2";

/// How programs are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Compiler,
    Interpreter,
}

/// What the compiler's code uses. The engine itself looks for BMI2 alone.
#[cfg(target_arch = "x86_64")]
fn missing_cpu_features() -> Vec<&'static str> {
    macro_rules! missing {
        ($($feature:tt),*) => {
            [$(($feature, is_x86_feature_detected!($feature))),*]
                .into_iter()
                .filter(|(_, is_there)| !is_there)
                .map(|(feature, _)| feature)
                .collect()
        };
    }
    missing!("bmi1", "bmi2", "lzcnt", "popcnt")
}

/// The compiler knows x86-64 alone.
#[cfg(not(target_arch = "x86_64"))]
fn missing_cpu_features() -> Vec<&'static str> {
    vec!["x86-64"]
}

/// Whether this machine can run programs in this way.
fn check_machine(kind: Kind) -> Result<(), MachineError> {
    check_processor(kind, &missing_cpu_features())
}

/// Whether a processor that is `missing` this can run programs in this way.
fn check_processor(kind: Kind, missing: &[&str]) -> Result<(), MachineError> {
    if kind == Kind::Interpreter || missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(MachineError(format!("PolkaVM's compiler needs a processor with {missing}")))
}

/// An engine. It holds no process and no thread.
pub(crate) fn engine(kind: Kind) -> Result<Engine, MachineError> {
    check_machine(kind)?;
    // Made here and not from the environment: a variable must not change a verdict.
    let mut config = Config::new();
    match kind {
        Kind::Compiler => {
            config.set_backend(Some(BackendKind::Compiler));
            // The generic sandbox runs programs within this process. The other one would start
            // processes of its own, which can't live in the sandbox in which workers live. The engine
            // calls it experimental because it alone does not confine; here the job's process does.
            config.set_sandbox(Some(SandboxKind::Generic));
            config.set_allow_experimental(true);
        }
        Kind::Interpreter => {
            config.set_backend(Some(BackendKind::Interpreter));
        }
    }
    Engine::new(&config).map_err(|error| MachineError(error.to_string()))
}

/// How programs are compiled.
pub(crate) fn module_config(params: &ExecutorParams) -> ModuleConfig {
    let mut config = ModuleConfig::new();
    config.set_page_size(PAGE_SIZE);
    // Each instruction costs one unit: the plainest model, which can't change with the engine.
    config.set_cost_model(Some(CostModelKind::Simple(CostModel::naive_ref())));
    // The other way of metering does not say at which instruction the gas runs out, and does not
    // interrupt a program that runs for ever.
    config.set_gas_metering(params.max_gas().map(|_| GasMeteringKind::Sync));
    config
}

/// Covers what decides whether an artifact can run here. See
/// [`BackendDescriptor::fingerprint`](pvf_host_core::backend::BackendDescriptor::fingerprint).
pub(crate) fn fingerprint(kind: Kind) -> Result<Fingerprint, LoadError> {
    check_machine(kind)?;
    let kind = match kind {
        Kind::Compiler => b"compiler".as_slice(),
        Kind::Interpreter => b"interpreter",
    };
    let version = crate::VERSION.as_bytes();
    Ok(Fingerprint::of(&[version, ENGINE_VERSION, ARTIFACT_REVISION, kind]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesser_processor_is_the_machines_fault_and_no_matter_to_the_interpreter() {
        let missing = ["bmi2", "lzcnt"];
        let error = check_processor(Kind::Compiler, &missing).unwrap_err();
        assert_eq!(error.0, "PolkaVM's compiler needs a processor with bmi2, lzcnt");
        assert_eq!(check_processor(Kind::Compiler, &[]), Ok(()));
        assert_eq!(check_processor(Kind::Interpreter, &missing), Ok(()));
    }

    #[test]
    fn the_fingerprint_names_the_engine_that_is_built_in() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
        let version = std::str::from_utf8(ENGINE_VERSION).unwrap();
        let locked = format!("name = \"polkavm\"\nversion = \"{version}\"\n");
        assert!(lock.unwrap().contains(&locked), "{locked}");
    }
}
