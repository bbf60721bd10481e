//! That each function does by the shortcut what it does in the ordinary way, or nothing.

use super::*;
use crate::{
    engine::{self, Kind},
    host_calls::{self, HostCall, Registers},
    instance::Guest,
    memory,
    random::Random,
};
use polkavm::Reg;
use polkavm_common::{
    program::{InstructionSetKind, asm},
    writer::ProgramBlobBuilder,
};
use pvf_host_core::primitives::ExecutorParams;
use pvf_host_functions::{GuestContext, GuestMemory, HOST_FUNCTIONS, HostFunction, ValueType};

const INSTRUCTION_SETS: [InstructionSetKind; 4] = [
    InstructionSetKind::Latest32,
    InstructionSetKind::Latest64,
    InstructionSetKind::ReviveV1,
    InstructionSetKind::JamV1,
];

/// The bytes of the program's data of either kind, which end within a page.
const DATA: usize = 10_000;
/// Where they lie.
const READ_ONLY: u32 = 0x10000;
const WRITABLE: u32 = 0x30000;

impl Random {
    fn address_below(&mut self, limit: u32) -> u32 {
        self.below(limit.into()) as u32
    }
}

/// A guest that calls any of the [`FUNCTIONS`], and traps behind that.
struct Caller {
    guest: Guest,
    /// Where each function is called.
    calls: Vec<ProgramCounter>,
}

impl Caller {
    fn new(instruction_set: InstructionSetKind) -> Self {
        let mut builder = ProgramBlobBuilder::new(instruction_set);
        let data = |seed: usize| (0..DATA).map(|at| (at * seed % 251) as u8).collect();
        builder.set_ro_data_size(DATA as u32);
        builder.set_ro_data(data(7));
        builder.set_rw_data_size(DATA as u32);
        builder.set_rw_data(data(11));
        builder.set_stack_size(8192);
        for (name, _) in FUNCTIONS {
            builder.add_import(name.as_bytes());
        }
        let numbers = 0..FUNCTIONS.len() as i32;
        let code: Vec<_> = numbers.flat_map(|number| [asm::ecalli(number), asm::trap()]).collect();
        builder.set_code(&code, &[]);
        let program = ProgramBlob::parse(builder.to_vec().unwrap().into()).unwrap();
        let instructions = program.instructions_bounded_at(ProgramCounter(0));
        let calls = instructions
            .filter(|instruction| matches!(instruction.kind, Instruction::ecalli(_)))
            .map(|instruction| instruction.offset)
            .collect();

        let map = memory::map(&program).unwrap();
        let mut shortcut = Shortcut::new(instruction_set.is_64_bit());
        let mut config = engine::module_config(&ExecutorParams::default());
        config.set_custom_codegen(shortcut.codegen(
            FUNCTIONS.iter().map(|(name, _)| Some(*name)),
            &StandIns::default(),
            false,
        ));
        let engine = engine::engine(Kind::Compiler).unwrap();
        let module = Module::from_blob(&engine, &config, program.clone()).unwrap();
        assert!(shortcut.check(&module));
        let mut instance = module.instantiate().unwrap();
        assert!(shortcut.find_memory(&program, &mut instance).unwrap());
        let heap_end = map.heap_base() + (256 << 10);
        let guest = Guest::new(instance, heap_end, Some(shortcut));
        Self { guest, calls }
    }

    /// Makes it as it was when it was new, but with some heap.
    fn restart(&mut self) {
        self.guest.reset().unwrap();
        self.guest.begin(Box::new(()));
        // Two pages of the parameters' size are there then, and not all of them the allocator's.
        for size in [1000, 40_000] {
            self.guest.allocate(size).unwrap();
        }
        self.guest.sbrk(3000).unwrap();
    }

    fn set_registers(&mut self, values: &[u64; 13]) {
        for (register, value) in Reg::ALL.into_iter().zip(values) {
            self.guest.set_register(register, *value);
        }
    }

