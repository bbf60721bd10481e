//! Random modules, with metering and without, and counted by somebody else.

mod common;

use common::{
    on_big_stack, params, prepare,
    runnable::{HEAP_BASE, generate},
};
use pvf_backend_wasmtime::Wasmtime;
use pvf_host_core::{
    backend::{Execute, ExecuteError},
    primitives::ExecutorParam,
};
use wasm_instrument::parity_wasm::elements::{ExportEntry, Instruction, Internal, Module};
use wasmtime::{Engine, Instance, OperatorCost, Store};

const INPUT: &[u8] = b"some input";
/// Where the input comes to lie: behind the allocator's header.
const INPUT_AT: u32 = HEAP_BASE + 8;

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
