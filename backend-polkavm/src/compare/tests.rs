//! That loops do the same with and without the code for several rounds at once.

use super::*;
use crate::{
    call::Loaded, engine::Kind, host_calls::Registers, instance::Guest, instructions, load,
    prepare, random::Random,
};
use polkavm::{
    InterruptKind,
    program::{InstructionSet, InstructionSetKind},
};
use polkavm_common::{program::asm, writer::ProgramBlobBuilder};
use pvf_host_core::{
    backend::Artifact,
    primitives::{ExecutorParam, ExecutorParams, compression},
};
use pvf_host_functions::GuestMemory;

const WITH_64_BITS: [InstructionSetKind; 3] =
    [InstructionSetKind::Latest64, InstructionSetKind::ReviveV1, InstructionSetKind::JamV1];

/// The bytes of the data of either kind, which end with a page.
const DATA: u32 = 3 * 4096;
/// Where they lie.
const READ_ONLY: u32 = 0x10000;
const WRITABLE: u32 = 0x30000;

/// More rounds than memory can be accessed in, a byte in each.
const MANY_ROUNDS: u64 = 1_000_000;

/// All loops of a program.
fn find_all(program: &ProgramBlob) -> Vec<(ParsedInstruction, Compare)> {
    let (mut search, mut found) = (Search::default(), Vec::new());
    instructions::select(program, &Search::OPCODES, &mut |selected| {
        found.extend(search.look(program, &selected.instruction));
    });
    found
}

/// A loop, both of whose ends are traps. Its blocks are its beginning, its steps, and a trap for each end.
fn program(instruction_set: InstructionSetKind, code: &[Instruction]) -> Vec<u8> {
    let mut builder = ProgramBlobBuilder::new(instruction_set);
    builder.set_ro_data_size(DATA);
    builder.set_rw_data_size(DATA);
    builder.set_stack_size(8192);
    builder.add_import(b"ext_allocator_malloc_version_1");
    builder.add_export_by_basic_block(0, b"validate_block");
    let ends = [asm::trap(), asm::ecalli(0), asm::trap()];
    builder.set_code(&[code, &ends].concat(), &[]);
    builder.to_vec().unwrap()
}

/// One of the loops that are looked for, with these registers, and its steps in the order that the number
/// says.
fn compare_loop(registers: [Reg; 5], order: usize) -> Vec<Instruction> {
    let [left, left_byte, right, right_byte, count] = registers;
    let mut steps = [(left, 1), (right, 1), (count, -1)];
    steps.rotate_left(order % 3);
    if order >= 3 {
        steps.swap(0, 1);
    }
    let steps = steps.map(|(register, step)| asm::add_imm_64(register, register, step));
    let mut code = vec![
        asm::load_indirect_u8(left_byte, left, 0),
        asm::load_indirect_u8(right_byte, right, 0),
        if order.is_multiple_of(2) {
            asm::branch_not_eq(left_byte, right_byte, 2)
        } else {
            asm::branch_not_eq(right_byte, left_byte, 2)
        },
    ];
    code.extend(steps);
    code.push(asm::branch_not_eq_imm(count, 0, 0));
    code
}

/// Five registers, of which none is twice among them if `are_different`.
fn registers(random: &mut Random, are_different_: bool) -> [Reg; 5] {
    loop {
        let five = [(); 5].map(|()| random.pick(&Reg::ALL));
        if !are_different_ || are_different(five) {
            return five;
        }
    }
}

/// Changes one thing about a loop, so that it may or may not be one that is looked for.
fn spoil(random: &mut Random, code: &mut Vec<Instruction>) {
    let at = random.below(code.len() as u64) as usize;
    let [a, b] = [(); 2].map(|()| random.pick(&Reg::ALL));
    let step = random.pick(&[0, 1, -1, 2, 8, 16, -8, i32::MAX]);
    match random.below(6) {
        0 => code[at] = asm::add_imm_64(a, b, step),
        1 => code.insert(at, asm::add_imm_64(a, b, step)),
        2 => code.insert(at, asm::unlikely()),
        3 => drop(code.remove(at)),
        4 => {
            let other = random.below(code.len() as u64) as usize;
            code.swap(at, other);
        }
        _ => {
            code[at] = match code[at] {
                Instruction::load_indirect_u8(byte, at, _) => {
                    asm::load_indirect_u8(byte.get(), at.get(), random.pick(&[0, 1, -1, 4095]))
                }
                Instruction::add_imm_64(to, from, _) => asm::add_imm_64(to.get(), from.get(), step),
                Instruction::branch_not_eq(a, b, _) => asm::branch_eq(a.get(), b.get(), 2),
                Instruction::branch_not_eq_imm(a, ..) if random.below(2) == 0 => {
                    asm::branch_not_eq_imm(a.get(), 0, 1)
                }
                Instruction::branch_not_eq_imm(a, _, target) => {
                    asm::branch_not_eq_imm(a.get(), step, target)
                }
                other => other,
            };
        }
    }
    // Where jumps end has to be there.
    let blocks = code.iter().filter(|one| one.opcode().starts_new_basic_block()).count() as u32;
    for instruction in code {
        *instruction = match *instruction {
            Instruction::branch_not_eq(a, b, target) => {
                asm::branch_not_eq(a.get(), b.get(), target.min(blocks))
            }
            Instruction::branch_eq(a, b, target) => {
                asm::branch_eq(a.get(), b.get(), target.min(blocks))
            }
            other => other,
        };
    }
}

