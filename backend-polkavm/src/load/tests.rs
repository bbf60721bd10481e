//! What is known of an instance's memory before the guest runs, and that the guest did not run for it.

use super::*;
use crate::{host_calls::Registers, prepare};
use polkavm::Reg;
use polkavm_common::{
    program::{Instruction, InstructionSetKind, asm},
    writer::ProgramBlobBuilder,
};
use pvf_host_core::{
    backend::{LoadedArtifact, MANY_BYTES},
    primitives::ExecutorParam,
};
use pvf_host_functions::GuestMemory;
use std::fs;

const INSTRUCTION_SETS: [InstructionSetKind; 4] = [
    InstructionSetKind::Latest32,
    InstructionSetKind::Latest64,
    InstructionSetKind::ReviveV1,
    InstructionSetKind::JamV1,
];

const IMPORTS: [&str; 4] = [
    "ext_logging_max_level_version_1",
    "ext_allocator_malloc_version_1",
    "ext_allocator_free_version_1",
    "ext_nobody_has_heard_of",
];

/// Where the program's one page of data lies.
const DATA: u32 = 0x20000;

fn program(instruction_set: InstructionSetKind, code: &[Instruction]) -> Vec<u8> {
    let mut builder = ProgramBlobBuilder::new(instruction_set);
    builder.set_rw_data_size(4096);
    builder.set_stack_size(65_536);
    for import in IMPORTS {
        builder.add_import(import.as_bytes());
    }
    builder.add_export_by_basic_block(0, b"validate_block");
    builder.set_code(code, &[]);
    builder.to_vec().unwrap()
}

fn loaded(kind: Kind, program: &[u8], params: &ExecutorParams) -> Loaded {
    let artifact = prepare::prepare(kind, program, params).unwrap();
    load(kind, &Artifact::from_bytes(&artifact).unwrap(), params).unwrap()
}

/// Without a limit on gas, and with one that nearly nothing is below.
fn all_params() -> [ExecutorParams; 2] {
    [ExecutorParams::default(), ExecutorParams::new(vec![ExecutorParam::MaxGas(1)])]
}

/// What a program does that leaves its traces in each register and in its memory.
fn traces() -> Vec<Instruction> {
    let registers = Reg::ALL.into_iter().map(|register| asm::load_imm(register, 77));
    registers.chain([asm::store_imm_u32(DATA as i32, 77)]).collect()
}

/// Programs that call imports, and nothing but traces around that. In some the first call is in the
/// middle of a basic block, in others it begins one.
fn calling(instruction_set: InstructionSetKind) -> Vec<Vec<u8>> {
    let mut programs = Vec::new();
    for import in 0..IMPORTS.len() as i32 {
        for before in [traces(), [traces(), vec![asm::fallthrough()]].concat(), vec![]] {
            let calls = [asm::ecalli(import), asm::ecalli(1), asm::ecalli(0)];
            let code = [before, calls.into(), traces(), vec![asm::trap()]].concat();
            programs.push(program(instruction_set, &code));
        }
    }
    programs
}

#[test]
fn where_the_memory_lies_is_known_before_the_guest_runs() {
    for instruction_set in INSTRUCTION_SETS {
        for params in all_params() {
            for program in calling(instruction_set) {
                let mut guest = loaded(Kind::Compiler, &program, &params).guest.unwrap();
                let memory = guest.memory().expect("it calls an import").as_ptr();
                guest.write(DATA + 8, b"here").unwrap();
                assert_eq!(bytes_at(memory.wrapping_add(DATA as usize + 8), 4), b"here");
            }
        }
    }
}

/// Of this process.
fn bytes_at(address: *const u8, len: usize) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; len];
    let memory = fs::File::open("/proc/self/mem").unwrap();
    memory.read_exact_at(&mut bytes, address as u64).unwrap();
    bytes
}

#[test]
fn nothing_of_the_guests_runs_when_it_is_loaded() {
    for instruction_set in INSTRUCTION_SETS {
        for params in all_params() {
            for program in calling(instruction_set) {
                let mut guest = loaded(Kind::Compiler, &program, &params).guest.unwrap();
                for register in Reg::ALL {
                    assert_eq!(guest.register(register), 0, "{register}");
                }
                assert_eq!(guest.instance().gas(), 0);
                assert_eq!(guest.read(DATA, 4096), Some(vec![0; 4096]));
                assert_eq!(guest.instance().heap_size(), 0);
            }
        }
    }
}

