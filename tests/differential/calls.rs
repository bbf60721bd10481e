//! Sequences of calls of host functions.
//!
//! A module does some steps, each of which calls a host function or does something to the memory behind
//! its back. Its arguments are plausible most of the time: what the function takes, made before; or a
//! result of an earlier step; and sometimes they are anything. Results are kept; the output holds them
//! all and a fingerprint of the memory.
//!
//! The input's first byte says whether steps that probably trap are done, the second byte how many
//! steps are.

use crate::{
    case::Case,
    material,
    random::Random,
    wasm::{at, code_section, mix_memory},
};
use pvf_host_core::primitives::ExecutorHostFunction;
use pvf_host_functions::{Availability, HOST_FUNCTIONS, HostFunction, ValueType};
use std::fmt::Write;
use wasm_encoder::{
    BlockType, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

/// Where the output is: the fingerprint, and behind it the results.
const OUTPUT: u32 = 16;
const RESULTS: u32 = OUTPUT + 8;
const MAX_STEPS: usize = 40;
/// Where the data begin.
const DATA: u32 = 1024;

/// Functions that Polkadot's runtimes import, and that no PVF gets.
const MISSING: &[(&str, &[ValueType], Option<ValueType>)] = &[
    ("ext_storage_get_version_1", &[ValueType::I64], Some(ValueType::I64)),
    ("ext_default_child_storage_root_version_1", &[ValueType::I64], Some(ValueType::I64)),
    ("ext_offchain_timestamp_version_1", &[], Some(ValueType::I64)),
    ("ext_nobody_knows_version_1", &[ValueType::I32], None),
];

/// An argument of a call.
#[derive(Debug, Clone)]
enum Argument {
    Number(u64),
    /// A pointer, with a length if both are asked for, to some of the data.
    Data {
        ptr: u32,
        len: u32,
    },
    /// The result of an earlier step.
    Result(usize),
    /// What a step's result points to.
    Behind {
        step: usize,
        len: u32,
    },
    /// The input.
    Input,
    /// So many bytes before the memory's end, and some length.
    End {
        before: i32,
        len: u32,
    },
}

enum Action {
    Call {
        import: u32,
        arguments: Vec<(Argument, ValueType)>,
        result: Option<ValueType>,
        is_dropped: bool,
    },
    Grow(u32),
    /// Overwrites eight bytes at an offset from an address.
    Store {
        address: Argument,
        offset: i32,
        value: u64,
    },
}

struct Step {
    action: Action,
    is_risky: bool,
    text: String,
}

struct Builder {
    random: Random,
    imports: Vec<(String, Vec<ValueType>, Option<ValueType>)>,
    steps: Vec<Step>,
    data: Vec<u8>,
    /// The steps whose result is a block that is not free yet.
    blocks: Vec<usize>,
    /// The steps whose result is some pointer.
    pointers: Vec<usize>,
    /// Whether a batch of signatures is under way.
    is_batch: bool,
    /// Whether the arguments made last will probably trap.
    is_risky: bool,
}

/// A sequence. With the functions of RFC 163, or with few of them.
pub(crate) fn sequence(seed: u64, with_ecc: bool) -> Case {
    let mut random = Random::new("calls", seed);
    let count = 1 + random.below(MAX_STEPS);
    // Half of the sequences are about one family, so that its functions meet.
    let families: Vec<&str> = HOST_FUNCTIONS.iter().map(|function| family(function.name)).collect();
    let focus = random.percent(50).then(|| *random.pick(&families));
    let mut builder = Builder {
        random,
        imports: Vec::new(),
        steps: Vec::new(),
        data: Vec::new(),
        blocks: Vec::new(),
        pointers: Vec::new(),
        is_batch: false,
        is_risky: false,
    };
    while builder.steps.len() < count {
        builder.add_step(focus, with_ecc);
    }
    builder.finish()
}

fn family(name: &str) -> &str {
    name.split('_').nth(1).unwrap_or_default()
}

impl Builder {
    fn add_step(&mut self, focus: Option<&str>, with_ecc: bool) {
        let choice = self.random.below(100);
        if choice < 3 {
            let pages = *self.random.pick(&[0, 1, 2, 10, 100, 3000]);
            return self.push(Action::Grow(pages), false, format!("grow by {pages} pages"));
        }
        if choice < 6 {
            return self.add_store();
        }
        if choice < 7 {
            let (name, params, result) = *self.random.pick(MISSING);
            let arguments: Vec<_> = params.iter().map(|ty| (Argument::Number(0), *ty)).collect();
            return self.call(name, arguments, result, true);
        }
        let function = if choice < 30 {
            HostFunction::find(if self.random.percent(60) {
                "ext_allocator_malloc_version_1"
            } else {
                "ext_allocator_free_version_1"
            })
            .expect("the allocator is in the table")
        } else {
            loop {
                let function = self.random.pick(HOST_FUNCTIONS);
                if focus.is_some_and(|focus| focus != family(function.name))
                    && self.random.percent(90)
                {
                    continue;
                }
                let unlikely = match function.availability {
                    Availability::Enabled(ExecutorHostFunction::EccRfc163) if !with_ecc => 97,
                    Availability::Traps | Availability::Untyped => 90,
                    _ => 0,
                };
                if self.random.percent(unlikely) {
                    continue;
                }
                break function;
            }
        };
        self.add_call(function, with_ecc);
    }

    fn push(&mut self, action: Action, is_risky: bool, text: String) {
        self.steps.push(Step { action, is_risky, text });
    }

    fn add_store(&mut self) {
        let value = match self.random.below(3) {
            // Looks like the header of a block.
            0 => (self.random.below(2) as u64) << 32 | self.random.below(30) as u64,
            1 => u64::from(u32::MAX),
            _ => self.random.odd_number(),
        };
        let block = (!self.pointers.is_empty()).then(|| *self.random.pick(&self.pointers));
        let (address, offset, is_risky) = match block {
            // The header is in front.
            Some(step) if self.random.percent(70) => {
                let offset = *self.random.pick(&[-8, -8, -4, 0, 8]);
                (Argument::Result(step), offset, offset < 0)
            }
            _ => (Argument::Number(u64::from(DATA) + self.random.below(500) as u64), 0, false),
        };
        let text = format!("store {value:#x} at {address:?} + {offset}");
        self.push(Action::Store { address, offset, value }, is_risky, text);
    }

    /// Puts bytes where the module can find them.
    fn place(&mut self, bytes: &[u8]) -> Argument {
        if self.random.percent(20) {
            self.data.resize(self.data.len().next_multiple_of(8), 0xaa);
        }
        let ptr = DATA + self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        Argument::Data { ptr, len: bytes.len() as u32 }
    }

    fn place_some_bytes(&mut self) -> Argument {
        let choices = [0, 1, 3, 4, 16, 31, 32, 33, 64, 127, 128, 129, 300, 1000];
        let len = *self.random.pick(&choices);
        let bytes = self.random.bytes(len);
        self.place(&bytes)
    }

    fn add_call(&mut self, function: &HostFunction, with_ecc: bool) {
        let name = function.name.trim_start_matches("ext_");
        let is_traps = match function.availability {
            Availability::Traps | Availability::Untyped => true,
            Availability::Enabled(_) => !with_ecc,
            Availability::Always => false,
        };
        self.is_risky = false;
        let mut arguments = self.plausible(name, function.params);
        let mut is_risky = is_traps || self.is_risky;
        if self.random.percent(6) && !arguments.is_empty() {
            let which = self.random.below(arguments.len());
            arguments[which] = self.anything();
            is_risky = true;
        }
        let arguments =
            arguments.into_iter().zip(function.params.iter().copied()).collect::<Vec<_>>();
        self.call(function.name, arguments, function.result, is_risky);
        let step = self.steps.len() - 1;
        if name.starts_with("allocator_malloc") && !is_risky {
            self.blocks.push(step);
        }
        let is_flag = name.contains("verify") || name.contains("max_level");
        if function.result == Some(ValueType::I32) && !is_flag && !is_risky {
            self.pointers.push(step);
        }
    }

    fn call(
        &mut self,
        name: &str,
        arguments: Vec<(Argument, ValueType)>,
        result: Option<ValueType>,
        is_risky: bool,
    ) {
        let import = match self.imports.iter().position(|(one, ..)| one == name) {
            Some(import) => import,
            None => {
                let types = arguments.iter().map(|(_, ty)| *ty).collect();
                self.imports.push((name.to_owned(), types, result));
                self.imports.len() - 1
            }
        };
        let mut text = format!("{name}(");
        for (argument, _) in &arguments {
            let _ = write!(text, "{argument:?}, ");
        }
        let text = text.trim_end_matches(", ").to_owned() + ")";
        // What the host's own log is set to is not the reference's.
        let is_dropped = name.contains("max_level");
        let action = Action::Call { import: import as u32, arguments, result, is_dropped };
        self.push(action, is_risky, text);
    }

    /// Any argument.
    fn anything(&mut self) -> Argument {
        match self.random.below(8) {
            0 if !self.steps.is_empty() => Argument::Result(self.random.below(self.steps.len())),
            1 if !self.steps.is_empty() => Argument::Behind {
                step: self.random.below(self.steps.len()),
                len: self.random.odd_number() as u32,
            },
            2 => Argument::Input,
            3 | 4 => Argument::End {
                before: self.random.below(70) as i32 - 2,
                len: *self.random.pick(&[0, 1, 8, 32, 33, 64, 65, 1 << 31, u32::MAX]),
            },
            5 => Argument::Data { ptr: DATA, len: self.random.odd_number() as u32 },
            6 => Argument::Number(self.random.odd_number() << 32 | self.random.next() >> 40),
            _ => Argument::Number(self.random.odd_number()),
        }
    }

    /// Bytes to hash, print and the like.
    fn bytes(&mut self) -> Argument {
        match self.random.below(10) {
            0 => Argument::Input,
            1 => Argument::End { before: 48, len: self.random.below(49) as u32 },
            2 | 3 if !self.pointers.is_empty() => Argument::Behind {
                step: *self.random.pick(&self.pointers),
                len: *self.random.pick(&[0, 8, 16, 32, 64]),
            },
            _ => self.place_some_bytes(),
        }
    }

    /// Arguments that a function probably takes.
    fn plausible(&mut self, name: &str, params: &[ValueType]) -> Vec<Argument> {
        let mut arguments = if name.starts_with("allocator_malloc") {
            let size = match self.random.below(20) {
                0 => self.random.below(33 << 20) as u64,
                1 => (1 << self.random.below(26)) + self.random.below(3) as u64 - 1,
                2..=5 => 1 << self.random.below(13),
                6 => 0,
                _ => self.random.below(200) as u64,
            };
            vec![Argument::Number(size)]
        } else if name.starts_with("allocator_free") {
            if self.blocks.is_empty() || self.random.percent(3) {
                self.is_risky = true;
                vec![self.anything()]
            } else {
                let which = self.random.below(self.blocks.len());
                vec![Argument::Result(self.blocks.swap_remove(which))]
            }
        } else if name.contains("ed25519_verify") || name.contains("ed25519_batch") {
            if self.random.percent(30) {
                self.signed(material::small_order)
            } else {
                self.signed(|random| material::any(random, "ed25519"))
            }
        } else if name.contains("sr25519_verify") || name.contains("sr25519_batch") {
            self.signed(|random| material::any(random, "sr25519"))
        } else if name.contains("prehashed") && name.contains("verify") {
            self.signed(|random| material::any(random, "prehashed"))
        } else if name.contains("ecdsa_verify") || name.contains("ecdsa_batch") {
            self.signed(|random| material::any(random, "ecdsa"))
        } else if name.contains("ecdsa_recover") {
            let mut parts = material::any(&mut self.random, "prehashed");
            parts.remove(1);
            parts.iter().map(|part| self.place(part)).collect()
        } else if name.contains("ordered_root") {
            let (values, is_spoilt) = material::values(&mut self.random);
            self.is_risky = is_spoilt;
            vec![self.place(&values)]
        } else if name.starts_with("trie") && name.contains("_root") {
            let (entries, is_spoilt) = material::entries(&mut self.random);
            self.is_risky = is_spoilt;
            vec![self.place(&entries)]
        } else if name.contains("verify_proof") {
            self.proof(name)
        } else if name.contains("runtime_version") {
            let blob = material::runtime(&mut self.random);
            vec![self.place(&blob)]
        } else if name.starts_with("logging_log") {
            let level = self.random.below(6) as u64;
            self.is_risky = level > 4;
            vec![Argument::Number(level), self.place(b"target"), self.place(b"a message")]
        } else if name.contains("start_batch") || name.contains("finish_batch") {
            let is_start = name.contains("start_batch");
            self.is_risky = is_start == self.is_batch;
            self.is_batch = is_start;
            Vec::new()
        } else if name.starts_with("panic_handler") {
            vec![self.place(b"the guest panicked")]
        } else {
            params
                .iter()
                .map(|ty| match ty {
                    ValueType::I64 => self.bytes(),
                    ValueType::I32 => self.place_some_bytes(),
                })
                .collect()
        };
        while arguments.len() < params.len() {
            // The state version.
            let version = if self.random.percent(97) { 2 } else { 300 };
            let version = self.random.below(version) as u64;
            self.is_risky |= version > 1;
            arguments.push(Argument::Number(version));
        }
        arguments.truncate(params.len());
        arguments
    }

    /// A signature, what was signed, and the key.
    fn signed(&mut self, make: impl FnOnce(&mut Random) -> Vec<Vec<u8>>) -> Vec<Argument> {
        let parts = make(&mut self.random);
        [0, 2, 1].iter().map(|part| self.place(&parts[*part])).collect()
    }

    /// A root, a proof, a key and a value.
    fn proof(&mut self, name: &str) -> Vec<Argument> {
        let parts = if self.random.percent(10) {
            material::no_proof(&mut self.random)
        } else {
            let hash = if name.contains("keccak") { "keccak_256" } else { "blake2_256" };
            let version = self.random.below(2);
            material::any(&mut self.random, &format!("proof-{hash}-{version}"))
        };
        parts.iter().map(|part| self.place(part)).collect()
    }

    fn finish(mut self) -> Case {
        let data_end = DATA + self.data.len() as u32;
        let (heap_base, is_odd) = match self.random.below(50) {
            0 => (self.random.odd_number() as i32, true),
            1 => (data_end as i32 + self.random.below(70_000) as i32, false),
            2 => (0, true),
            _ => (data_end as i32, false),
        };
        let pages = u64::from(data_end.div_ceil(65_536)) + self.random.below(3) as u64;
        // Rarely, an import has another type than the function.
        if self.random.percent(1) && !self.imports.is_empty() {
            let which = self.random.below(self.imports.len());
            // The calls stay valid only without arguments.
            if self.imports[which].1.is_empty() && self.imports[which].2.is_none() {
                self.imports[which].0 = "ext_allocator_malloc_version_1".into();
            }
        }

        let mut types = TypeSection::new();
        let mut imports = ImportSection::new();
        for (index, (name, params, result)) in self.imports.iter().enumerate() {
            types.ty().function(params.iter().map(value_type), result.iter().map(value_type));
            imports.import("env", name, EntityType::Function(index as u32));
        }
        let entry_point = self.imports.len() as u32;
        types.ty().function([ValType::I32, ValType::I32], [ValType::I64]);
        let mut functions = FunctionSection::new();
        functions.function(entry_point);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: pages.max(1),
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = GlobalSection::new();
        let ty = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
        globals.global(ty, &ConstExpr::i32_const(heap_base));
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("__heap_base", ExportKind::Global, 0);
        exports.export("validate_block", ExportKind::Func, entry_point);
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(DATA as i32), self.data.iter().copied());
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&memories);
        module.section(&globals).section(&exports);
        module.section(&code_section(&self.entry_point())).section(&data);

        // What is safe, then all of it, then up to some step.
        let all = self.steps.len() as u8;
        let some = self.random.below(self.steps.len()) as u8;
        let tail = self.random.bytes(14);
        let mut inputs: Vec<Vec<u8>> = [[0, all], [1, all], [1, some]]
            .iter()
            .map(|head| [&head[..], &tail].concat())
            .collect();
        if is_odd {
            // The allocator may overwrite the data with the input: let it have another length.
            inputs[1].truncate(7);
        }
        let steps = self.steps.iter().map(|step| step.text.clone()).collect();
        Case { code: module.finish(), inputs, steps, ..Case::default() }
    }

    fn entry_point(&self) -> Function {
        // Locals: pointer, length, cursor, end, flags, steps, hash.
        let (cursor, end, flags, steps, hash) = (2, 3, 4, 5, 6);
        let mut function = Function::new([(4, ValType::I32), (1, ValType::I64)]);
        let mut code = function.instructions();
        code.local_get(0).i32_load8_u(at(0)).local_set(flags);
        code.local_get(0).i32_load8_u(at(1)).local_set(steps);
        for (index, step) in self.steps.iter().enumerate() {
            code.local_get(steps).i32_const(index as i32).i32_gt_u();
            if step.is_risky {
                code.local_get(flags).i32_and();
            }
            code.if_(BlockType::Empty);
            code.i32_const((RESULTS + 8 * index as u32) as i32);
            step.action.encode(&mut code);
            code.i64_store(at(0));
            code.end();
        }
        mix_memory(&mut code, cursor, end, hash);
        code.i32_const(OUTPUT as i32).local_get(hash).i64_store(at(0));
        let len = 8 + 8 * self.steps.len() as i64;
        code.i64_const(len << 32 | i64::from(OUTPUT)).end();
        function
    }
}

