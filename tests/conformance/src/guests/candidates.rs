//! The candidates, guest by guest.
//!
//! What is expected comes from elsewhere than the guests: from the description of what they do, from
//! other implementations of the same, and from what was recorded of the host's functions.

use super::*;
use crate::{
    host_calls::{Argument, Call, Case},
    request::params,
};
use pvf_host_core::primitives::{
    Hash, MAX_UPWARD_MESSAGES, OutboundHrmpMessage, ParaId, ValidationCode, hex,
};

/// How a guest's panics begin: guests are built without the places in their sources.
const PANICKED: &str = "panicked at <redacted>:0:0:\n";

/// What guests say when their block, or their head, is too short.
const TOO_SHORT: &str = "the input ends too early";

/// Those of the guest of this name.
pub(super) fn of(guest: &str) -> Vec<Candidate> {
    match guest {
        "adder" => adder(),
        "big-output" => big_output(),
        "endless-loop" => endless_loop(),
        "hasher" => hasher(),
        "interpreter" => interpreter(),
        "memory-hog" => memory_hog(),
        "messages" => messages(),
        "panicker" => panicker(),
        "random-access" => random_access(),
        "recursion" => recursion(),
        "signatures" => signatures(),
        "storage-proof" => storage_proof(),
        _ => Vec::new(),
    }
}

fn candidate(
    guest: &'static Guest,
    name: impl Into<String>,
    block: impl Encode,
    expected: Outcome,
) -> Candidate {
    Candidate {
        guest,
        name: name.into(),
        params: params(block.encode()),
        executor_params: Vec::new(),
        expected,
    }
}