    /// Has compiled code call the function, and returns whether it did so without leaving.
    fn call(&mut self, index: usize) -> bool {
        self.guest.instance().set_next_program_counter(self.calls[index]);
        match self.guest.run().unwrap() {
            InterruptKind::Trap => true,
            InterruptKind::Ecalli(number) => {
                assert_eq!(number, index as u32);
                false
            }
            other => panic!("{other:?}"),
        }
    }

    /// All that a call could change.
    fn state(&mut self) -> (Vec<u64>, Vec<Vec<u8>>, String) {
        let registers = Reg::ALL.map(|register| self.guest.register(register)).to_vec();
        let memory = self
            .readable()
            .into_iter()
            .map(|(begin, end)| self.guest.read(begin, end - begin).expect("it is there"));
        (registers, memory.collect(), format!("{:?}", self.guest.call.state))
    }

    /// Where data, heap and stack begin and end.
    fn readable(&mut self) -> [(u32, u32); 3] {
        let instance = self.guest.instance();
        let map = instance.module().memory_map();
        let top = map.heap_base() + instance.heap_size();
        [
            (map.rw_data_address(), top),
            (map.stack_range().start, map.stack_range().end),
            (map.ro_data_range().start, map.ro_data_range().end),
        ]
    }
}

fn ordinary() -> Vec<HostCall> {
    FUNCTIONS.iter().map(|(name, _)| host_calls::find(name).expect("it is known")).collect()
}

/// Runs the call by the shortcut on one guest and in the ordinary way alone on the other, and compares
/// all that comes of it. Returns whether the shortcut did it, and whether it was refused in the end.
fn compare(
    direct: &mut Caller,
    indirect: &mut Caller,
    ordinary: &[HostCall],
    index: usize,
    registers: &[u64; 13],
) -> (bool, bool) {
    direct.set_registers(registers);
    indirect.set_registers(registers);
    let before = direct.state();
    let done = direct.call(index);
    let expected = ordinary[index](&mut indirect.guest);
    if !done {
        assert_eq!(direct.state(), before, "{} {registers:x?}", FUNCTIONS[index].0);
        assert_eq!(ordinary[index](&mut direct.guest), expected);
    } else {
        assert_eq!(expected, Ok(()), "{} {registers:x?}", FUNCTIONS[index].0);
    }
    assert_eq!(direct.state(), indirect.state(), "{} {registers:x?}", FUNCTIONS[index].0);
    (done, expected.is_err())
}

/// The registers for a call with this range.
fn range_registers(is_64_bit: bool, ptr: u32, len: u32, random: &mut Random) -> [u64; 13] {
    let mut registers = [0; 13].map(|_: u64| random.next());
    let [a0, a1] = [Reg::A0, Reg::A1].map(|register| register as usize);
    if is_64_bit {
        registers[a0] = u64::from(len) << 32 | u64::from(ptr);
    } else {
        registers = registers.map(|value| value & u64::from(u32::MAX));
        (registers[a0], registers[a1]) = (ptr.into(), len.into());
    }
    registers
}

fn hashes() -> impl Iterator<Item = usize> {
    (0..FUNCTIONS.len()).filter(|index| FUNCTIONS[*index].0.starts_with("ext_hashing_"))
}

#[test]
fn every_function_is_known_and_its_arguments_and_result_fit_what_is_saved() {
    for (name, _) in FUNCTIONS {
        let function = HostFunction::find(name).expect("it is known");
        let registers = |ty: &ValueType| match ty {
            ValueType::I32 => 1,
            ValueType::I64 => 2,
        };
        let saved = size_of::<direct::Saved>() / size_of::<u64>();
        assert!(function.params.iter().map(registers).sum::<usize>() <= saved, "{name}");
        assert!(function.result.as_ref().map_or(0, registers) <= saved, "{name}");
    }
    assert_eq!(hashes().count(), 8);
    let offered = HOST_FUNCTIONS.iter().filter(|known| known.name.starts_with("ext_hashing_"));
    assert_eq!(offered.count(), 8);
}

