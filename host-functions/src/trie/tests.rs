//! Mostly against what Substrate's own crates answer, recorded in `vectors/trie`.

mod generator;

use self::generator::Random;
use super::*;
use crate::{FatPointer, GuestMemory, MemoryError, testing::TestGuest};
use pvf_host_core::primitives::hex;
use trie_root::unhashed_trie_no_extension;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;
type RootFunction = fn(&mut TestGuest, u64, u32) -> Result<u32, HostError>;
type FirstVerifyFunction = fn(&mut TestGuest, u32, u64, u64, u64) -> Result<u32, HostError>;
type VerifyFunction = fn(&mut TestGuest, u32, u64, u64, u64, u32) -> Result<u32, HostError>;

/// Each with a state version, in the order of the columns in the vectors.
const ROOTS: [(RootFunction, u32); 4] = [
    (blake2_256_root_version_2, 0),
    (blake2_256_root_version_2, 1),
    (keccak_256_root_version_2, 0),
    (keccak_256_root_version_2, 1),
];

const ORDERED_ROOTS: [(RootFunction, u32); 4] = [
    (blake2_256_ordered_root_version_2, 0),
    (blake2_256_ordered_root_version_2, 1),
    (keccak_256_ordered_root_version_2, 0),
    (keccak_256_ordered_root_version_2, 1),
];

/// A guest with these arguments in its memory, one behind the other from its very beginning.
fn guest_with<const N: usize>(arguments: [&[u8]; N]) -> (TestGuest, [u64; N]) {
    let bytes = arguments.concat();
    let heap_base = bytes.len() as u32;
    let mut guest = TestGuest::with_heap(heap_base / 65_536 + 2, 4_096, heap_base);
    guest.memory[..bytes.len()].copy_from_slice(&bytes);
    let mut end = 0;
    let ranges = arguments.map(|argument| {
        end += argument.len() as u32;
        let len = argument.len() as u32;
        FatPointer { ptr: end - len, len }.into()
    });
    (guest, ranges)
}

fn fat(ptr: u32, len: u32) -> u64 {
    FatPointer { ptr, len }.into()
}

fn call_root(
    function: RootFunction,
    input: &[u8],
    state_version: u32,
) -> Result<[u8; 32], HostError> {
    let (mut guest, [input]) = guest_with([input]);
    let ptr = function(&mut guest, input, state_version)?;
    Ok(guest.array(ptr).unwrap())
}

/// The roots with all [`ROOTS`] or [`ORDERED_ROOTS`], as the vectors have them.
fn all_roots(functions: [(RootFunction, u32); 4], input: &[u8]) -> String {
    functions
        .map(|(function, version)| {
            hex::encode(call_root(function, input, version).unwrap())[2..].to_owned()
        })
        .join(" ")
}

/// What [`good_proof`] proves to be at "key", too long for its leaf to be a part of another node.
const VALUE: &[u8; 40] = b"a value that is longer than most of them";

/// A good proof in state version 0, by hand, for a trie with another key besides.
fn good_proof() -> ([u8; 32], Vec<Vec<u8>>) {
    let input: Entries = vec![(b"key".into(), VALUE.into()), (b"other".into(), b"1".into())];
    let root = call_root(blake2_256_root_version_2, &input.encode(), 0).unwrap();
    // A branch with one nibble, 6, with children at b and f, the first left out; then the leaf of
    // "key" without its value.
    let mut branch = vec![0b1000_0001, 0x06, 0x00, 0x88, 0];
    branch.extend([28, 0b0100_1000]);
    branch.extend(b"ther\x041");
    let leaf = vec![0b0100_0100, b'e', b'y', 0];
    (root, vec![branch, leaf])
}

#[test]
fn the_root_of_nothing_is_the_hash_of_a_zero() {
    let blake2 = "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314";
    let keccak = "bc36789e7a1e281436464229828f817d6612f7b477d66591ff96a9e064bcc98a";
    let expected = [blake2, blake2, keccak, keccak].join(" ");
    assert_eq!(all_roots(ROOTS, &[0]), expected);
    assert_eq!(all_roots(ORDERED_ROOTS, &[0]), expected);
}

