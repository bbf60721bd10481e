//! Our encodings and hashes against those of Polkadot's own types.
//!
//! The bytes were printed by a program that builds the same values from the types of
//! `polkadot-primitives` 26.0.0, `polkadot-node-primitives` 28.0.0 and
//! `polkadot-parachain-primitives` 24.0.0, and encodes them with `parity-scale-codec` 3.7.5. Of long
//! encodings the length and the BLAKE2b-256 hash are kept.

use super::pattern;
use crate::primitives::{
    BlockData, CodeHash, ExecutorHostFunction, ExecutorParam, ExecutorParams, Hash, HeadData,
    OutboundHrmpMessage, ParaId, PersistedValidationData, PoV, PvfExecKind, PvfPrepKind,
    ValidationCode, ValidationParams, ValidationParamsExtension, ValidationResult, blake2_256, hex,
};
use ExecutorParam::*;
use parity_scale_codec::{Decode, Encode};
use std::fmt::Debug;

const ECC: ExecutorParam = EnabledHostFunction(ExecutorHostFunction::EccRfc163);

/// Asserts that `value` is encoded as `expected`, in hexadecimal, and decoded from it.
fn assert_encoding<T: Encode + Decode + PartialEq + Debug>(value: &T, expected: &str) {
    assert_eq!(hex::encode(value.encode()), format!("0x{expected}"), "{value:?}");
    assert_eq!(T::decode(&mut &hex::decode(expected).unwrap()[..]).as_ref(), Ok(value));
}

/// Asserts the same of a long encoding, by its length and hash.
fn assert_long_encoding<T: Encode + Decode + PartialEq + Debug>(value: &T, len: usize, hash: &str) {
    let encoded = value.encode();
    assert_eq!((encoded.len(), blake2_256(&encoded)), (len, parse(hash)), "{value:?}");
    assert_eq!(T::decode(&mut &encoded[..]).as_ref(), Ok(value));
}

fn parse(hash: &str) -> Hash {
    hash.parse().unwrap()
}

#[test]
fn executor_parameters_are_encoded_as_on_the_relay_chain() {
    for (param, expected) in [
        (MaxMemoryPages(4096), "0100100000"),
        (StackLogicalMax(1024), "0200040000"),
        (StackNativeMax(0x1000_0000), "0300000010"),
        (PrecheckingMaxMemory(0x4000_0000), "040000004000000000"),
        (PvfPrepTimeout(PvfPrepKind::Precheck, 60_000), "050060ea000000000000"),
        (PvfPrepTimeout(PvfPrepKind::Prepare, 360_000), "0501407e050000000000"),
        (PvfExecTimeout(PvfExecKind::Backing, 2_000), "0600d007000000000000"),
        (PvfExecTimeout(PvfExecKind::Approval, 12_000), "0601e02e000000000000"),
        (WasmExtBulkMemory, "07"),
        (ECC, "0801"),
    ] {
        assert_encoding(&param, expected);
    }
}

#[test]
fn executor_parameters_are_hashed_as_on_the_relay_chain() {
    for (params, encoded, hash, prep_hash) in [
        (
            vec![],
            "00",
            "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314",
            "50b16a713c0f8774ba3a0757c722b48c6eb4c1972f6e58c54fd0851f21a08633",
        ),
        (
            vec![WasmExtBulkMemory],
            "0407",
            "798d94504501dc42ece60bed0537e78b151335d66b47cfac2a85c01b0851136e",
            "24ebcd227dd66f12e94581ac7194e00e9d85fe3a254cb5285af30f09f29f16e1",
        ),
        (
            vec![StackLogicalMax(65_535)],
            "0402ffff0000",
            "0af7a6cb196de34ccc273235353ecf972a1ae53899c5fd13f4f1fe56f1690383",
            "8cce496a382681cf02d61d5bf90013cf42be3202be50221531bc6568fca500d8",
        ),
        (
            vec![
                MaxMemoryPages(8192),
                StackLogicalMax(70_000),
                PvfExecTimeout(PvfExecKind::Backing, 2_500),
                PvfExecTimeout(PvfExecKind::Approval, 15_000),
                WasmExtBulkMemory,
                ECC,
            ],
            "18010020000002701101000600c4090000000000000601983a000000000000070801",
            "ba76e5c07a6cc96413ee77b7427eddcc8dbf06d284ec8711bb357059359d430f",
            "eaae711c305f2b76683ab00b1d0db5f733c54bab2fe9796e12a2830c7c7be91e",
        ),
        // The order counts, and so does each of two entries that say the same.
        (
            vec![WasmExtBulkMemory, StackLogicalMax(70_000)],
            "08070270110100",
            "4631ab6eb3b5d655d3bbcb663b3c47757d619870fc05ed80f353ad9fb293d0db",
            "1979c357246db638700a83da9d2194342cc61235d2dff0b7bb37ea547a79c2e1",
        ),
        (
            vec![StackLogicalMax(70_000), StackLogicalMax(70_000)],
            "0802701101000270110100",
            "a1910770df85209a2f95cc52d68e1408048366f0eb22197f2d2ef0761ed674ec",
            "8f8b0e478c608d762b596aead368c8076c84f020e84136c67a8bdc95e0ef9374",
        ),
    ] {
        let params = ExecutorParams::new(params);
        assert_encoding(&params, encoded);
        assert_eq!(Hash::from(params.hash()), parse(hash), "{params:?}");
        assert_eq!(Hash::from(params.prep_hash()), parse(prep_hash), "{params:?}");
    }
}

