//! Rewriting: from code that can be read to the code that engines get.
//!
//! It is done by the same two crates as in the reference implementation, `parity-wasm` and
//! `wasm-instrument`, for it is consensus down to its oddities: what a call costs, and that
//! instrumenting code with an imported global gives invalid code. Most code they rewrite without the
//! bodies of its functions, see [`skeleton`]. What comes of it is put in an [order] of
//! its own, which changes nothing but the numbers of functions.
//!
//! # Start functions
//!
//! A start function would run while the module is instantiated, which a worker does ahead, where no
//! code of the guest may run, and which takes system calls that a job can't make. So it becomes an
//! exported function ([`START`]), which a job calls first thing. An export of the code's own under
//! that name, which nobody would look for, is left out.

use crate::{
    Code, Form,
    bodies::Bodies,
    encode::Functions,
    metering,
    order::{self, Order},
    skeleton,
    threads::{ThisThread, Threads},
};
use pvf_host_core::primitives::ExecutorParams;
use wasm_instrument::parity_wasm::elements::{
    ExportEntry, External, Internal, MemorySection, MemoryType, Module, Section,
};

/// The name of what was the start function.
pub(crate) const START: &str = "pvf-host: start";

/// The code that an engine is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The code. Whether it is valid is for the engine to find.
    pub wasm: Vec<u8>,
    /// What it is like.
    pub form: Form,
}