#[test]
fn nodes_are_those_of_substrates_own_tests() {
    fn node(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
        let entries = entries.iter().copied();
        unhashed_trie_no_extension::<Blake2, NodeStream, _, _, _>(entries, Some(33))
    }
    assert_eq!(node(&[]), [0]);
    assert_eq!(node(&[(&[0xaa], &[0xbb])]), [0x42, 0xaa, 4, 0xbb]);
    let fork = [0x80, 0x12, 0x00, 20, 0x43, 0x03, 0x14, 4, 0xff, 20, 0x43, 0x08, 0x19, 4, 0xfe];
    assert_eq!(node(&[(&[0x48, 0x19], &[0xfe]), (&[0x13, 0x14], &[0xff])]), fork);
}

/// Hexadecimal, with `11*40` for a byte that comes forty times.
fn unpack(text: &str) -> Vec<u8> {
    match text.split_once('*') {
        Some((byte, count)) => hex::decode(byte).unwrap().repeat(count.parse().unwrap()),
        None => hex::decode(text).unwrap(),
    }
}

#[test]
fn roots_of_small_tries_are_those_of_the_reference() {
    for line in include_str!("../../vectors/trie/roots.txt").lines() {
        let (entries, roots) = line.split_once(' ').unwrap();
        let entries: Entries = entries
            .split(',')
            .filter_map(|entry| entry.split_once('='))
            .map(|(key, value)| (unpack(key), unpack(value)))
            .collect();
        assert_eq!(all_roots(ROOTS, &entries.encode()), roots, "{line}");
    }
}

#[test]
fn roots_of_generated_tries_are_those_of_the_reference() {
    for line in include_str!("../../vectors/trie/generated-roots.txt").lines() {
        let (seed, roots) = line.split_once(' ').unwrap();
        let entries = Random::new(seed.parse().unwrap()).entries();
        assert_eq!(all_roots(ROOTS, &entries.encode()), roots, "{line}");
    }
}

#[test]
fn roots_of_generated_lists_are_those_of_the_reference() {
    for line in include_str!("../../vectors/trie/generated-ordered-roots.txt").lines() {
        let [seed, count, roots] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let list = Random::new(seed.parse().unwrap()).list(count.parse().unwrap());
        assert_eq!(all_roots(ORDERED_ROOTS, &list.encode()), roots, "{line}");
    }
}

/// What a line of the file of proofs says.
struct ProofVector {
    first_function: FirstVerifyFunction,
    function: VerifyFunction,
    state_version: u32,
    root: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    answer: u32,
    proof: Vec<Vec<u8>>,
}

impl ProofVector {
    fn all() -> Vec<Self> {
        include_str!("../../vectors/trie/proofs.txt").lines().map(Self::parse).collect()
    }

    fn parse(line: &str) -> Self {
        let bytes = |text: &str| hex::decode(text.trim_matches('-')).unwrap();
        let (fields, _) = line.split_once(" # ").unwrap();
        let fields: [&str; 7] = fields.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let [hasher, version, root, key, value, answer, proof] = fields;
        let (first_function, function): (FirstVerifyFunction, VerifyFunction) = match hasher {
            "blake2" => (blake2_256_verify_proof_version_1, blake2_256_verify_proof_version_2),
            "keccak" => (keccak_256_verify_proof_version_1, keccak_256_verify_proof_version_2),
            other => panic!("no hash function: {other}"),
        };
        Self {
            first_function,
            function,
            state_version: version.parse().unwrap(),
            root: bytes(root),
            key: bytes(key),
            value: bytes(value),
            answer: answer.parse().unwrap(),
            proof: if proof == "-" { vec![] } else { proof.split(',').map(bytes).collect() },
        }
    }

    fn verify(&self, proof: &[u8]) -> Result<u32, HostError> {
        let (mut guest, [root, proof, key, value]) =
            guest_with([&self.root, proof, &self.key, &self.value]);
        (self.function)(&mut guest, root as u32, proof, key, value, self.state_version)
    }
}

#[test]
fn proofs_are_accepted_and_refused_as_by_the_reference() {
    for (index, vector) in ProofVector::all().iter().enumerate() {
        assert_eq!(vector.verify(&vector.proof.encode()), Ok(vector.answer), "line {}", index + 1);
    }
}

