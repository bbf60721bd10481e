//! Calls of the guest and of host functions, and how they end.

mod common;

use common::{
    BACKENDS, DATA, INSTRUCTION_SETS, LATEST, Program, loaded, output, params, run, run_metered,
    run_with, trap, value,
};
use polkavm_common::program::{InstructionSetKind, Reg, asm};
use pvf_host_core::{
    backend::ExecuteError,
    primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams, hex},
};

#[test]
fn the_input_is_passed_and_the_output_returned() {
    for instruction_set in INSTRUCTION_SETS {
        // Pointer and length come as they are to be returned, but for the packing.
        let pack = [asm::shift_logical_left_imm_64(Reg::A1, Reg::A1, 32), asm::ret()];
        let code = if instruction_set.is_64_bit() {
            vec![pack[0], asm::or(Reg::A0, Reg::A0, Reg::A1), pack[1]]
        } else {
            vec![asm::ret()]
        };
        let echo = Program::new(instruction_set, &code);
        for len in [0, 1, 1000, 3 << 20] {
            let input: Vec<_> = (0..len).map(|n| n as u8).collect();
            let output = run_with(&echo, &ExecutorParams::default(), &input);
            assert!(output.unwrap() == input, "{len}");
        }
    }
}

#[test]
fn host_functions_get_their_arguments_and_give_their_results() {
    // A hash of 16 bytes of zeroes in the data, then 16 bytes from where the result is.
    for instruction_set in INSTRUCTION_SETS {
        let mut code = output(instruction_set, DATA, 16);
        code.pop();
        code.push(asm::ecalli(0));
        if instruction_set.is_64_bit() {
            code.extend([
                asm::load_imm64(Reg::A1, 16 << 32),
                asm::or(Reg::A0, Reg::A0, Reg::A1),
                asm::ret(),
            ]);
        } else {
            code.extend([asm::load_imm(Reg::A1, 16), asm::ret()]);
        }
        let program = Program::new(instruction_set, &code)
            .with_imports(&["ext_hashing_blake2_128_version_1"]);
        let output = run(&program).unwrap();
        // BLAKE2b with 128 bits of 16 zeroes.
        assert_eq!(hex::encode(output), BLAKE2_128_OF_ZEROES, "{}", instruction_set.name());
    }
}

const BLAKE2_128_OF_ZEROES: &str = "0x463be1d58a72e9618ea59884367c4358";

#[test]
fn a_result_of_32_bits_is_sign_extended() {
    // No function returns a negative number by itself, so the level is compared.
    let level = Program::returning(LATEST, &[asm::ecalli(0)], Reg::A0)
        .with_imports(&["ext_logging_max_level_version_1"]);
    assert!(value(run(&level)) <= 5);
}

#[test]
fn an_output_outside_of_the_memory_is_invalid() {
    for instruction_set in [LATEST, InstructionSetKind::Latest32] {
        for (ptr, len) in [
            (0, 1),
            (DATA - 1, 1),
            (DATA, 0x10_001),
            (DATA, u32::MAX),
            (u32::MAX, 1),
            (u32::MAX, u32::MAX),
            (0xfffe_0000, 1),
        ] {
            let result = run(&Program::new(instruction_set, &output(instruction_set, ptr, len)));
            let reason = format!("output of {len} bytes at {ptr} exceeds the memory");
            assert_eq!(result, Err(ExecuteError::InvalidOutput(reason)));
        }
        // Nothing is nowhere.
        let nothing = Program::new(instruction_set, &output(instruction_set, u32::MAX, 0));
        assert_eq!(run(&nothing), Ok(vec![]));
        // The stack is memory too.
        let stack = Program::new(instruction_set, &output(instruction_set, 0xfffd_fff8, 8));
        assert_eq!(run(&stack), Ok(vec![0; 8]));
    }
}

#[test]
fn an_entry_point_that_is_not_exported_is_invalid() {
    for backend in BACKENDS {
        let program = Program::latest(&output(LATEST, 0, 0));
        let mut loaded = loaded(backend, &program.bytes(), &ExecutorParams::default());
        let result = loaded.call("other", b"", Box::new(()));
        assert_eq!(result, Err(ExecuteError::InvalidOutput("other is not exported".into())));
    }
}

#[test]
fn traps_say_what_the_guest_did() {
    let [zero, one] = [0, 1].map(|value| asm::load_imm(Reg::A2, value));
    let read = asm::load_indirect_u8(Reg::A3, Reg::A2, 0);
    let jump = asm::jump_indirect(Reg::A2, 0);
    let jump_and_link = asm::load_imm_and_jump_indirect(Reg::RA, Reg::A2, 2, 0);
    let oob = "memory access out of bounds";
    let nowhere = "jump to an address that is none of the program's";
    for (code, reason) in [
        (vec![asm::trap()], "trap instruction executed"),
        (vec![zero, read], oob),
        (vec![asm::store_imm_u8(DATA as i32 - 1, 1)], oob),
        (vec![asm::store_imm_u32(-1, 1)], oob),
        (vec![one, jump], nowhere),
        (vec![asm::load_imm(Reg::A2, 0x7fff_fffe), jump], nowhere),
        (vec![one, jump_and_link], nowhere),
    ] {
        for instruction_set in INSTRUCTION_SETS {
            // A program may not end without an instruction that ends it.
            let code = [&code[..], &[asm::ret()]].concat();
            let result = run(&Program::new(instruction_set, &code));
            assert_eq!(result, trap(reason), "{code:?} {}", instruction_set.name());
        }
    }
}