fn value_type(ty: &ValueType) -> ValType {
    match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
    }
}

impl Action {
    /// Leaves an i64 on the stack.
    fn encode(&self, code: &mut InstructionSink<'_>) {
        match self {
            Self::Call { import, arguments, result, is_dropped } => {
                for (argument, ty) in arguments {
                    argument.encode(code, *ty);
                }
                code.call(*import);
                match result {
                    _ if *is_dropped => code.drop().i64_const(0),
                    Some(ValueType::I32) => code.i64_extend_i32_u(),
                    Some(ValueType::I64) => code,
                    None => code.i64_const(0),
                };
            }
            Self::Grow(pages) => {
                code.i32_const(*pages as i32).memory_grow(0).i64_extend_i32_u();
            }
            Self::Store { address, offset, value } => {
                address.encode(code, ValueType::I32);
                code.i32_const(*offset).i32_add().i64_const(*value as i64).i64_store(at(0));
                code.i64_const(0);
            }
        }
    }
}

impl Argument {
    fn encode(&self, code: &mut InstructionSink<'_>, ty: ValueType) {
        let is_pair = ty == ValueType::I64;
        match *self {
            Self::Number(number) if is_pair => drop(code.i64_const(number as i64)),
            Self::Number(number) => drop(code.i32_const(number as i32)),
            Self::Data { ptr, len } if is_pair => {
                code.i64_const((u64::from(len) << 32 | u64::from(ptr)) as i64);
            }
            Self::Data { ptr, .. } => drop(code.i32_const(ptr as i32)),
            Self::Result(step) => {
                code.i32_const((RESULTS + 8 * step as u32) as i32);
                if is_pair {
                    code.i64_load(at(0))
                } else {
                    code.i32_load(at(0))
                };
            }
            Self::Behind { step, len } => {
                code.i32_const((RESULTS + 8 * step as u32) as i32);
                if is_pair {
                    code.i64_load32_u(at(0)).i64_const((u64::from(len) << 32) as i64).i64_or();
                } else {
                    code.i32_load(at(0));
                }
            }
            Self::Input => {
                code.local_get(0);
                if is_pair {
                    code.i64_extend_i32_u().local_get(1).i64_extend_i32_u();
                    code.i64_const(32).i64_shl().i64_or();
                }
            }
            Self::End { before, len } => {
                code.memory_size(0).i32_const(16).i32_shl().i32_const(before).i32_sub();
                if is_pair {
                    code.i64_extend_i32_u().i64_const((u64::from(len) << 32) as i64).i64_or();
                }
            }
        }
    }
}
