//! Random modules that can be called. The same seed gives the same module, on every machine.

use super::modules::Random;
use arbitrary::Unstructured;
use wasm_instrument::parity_wasm::elements::{Internal, Module};
use wasm_smith::Config;

/// Where the heap begins, in modules without bulk memory operations.
pub(crate) const HEAP_BASE: u32 = 1024;

/// A random PVF that ends, with floating point numbers, tables, a start function and globals.
pub(crate) fn generate(seed: u64, may_trap: bool, bulk_memory: bool) -> Vec<u8> {
    let mut random = Random::new(seed);
    let exports = r#"(module (memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 0))
             (func (export "validate_block") (param i32 i32) (result i64) (unreachable))
             (func (export "other") (param i64) (result i32) (unreachable)))"#;
    for _ in 0..1000 {
        let len = 200 << random.below(6);
        let bytes = random.bytes(len);
        let config = Config {
            allow_start_export: true,
            bulk_memory_enabled: bulk_memory,
            compact_imports_enabled: false,
            disallow_traps: !may_trap,
            exceptions_enabled: false,
            exports: Some(wat::parse_str(exports).unwrap()),
            extended_const_enabled: false,
            gc_enabled: false,
            max_funcs: 12,
            max_imports: 0,
            max_instructions: 50 << random.below(5),
            // Beside the one that is exported.
            max_memories: 0,
            max_memory32_bytes: 20 << 16,
            max_table_elements: 1000,
            max_tables: 1,
            memory64_enabled: false,
            multi_value_enabled: false,
            reference_types_enabled: false,
            relaxed_simd_enabled: false,
            saturating_float_to_int_enabled: false,
            sign_extension_ops_enabled: true,
            simd_enabled: false,
            tail_call_enabled: false,
            threads_enabled: false,
            wide_arithmetic_enabled: false,
            ..Config::default()
        };
        let module = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes));
        let Ok(mut module) = module else { continue };
        if module.ensure_termination(1000).is_err() {
            continue;
        }
        let code = module.to_bytes();
        let code = match bulk_memory {
            // It can't be edited here, and the heap base is seldom good. What comes before the input is
            // written needs none.
            true => has_start_function(&code).then_some(code),
            false => with_heap_base(&code),
        };
        if let Some(code) = code {
            return code;
        }
    }
    panic!("no module is as it has to be")
}

fn has_start_function(code: &[u8]) -> bool {
    let mut payloads = wasmparser::Parser::new(0).parse_all(code).map(Result::unwrap);
    payloads.any(|payload| matches!(payload, wasmparser::Payload::StartSection { .. }))
}

/// The generator chooses the value of the heap base as it likes; so another global is added.
fn with_heap_base(code: &[u8]) -> Option<Vec<u8>> {
    let text = format!("(module (global i32 (i32.const {HEAP_BASE})))");
    let donor = Module::from_bytes(wat::parse_str(text).unwrap()).unwrap();
    let global = donor.global_section()?.entries()[0].clone();
    let mut module = Module::from_bytes(code).ok()?;
    let index = module.globals_space() as u32;
    module.global_section_mut()?.entries_mut().push(global);
    let exports = module.export_section_mut()?.entries_mut();
    let export = exports.iter_mut().find(|export| export.field() == "__heap_base")?;
    *export.internal_mut() = Internal::Global(index);
    Some(module.into_bytes().unwrap())
}