fn params(head: Vec<u8>, block: Vec<u8>) -> ValidationParams {
    ValidationParams {
        parent_head: HeadData(head),
        block_data: BlockData(block),
        relay_parent_number: 0x0102_0304,
        relay_parent_storage_root: Hash([0x77; 32]),
        extension: None,
    }
}

fn extended(params: ValidationParams) -> ValidationParams {
    let extension = ValidationParamsExtension::V3 {
        relay_parent: Hash([0x11; 32]),
        scheduling_parent: Hash([0x22; 32]),
    };
    ValidationParams { extension: Some(extension), ..params }
}

#[test]
fn validation_parameters_are_encoded_as_guests_know_them() {
    let root = "77".repeat(32);
    let extension = ["03", &"11".repeat(32), &"22".repeat(32)].concat();

    let small = params(vec![1, 2, 3], vec![4, 5, 6, 7]);
    let encoded = ["0c010203100405060704030201", &root].concat();
    assert_encoding(&small, &encoded);
    assert_encoding(&extended(small), &(encoded + &extension));

    let empty = params(vec![], vec![]);
    let encoded = ["000004030201", &root].concat();
    assert_encoding(&empty, &encoded);
    assert_encoding(&extended(empty), &(encoded + &extension));
}

#[test]
fn long_validation_parameters_are_encoded_as_guests_know_them() {
    let medium = params(pattern(64), pattern(16_384));
    let hash = "c15fea4296cfc635b7e0e5bf2f8d48c90391a440b14de06c2b75e3f34867a766";
    assert_long_encoding(&medium, 16_490, hash);
    let hash = "0a0b5b66b9e6fcf82dc13ae78eaf2d2b72952a890737303475ada7899bb0c888";
    assert_long_encoding(&extended(medium), 16_555, hash);

    let large = params(pattern(16_384), pattern(1 << 20));
    let hash = "ff0e10afb96e384c90e28505a180356b50968d3ae9087a51f7fe5e17a56ee1a9";
    assert_long_encoding(&large, 1_065_004, hash);
    let hash = "8dba6147d8ec221793050a17c8ad4b6e9cf5e9fe3b244b0ac4563ff1c7bbb2fe";
    assert_long_encoding(&extended(large), 1_065_069, hash);
}

fn full_result(code_len: usize) -> ValidationResult {
    ValidationResult {
        head_data: HeadData(vec![9; 5]),
        new_validation_code: Some(ValidationCode(pattern(code_len))),
        upward_messages: vec![vec![], vec![0xaa, 0xbb]].try_into().unwrap(),
        horizontal_messages: vec![
            OutboundHrmpMessage { recipient: ParaId(2000), data: pattern(70) },
            OutboundHrmpMessage { recipient: ParaId(u32::MAX), data: vec![] },
        ]
        .try_into()
        .unwrap(),
        processed_downward_messages: 3,
        hrmp_watermark: 0xdead_beef,
    }
}

#[test]
fn validation_results_are_encoded_as_guests_write_them() {
    assert_encoding(&ValidationResult::default(), "000000000000000000000000");
    assert_encoding(
        &full_result(100),
        concat!(
            "140909090909",
            "01",
            "9101000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627",
            "28292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f5051",
            "52535455565758595a5b5c5d5e5f60616263",
            "080008aabb",
            "08",
            "d0070000",
            "1901000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627",
            "28292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445",
            "ffffffff",
            "00",
            "03000000",
            "efbeadde",
        ),
    );
    let hash = "fe55d2f286ee2dee3234121865505c6d822c8db99a5977c0a7401b045ad39058";
    assert_long_encoding(&full_result(20_000), 20_106, hash);
}

#[test]
fn a_result_with_as_many_messages_as_allowed_is_encoded_as_guests_write_it() {
    let message = OutboundHrmpMessage { recipient: ParaId(1), data: vec![] };
    let result = ValidationResult {
        upward_messages: vec![vec![]; 16_384].try_into().unwrap(),
        horizontal_messages: vec![message; 16_384].try_into().unwrap(),
        ..Default::default()
    };
    let hash = "a4996811c96be2fa0c18400424de1740828734cb1b5d48c097ef3733e6296297";
    assert_long_encoding(&result, 98_322, hash);
}

#[test]
fn what_travels_between_nodes_is_encoded_as_they_expect() {
    assert_encoding(&PoV { block_data: BlockData(vec![1, 2, 3, 4]) }, "1001020304");
    let hash = "83b42f69a63ef521d35e3d684f98fd3f41c7ece34477ad4231b8681fd900d3fb";
    assert_long_encoding(&PoV { block_data: BlockData(pattern(16_384)) }, 16_388, hash);

    let data = PersistedValidationData {
        parent_head: HeadData(vec![7, 8, 9]),
        relay_parent_number: 0x0a0b_0c0d,
        relay_parent_storage_root: Hash([0x77; 32]),
        max_pov_size: 5 << 20,
    };
    assert_encoding(&data, &["0c0708090d0c0b0a", &"77".repeat(32), "00005000"].concat());
}

#[test]
fn code_is_hashed_as_on_the_relay_chain() {
    for (code, hash) in [
        (vec![], "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
        (
            b"\0asm\x01\0\0\0".to_vec(),
            "f6a5dbf080e9c9d7834145653bce4c8cded62e664d7ddcdb5c526f5877006d74",
        ),
        (pattern(20_000), "4ad2f9e0c6f6b1faab089399037fdc8c987808b69518049cf225f56a2eb7cdfd"),
    ] {
        assert_eq!(ValidationCode(code).hash(), CodeHash::from(parse(hash)));
    }
}