#[test]
fn hashing_any_range_does_the_same_and_is_done_at_once_where_it_can_be() {
    let ordinary = ordinary();
    for instruction_set in INSTRUCTION_SETS {
        let is_64_bit = instruction_set.is_64_bit();
        let [mut direct, mut indirect] = [(); 2].map(|()| Caller::new(instruction_set));
        let mut random = Random(1);
        for index in hashes() {
            let (mut done, mut refused) = (0, 0);
            direct.restart();
            let readable = direct.readable();
            assert_eq!((readable[0].0, readable[2].0), (WRITABLE, READ_ONLY));
            let mut ranges =
                vec![(0, 0), (0, 1), (u32::MAX, 0), (u32::MAX, 1), (u32::MAX, u32::MAX)];
            ranges.extend([(READ_ONLY - 1, 1), (READ_ONLY - 1, 2), (0xffff_fff0, 16)]);
            for (begin, end) in readable {
                let len = end - begin;
                for ptr in [begin, begin + 1, begin + len / 2, end - 1, end, end + 1, begin - 1] {
                    let rest = end.saturating_sub(ptr);
                    let lens =
                        [0, 1, 2, 129, rest, rest + 1, rest.saturating_sub(1), 4096, u32::MAX];
                    ranges.extend(lens.map(|len| (ptr, len)));
                    ranges.extend([(ptr, u32::MAX - ptr), (ptr, (u32::MAX - ptr).wrapping_add(2))]);
                }
            }
            for (ptr, len) in ranges {
                direct.restart();
                indirect.restart();
                let registers = range_registers(is_64_bit, ptr, len, &mut random);
                let (at_once, is_refused) =
                    compare(&mut direct, &mut indirect, &ordinary, index, &registers);
                let end = u64::from(ptr) + u64::from(len);
                let is_there = len == 0
                    || readable.iter().any(|(begin, top)| *begin <= ptr && end <= u64::from(*top));
                assert_eq!(at_once, is_there, "{} {ptr:x} {len:x}", FUNCTIONS[index].0);
                done += u32::from(at_once);
                refused += u32::from(is_refused);
            }
            assert!(done > 90 && refused > 30, "{done} {refused}");
        }
    }
}

#[test]
fn whatever_is_called_with_whatever_it_does_the_same() {
    let ordinary = ordinary();
    let mut done = [0; FUNCTIONS.len()];
    let mut left = [0; FUNCTIONS.len()];
    for seed in 0..60 {
        let mut random = Random(seed);
        let instruction_set = random.pick(&INSTRUCTION_SETS);
        let is_64_bit = instruction_set.is_64_bit();
        let [mut direct, mut indirect] = [(); 2].map(|()| Caller::new(instruction_set));
        direct.restart();
        indirect.restart();
        let mut pointers = vec![0];
        for _ in 0..150 {
            let index = random.address_below(FUNCTIONS.len() as u32) as usize;
            let name = FUNCTIONS[index].0;
            let (begin, end) = random.pick(&direct.readable());
            let (ptr, len) = match name {
                // What is above 32 bits counts for nothing.
                "ext_allocator_malloc_version_1" => match random.address_below(16) {
                    0 => (random.address_below(40 << 20), random.next() as u32),
                    1 => (random.address_below(100_000), random.next() as u32),
                    _ => (random.address_below(200), random.next() as u32),
                },
                "ext_allocator_free_version_1" => {
                    let at = random.address_below(pointers.len() as u32) as usize;
                    match random.address_below(16) {
                        0 => (random.next() as u32, 0),
                        _ => (pointers.swap_remove(at), random.next() as u32),
                    }
                }
                _ => match random.address_below(8) {
                    0 => (random.next() as u32, random.next() as u32),
                    1 => {
                        (begin.wrapping_sub(random.address_below(4)), random.address_below(20_000))
                    }
                    2 => (end - random.address_below(300), random.address_below(300)),
                    _ => (
                        begin + random.address_below((end - begin) / 2),
                        random.address_below(4096),
                    ),
                },
            };
            if pointers.is_empty() {
                pointers.push(0);
            }
            let registers = range_registers(is_64_bit, ptr, len, &mut random);
            let (at_once, is_refused) =
                compare(&mut direct, &mut indirect, &ordinary, index, &registers);
            done[index] += u32::from(at_once);
            left[index] += u32::from(!at_once);
            if is_refused {
                direct.restart();
                indirect.restart();
                pointers = vec![0];
            } else if name != "ext_allocator_free_version_1" {
                pointers.push(direct.guest.register(Reg::A0) as u32);
            }
            // Guests write to their heap what they like.
            if random.address_below(16) == 0 {
                let at = random.pick(&pointers).wrapping_sub(8);
                let header = random.pick(&[0, 1, 1 << 32, 23 | 1 << 32, u64::MAX, 0x32_700]);
                let written = direct.guest.write_u64(at, header);
                assert_eq!(written, indirect.guest.write_u64(at, header));
            }
        }
    }
    for (index, (name, _)) in FUNCTIONS.iter().enumerate() {
        assert!(done[index] > 150, "{name}: {}", done[index]);
        assert!(left[index] > 15, "{name}: {}", left[index]);
    }
}

