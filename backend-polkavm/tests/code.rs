//! Which code is accepted, and which artifacts.

mod common;

use common::{BACKENDS, INSTRUCTION_SETS, LATEST, Program, output, prepare, run, trap};
use polkavm_common::program::{InstructionSetKind, Reg, asm};
use pvf_backend_polkavm::{ID, INTERPRETER_ID, PolkaVm};
use pvf_host_core::{
    backend::{self, Artifact, BackendPrepareError, CodePrefix, Execute, Prepare},
    primitives::{ExecutorParams, compression},
};

fn refused(code: &[u8]) -> String {
    let [compiler, interpreter] = BACKENDS.map(|backend| {
        let params = ExecutorParams::default();
        let prevalidated = backend.prevalidate(code, &params).unwrap_err();
        assert_eq!(backend.prepare(code, &params).unwrap_err(), prevalidated);
        let BackendPrepareError::Prevalidation(reason) = prevalidated else {
            panic!("{prevalidated:?}");
        };
        reason
    });
    assert_eq!(compiler, interpreter);
    compiler
}

#[test]
fn the_format_selects_the_compiler_and_the_name_the_interpreter() {
    let code = Program::latest(&output(LATEST, 0, 0)).bytes();
    let compressed = compression::compress(&[&code[..], &[0; 1000]].concat(), 3).unwrap();
    for code in [code, compressed] {
        let prefix = CodePrefix::of(&code);
        assert_eq!(backend::select(None, &prefix, None).unwrap().id, ID);
        let interpreter = backend::select(Some(&INTERPRETER_ID), &prefix, None);
        assert_eq!(interpreter.unwrap().id, INTERPRETER_ID);
    }
}

#[test]
fn programs_in_every_instruction_set_are_accepted() {
    for instruction_set in INSTRUCTION_SETS {
        let program = Program::new(instruction_set, &output(instruction_set, 0, 0));
        assert_eq!(run(&program), Ok(vec![]), "{}", instruction_set.name());
    }
}

