//! Random modules, with metering and without, and counted by somebody else.

mod common;

use arbitrary::Unstructured;
use common::{modules::Random, on_big_stack, params, prepare};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Execute, ExecuteError},
    primitives::ExecutorParam,
};
use wasm_instrument::parity_wasm::elements::{ExportEntry, Instruction, Internal, Module};
use wasm_smith::Config;
use wasmtime::{
    Engine, Instance, OperatorCost, Store,
    wasmparser::{Parser, Payload},
};

const INPUT: &[u8] = b"some input";
const HEAP_BASE: u32 = 1024;

/// Where the input comes to lie: behind the allocator's header.
const INPUT_AT: u32 = HEAP_BASE + 8;

/// A random PVF that ends, with floating point numbers, tables, a start function and globals.
fn generate(seed: u64, may_trap: bool, bulk_memory: bool) -> Vec<u8> {
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
    let mut payloads = Parser::new(0).parse_all(code).map(Result::unwrap);
    payloads.any(|payload| matches!(payload, Payload::StartSection { .. }))
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

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    result: Result<Vec<u8>, ExecuteError>,
    gas_used: Option<u64>,
}

fn run(code: &[u8], list: &[ExecutorParam]) -> Run {
    let params = params(list);
    let artifact = prepare(code, &params).expect("code can be prepared");
    on_big_stack(|| {
        let mut loaded = Wasmtime.load(&artifact, &params).unwrap();
        let result = loaded.call("validate_block", INPUT, Box::new(()));
        Run { result, gas_used: loaded.gas_used() }
    })
}

/// Runs with and without metering. Says what the first gave.
fn compare(code: &[u8], more: &[ExecutorParam], what: &str) -> Run {
    let with = |limit| run(code, &[more, &[ExecutorParam::MaxGas(limit)]].concat());
    let metered = with(u64::MAX);
    let unmetered = run(code, more);
    assert_eq!(metered.result, unmetered.result, "{what}");
    assert_eq!(unmetered.gas_used, None);
    let used = metered.gas_used.expect("it is metered");
    assert_eq!(with(used), metered, "{what}");
    if let Some(less) = used.checked_sub(1) {
        let out_of_gas = Run { result: Err(ExecuteError::OutOfGas), gas_used: Some(less) };
        assert_eq!(with(less), out_of_gas, "{what}");
    }
    metered
}

#[test]
fn metering_changes_nothing_but_when_gas_runs_out() {
    let (mut valid, mut traps) = (0, 0);
    for seed in 0..60 {
        let code = generate(seed, seed % 2 == 0, false);
        let run = compare(&code, &[], &format!("seed {seed}"));
        match run.result {
            Ok(_) => valid += 1,
            Err(ExecuteError::Trap(_)) => traps += 1,
            Err(_) => {}
        }
    }
    assert!(valid > 5 && traps > 5, "{valid} valid, {traps} traps");
}

#[test]
fn metering_changes_nothing_with_bulk_memory_operations_either() {
    let mut have_run = 0;
    for seed in 0..60 {
        let code = generate(seed, seed % 2 == 0, true);
        let run = compare(&code, &[ExecutorParam::WasmExtBulkMemory], &format!("seed {seed}"));
        have_run += u32::from(run.gas_used > Some(0));
    }
    assert!(have_run > 40, "{have_run}");
}

/// The engine can count too, one instruction after the other: its *fuel*.
///
/// It counts 1 for each entry into a function, ours for each call. So calls cost no fuel, and the
/// entries from outside are taken off. Locals cost fuel by as many `nop`s at a function's beginning.
fn fuel_used(code: &[u8]) -> Option<u64> {
    let mut module = Module::from_bytes(code).unwrap();
    let start = module.start_section();
    if let Some(start) = start {
        module.clear_start_section();
        let export = ExportEntry::new("start".into(), Internal::Function(start));
        module.export_section_mut()?.entries_mut().push(export);
    }
    for body in module.code_section_mut()?.bodies_mut() {
        let locals = body.locals().iter().map(|group| group.count() as usize).sum();
        let nops = vec![Instruction::Nop; locals];
        body.code_mut().elements_mut().splice(0..0, nops);
    }
    let mut cost = OperatorCost::new();
    for free in [&mut cost.Call, &mut cost.CallIndirect, &mut cost.Else, &mut cost.End] {
        *free = 0;
    }
    for one in [
        &mut cost.Nop,
        &mut cost.Drop,
        &mut cost.Block,
        &mut cost.Loop,
        &mut cost.Unreachable,
        &mut cost.Return,
    ] {
        *one = 1;
    }
    cost.variable.memory_grow_per_page = 0;
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true).operator_cost(cost).cranelift_nan_canonicalization(true);
    let engine = Engine::new(&config).unwrap();
    let module = wasmtime::Module::new(&engine, module.into_bytes().unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    // Instantiating costs fuel too: whatever computes where a segment goes.
    store.set_fuel(u64::MAX).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).ok()?;
    store.set_fuel(u64::MAX).unwrap();
    if start.is_some() {
        let start = instance.get_typed_func::<(), ()>(&mut store, "start").unwrap();
        start.call(&mut store, ()).ok()?;
    }
    let memory = instance.get_memory(&mut store, "memory")?;
    // Where there is no page, the allocator would get one.
    let header = memory.data_mut(&mut store).get_mut(HEAP_BASE as usize..INPUT_AT as usize)?;
    // Occupied, of the second size class.
    header.copy_from_slice(&0x1_0000_0001_u64.to_le_bytes());
    memory.write(&mut store, INPUT_AT as usize, INPUT).unwrap();
    let function = instance.get_typed_func::<(u32, u32), u64>(&mut store, "validate_block");
    function.unwrap().call(&mut store, (INPUT_AT, INPUT.len() as u32)).ok()?;
    Some(u64::MAX - store.get_fuel().unwrap() - 1 - u64::from(start.is_some()))
}

#[test]
fn the_engine_counts_the_same() {
    let mut compared = 0;
    for seed in 1000..1100 {
        let code = generate(seed, false, false);
        let run = run(&code, &[ExecutorParam::MaxGas(u64::MAX)]);
        // What traps is paid for up to the next branch, and not counted by the engine.
        if let Some(fuel) = fuel_used(&code) {
            assert_eq!(run.gas_used, Some(fuel), "seed {seed}: {:?}", run.result);
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}
