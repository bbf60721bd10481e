//! Preparing code.

use arbitrary::{Arbitrary, Unstructured};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Artifact, BackendPrepareError, Bytes, Prepare},
    primitives::{ExecutorParam, ExecutorParams},
};
use std::{io, sync::LazyLock};
use wasm_smith::{Config, Module};

const HEADER: &[u8; 8] = b"\0asm\x01\0\0\0";

/// Prepares anything, also with the header of a module put before it.
pub fn prepare_bytes(data: &[u8]) {
    let Some((options, code)) = data.split_first() else { return };
    let bulk_memory = options & 1 != 0;
    let with_header;
    let code = if options & 2 != 0 {
        with_header = [HEADER, code].concat();
        &with_header
    } else {
        code
    };
    let stack = if options & 4 != 0 { 1024 } else { 65_536 };
    prepare(code, &params(bulk_memory, options & 8 != 0, stack));
}

/// Prepares always the same, with anything for the functions that an earlier preparation has kept.
pub fn functions(data: &[u8]) {
    /// One function, which does nothing.
    const CODE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";
    static IN_FULL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        Wasmtime.prepare(CODE, &ExecutorParams::default()).expect("it is valid code")
    });
    let params = ExecutorParams::default();
    let earlier = Some(Bytes::copy_from_slice(data));
    let prepared = Wasmtime.prepare_reusing(CODE, &params, earlier, Box::new(io::sink()));
    let prepared = prepared.expect("it is valid code");
    assert!(prepared.artifact == *IN_FULL, "what is kept changes no artifact");
    // Nobody finds a key, which is a hash, by accident.
    assert_eq!(prepared.counts.map(|counts| counts.reused), Some(0));
}

/// Prepares a valid module in the language that is accepted. It can be read.
pub fn prepare_module(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok((module, params)) = module(&mut data) else { return };
    let code = module.to_bytes();
    if let Some(Refused::Prevalidation(error)) = prepare(&code, &params) {
        panic!("a valid module is refused: {error}");
    }
}

fn module(data: &mut Unstructured<'_>) -> arbitrary::Result<(Module, ExecutorParams)> {
    let bulk_memory = bool::arbitrary(data)?;
    let metered = bool::arbitrary(data)?;
    let stack = data.int_in_range(0..=131_072)?;
    let config = Config {
        bulk_memory_enabled: bulk_memory,
        sign_extension_ops_enabled: true,
        max_memories: 1,
        max_tables: 1,
        // All other proposals.
        acquire_release_atomics_enabled: false,
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        multi_value_enabled: false,
        multibyte_array_access_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: false,
        shared_everything_threads_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        // Small, so that many are made in little time.
        max_funcs: 20,
        max_instructions: 200,
        max_table_elements: 10_000,
        allow_invalid_funcs: false,
        allow_start_export: true,
        generate_custom_sections: true,
        ..Config::arbitrary(data)?
    };
    Ok((Module::new(config, data)?, params(bulk_memory, metered, stack)))
}

fn params(bulk_memory: bool, metered: bool, stack: u32) -> ExecutorParams {
    let mut params = vec![ExecutorParam::StackLogicalMax(stack)];
    params.extend(bulk_memory.then_some(ExecutorParam::WasmExtBulkMemory));
    params.extend(metered.then_some(ExecutorParam::MaxGas(1000)));
    ExecutorParams::new(params)
}

enum Refused {
    Prevalidation(String),
    Later,
}

/// Does what a prepare job does: reads, compiles, and loads.
fn prepare(code: &[u8], params: &ExecutorParams) -> Option<Refused> {
    let prevalidated = Wasmtime.prevalidate(code, params);
    let prepared = Wasmtime.prepare(code, params);
    if let Err(error) = prevalidated {
        assert_eq!(prepared.err(), Some(error.clone()), "both read the code");
        let BackendPrepareError::Prevalidation(error) = error else { panic!("{error:?}") };
        assert!(!error.is_empty());
        return Some(Refused::Prevalidation(error));
    }
    match prepared {
        Ok(artifact) => {
            let artifact = Artifact::from_bytes(&artifact).expect("a memory file");
            Wasmtime.check_runtime_construction(&artifact, params).err().map(|_| Refused::Later)
        }
        Err(BackendPrepareError::Compilation(error)) => {
            assert!(!error.is_empty());
            Some(Refused::Later)
        }
        Err(error) => panic!("{error:?}"),
    }
}