#[test]
fn a_program_that_grows_its_heap_and_calls_nothing_else_is_found_too() {
    for instruction_set in [InstructionSetKind::Latest32, InstructionSetKind::Latest64] {
        let code = [traces(), vec![asm::sbrk(Reg::A0, Reg::A0), asm::trap()]].concat();
        let mut guest =
            loaded(Kind::Compiler, &program(instruction_set, &code), &ExecutorParams::default())
                .guest
                .unwrap();
        assert!(guest.memory().is_some());
        assert_eq!(guest.instance().heap_size(), 0);
        assert_eq!(guest.register(Reg::A0), 0);
    }
}

#[test]
fn a_program_without_calls_loads_and_works_with_its_memory_unknown() {
    let code = [asm::load_imm(Reg::A0, 0), asm::load_imm(Reg::A1, 0), asm::ret()];
    for instruction_set in INSTRUCTION_SETS {
        let program = program(instruction_set, &code);
        let mut loaded = loaded(Kind::Compiler, &program, &ExecutorParams::default());
        assert!(loaded.guest.as_ref().unwrap().memory().is_none());
        let input = vec![7; 5 << 20];
        assert_eq!(loaded.call("validate_block", &input, Box::new(())), Ok(vec![]));
    }
}

#[test]
fn the_interpreter_needs_no_such_thing() {
    for program in calling(InstructionSetKind::Latest64) {
        let loaded = loaded(Kind::Interpreter, &program, &ExecutorParams::default());
        assert!(loaded.guest.unwrap().memory().is_none());
    }
}

#[test]
fn huge_pages_are_asked_for_where_a_large_input_goes() {
    if !fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap() {
        eprintln!("skipped: this kernel has no huge pages to give");
        return;
    }
    let end = [asm::load_imm(Reg::A0, 0), asm::load_imm(Reg::A1, 0), asm::ret()];
    for instruction_set in INSTRUCTION_SETS {
        let code = [&end[..], &[asm::ecalli(0), asm::trap()]].concat();
        let program = program(instruction_set, &code);
        let mut loaded = loaded(Kind::Compiler, &program, &ExecutorParams::default());
        for (len, is_huge) in [(MANY_BYTES, false), (5 << 20, true), (1 << 20, false)] {
            let input: Vec<_> = (0..len).map(|n| n as u8).collect();
            assert_eq!(loaded.call("validate_block", &input, Box::new(())), Ok(vec![]));
            let guest = loaded.guest.as_mut().unwrap();
            // Behind the header of its block.
            let ptr = guest.instance().module().memory_map().heap_base() + 8;
            assert_eq!(guest.read(ptr, len as u32), Some(input));
            let memory = guest.memory().unwrap().as_ptr() as usize + ptr as usize;
            // Its very beginning and end may lie beside such a page.
            assert_eq!(prefers_huge_pages(memory + len / 2), is_huge, "{len}");
        }
    }
}

/// Whether huge pages were asked for at this address of this process.
fn prefers_huge_pages(address: usize) -> bool {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut is_there = false;
    for line in maps.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let Some((begin, end)) = words[0].split_once('-')
            && let (Ok(begin), Ok(end)) =
                (usize::from_str_radix(begin, 16), usize::from_str_radix(end, 16))
        {
            is_there = (begin..end).contains(&address);
        } else if is_there && words[0] == "VmFlags:" {
            return words.contains(&"hg");
        }
    }
    panic!("nothing is at {address:x}");
}

#[test]
fn what_is_loaded_while_it_is_prepared_is_the_same_artifact() {
    for instruction_set in INSTRUCTION_SETS {
        for params in all_params() {
            for program in calling(instruction_set) {
                for kind in [Kind::Compiler, Kind::Interpreter] {
                    let preparation = prepare::prepare_and_load(kind, &program, &params).unwrap();
                    assert!(preparation.is_constructed);
                    let artifact = prepare::prepare(kind, &program, &params).unwrap();
                    assert_eq!(preparation.artifact, artifact);
                }
            }
        }
    }
}