/// Guests with the same program. Only the last one makes several rounds at once.
struct Guests {
    all: [Loaded; 3],
    /// Where its blocks begin.
    blocks: Vec<ProgramCounter>,
    has_loops: bool,
}

impl Guests {
    fn new(program: &[u8]) -> Self {
        let metered = ExecutorParams::new(vec![ExecutorParam::MaxGas(MANY_ROUNDS)]);
        let loaded = |kind, params: &ExecutorParams| {
            let artifact = prepare::prepare(kind, program, params).unwrap();
            load::load(kind, &Artifact::from_bytes(&artifact).unwrap(), params).unwrap()
        };
        let all = [
            loaded(Kind::Interpreter, &metered),
            loaded(Kind::Compiler, &metered),
            loaded(Kind::Compiler, &ExecutorParams::default()),
        ];
        let program = ProgramBlob::parse(program.into()).unwrap();
        let mut blocks = vec![ProgramCounter(0)];
        let instructions = program.instructions_bounded_at(ProgramCounter(0));
        let ends = instructions.filter(|one| one.kind.opcode().starts_new_basic_block());
        blocks.extend(ends.map(|end| end.next_offset));
        blocks.pop();
        Self { all, blocks, has_loops: !find_all(&program).is_empty() }
    }

    fn each(&mut self) -> impl Iterator<Item = &mut Guest> {
        self.all.iter_mut().map(|loaded| &mut **loaded.guest.as_mut().unwrap())
    }

    /// Runs all of them from a block on, with these registers and data, and compares what becomes of them.
    /// Returns whether that came to an end.
    fn run(&mut self, block: usize, registers: &[u64; 13], data: &[u8]) -> bool {
        let begin = self.blocks[block];
        let mut expected: Option<(InterruptKind, _, _, _)> = None;
        let mut gas = Vec::new();
        for (index, guest) in self.each().enumerate() {
            if index == 2 && matches!(expected, Some((InterruptKind::NotEnoughGas, ..))) {
                return false;
            }
            guest.reset().unwrap();
            guest.begin(Box::new(()));
            guest.write(WRITABLE, data).unwrap();
            for (register, value) in Reg::ALL.into_iter().zip(registers) {
                guest.set_register(register, *value);
            }
            guest.instance().set_gas(MANY_ROUNDS as i64);
            guest.instance().set_next_program_counter(begin);
            let end = guest.run().unwrap();
            if index < 2 {
                gas.push(guest.instance().gas());
            }
            let at = guest.instance().program_counter();
            let values = Reg::ALL.map(|register| guest.register(register));
            let found = (end, at, values, guest.read(WRITABLE, DATA).unwrap());
            // Out of gas, the one has done the basic block, and the other has not.
            match &expected {
                Some((InterruptKind::NotEnoughGas, ..)) => {}
                Some(expected) => assert_eq!(*expected, found, "{begin} {registers:x?}"),
                None => expected = Some(found),
            }
        }
        assert_eq!(gas[0], gas[1], "{begin} {registers:x?}");
        true
    }
}

/// An address near something, or in the middle.
fn address(random: &mut Random) -> u64 {
    let region = random.pick(&[READ_ONLY, WRITABLE, WRITABLE]);
    let page = region + 4096 * random.below(4) as u32;
    let near = match random.below(6) {
        0 => page.wrapping_sub(random.below(80) as u32),
        1 => page.wrapping_sub(random.below(3000) as u32),
        2 => random.pick(&[0, u32::MAX, u32::MAX - 20, 0xfffe_0000]),
        _ => region + random.below(u64::from(DATA)) as u32,
    };
    // What is above 32 bits counts for nothing in an address.
    match random.below(8) {
        0 => random.next() << 32 | u64::from(near),
        _ => u64::from(near),
    }
}

fn values(random: &mut Random) -> [u64; 13] {
    let base = address(random);
    [(); 13].map(|()| match random.below(4) {
        0 => address(random),
        1 => base.wrapping_add(random.below(160)).wrapping_sub(80),
        2 => random.pick(&[0, 1, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 4096, u64::MAX]),
        _ => random.below(9000),
    })
}

/// Mostly alike.
fn data(random: &mut Random) -> Vec<u8> {
    let mut data = vec![0; DATA as usize];
    if random.below(2) == 0 {
        data.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 256) as u8);
    }
    for _ in 0..random.below(400) {
        let at = random.below(DATA.into()) as usize;
        data[at] = random.next() as u8;
    }
    data
}

