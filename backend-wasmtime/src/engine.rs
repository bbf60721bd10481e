//! Wasmtime's settings.

use crate::error;
use pvf_host_core::{
    backend::{Fingerprint, LoadError},
    primitives::ExecutorParams,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use wasmtime::{CacheStore, Config, Engine, OptLevel, wasmparser::WasmFeatures};

/// Changes whenever this crate makes other artifacts out of the same code, or reads them in another
/// way. Wasmtime's own version is part of the fingerprint by itself.
const ARTIFACT_REVISION: &[u8] = b"3, wasm-instrument 0.4.0";

/// What Wasmtime's stack for asynchronous calls has besides what WebAssembly may use. There are no
/// such calls, but Wasmtime checks that the one is not smaller than the other.
const ASYNC_STACK_SLACK: usize = 1 << 20;

/// An engine that makes and runs artifacts for these parameters.
pub(crate) fn engine(params: &ExecutorParams) -> wasmtime::Result<Engine> {
    Engine::new(&config(params))
}

/// An engine that makes the same artifacts, and asks `functions` before it compiles one.
pub(crate) fn engine_reusing(
    params: &ExecutorParams,
    functions: Arc<dyn CacheStore>,
) -> wasmtime::Result<Engine> {
    let mut config = config(params);
    config.enable_incremental_compilation(functions)?;
    Engine::new(&config)
}

fn config(params: &ExecutorParams) -> Config {
    let mut config = Config::new();

    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(pvf_wasm_code::features(params), true);

    // The bits of a NaN are the only result of an instruction that may differ between machines.
    config.cranelift_nan_canonicalization(true);
    // Not optimising would save a quarter of the time it takes to compile, and cost a fifth in size.
    // Optimising for size, too, gives the same code.
    config.cranelift_opt_level(OptLevel::Speed);
    config.parallel_compilation(true);

    // Behind the logical limit, which is reached first.
    let native_stack = params.stack_native_max() as usize;
    config.max_wasm_stack(native_stack);
    config.async_stack_size(native_stack.saturating_add(ASYNC_STACK_SLACK));

    // A backtrace would walk every frame of an overflown stack, in the signal handler. What a guest
    // has to say about a panic comes through its log. Without backtraces nothing else reads these
    // tables, which are a large part of an artifact.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.debug_symbols(false);

    // All of a 32-bit address space is reserved, and never moves, so that no access needs a check and
    // the memory's address is a constant of the instance.
    config.memory_reservation(4 << 30);
    config.memory_may_move(false);
    // Data are mapped from the artifact, copy on write. A memory with little data in a large range is
    // written piece by piece instead, as it would make a large artifact: Wasmtime's default bound.
    config.memory_init_cow(true);

    config
}

/// Covers what decides whether an artifact can run here. See
/// [`BackendDescriptor::fingerprint`](pvf_host_core::backend::BackendDescriptor::fingerprint).
pub(crate) fn fingerprint(params: &ExecutorParams) -> Result<Fingerprint, LoadError> {
    let engine = engine(params).map_err(|error| error::of_load(&error))?;
    let mut collected = Collector(Vec::new());
    // Wasmtime's version, its settings, and the features of this machine's CPU.
    engine.precompile_compatibility_hash().hash(&mut collected);
    Ok(Fingerprint::of(&[env!("CARGO_PKG_VERSION").as_bytes(), ARTIFACT_REVISION, &collected.0]))
}

/// Keeps what is hashed. A standard hasher's 64 bits are too few, and differ between its versions.
struct Collector(Vec<u8>);

impl Hasher for Collector {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        // Nothing asks: the bytes are taken instead.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::ExecutorParam;

    #[test]
    fn the_fingerprint_is_stable_and_covers_the_language() {
        let plain = ExecutorParams::default();
        let bulk = ExecutorParams::new(vec![ExecutorParam::WasmExtBulkMemory]);
        assert_eq!(fingerprint(&plain), fingerprint(&plain));
        assert_ne!(fingerprint(&plain), fingerprint(&bulk));
    }

    #[test]
    fn parameters_that_change_no_artifact_change_no_fingerprint() {
        let plain = ExecutorParams::default();
        let other = ExecutorParams::new(vec![
            ExecutorParam::MaxMemoryPages(100),
            ExecutorParam::StackLogicalMax(1000),
            ExecutorParam::StackNativeMax(1 << 20),
        ]);
        assert_eq!(fingerprint(&plain), fingerprint(&other));
    }

    #[test]
    fn no_stack_at_all_is_an_error() {
        let params = ExecutorParams::new(vec![ExecutorParam::StackNativeMax(0)]);
        assert!(fingerprint(&params).is_err());
    }
}