#[test]
fn whatever_the_proof_there_is_an_answer() {
    let random = &mut Random::new(1);
    for vector in ProofVector::all() {
        for _ in 0..20 {
            let mut proof = vector.proof.clone();
            for _ in 0..=random.below(3) {
                let node = random.below(proof.len() + 1);
                match proof.get_mut(node) {
                    Some(bytes) if !bytes.is_empty() => {
                        let position = random.below(bytes.len());
                        bytes[position] = random.next() as u8;
                    }
                    _ => proof.push(random.bytes(5)),
                }
            }
            assert!(vector.verify(&proof.encode()).is_ok());
            // The same as a list that need not be one.
            let mut encoded = proof.encode();
            let position = random.below(encoded.len());
            encoded[position] = random.next() as u8;
            let answer = vector.verify(&encoded);
            let undecodable = Err(HostError::Undecodable("list of byte strings"));
            assert!(answer.is_ok() || answer == undecodable, "{answer:?}");
        }
    }
}

#[test]
fn a_proof_made_by_hand_is_good_and_bytes_behind_its_nodes_do_not_matter() {
    let (root, mut proof) = good_proof();
    let verify = |proof: &[Vec<u8>], key: &[u8], value: &[u8]| {
        let (mut guest, [root, proof, key, value]) =
            guest_with([&root, &proof.encode(), key, value]);
        blake2_256_verify_proof_version_2(&mut guest, root as u32, proof, key, value, 0)
    };
    assert_eq!(verify(&proof, b"key", VALUE), Ok(1));
    assert_eq!(verify(&proof, b"key", b"other value"), Ok(0));
    assert_eq!(verify(&proof, b"kez", VALUE), Ok(0));
    assert_eq!(verify(&proof[..1], b"key", VALUE), Ok(0));
    assert_eq!(verify(&[], b"key", VALUE), Ok(0));
    proof[0].push(7);
    proof[1].extend([1, 2, 3]);
    assert_eq!(verify(&proof, b"key", VALUE), Ok(1));
    proof[1].splice(..0, [0]);
    assert_eq!(verify(&proof, b"key", VALUE), Ok(0));
}

#[test]
fn the_first_version_of_a_function_uses_state_version_zero() {
    type First = fn(&mut TestGuest, u64) -> Result<u32, HostError>;
    let check = |input: &[u8], first: First, second: RootFunction| {
        let (mut guest, [input]) = guest_with([input]);
        let first = first(&mut guest, input);
        let [zero, one] = [0, 1].map(|version| second(&mut guest, input, version));
        let [first, zero, one] =
            [first, zero, one].map(|ptr| guest.array::<32>(ptr.unwrap()).unwrap());
        assert_eq!(first, zero);
        assert_ne!(first, one);
    };
    let entries: Entries = vec![(b"key".into(), vec![7; 33]), (b"other".into(), b"1".into())];
    let entries = entries.encode();
    check(&entries, blake2_256_root_version_1, blake2_256_root_version_2);
    check(&entries, keccak_256_root_version_1, keccak_256_root_version_2);
    let list = vec![vec![7u8; 33], vec![8; 40]].encode();
    check(&list, blake2_256_ordered_root_version_1, blake2_256_ordered_root_version_2);
    check(&list, keccak_256_ordered_root_version_1, keccak_256_ordered_root_version_2);

    for vector in ProofVector::all() {
        if vector.state_version == 0 {
            let (mut guest, [root, proof, key, value]) =
                guest_with([&vector.root, &vector.proof.encode(), &vector.key, &vector.value]);
            let answer = (vector.first_function)(&mut guest, root as u32, proof, key, value);
            assert_eq!(answer, Ok(vector.answer));
        }
    }
}

#[test]
fn keys_may_come_in_any_order_and_of_equal_ones_the_last_counts() {
    let root = |entries: &[(&str, &str)]| all_roots(ROOTS, &entries.encode());
    let sorted = root(&[("a", "1"), ("ab", "2"), ("b", "3")]);
    assert_eq!(root(&[("b", "3"), ("a", "1"), ("ab", "2")]), sorted);
    assert_eq!(root(&[("b", "0"), ("ab", "2"), ("b", "3"), ("a", "1")]), sorted);
    assert_ne!(root(&[("b", "3"), ("ab", "2"), ("b", "0"), ("a", "1")]), sorted);
}

