//! Random modules, by `wasm-smith`.

use crate::{
    case::Case,
    random::Random,
    wasm::{INPUT_LEN, as_pvf},
};
use arbitrary::{Arbitrary, Unstructured};
use pvf_host_functions::{Availability, HOST_FUNCTIONS, ValueType};
use wasm_encoder::{EntityType, ImportSection, Module, TypeSection, ValType};
use wasm_smith::Config;

/// The language that is accepted, with programs that end, and of which few trap.
pub(crate) fn program(seed: u64) -> Case {
    let mut random = Random::new("program", seed);
    loop {
        let size = 200 << random.below(5);
        let entropy = random.bytes(size);
        let mut unstructured = Unstructured::new(&entropy);
        let Ok(mut config) = Config::arbitrary(&mut unstructured) else { continue };
        only_the_first_version(&mut config);
        config.disallow_traps = random.percent(75);
        config.min_funcs = 1 + random.below(6);
        config.max_funcs = config.min_funcs + random.below(6);
        config.max_instructions = 20 << random.below(6);
        config.min_globals = random.below(4);
        config.max_globals = config.min_globals + 4;
        config.min_memories = 1;
        config.max_memory32_bytes = *random.pick(&[1, 3, 20, 200, 3000]) * 65_536;
        config.max_table_elements = 1000;
        config.max_data_segments = random.below(4);
        config.available_imports = Some(if random.percent(30) {
            some_host_functions(&mut random)
        } else {
            Module::new().finish()
        });
        // One of the few differences that there are, so not too often.
        config.sign_extension_ops_enabled = random.percent(3);
        let fuel = *random.pick(&[100, 1000, 1000, 30_000, 1_000_000]);
        let Some(code) = module(config, &mut unstructured, fuel) else { continue };
        let heap_base = *random.pick(&[0, 8, 1024, 1024, 65_536, 65_532, 70_001]);
        let Some(code) = as_pvf(&code, heap_base) else { continue };
        let inputs = (0..3).map(|_| input(&mut random)).collect();
        return Case { code, inputs, ..Case::default() };
    }
}

/// A module of any language, with any imports, half of the time made a PVF.
pub(crate) fn any_language(seed: u64) -> Case {
    let mut random = Random::new("any language", seed);
    loop {
        let size = 200 << random.below(5);
        let entropy = random.bytes(size);
        let mut unstructured = Unstructured::new(&entropy);
        let Ok(mut config) = Config::arbitrary(&mut unstructured) else { continue };
        only_the_first_version(&mut config);
        config.max_memory32_bytes = *random.pick(&[65_536, 20 * 65_536, 1 << 32]);
        config.max_instructions = 100;
        config.allow_start_export = random.percent(50);
        if random.percent(60) {
            config.max_imports = 0;
            config.min_imports = 0;
        }
        for feature in [
            &mut config.bulk_memory_enabled,
            &mut config.custom_page_sizes_enabled,
            &mut config.exceptions_enabled,
            &mut config.extended_const_enabled,
            &mut config.gc_enabled,
            &mut config.generate_custom_sections,
            &mut config.memory64_enabled,
            &mut config.multi_value_enabled,
            &mut config.reference_types_enabled,
            &mut config.saturating_float_to_int_enabled,
            &mut config.sign_extension_ops_enabled,
            &mut config.simd_enabled,
            &mut config.tail_call_enabled,
            &mut config.threads_enabled,
            &mut config.wide_arithmetic_enabled,
        ] {
            *feature = random.percent(12);
        }
        if random.percent(10) {
            config.max_memories = 3;
            config.max_tables = 3;
        }
        if random.percent(70) {
            config.min_memories = 1;
        }
        config.relaxed_simd_enabled &= config.simd_enabled;
        let Some(mut code) = module(config, &mut unstructured, 1000) else { continue };
        if random.percent(70)
            && let Some(pvf) = as_pvf(&code, 1024)
        {
            code = pvf;
        }
        return Case { code, inputs: vec![input(&mut random)], ..Case::default() };
    }
}

fn only_the_first_version(config: &mut Config) {
    config.acquire_release_atomics_enabled = false;
    config.allow_floats = true;
    config.allow_invalid_funcs = false;
    config.bulk_memory_enabled = false;
    config.compact_imports_enabled = false;
    config.custom_descriptors_enabled = false;
    config.custom_page_sizes_enabled = false;
    config.exceptions_enabled = false;
    config.exports = None;
    config.extended_const_enabled = false;
    config.gc_enabled = false;
    config.max_memories = 1;
    config.max_tables = 1;
    config.max_tags = 0;
    config.min_tags = 0;
    config.max_type_size = 1000;
    config.memory64_enabled = false;
    config.module_shape = None;
    config.multi_value_enabled = false;
    config.multibyte_array_access_enabled = false;
    config.reference_types_enabled = false;
    config.relaxed_simd_enabled = false;
    config.saturating_float_to_int_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.sign_extension_ops_enabled = false;
    config.simd_enabled = false;
    config.tail_call_enabled = false;
    config.threads_enabled = false;
    config.wide_arithmetic_enabled = false;
}

fn module(config: Config, unstructured: &mut Unstructured<'_>, fuel: u32) -> Option<Vec<u8>> {
    let mut module = wasm_smith::Module::new(config, unstructured).ok()?;
    module.ensure_termination(fuel).ok()?;
    Some(module.to_bytes())
}

/// Says which functions, and which type each has, of the table and from nowhere.
fn some_host_functions(random: &mut Random) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    for _ in 0..=random.below(5) {
        let function = random.pick(HOST_FUNCTIONS);
        // What the host's own log is set to is not the reference's.
        let is_log_level = function.name.contains("max_level");
        if function.availability == Availability::Traps || is_log_level {
            continue;
        }
        let value_type = |ty: &ValueType| match ty {
            ValueType::I32 => ValType::I32,
            ValueType::I64 => ValType::I64,
        };
        types.ty().function(
            function.params.iter().map(value_type),
            function.result.iter().map(value_type),
        );
        imports.import("env", function.name, EntityType::Function(types.len() - 1));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports);
    module.finish()
}

/// Numbers, for arguments of any type.
fn input(random: &mut Random) -> Vec<u8> {
    const FLOATS: [u64; 12] = [
        0x7ff8_0000_0000_0000,
        0xfff0_0000_0000_0001,
        0x7ff0_0000_0000_0000,
        0x8000_0000_0000_0000,
        0x3ff0_0000_0000_0000,
        0x43e0_0000_0000_0000,
        0x41df_ffff_ffc0_0000,
        0x0000_0000_7fc0_0000,
        0xffff_ffff_ff80_0001,
        0x4f00_0000_cf00_0000,
        0x0000_0000_0000_0001,
        0x7fef_ffff_ffff_ffff,
    ];
    let mut input = random.bytes(16);
    while input.len() < INPUT_LEN {
        let number = match random.below(4) {
            0 => *random.pick(&FLOATS),
            1 => random.next(),
            _ => random.odd_number(),
        };
        input.extend_from_slice(&number.to_le_bytes());
    }
    input
}