#[test]
fn without_room_for_the_digest_the_heap_grows_or_the_guest_ends_as_always() {
    let ordinary = ordinary();
    for instruction_set in [InstructionSetKind::Latest32, InstructionSetKind::Latest64] {
        let [mut direct, mut indirect] = [(); 2].map(|()| Caller::new(instruction_set));
        for index in hashes() {
            direct.restart();
            indirect.restart();
            let registers =
                range_registers(instruction_set.is_64_bit(), WRITABLE, 100, &mut Random(2));
            let (mut done, mut left) = (0, 0);
            // Until the limit is reached.
            loop {
                let (at_once, is_refused) =
                    compare(&mut direct, &mut indirect, &ordinary, index, &registers);
                done += u32::from(at_once);
                left += u32::from(!at_once);
                if is_refused {
                    break;
                }
                // It is a digest that there is no room for, so the rest goes in larger pieces.
                let digest = direct.guest.register(Reg::A0);
                let size = match direct.guest.size() - digest {
                    10_000.. => 8000,
                    700.. => 500,
                    _ => continue,
                };
                for caller in [&mut direct, &mut indirect] {
                    caller.guest.allocate(size).unwrap();
                }
            }
            assert!(done > 50 && left > 2, "{done} {left}");
        }
    }
}

#[test]
fn without_a_call_nothing_is_done() {
    for instruction_set in INSTRUCTION_SETS {
        let mut caller = Caller::new(instruction_set);
        caller.restart();
        for index in 0..FUNCTIONS.len() {
            let registers =
                range_registers(instruction_set.is_64_bit(), WRITABLE, 8, &mut Random(3));
            caller.set_registers(&registers);
            let before = caller.state();
            let instance = caller.guest.instance();
            instance.set_next_program_counter(caller.calls[index]);
            let end = instance.run().unwrap();
            assert!(matches!(end, InterruptKind::Ecalli(number) if number == index as u32));
            assert_eq!(caller.state(), before);
        }
    }
}

#[test]
fn any_other_code_behind_a_place_is_noticed() {
    let site = Site { end: 3, number: 0x0102_0304 };
    let mut code = vec![0x90; 3];
    for number in [site.number, 77, 99] {
        code.extend(MOV_BEGINS);
        code.extend(8_u32.to_le_bytes());
        code.extend(number.to_le_bytes());
    }
    code.extend([CALL_BEGINS, 1, 2, 3, 4]);
    assert!(site.is_as_expected(&code));
    assert!(!site.is_as_expected(&code[..code.len() - 1]));
    assert!(!site.is_as_expected(&[]));
    let mov = |nth: usize| 3 + nth * MOV;
    // What instructions they are, and the import's number. Addresses and other numbers are free.
    let fixed = [mov(0), mov(0) + 2, mov(0) + 7, mov(0) + 10, mov(1), mov(1) + 1, mov(2), mov(3)];
    for at in fixed {
        let mut other = code.clone();
        other[at] ^= 1;
        assert!(!site.is_as_expected(&other), "{at}");
    }
    for at in [0, mov(0) + 3, mov(1) + 7, mov(2) + 10, mov(3) + 1] {
        let mut other = code.clone();
        other[at] ^= 1;
        assert!(site.is_as_expected(&other), "{at}");
    }
}