#[test]
fn what_follows_a_list_is_ignored_and_a_list_cut_short_is_refused() {
    let entries: Entries = vec![(b"key".into(), vec![1; 70]), (b"k".into(), vec![])];
    let input = entries.encode();
    let root = call_root(keccak_256_root_version_2, &input, 1);
    let mut longer = input.clone();
    longer.extend([9, 9, 9]);
    assert!(root.is_ok());
    assert_eq!(call_root(keccak_256_root_version_2, &longer, 1), root);
    for len in 0..input.len() {
        let cut = call_root(keccak_256_root_version_2, &input[..len], 1);
        assert_eq!(cut, Err(HostError::Undecodable("list of keys and values")));
    }
    let values = vec![vec![1u8; 70], vec![]].encode();
    for len in 0..values.len() {
        let cut = call_root(blake2_256_ordered_root_version_2, &values[..len], 1);
        assert_eq!(cut, Err(HostError::Undecodable("list of byte strings")));
    }
}

#[test]
fn numbers_that_claim_too_much_or_take_more_bytes_than_they_need_are_refused() {
    let refused = Err(HostError::Undecodable("list of byte strings"));
    for input in [
        // Four thousand million of them, and one of that length.
        &[0x03, 0xff, 0xff, 0xff, 0xff][..],
        &[4, 0x03, 0xff, 0xff, 0xff, 0xff, 1, 2, 3],
        // Zero and one in two bytes, in four, in five, in six.
        &[0x01, 0x00],
        &[0x05, 0x00, 0],
        &[0x06, 0x00, 0x00, 0x00, 0],
        &[0x03, 0x01, 0x00, 0x00, 0x00, 0],
        &[0x07, 0x01, 0x00, 0x00, 0x00, 0x00, 0],
        &[4, 0x01, 0x00],
    ] {
        assert_eq!(call_root(blake2_256_ordered_root_version_2, input, 0), refused, "{input:?}");
    }
}

#[test]
fn a_root_is_written_into_memory_allocated_for_it() {
    let (mut guest, [input]) = guest_with([&[0]]);
    let before = guest.memory.clone();
    let first = blake2_256_root_version_1(&mut guest, input).unwrap();
    let second = keccak_256_ordered_root_version_1(&mut guest, input).unwrap();
    assert_ne!(first, second);
    for ptr in [first, second] {
        let range = ptr as usize..ptr as usize + 32;
        assert!(before[range.clone()].iter().all(|byte| *byte == 0));
        assert!(guest.memory[range].iter().any(|byte| *byte != 0));
        guest.deallocate(ptr).unwrap();
    }
    let mut no_heap = TestGuest::new(1, 1);
    let refused = Err(HostError::Memory(MemoryError::NotReady));
    assert_eq!(blake2_256_root_version_1(&mut no_heap, fat(0, 1)), refused);
}

#[test]
fn unknown_state_versions_are_refused() {
    let (root, proof) = good_proof();
    let (mut guest, [root, proof, key, value]) =
        guest_with([&root, &proof.encode(), b"key", VALUE]);
    for verify in [blake2_256_verify_proof_version_2, keccak_256_verify_proof_version_2] {
        let answer = verify(&mut guest, root as u32, proof, key, value, 3);
        assert_eq!(answer, Err(HostError::NotAStateVersion(3)));
    }
    let version_zero = blake2_256_verify_proof_version_2;
    assert_eq!(version_zero(&mut guest, root as u32, proof, key, value, 0x100), Ok(1));
    for (function, _) in ROOTS.into_iter().chain(ORDERED_ROOTS) {
        assert_eq!(call_root(function, &[0], 0x4ff), Err(HostError::NotAStateVersion(0xff)));
    }
}

#[test]
fn arguments_out_of_bounds_are_refused() {
    let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
    let guest = &mut TestGuest::with_heap(1, 1, 1024);
    for (function, version) in ROOTS.into_iter().chain(ORDERED_ROOTS) {
        assert_eq!(function(guest, fat(65_535, 2), version), beyond);
        assert_eq!(function(guest, fat(0, u32::MAX), version), beyond);
    }
    for verify in [blake2_256_verify_proof_version_2, keccak_256_verify_proof_version_2] {
        let (inside, outside) = (fat(0, 1), fat(65_535, 2));
        assert_eq!(verify(guest, 65_504, inside, inside, inside, 0), Ok(0));
        assert_eq!(verify(guest, 65_505, inside, inside, inside, 0), beyond);
        assert_eq!(verify(guest, u32::MAX, inside, inside, inside, 0), beyond);
        assert_eq!(verify(guest, 0, outside, inside, inside, 0), beyond);
        assert_eq!(verify(guest, 0, inside, outside, inside, 0), beyond);
        assert_eq!(verify(guest, 0, inside, inside, outside, 0), beyond);
    }
}