#[test]
fn what_is_no_program_is_refused() {
    let code = Program::latest(&output(LATEST, 0, 0)).bytes();
    assert_eq!(refused(b""), "no program for PolkaVM: the code begins with \"\"");
    let wasm = refused(b"\0asm\x01\0\0\0");
    assert_eq!(wasm, r#"no program for PolkaVM: the code begins with "\x00asm\x01\x00\x00\x00""#);
    for len in 4..code.len() {
        refused(&code[..len]);
    }
    let mut version = code.clone();
    version[4] = 200;
    assert!(refused(&version).contains("unsupported version: 200"));
    let mut longer = code;
    longer.push(0);
    assert!(refused(&longer).contains("length"));
}

#[test]
fn a_program_without_the_entry_point_is_refused() {
    let mut program = Program::latest(&output(LATEST, 0, 0));
    program.export = "validate_blocks";
    assert_eq!(refused(&program.bytes()), "no export validate_block");
    program.export = "validate_block";
    let mut builder = polkavm_common::writer::ProgramBlobBuilder::new(LATEST);
    builder.set_code(&[asm::load_imm(Reg::A0, 1), asm::load_imm(Reg::A1, 1), asm::ret()], &[]);
    builder.add_export_by_instruction(1, b"validate_block");
    assert!(refused(&builder.to_vec().unwrap()).contains("no beginning of a basic block"));
    builder.add_export_by_instruction(0, b"validate_block");
    assert_eq!(refused(&builder.to_vec().unwrap()), "several exports validate_block");
}

#[test]
fn a_call_of_an_import_that_does_not_exist_is_refused() {
    for number in [0, 1, 1000, -1, -128] {
        let program = Program::latest(&[asm::ecalli(number), asm::ret()]);
        let imports = program.imports.len();
        let expected = format!("call of import {number} of {imports} at 0");
        assert_eq!(refused(&program.bytes()), expected);
    }
}

#[test]
fn an_instruction_that_does_not_exist_is_refused() {
    for instruction_set in INSTRUCTION_SETS {
        let mut bytes = Program::new(instruction_set, &output(instruction_set, 0, 0)).bytes();
        let blob = polkavm_common::program::ProgramBlob::parse(bytes.clone().into()).unwrap();
        let code = blob.code().to_vec();
        let at = bytes.windows(code.len()).position(|window| window == code).unwrap();
        // The first instruction's first byte, in no instruction set an opcode.
        bytes[at] = 254;
        assert!(refused(&bytes).contains("invalid instruction at 0"));
    }
}

#[test]
fn a_program_that_runs_past_its_end_is_refused() {
    let program =
        Program::new(InstructionSetKind::Latest32, &[asm::ret(), asm::load_imm(Reg::A0, 1)]);
    assert!(refused(&program.bytes()).contains("invalid instruction"));
}

#[test]
fn a_growth_of_the_heap_without_operands_is_refused() {
    // In this instruction set a mask says where instructions begin.
    let program = Program::new(
        InstructionSetKind::Latest32,
        &[asm::sbrk(Reg::RA, Reg::RA), asm::trap(), asm::trap()],
    );
    let mut bytes = program.bytes();
    let blob = polkavm_common::program::ProgramBlob::parse(bytes.clone().into()).unwrap();
    let mask = blob.bitmask().to_vec();
    let at = bytes.windows(mask.len()).rposition(|window| window == mask).unwrap();
    bytes[at] |= 0b10;
    // The second byte, the registers, is now an instruction of its own: a trap.
    assert_eq!(refused(&bytes), "sbrk without operands at 0");
}

#[test]
fn a_growth_of_the_heap_with_more_operands_than_it_needs_grows_it() {
    let program = Program::returning(
        InstructionSetKind::Latest32,
        &[
            asm::load_imm(Reg::A1, 16),
            asm::sbrk(Reg::A0, Reg::A1),
            asm::trap(),
            asm::trap(),
            asm::trap(),
            asm::trap(),
            asm::trap(),
            asm::trap(),
        ],
        Reg::A0,
    );
    let mut bytes = program.bytes();
    let blob = polkavm_common::program::ProgramBlob::parse(bytes.clone().into()).unwrap();
    let sbrk = blob.instructions().nth(1).unwrap();
    let mask = blob.bitmask().to_vec();
    let at = bytes.windows(mask.len()).rposition(|window| window == mask).unwrap();
    // The traps become a part of the operands.
    for trap in sbrk.next_offset.0..sbrk.next_offset.0 + 6 {
        bytes[at + trap as usize / 8] &= !(1 << (trap % 8));
    }
    for backend in BACKENDS {
        let params = ExecutorParams::default();
        let result = common::run_on(backend, &bytes, &params, b"", ()).0;
        assert_eq!(common::value(result), 0x30_010);
    }
}

#[test]
fn more_ways_to_grow_the_heap_than_there_are_numbers_for_are_refused() {
    let mut code = Vec::new();
    for result in Reg::ALL {
        for size in Reg::ALL {
            code.push(asm::sbrk(result, size));
        }
    }
    code.truncate(128);
    code.push(asm::trap());
    assert_eq!(run(&Program::latest(&code)), trap("trap instruction executed"));
    code.insert(0, asm::sbrk(Reg::A5, Reg::A5));
    assert!(refused(&Program::latest(&code).bytes()).contains("128 pairs of registers"));
}

#[test]
fn an_artifact_that_is_none_is_a_failure_to_construct_the_runtime() {
    let params = ExecutorParams::default();
    let code = Program::latest(&output(LATEST, 0, 0)).bytes();
    for backend in BACKENDS {
        let artifact = prepare(backend, &code, &params).unwrap();
        assert_eq!(backend.check_runtime_construction(&artifact, &params), Ok(()));
        let intact = artifact.bytes().to_vec();
        let mut of_no_version = intact.clone();
        let magic = of_no_version.windows(4).position(|window| window == b"PVM\0").unwrap();
        of_no_version[magic + 4] = 200;
        let mut too_large = Program::latest(&output(LATEST, 0, 0));
        too_large.stack = u32::MAX;
        let mut of_too_large = vec![0, 0];
        of_too_large.extend(parity_scale_codec::Encode::encode(&too_large.bytes()));
        for broken in
            [&b"x"[..], &code, &intact[..intact.len() - 1], &of_no_version, &of_too_large[1..]]
        {
            let broken = Artifact::from_bytes(broken).unwrap();
            assert!(backend.load(&broken, &params).is_err());
            assert!(backend.check_runtime_construction(&broken, &params).is_err());
        }
    }
}

#[test]
fn the_backends_are_told_apart_by_their_fingerprints() {
    let params = ExecutorParams::default();
    let of = |id| (backend::find(&id).unwrap().fingerprint)(&params).unwrap();
    assert_eq!(of(ID), of(ID));
    assert_ne!(of(ID), of(INTERPRETER_ID));
}

/// The engine reads operands beyond an instruction's own end.
#[test]
fn an_instruction_whose_operands_reach_into_a_growth_of_the_heap_is_refused() {
    let program = Program::new(
        InstructionSetKind::Latest32,
        &[
            asm::load_imm(Reg::S1, 7),
            asm::count_set_bits_32(Reg::S0, Reg::S1),
            asm::sbrk(Reg::A0, Reg::S0),
            asm::ret(),
        ],
    );
    assert!(prepare(PolkaVm::COMPILER, &program.bytes(), &ExecutorParams::default()).is_ok());
    let mut bytes = program.bytes();
    let blob = polkavm_common::program::ProgramBlob::parse(bytes.clone().into()).unwrap();
    let count = blob.instructions().nth(1).unwrap();
    let sbrk = blob.instructions().nth(2).unwrap().offset.0 as usize;
    let [code, mask] = [blob.code(), blob.bitmask()]
        .map(|part| bytes.windows(part.len()).rposition(|window| window == part).unwrap());
    // The second byte of the counting instruction, its registers, is left out: it is now one byte long,
    // and its registers are those that the next instruction begins with.
    let registers = count.offset.0 as usize + 1;
    assert_eq!(sbrk, registers + 1);
    bytes[code + registers] = bytes[code + sbrk];
    bytes[code + sbrk] = bytes[code + sbrk + 1];
    bytes[code + sbrk + 1] = 0;
    let mut set = |at: usize, begins: bool| {
        let byte = &mut bytes[mask + at / 8];
        *byte = *byte & !(1 << (at % 8)) | u8::from(begins) << (at % 8);
    };
    set(registers, true);
    set(sbrk, false);
    set(sbrk + 1, true);
    let reason = refused(&bytes);
    assert!(reason.contains("operands reach into an sbrk"), "{reason}");
}