#[test]
fn loops_that_are_looked_for_do_the_same_as_without() {
    let mut random = Random(1);
    for case in 0..48 {
        let instruction_set = random.pick(&WITH_64_BITS);
        let five = registers(&mut random, true);
        let mut guests = Guests::new(&program(instruction_set, &compare_loop(five, case % 6)));
        assert!(guests.has_loops);
        let mut ended = 0;
        for _ in 0..60 {
            let mut values = values(&mut random);
            let data = data(&mut random);
            // Half of the time something that makes sense.
            if random.below(2) == 0 {
                let [at, other, size] = [DATA; 3].map(|limit| random.below(limit.into()));
                let [at, other] = [at, other].map(|at| u64::from(WRITABLE) + at);
                let other = random.pick(&[at, at + 256, other, u64::from(READ_ONLY)]);
                for (register, value) in five.into_iter().zip([at, 0, other, 0, size]) {
                    values[register as usize] = value;
                }
            }
            let block = random.below(2) as usize;
            ended += u32::from(guests.run(block, &values, &data));
        }
        assert!(ended > 40, "{ended}");
    }
}

#[test]
fn loops_that_are_nearly_so_do_the_same_as_without() {
    let mut random = Random(2);
    let (mut found, mut other) = (0, 0);
    for case in 0..250 {
        let instruction_set = random.pick(&WITH_64_BITS);
        let is_spoilt = random.below(4) > 0;
        let five = registers(&mut random, is_spoilt);
        let mut code = compare_loop(five, case % 6);
        for _ in 0..if is_spoilt { 1 + random.below(2) } else { 0 } {
            spoil(&mut random, &mut code);
        }
        let is_known = |one: &Instruction| {
            *one != Instruction::unlikely || instruction_set.supports_opcode(one.opcode())
        };
        code.retain(is_known);
        let mut guests = Guests::new(&program(instruction_set, &code));
        *if guests.has_loops { &mut found } else { &mut other } += 1;
        for _ in 0..20 {
            let blocks = guests.blocks.len().saturating_sub(2).max(1);
            let block = random.below(blocks as u64) as usize;
            guests.run(block, &values(&mut random), &data(&mut random));
        }
    }
    assert!(found > 20 && other > 100, "{found} {other}");
}

#[test]
fn each_register_may_be_any_as_long_as_all_are_different() {
    let [a, b, c, d, e] = [Reg::A0, Reg::A1, Reg::A2, Reg::T2, Reg::SP];
    let five = [a, b, c, d, e];
    let is_found = |code: &[Instruction]| {
        let program = program(InstructionSetKind::Latest64, code);
        !find_all(&ProgramBlob::parse(program.into()).unwrap()).is_empty()
    };
    assert!(is_found(&compare_loop(five, 0)));
    for (at, other) in (0..5).flat_map(|at| (0..at).map(move |other| (at, other))) {
        let mut five = five;
        five[at] = five[other];
        assert!(!is_found(&compare_loop(five, 0)), "{five:?}");
    }
}

/// In some instruction sets each kilobyte of code begins a basic block. What is before it has to end one.
#[test]
fn wherever_a_loop_lies_nobody_can_enter_where_it_is_replaced() {
    let five = [Reg::A0, Reg::A1, Reg::A2, Reg::A3, Reg::A4];
    for instruction_set in WITH_64_BITS {
        let mut found = 0;
        for before in 0..1100 {
            let mut code = vec![asm::trap(); before];
            code.extend(compare_loop(five, 0));
            if let Some(Instruction::branch_not_eq_imm(count, ..)) = code.last().copied() {
                let last = code.len() - 1;
                code[last] = asm::branch_not_eq_imm(count.get(), 0, before as u32);
            }
            let program = ProgramBlob::parse(program(instruction_set, &code).into()).unwrap();
            for (second, _) in find_all(&program) {
                assert!(!program.scan_is_jump_target_valid(program.isa(), second.offset));
                found += 1;
            }
        }
        assert!(found > 1050, "{found}");
    }
}

#[test]
fn a_program_for_32_bits_has_none() {
    let five = [Reg::A0, Reg::A1, Reg::A2, Reg::A3, Reg::A4];
    let mut code = compare_loop(five, 0);
    for instruction in &mut code {
        if let Instruction::add_imm_64(to, from, step) = *instruction {
            *instruction = asm::add_imm_32(to.get(), from.get(), step);
        }
    }
    let program = program(InstructionSetKind::Latest32, &code);
    assert!(find_all(&ProgramBlob::parse(program.into()).unwrap()).is_empty());
}

/// What a real program compares with is found.
#[test]
fn a_real_program_has_loops() {
    let Some(folder) = std::env::var_os("PVF_FIXTURES").map(std::path::PathBuf::from) else {
        eprintln!("skipped: PVF_FIXTURES is not set");
        return;
    };
    let blob = std::fs::read(folder.join("cumulus/para.polkavm.blob")).unwrap();
    let program = compression::decompress(&blob, 1 << 26).unwrap();
    let program = ProgramBlob::parse(program.into()).unwrap();
    assert_eq!(find_all(&program).len(), 1);
}
