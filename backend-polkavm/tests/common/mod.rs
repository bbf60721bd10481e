//! Programs made instruction by instruction, and the way from there to an output.

#![allow(dead_code, reason = "each test program uses a part")]

use polkavm_common::{
    program::{Instruction, InstructionSetKind, Reg, asm},
    writer::ProgramBlobBuilder,
};
use pvf_backend_polkavm::PolkaVm;
use pvf_host_core::{
    backend::{
        Artifact, BackendPrepareError, Execute, ExecuteError, GuestLog, LoadedArtifact, Prepare,
    },
    primitives::{ExecutorParam, ExecutorParams},
};

/// Both backends.
pub(crate) const BACKENDS: [PolkaVm; 2] = [PolkaVm::COMPILER, PolkaVm::INTERPRETER];

/// All instruction sets that the engine knows.
pub(crate) const INSTRUCTION_SETS: [InstructionSetKind; 4] = [
    InstructionSetKind::Latest32,
    InstructionSetKind::Latest64,
    InstructionSetKind::ReviveV1,
    InstructionSetKind::JamV1,
];

/// Those in which programs grow their heap with an instruction.
pub(crate) const WITH_SBRK: [InstructionSetKind; 2] =
    [InstructionSetKind::Latest32, InstructionSetKind::Latest64];

pub(crate) const LATEST: InstructionSetKind = InstructionSetKind::Latest64;

/// Where the writable data of a [`Program`] lie: one page.
pub(crate) const DATA: u32 = 0x20000;
/// Where its heap begins.
pub(crate) const HEAP: u32 = DATA + 4096;
/// The bytes of its stack.
pub(crate) const STACK: u32 = 65_536;

/// A program, before it is written.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) instruction_set: InstructionSetKind,
    pub(crate) imports: Vec<&'static str>,
    pub(crate) code: Vec<Instruction>,
    pub(crate) jump_table: Vec<u32>,
    pub(crate) export: &'static str,
    pub(crate) data: u32,
    pub(crate) stack: u32,
}

impl Program {
    /// A program with one page of data, a small stack, and this code.
    pub(crate) fn new(instruction_set: InstructionSetKind, code: &[Instruction]) -> Self {
        Self {
            instruction_set,
            imports: vec![],
            code: code.to_vec(),
            jump_table: vec![],
            export: "validate_block",
            data: 4096,
            stack: STACK,
        }
    }

    /// As [`new`](Self::new), for 64 bits.
    pub(crate) fn latest(code: &[Instruction]) -> Self {
        Self::new(LATEST, code)
    }

    /// Code behind which the register's value is returned, in eight bytes, or four on 32 bits.
    pub(crate) fn returning(
        instruction_set: InstructionSetKind,
        code: &[Instruction],
        value: Reg,
    ) -> Self {
        let (store, len) = if instruction_set.is_64_bit() {
            (asm::store_u64(value, DATA as i32), 8)
        } else {
            (asm::store_u32(value, DATA as i32), 4)
        };
        let end = [&[store][..], &output(instruction_set, DATA, len)].concat();
        Self::new(instruction_set, &[code, &end].concat())
    }

    pub(crate) fn with_imports(mut self, imports: &[&'static str]) -> Self {
        self.imports = imports.to_vec();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut builder = ProgramBlobBuilder::new(self.instruction_set);
        builder.set_rw_data_size(self.data);
        builder.set_stack_size(self.stack);
        for import in &self.imports {
            builder.add_import(import.as_bytes());
        }
        builder.add_export_by_basic_block(0, self.export.as_bytes());
        builder.set_code(&self.code, &self.jump_table);
        builder.to_vec().unwrap()
    }
}

/// Code that ends with an output.
pub(crate) fn output(instruction_set: InstructionSetKind, ptr: u32, len: u32) -> Vec<Instruction> {
    if instruction_set.is_64_bit() {
        let packed = u64::from(ptr) | u64::from(len) << 32;
        vec![asm::load_imm64(Reg::A0, packed), asm::ret()]
    } else {
        let set = |register, value: u32| asm::load_imm(register, value as i32);
        vec![set(Reg::A0, ptr), set(Reg::A1, len), asm::ret()]
    }
}

/// Code that loads eight bytes, or four on 32 bits, from where the register points.
pub(crate) fn load(
    instruction_set: InstructionSetKind,
    to: Reg,
    from: Reg,
    offset: i32,
) -> Instruction {
    if instruction_set.is_64_bit() {
        asm::load_indirect_u64(to, from, offset)
    } else {
        asm::load_indirect_i32(to, from, offset)
    }
}

pub(crate) fn params(list: impl Into<Vec<ExecutorParam>>) -> ExecutorParams {
    ExecutorParams::new(list.into())
}

pub(crate) fn prepare(
    backend: PolkaVm,
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Artifact, BackendPrepareError> {
    backend.prevalidate(code, params)?;
    Ok(Artifact::from_bytes(&backend.prepare(code, params)?).unwrap())
}

pub(crate) fn loaded(
    backend: PolkaVm,
    code: &[u8],
    params: &ExecutorParams,
) -> Box<dyn LoadedArtifact> {
    let artifact = prepare(backend, code, params).expect("code can be prepared");
    backend.load(&artifact, params).expect("the artifact can be loaded")
}

/// How a call ended, and the gas that it used.
pub(crate) type Outcome = (Result<Vec<u8>, ExecuteError>, Option<u64>);

/// Prepares, loads and calls on one backend.
pub(crate) fn run_on(
    backend: PolkaVm,
    code: &[u8],
    params: &ExecutorParams,
    input: &[u8],
    log: impl GuestLog + 'static,
) -> Outcome {
    let mut loaded = loaded(backend, code, params);
    let result = loaded.call("validate_block", input, Box::new(log));
    (result, loaded.gas_used())
}

/// Prepares, loads and calls on both backends, which must agree.
pub(crate) fn run_metered(program: &Program, params: &ExecutorParams, input: &[u8]) -> Outcome {
    let code = program.bytes();
    let [compiled, interpreted] = BACKENDS.map(|backend| run_on(backend, &code, params, input, ()));
    assert_eq!(compiled, interpreted);
    compiled
}

/// [`run_metered`], for how the call ended.
pub(crate) fn run_with(
    program: &Program,
    params: &ExecutorParams,
    input: &[u8],
) -> Result<Vec<u8>, ExecuteError> {
    run_metered(program, params, input).0
}

/// [`run_with`], with default parameters.
pub(crate) fn run(program: &Program) -> Result<Vec<u8>, ExecuteError> {
    run_with(program, &ExecutorParams::default(), b"some input")
}

/// What a program made with [`Program::returning`] returns.
pub(crate) fn value(result: Result<Vec<u8>, ExecuteError>) -> u64 {
    let bytes = result.unwrap();
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

pub(crate) fn trap(message: &str) -> Result<Vec<u8>, ExecuteError> {
    Err(ExecuteError::Trap(message.into()))
}