/// Bytes that are encoded as they are.
struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
    fn encode(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// A result with a new head, and nothing else that is worth mentioning.
fn head(head: impl Into<Vec<u8>>) -> Outcome {
    let hrmp_watermark = params([]).relay_parent_number;
    let head_data = head.into().into();
    Outcome::Valid(ValidationResult { head_data, hrmp_watermark, ..Default::default() })
}

fn panic(words: &str) -> Outcome {
    Outcome::Panic(format!("{PANICKED}{words}"))
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("it is written in hexadecimal")
}

/// The hashes are those of another implementation of Keccak.
fn adder() -> Vec<Candidate> {
    const GENESIS: &str = "\
        0x0000000000000000\
        0000000000000000000000000000000000000000000000000000000000000000\
        011b4d03dd8c01f1049143cf9c4c817e4b167f1d1b83e5c6f0f10d89ba1e7bce";
    const PLUS_512: &str = "\
        0x0100000000000000\
        804df47c526d888b3f52091df4e253c821e9991ec88e342722cc485fda31747e\
        a88d962ceb769d13dd202a8b8478e3a3f9d762a5702f76db9fd33d9f6af919ea";
    /// Of the last block that there can be, with the last state but one.
    const LAST: &str = "\
        0xffffffffffffffff\
        1111111111111111111111111111111111111111111111111111111111111111\
        d71bd4260b49ace308680f7043c9441fbcbad580a75e5c7bc08aa07f417a65f7";
    const AFTER_LAST: &str = "\
        0x0000000000000000\
        f82cb22192ba05c2c1d251a635799999127a09076ea46fda2cabdb61db155b5f\
        30441ba2f8ae611a270ed9f76134b33b15f87f571c5bd207310675dd436ac519";
    const LAST_STATE_BUT_ONE: u64 = u64::MAX - 1;

    let on = |parent_head: &[u8], name: &str, block: &[u8], expected| {
        let mut candidate = candidate(&ADDER, name, Raw(block), expected);
        candidate.params.parent_head = parent_head.to_vec().into();
        candidate
    };
    let genesis = bytes(GENESIS);
    let good = (0_u64, 512_u64).encode();
    vec![
        on(&genesis, "adds", &good, head(bytes(PLUS_512))),
        on(
            &bytes(LAST),
            "wraps around",
            &(LAST_STATE_BUT_ONE, 5_u64).encode(),
            head(bytes(AFTER_LAST)),
        ),
        on(&genesis, "has a longer block", &[&good[..], &[1]].concat(), head(bytes(PLUS_512))),
        on(
            &genesis,
            "has another state",
            &(1_u64, 512_u64).encode(),
            panic("the block has another state"),
        ),
        on(&genesis, "has a shorter block", &good[..15], panic(TOO_SHORT)),
        on(&genesis[..71], "has a shorter head", &good, panic(TOO_SHORT)),
        on(
            &[&genesis[..], &[0]].concat(),
            "has a longer head",
            &good,
            panic("the parent head is too long"),
        ),
    ]
}

fn big_output() -> Vec<Candidate> {
    let of = |size: u32, expected| candidate(&BIG_OUTPUT, format!("{size} bytes"), size, expected);
    let valid = |size: u32| of(size, head((0..size).map(|place| place as u8).collect::<Vec<_>>()));
    vec![
        valid(0),
        valid(1),
        valid(63),
        valid(64),
        valid(16_383),
        valid(16_384),
        valid(16 << 20),
        // Only without the rest of the result does it fit into what the allocator gives at once.
        of(32 << 20, Outcome::Trap),
        of(1 << 30, Outcome::Trap),
    ]
}

fn endless_loop() -> Vec<Candidate> {
    let of = |name, expected| candidate(&ENDLESS_LOOP, name, (), expected);
    vec![
        of("never ends", Outcome::HardTimeout).with_timeout(Duration::from_millis(100)),
        of("burns its gas", Outcome::OutOfGas).with_param(ExecutorParam::MaxGas(1_000_000)),
    ]
}

/// The hashes are those of other implementations.
fn hasher() -> Vec<Candidate> {
    const ONCE: &str = "\
        0xcf4ab791c62b8d2b2109c90275287816\
        bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319\
        4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45\
        18587dc2ea106b9a1563e32b3312421ca164c7f1f07bc922a9c83d77cea3a1e5\
        d0c69910739025372dc14ac9642629379540c17e2a65b19d77aa511a9d00bb96\
        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\
        990977adf52cbc44\
        990977adf52cbc440889329981caa9be\
        990977adf52cbc440889329981caa9bef7da5770b2b8a05303b75d95360dd62b";
    const THRICE: &str = "\
        0xbc9a128f2f579b2e3f45c9549d8114c0\
        562e137666e4ddb53de1afed3bbbbab7481f46d72b59c4e9b51271adf9464b39\
        404d385ae44852a891c1523d991f95939d97eaeeada24aa8b5d645edec98243f\
        17046adb26f428d32515898f0807a2cffe6633f76caa39ea987aa9fec08c23c8\
        d7b714f558c73dd697f15b0755a4e2a0ae000ba9f2f82aef5e5e99d7f9f28bba\
        090b6c6ac69e71dc9d56ec6f2e861091cd8885ef12d01670b503504fedec5059\
        86ae9329d067cb27\
        86ae9329d067cb2747934c38c1d6f13b\
        86ae9329d067cb2747934c38c1d6f13bd1c82ee08dd4f9c0d8e145c166cce9b0";
    let block = |rounds: u32| [&rounds.to_le_bytes()[..], b"abc"].concat();
    let of =
        |rounds, head| candidate(&HASHER, format!("{rounds} rounds"), Raw(&block(rounds)), head);
    vec![
        of(0, head(b"abc")),
        of(1, head(bytes(ONCE))),
        of(3, head(bytes(THRICE))),
        candidate(&HASHER, "no rounds", Raw(b"abc"), panic(TOO_SHORT)),
    ]
}

fn interpreter() -> Vec<Candidate> {
    /// What the guest's program does, without an interpreter.
    fn run(rounds: u32) -> u64 {
        let mut memory = [0_u64; 256];
        let mut random = 0x9e37_79b9_u64;
        let mut sum = 0_u64;
        for _ in 0..rounds {
            for step in (1..=768).rev() {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let place = &mut memory[step % 256];
                sum = sum.wrapping_add(*place);
                *place = sum ^ random;
            }
        }
        sum
    }
    let of = |rounds: u32| {
        let head = head(run(rounds).to_le_bytes());
        candidate(&INTERPRETER, format!("{rounds} rounds"), rounds, head)
    };
    let metered = |rounds, gas| of(rounds).with_param(ExecutorParam::MaxGas(gas));
    let mut starved = metered(100, 100_000);
    starved.expected = Outcome::OutOfGas;
    // A round is ten thousand instructions of the guest's program, some dozen of the machine for each.
    vec![of(0), of(1), of(100), metered(1, 10_000_000), starved]
}

fn memory_hog() -> Vec<Candidate> {
    const ALLOCATE: u8 = 0;
    const GROW: u8 = 1;
    let of = |way: u8, pieces: u32, expected| {
        let way_name = if way == ALLOCATE { "allocates" } else { "grows by" };
        candidate(&MEMORY_HOG, format!("{way_name} {pieces} MiB"), (way, pieces), expected)
    };
    let valid = |way, pieces: u32| of(way, pieces, head(pieces.to_le_bytes()));
    // There are 130 MiB by default. Of one of them, stack and data take a part.
    let most = 129_u32;
    // 132 pages, so 8 MiB and a quarter.
    let little = ExecutorParam::MaxMemoryPages(100);
    let most_of_little = 8_u32;
    vec![
        valid(ALLOCATE, 0),
        valid(ALLOCATE, most),
        of(ALLOCATE, most + 1, Outcome::Trap),
        of(ALLOCATE, u32::MAX, Outcome::Trap),
        valid(ALLOCATE, most_of_little).with_param(little.clone()),
        of(ALLOCATE, most_of_little + 1, Outcome::Trap).with_param(little.clone()),
        valid(GROW, 0),
        valid(GROW, most),
        of(GROW, most + 1, head(most.to_le_bytes())),
        of(GROW, u32::MAX, head(most.to_le_bytes())),
        of(GROW, u32::MAX, head(most_of_little.to_le_bytes())).with_param(little),
    ]
}

fn messages() -> Vec<Candidate> {
    let of = |name: &str, result: ValidationResult| {
        let mut candidate = candidate(&MESSAGES, name, (), Outcome::Valid(result.clone()));
        candidate.params.parent_head = result.head_data.clone();
        // All of the result but the head.
        let rest = result.encode().split_off(result.head_data.encode().len());
        candidate.params.block_data = rest.into();
        candidate
    };
    let none = ValidationResult { head_data: b"head".to_vec().into(), ..Default::default() };
    let some = ValidationResult {
        new_validation_code: Some(ValidationCode(vec![7; 100_000])),
        upward_messages: vec![b"first".to_vec(), vec![], vec![8; 1000]].try_into().unwrap(),
        horizontal_messages: vec![
            OutboundHrmpMessage { recipient: ParaId(2000), data: b"hello".to_vec() },
            OutboundHrmpMessage { recipient: ParaId(u32::MAX), data: vec![] },
        ]
        .try_into()
        .unwrap(),
        processed_downward_messages: 3,
        hrmp_watermark: 77,
        ..none.clone()
    };
    let many = ValidationResult {
        upward_messages: vec![vec![1, 2, 3]; MAX_UPWARD_MESSAGES].try_into().unwrap(),
        ..none.clone()
    };
    let no_code = ValidationResult {
        new_validation_code: Some(ValidationCode(vec![])),
        ..Default::default()
    };
    vec![
        of("nothing", none),
        of("some of everything", some),
        of("as many messages as there may be", many),
        of("code of no bytes, and a head of none", no_code),
        candidate(&MESSAGES, "neither code nor none", 2_u8, panic("2 is no option")),
        candidate(&MESSAGES, "fewer messages than it says", [0_u8, 8], panic(TOO_SHORT)),
    ]
}

fn panicker() -> Vec<Candidate> {
    let of = |words: &str| candidate(&PANICKER, words, Raw(words.as_bytes()), panic(words));
    vec![
        of("no such block"),
        of("Überraschung: 🦀\nand a second line"),
        candidate(
            &PANICKER,
            "no text",
            Raw(b"\xff\xfe"),
            panic("the block is no text: invalid utf-8 sequence of 1 bytes from index 0"),
        ),
    ]
}

fn random_access() -> Vec<Candidate> {
    /// What the guest does.
    fn run(size: u32, accesses: u32) -> u64 {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let words = u64::from(size) << 17;
        let mut memory: Vec<_> = (0..words).map(|place| (place + 1).wrapping_mul(MIX)).collect();
        let mut result = 0;
        for _ in 0..u64::from(accesses) * 1000 {
            let word = &mut memory[((result >> 32) % words) as usize];
            *word = (*word ^ result).wrapping_mul(MIX);
            result = *word;
        }
        result
    }
    let name = |size, accesses| format!("{accesses} thousand accesses to {size} MiB");
    let valid = |size: u32, accesses: u32| {
        let head = head(run(size, accesses).to_le_bytes());
        candidate(&RANDOM_ACCESS, name(size, accesses), (size, accesses), head)
    };
    let refused = |size: u32| {
        let expected = panic(&format!("{size} MiB is no size for this"));
        candidate(&RANDOM_ACCESS, name(size, 1), (size, 1_u32), expected)
    };
    vec![
        valid(1, 0),
        valid(1, 10),
        valid(8, 100),
        valid(32, 1),
        refused(0),
        refused(3),
        refused(64),
    ]
}

fn recursion() -> Vec<Candidate> {
    let of = |depth: u32, expected| candidate(&RECURSION, format!("{depth} deep"), depth, expected);
    let valid = |depth: u32| of(depth, head(depth.to_le_bytes()));
    vec![
        valid(0),
        valid(100),
        valid(1000),
        of(1_000_000, Outcome::Trap),
        of(u32::MAX, Outcome::Trap),
    ]
}

/// The calls of a function that were recorded as returning, and what they returned.
fn recorded_calls(function: &str) -> Vec<(Call, u8)> {
    let mut recorded = Vec::new();
    for case in Case::all() {
        // A call that does not return has no result.
        for (call, result) in case.calls.iter().zip(&case.results) {
            if call.function.name == function {
                recorded.push((call.clone(), result.parse().expect("it is a number")));
            }
        }
    }
    assert!(!recorded.is_empty(), "there are calls of {function}");
    recorded
}

fn signatures() -> Vec<Candidate> {
    /// A signature of one of the kinds that the guest knows.
    fn signature(kind: u8, call: &Call) -> Vec<u8> {
        let [Argument::Bytes(signature), Argument::Bytes(message), Argument::Bytes(public)] =
            &call.arguments[..]
        else {
            panic!("arguments that are not bytes: {call:?}")
        };
        [&[kind], &signature[..], &public[..], &message.encode()].concat()
    }
    /// A block with signatures.
    fn block(signatures: &[Vec<u8>]) -> Vec<u8> {
        let count = parity_scale_codec::Compact(signatures.len() as u32);
        [count.encode(), signatures.concat()].concat()
    }
    let kinds =
        ["ext_crypto_ed25519_verify_version_1", "ext_crypto_sr25519_verify_version_2"].into_iter();
    let (signatures, are_right): (Vec<_>, Vec<_>) = (0..)
        .zip(kinds)
        .flat_map(|(kind, function)| {
            recorded_calls(function)
                .into_iter()
                .map(move |(call, is_right)| (signature(kind, &call), is_right))
        })
        .unzip();
    assert!(are_right.contains(&0) && are_right.contains(&1));
    let mut of_no_kind = signatures[0].clone();
    of_no_kind[0] = 2;
    let no_kind = panic("there is no kind 2 of signature");
    vec![
        candidate(&SIGNATURES, "none", Raw(&block(&[])), head([])),
        candidate(&SIGNATURES, "all recorded", Raw(&block(&signatures)), head(are_right)),
        candidate(&SIGNATURES, "of no kind", Raw(&block(&[of_no_kind])), no_kind),
    ]
}

fn storage_proof() -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (call, is_right) in recorded_calls("ext_trie_blake2_256_verify_proof_version_2") {
        let [
            Argument::Bytes(root),
            Argument::Bytes(proof),
            Argument::Bytes(key),
            Argument::Bytes(value),
            Argument::Number(state_version),
        ] = &call.arguments[..]
        else {
            panic!("arguments of other kinds: {call:?}")
        };
        // The right value, and in the same block another one.
        let other = [&value[..], b"!"].concat();
        let block = (*state_version as u8, proof, vec![(key, value), (key, &other)]);
        let name = format!("recorded proof {}", candidates.len());
        let mut candidate = candidate(&STORAGE_PROOF, name, block, head([is_right, 0]));
        candidate.params.relay_parent_storage_root =
            Hash(root[..].try_into().expect("a root has 32 bytes"));
        candidates.push(candidate);
    }
    let nothing = Vec::<u8>::new();
    let unknown_version = (7_u8, &nothing, vec![(&nothing, &nothing)]);
    candidates.push(candidate(&STORAGE_PROOF, "state version 7", unknown_version, Outcome::Trap));
    candidates
}