impl Code {
    /// Rewrites the code.
    ///
    /// `validate` is asked about some code before more is added to it. It says whether code is
    /// valid in the language of [`features`](crate::features()) and no other:
    /// [`validate`](crate::validate) does, and an engine that accepts that language can say it in
    /// its own words.
    ///
    /// # Errors
    ///
    /// When the code can't be rewritten, or is not valid, with the reason.
    pub fn rewrite<E: From<String>>(
        self,
        params: &ExecutorParams,
        validate: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<Rewritten, E> {
        self.rewrite_on(&ThisThread, params, validate)
    }

    /// Does the same on several threads.
    ///
    /// # Errors
    ///
    /// Those of [`rewrite`](Self::rewrite).
    pub fn rewrite_on<E: From<String>>(
        self,
        threads: &dyn Threads,
        params: &ExecutorParams,
        validate: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<Rewritten, E> {
        let Self { mut module, bodies, removed } = self;
        let is_metered = params.max_gas().is_some();
        let bodies = match bodies {
            Some(bodies) => with_costs(&mut module, bodies, is_metered)?,
            None => None,
        };
        let lens = match &bodies {
            Some(bodies) => bodies.lens(),
            None => order::lens(&module)?,
        };
        let form = Form::new(module.start_section().is_some(), is_metered);
        let original = is_metered.then(|| metering::Original::of(&module));
        let mut module = rewrite(module, params)?;
        let order = Order::new(&module, &lens);
        let functions = match bodies {
            Some(bodies) => Some(Functions::new(bodies, &module, params.stack_logical_max())?),
            None => None,
        };
        let to_bytes = |mut module: Module, order: &Order| {
            let wasm = match &functions {
                Some(functions) => functions.encode(module, order, threads)?,
                None => {
                    order.put(&mut module);
                    module.into_bytes().map_err(|error| error.to_string())?
                }
            };
            match &removed {
                Some(removed) => removed.put_back(&wasm),
                None => Ok(wasm),
            }
        };
        if is_metered || module.start_section().is_some() {
            // What would be refused as it is, such as a start function with parameters, is refused,
            // for the same reason. And valid code names nothing that will be added.
            validate(&to_bytes(module.clone(), &Order::default())?)?;
        }
        export_start(&mut module)?;
        let wasm = match original {
            Some(original) => to_bytes(metering::meter(module, &original)?, &order)?,
            None => to_bytes(module, &order)?,
        };
        Ok(Rewritten { wasm, form })
    }
}

/// Has the skeleton of code that was taken apart cost what the bodies of its functions would have it
/// cost, if they can stay apart. If not, the code is made whole.
fn with_costs(
    module: &mut Module,
    bodies: Bodies,
    is_metered: bool,
) -> Result<Option<Bodies>, String> {
    match &bodies.costs {
        Some(costs) if !is_metered => {
            skeleton::set_costs(module, costs);
            Ok(Some(bodies))
        }
        _ => {
            skeleton::put_together(module, &bodies)?;
            Ok(None)
        }
    }
}

/// Makes the start function, if there is one, a function like any other, exported as [`START`].
fn export_start(module: &mut Module) -> Result<(), String> {
    let Some(start) = module.start_section() else { return Ok(()) };
    module.clear_start_section();
    let exports = exports(module)?;
    exports.retain(|export| export.field() != START);
    exports.push(ExportEntry::new(START.into(), Internal::Function(start)));
    Ok(())
}

/// The exports of a module, which need not have had any.
fn exports(module: &mut Module) -> Result<&mut Vec<ExportEntry>, String> {
    if module.export_section().is_none() {
        module
            .insert_section(Section::Export(Default::default()))
            .map_err(|error| error.to_string())?;
    }
    let section = module.export_section_mut().ok_or("a section that was added is not there")?;
    Ok(section.entries_mut())
}

fn rewrite(module: Module, params: &ExecutorParams) -> Result<Module, String> {
    let mut module = wasm_instrument::inject_stack_limiter(module, params.stack_logical_max())
        .map_err(|error| format!("stack limiter: {error}"))?;
    import_memory_as_export(&mut module)?;
    if let Some(memories) = module.memory_section_mut() {
        for memory in memories.entries_mut() {
            // The limit is the executor parameters', whatever the code declares.
            *memory = MemoryType::new(memory.limits().initial(), None);
        }
    }
    // Names and debugging information would only make the artifact larger.
    module.sections_mut().retain(|section| !matches!(section, Section::Custom(_)));
    Ok(module)
}

/// Turns an imported memory, the first if there are more, into one of the module's own, exported
/// under the name by which it was imported.
fn import_memory_as_export(module: &mut Module) -> Result<(), String> {
    let Some(imports) = module.import_section_mut() else { return Ok(()) };
    let imported =
        imports.entries().iter().enumerate().find_map(|(index, entry)| match entry.external() {
            External::Memory(memory) => Some((index, *memory)),
            _ => None,
        });
    let Some((index, memory)) = imported else { return Ok(()) };
    let name = imports.entries_mut().remove(index).field().to_owned();
    module
        .insert_section(Section::Memory(MemorySection::with_entries(vec![memory])))
        .map_err(|error| format!("memory both imported and defined: {error}"))?;
    exports(module)?.push(ExportEntry::new(name, Internal::Memory(0)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::{ExecutorParam, blake2_256, compression};

    const DATA_COUNT_SECTION: u8 = 12;
    const CODE_SECTION: u8 = 10;

    /// The sections' numbers and contents.
    fn sections(code: &[u8]) -> Vec<(u8, &[u8])> {
        let payloads = wasmparser::Parser::new(0).parse_all(code);
        let sections = payloads.filter_map(|payload| payload.unwrap().as_section());
        sections.map(|(id, range)| (id, &code[range])).collect()
    }

    /// The same code with the count of its data segments before its functions.
    fn with_data_count(code: &[u8]) -> Vec<u8> {
        let mut out = code[..8].to_vec();
        let sections = sections(code);
        let mut push = |id, content: &[u8]| {
            out.push(id);
            let mut len = content.len();
            for _ in 0..4 {
                out.push(len as u8 | 0x80);
                len >>= 7;
            }
            out.push(len as u8);
            out.extend_from_slice(content);
        };
        for (id, content) in &sections {
            if *id == CODE_SECTION {
                let data = sections.iter().find(|(id, _)| *id == 11).unwrap().1;
                let digits = data.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
                push(DATA_COUNT_SECTION, &data[..digits]);
            }
            push(*id, content);
        }
        out
    }

    fn rewritten(code: &[u8], params: &ExecutorParams) -> Vec<u8> {
        let code = Code::read(code, params).unwrap();
        code.rewrite(params, |wasm| crate::validate(wasm, params)).unwrap().wasm
    }

    /// Going around the rewriting changes nothing that it does.
    fn check_detour(code: &[u8]) {
        let direct = rewritten(code, &ExecutorParams::default());
        let bulk = ExecutorParams::new(vec![ExecutorParam::WasmExtBulkMemory]);
        assert_eq!(rewritten(code, &bulk), direct, "nothing to take out");
        let detour = rewritten(&with_data_count(code), &bulk);
        let mut detour = sections(&detour);
        let count = detour.iter().position(|(id, _)| *id == DATA_COUNT_SECTION).unwrap();
        detour.remove(count);
        assert!(detour == sections(&direct));
    }

    /// A module with something of everything.
    fn sample() -> Vec<u8> {
        let code = wat::parse_str(
            r#"(module (import "env" "f" (func $f (param i32))) (memory 1) (table 2 funcref)
                 (global (export "g") (mut i32) (i32.const 5))
                 (func $a (export "a") (param i32) (local i64) (call $f (local.get 0)))
                 (func $b (call $a (i32.load8_u (i32.const 1)))
                   (i32.store8 (i32.const 0) (i32.const 0)))
                 (start $b) (elem (i32.const 0) $a $b)
                 (data (i32.const 0) "data") (data (i32.const 9) "more"))"#,
        );
        code.unwrap()
    }

    #[test]
    fn taking_out_and_putting_back_leaves_all_else_as_it_is() {
        check_detour(&sample());
    }

    #[test]
    fn what_is_compiled_is_pinned_and_with_metering_is_another_code() {
        let digest = |params: &[ExecutorParam]| {
            blake2_256(&rewritten(&sample(), &ExecutorParams::new(params.to_vec()))).to_string()
        };
        assert_eq!(
            digest(&[]),
            "0xe888bf525016f0b394c5b4cf70dd6c7cbe912f46ac71d8f18d5707e10c599ef5"
        );
        assert_eq!(
            digest(&[ExecutorParam::MaxGas(1)]),
            "0x8bc154cb91f16b2c7860c205b47d64e203928b026dfe89653e4e20917c505fe9"
        );
        assert_eq!(digest(&[ExecutorParam::MaxGas(u64::MAX)]), digest(&[ExecutorParam::MaxGas(1)]));
    }

    #[test]
    fn taking_out_and_putting_back_leaves_real_code_as_it_is() {
        let Some(folder) = std::env::var_os("PVF_FIXTURES").map(std::path::PathBuf::from) else {
            eprintln!("skipped: PVF_FIXTURES is not set");
            return;
        };
        for name in ["adder.blob", "collectives-polkadot.blob"] {
            let blob = std::fs::read(folder.join(name)).unwrap();
            check_detour(&compression::decompress(&blob, 1 << 24).unwrap());
        }
    }
}