#[test]
fn read_only_data_can_be_read_and_not_written() {
    let mut builder = polkavm_common::writer::ProgramBlobBuilder::new(LATEST);
    builder.set_ro_data_size(8);
    builder.set_ro_data(vec![5; 8]);
    builder.set_stack_size(4096);
    builder.add_export_by_basic_block(0, b"validate_block");
    builder.set_code(&output(LATEST, 0x10_000, 8), &[]);
    let read = builder.to_vec().unwrap();
    builder.set_code(&[asm::store_imm_u8(0x10_000, 1), asm::ret()], &[]);
    let write = builder.to_vec().unwrap();
    for backend in BACKENDS {
        let params = ExecutorParams::default();
        assert_eq!(common::run_on(backend, &read, &params, b"", ()).0, Ok(vec![5; 8]));
        let result = common::run_on(backend, &write, &params, b"", ()).0;
        assert_eq!(result, trap("memory access out of bounds"));
    }
}

#[test]
fn an_import_that_is_not_offered_traps_when_it_is_called() {
    let missing = "call to a missing function env:";
    for name in ["ext_storage_get_version_1", "nobody_knows", ""] {
        let calls = Program::latest(&[asm::ecalli(1), asm::ret()])
            .with_imports(&["ext_logging_max_level_version_1", name]);
        assert_eq!(run(&calls), trap(&format!("{missing}{name}")));
        let mut quiet = calls.clone();
        quiet.code = output(LATEST, 0, 0);
        assert_eq!(run(&quiet), Ok(vec![]));
    }
}

#[test]
fn optional_host_functions_are_offered_with_their_parameter() {
    let name = "ext_host_calls_bls12_381_mul_g1_version_1";
    let program = Program::latest(&[asm::ecalli(0), asm::trap()]).with_imports(&[name]);
    let missing = format!("call to a missing function env:{name}");
    assert_eq!(run(&program), trap(&missing));
    let ecc = ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163);
    let result = run_with(&program, &params([ecc]), b"");
    assert!(matches!(&result, Err(ExecuteError::Trap(reason)) if *reason != missing), "{result:?}");
}

#[test]
fn a_host_function_that_refuses_ends_the_call() {
    let code = [asm::load_imm(Reg::A0, 12), asm::ecalli(0), asm::ret()];
    let program = Program::latest(&code).with_imports(&["ext_allocator_free_version_1"]);
    let Err(ExecuteError::Trap(reason)) = run(&program) else { panic!("freed nothing") };
    assert!(reason.starts_with("host function ext_allocator_free_version_1: "), "{reason}");
}

#[test]
fn gas_is_counted_and_runs_out_at_the_same_instruction_everywhere() {
    // Counts down from 1000: two instructions a round, and two for the end.
    let code = [
        asm::load_imm(Reg::S0, 1000),
        asm::fallthrough(),
        asm::add_imm_64(Reg::S0, Reg::S0, -1),
        asm::branch_not_eq_imm(Reg::S0, 0, 1),
    ];
    for instruction_set in [LATEST, InstructionSetKind::JamV1, InstructionSetKind::ReviveV1] {
        let code = [&code[..], &output(instruction_set, 0, 0)].concat();
        let program = Program::new(instruction_set, &code);
        let with = |gas| run_metered(&program, &params([ExecutorParam::MaxGas(gas)]), b"input");
        let used = 2 + 2 * 1000 + 2;
        assert_eq!(with(1 << 40), (Ok(vec![]), Some(used)));
        assert_eq!(with(u64::MAX), (Ok(vec![]), Some(used)));
        assert_eq!(with(used), (Ok(vec![]), Some(used)));
        for gas in [0, 1, 100, used - 2, used - 1] {
            assert_eq!(with(gas), (Err(ExecuteError::OutOfGas), Some(gas)), "{gas}");
        }
        assert_eq!(run_metered(&program, &ExecutorParams::default(), b"").1, None);
    }
}

#[test]
fn an_endless_loop_runs_out_of_gas() {
    let program = Program::latest(&[asm::fallthrough(), asm::jump(0)]);
    let metered = params([ExecutorParam::MaxGas(1_000_001)]);
    let expected = (Err(ExecuteError::OutOfGas), Some(1_000_001));
    assert_eq!(run_metered(&program, &metered, b""), expected);
}

#[test]
fn gas_goes_on_being_counted_across_calls_of_host_functions() {
    let code =
        [asm::ecalli(0), asm::ecalli(0), asm::load_imm(Reg::A2, 1), asm::sbrk(Reg::A0, Reg::A2)];
    let code = [&code[..], &output(LATEST, 0, 0)].concat();
    let program = Program::latest(&code).with_imports(&["ext_logging_max_level_version_1"]);
    let (result, gas) = run_metered(&program, &params([ExecutorParam::MaxGas(100)]), b"");
    assert_eq!(result, Ok(vec![]));
    // What grows the heap takes two instructions in this instruction set.
    assert_eq!(gas, Some(7));
    let exact = params([ExecutorParam::MaxGas(7)]);
    assert_eq!(run_metered(&program, &exact, b"").0, Ok(vec![]));
}

#[test]
fn a_trap_reports_the_gas_used_until_then() {
    let code = [asm::fallthrough(), asm::load_imm(Reg::A0, 1), asm::trap()];
    let metered = params([ExecutorParam::MaxGas(100)]);
    let (result, gas) = run_metered(&Program::latest(&code), &metered, b"");
    assert_eq!((result, gas), (trap("trap instruction executed"), Some(3)));
}
