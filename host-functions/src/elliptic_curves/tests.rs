use super::*;
use crate::{
    Availability, GuestMemory, HOST_FUNCTIONS, HostFunction, MemoryError, ValueType,
    testing::TestGuest,
};
use ark_ec::{short_weierstrass::SWCurveConfig, twisted_edwards::TECurveConfig};
use ark_ed_on_bls12_381_bandersnatch::EdwardsConfig;
use ark_ff::PrimeField;
use pvf_host_core::primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams};

/// Each line has a function, its two inputs, the size of the buffer, the code that is returned or
/// `trap`, and the buffer without the zeroes at its end. See the note beside the file.
const ANSWERS: &str = include_str!("../../vectors/elliptic_curves/answers.txt");

/// What is in memory where nothing was written.
const UNTOUCHED: u8 = 0xaa;

fn fat(ptr: u32, len: u32) -> u64 {
    FatPointer { ptr, len }.into()
}

/// Calls a function by the middle of its name. One that works in place takes `ranges[2]`.
fn call(guest: &mut TestGuest, function: &str, ranges: [u64; 3]) -> Result<u32, HostError> {
    let [a, b, out] = ranges;
    match function {
        "bls12_381_final_exponentiation" => bls12_381::final_exponentiation_version_1(guest, out),
        "bls12_381_msm_g1" => bls12_381::msm_g1_version_1(guest, a, b, out),
        "bls12_381_msm_g2" => bls12_381::msm_g2_version_1(guest, a, b, out),
        "bls12_381_mul_g1" => bls12_381::mul_g1_version_1(guest, a, b, out),
        "bls12_381_mul_g2" => bls12_381::mul_g2_version_1(guest, a, b, out),
        "bls12_381_multi_miller_loop" => bls12_381::multi_miller_loop_version_1(guest, a, b, out),
        "ed_on_bls12_381_bandersnatch_msm" => bandersnatch::msm_version_1(guest, a, b, out),
        "ed_on_bls12_381_bandersnatch_mul" => bandersnatch::mul_version_1(guest, a, b, out),
        "pallas_msm" => pallas::msm_version_1(guest, a, b, out),
        "pallas_mul" => pallas::mul_version_1(guest, a, b, out),
        "vesta_msm" => vesta::msm_version_1(guest, a, b, out),
        "vesta_mul" => vesta::mul_version_1(guest, a, b, out),
        _ => panic!("there is no function {function}"),
    }
}

/// Calls a function with inputs that lie one after another, and a buffer of `len` bytes after them
/// that nobody has cleared.
fn run(function: &str, a: &[u8], b: &[u8], len: usize) -> (Result<u32, HostError>, Vec<u8>) {
    let mut guest = TestGuest::new(1, 1);
    guest.memory.fill(UNTOUCHED);
    let mut end = 0;
    let mut place = |bytes: &[u8]| {
        let ptr = end;
        end += bytes.len();
        (ptr, fat(ptr as u32, bytes.len() as u32))
    };
    let in_place = function.ends_with("final_exponentiation");
    let (a_at, a_range) = place(a);
    let (b_at, b_range) = place(b);
    let (at, out) = if in_place { (a_at, a_range) } else { place(&vec![0; len]) };
    guest.memory[a_at..][..a.len()].copy_from_slice(a);
    guest.memory[b_at..][..b.len()].copy_from_slice(b);
    let before = guest.memory.clone();

    let code = call(&mut guest, function, [a_range, b_range, out]);
    let written = guest.memory[at..at + len].to_vec();
    guest.memory[at..at + len].copy_from_slice(&before[at..at + len]);
    assert!(guest.memory == before, "{function} wrote outside of its buffer");
    (code, written)
}

/// What a function answers into a buffer of the right size.
fn answer(function: &str, a: &[u8], b: &[u8], len: usize) -> Vec<u8> {
    let (code, out) = run(function, a, b, len);
    assert_eq!(code, Ok(0), "{function}");
    out
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.trim_start_matches('-');
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// A list of points or numbers, each of them encoded.
fn list(items: &[&[u8]]) -> Vec<u8> {
    [&(items.len() as u64).to_le_bytes(), items.concat().as_slice()].concat()
}

/// A scalar as multiplications take it.
fn limbs(limbs: &[u64]) -> Vec<u8> {
    let count = limbs.len() as u64;
    std::iter::once(&count).chain(limbs).flat_map(|limb| limb.to_le_bytes()).collect()
}

/// A scalar as sums take it.
fn scalar(value: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// A curve's functions, its generator, and the order of the group, least limb first.
struct Curve {
    mul: &'static str,
    msm: &'static str,
    generator: Vec<u8>,
    order: [u64; 4],
    /// How the neutral element is encoded.
    neutral: Vec<u8>,
}

fn curves() -> [Curve; 5] {
    fn generator<T: SWCurveConfig>() -> Vec<u8> {
        encoding::encode(&T::GENERATOR).unwrap()
    }
    let flagged = |len: usize, at: usize| {
        let mut bytes = vec![0; len];
        bytes[at] = 1 << 6;
        bytes
    };
    [
        Curve {
            mul: "bls12_381_mul_g1",
            msm: "bls12_381_msm_g1",
            generator: generator::<ark_bls12_381::g1::Config>(),
            order: ark_bls12_381::Fr::MODULUS.0,
            neutral: flagged(96, 0),
        },
        Curve {
            mul: "bls12_381_mul_g2",
            msm: "bls12_381_msm_g2",
            generator: generator::<ark_bls12_381::g2::Config>(),
            order: ark_bls12_381::Fr::MODULUS.0,
            neutral: flagged(192, 0),
        },
        Curve {
            mul: "ed_on_bls12_381_bandersnatch_mul",
            msm: "ed_on_bls12_381_bandersnatch_msm",
            generator: encoding::encode(&<EdwardsConfig as TECurveConfig>::GENERATOR).unwrap(),
            order: ark_ed_on_bls12_381_bandersnatch::Fr::MODULUS.0,
            neutral: [scalar(0), scalar(1)].concat(),
        },
        Curve {
            mul: "pallas_mul",
            msm: "pallas_msm",
            generator: generator::<ark_pallas::PallasConfig>(),
            order: ark_pallas::Fr::MODULUS.0,
            neutral: flagged(65, 64),
        },
        Curve {
            mul: "vesta_mul",
            msm: "vesta_msm",
            generator: generator::<ark_vesta::VestaConfig>(),
            order: ark_vesta::Fr::MODULUS.0,
            neutral: flagged(65, 64),
        },
    ]
}

impl Curve {
    /// The generator times a scalar.
    fn times(&self, factor: &[u64]) -> Vec<u8> {
        answer(self.mul, &self.generator, &limbs(factor), self.generator.len())
    }
}

/// The pairing of two lists of points.
fn pairing(g1: &[&[u8]], g2: &[&[u8]]) -> Vec<u8> {
    let target = answer("bls12_381_multi_miller_loop", &list(g1), &list(g2), 576);
    answer("bls12_381_final_exponentiation", &target, &[], 576)
}

#[test]
fn every_answer_is_that_of_the_reference() {
    let mut count = 0;
    for line in ANSWERS.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [function, a, b, len, code, out] = words[..] else { panic!("{line}") };
        let len = len.parse().unwrap();
        let (got, written) = run(function, &bytes(a), &bytes(b), len);
        count += 1;
        let Ok(code) = code.parse() else {
            assert_eq!(got, Err(HostError::UnpairedPoints), "{line}");
            continue;
        };
        assert_eq!(got, Ok(code), "{line}");
        let mut expected = bytes(out);
        expected.resize(len, 0);
        assert_eq!(written, expected, "{line}");
    }
    assert_eq!(count, 344);
}

#[test]
fn twice_the_generator_of_g1_is_as_published() {
    let [g1, ..] = curves();
    let published = "0572cbea904d67468808c8eb50a9450c9721db309128012543902d0ac358a62a\
                     e28f75bb8f1c7c42c39a8c5529bf0f4e166a9d8cabc673a322fda673779d8e38\
                     22ba3ecb8670e461f73bb9021d5fd76a4c56d9d4cd16bd1bba86881979749d28";
    assert_eq!(g1.times(&[2]), bytes(published));
}

#[test]
fn a_generator_times_the_order_of_its_group_is_the_neutral_element() {
    for curve in curves() {
        assert_eq!(curve.times(&curve.order), curve.neutral, "{}", curve.mul);
        assert_eq!(curve.times(&[]), curve.neutral);
        assert_eq!(curve.times(&[0; 9]), curve.neutral);
        assert_eq!(curve.times(&[1]), curve.generator);
        let [a, b, c, d] = curve.order;
        assert_eq!(curve.times(&[a + 1, b, c, d, 0]), curve.generator);
        let shifted = curve.times(&[0, 0, 0, 1]);
        let twice = answer(curve.mul, &shifted, &limbs(&[0, 0, 0, 1]), shifted.len());
        assert_eq!(twice, curve.times(&[0, 0, 0, 0, 0, 0, 1]), "{}", curve.mul);
    }
}

#[test]
fn a_sum_is_that_of_its_products() {
    for curve in curves() {
        let points = [curve.times(&[3]), curve.times(&[70_000]), curve.neutral.clone()];
        let points = list(&points.each_ref().map(Vec::as_slice));
        let scalars = list(&[&scalar(5), &scalar(u64::MAX), &scalar(9)]);
        let len = curve.generator.len();
        let product = u128::from(u64::MAX) * 70_000 + 15;
        assert_eq!(
            answer(curve.msm, &points, &scalars, len),
            curve.times(&[product as u64, (product >> 64) as u64]),
            "{}",
            curve.msm
        );
        assert_eq!(answer(curve.msm, &list(&[]), &list(&[]), len), curve.neutral);
    }
}

#[test]
fn the_pairing_is_bilinear() {
    let [g1, g2, ..] = curves();
    let mut one = vec![0; 576];
    one[0] = 1;
    let (p3, q5) = (g1.times(&[3]), g2.times(&[5]));
    let expected = pairing(&[&g1.times(&[15])], &[&g2.generator]);
    assert_eq!(pairing(&[&p3], &[&q5]), expected);
    assert_ne!(expected, one);

    let [a, b, c, d] = g1.order;
    let minus_p3 = g1.times(&[a - 3, b, c, d]);
    assert_eq!(pairing(&[&p3, &minus_p3], &[&q5, &q5]), one);
    assert_eq!(pairing(&[], &[]), one);
    assert_eq!(pairing(&[&g1.neutral, &p3], &[&q5, &g2.neutral]), one);
}

#[test]
fn lists_of_different_lengths_are_reported_by_a_sum_and_trap_in_a_pairing() {
    for curve in curves() {
        let points = list(&[&curve.generator]);
        let (code, out) = run(curve.msm, &points, &list(&[]), 200);
        assert_eq!(code, Ok(Error::LengthMismatch as u32));
        assert_eq!(out, [0; 200]);
    }
    let [g1, ..] = curves();
    let (code, out) = run("bls12_381_multi_miller_loop", &list(&[&g1.generator]), &list(&[]), 576);
    assert_eq!(code, Err(HostError::UnpairedPoints));
    assert_eq!(out, [UNTOUCHED; 576]);
}

#[test]
fn the_buffer_is_cleared_as_a_whole_around_the_answer_and_on_an_error() {
    for curve in curves() {
        let len = curve.generator.len();
        for (size, code) in [(0, 1), (len - 1, 1), (len, 0), (len + 1, 0), (len + 9_000, 0)] {
            let (got, out) = run(curve.mul, &curve.generator, &limbs(&[1]), size);
            assert_eq!(got, Ok(code));
            let mut expected = if code == 0 { curve.generator.clone() } else { Vec::new() };
            expected.resize(size, 0);
            assert_eq!(out, expected);
        }
        let (got, out) = run(curve.mul, &curve.generator[1..], &limbs(&[1]), 5_000);
        assert_eq!((got, out), (Ok(Error::Decode as u32), vec![0; 5_000]));
    }
}

#[test]
fn what_is_not_replaced_in_place_stays() {
    let function = "bls12_381_final_exponentiation";
    let [g1, g2, ..] = curves();
    let pair = (list(&[&g1.generator]), list(&[&g2.generator]));
    let target = answer("bls12_381_multi_miller_loop", &pair.0, &pair.1, 576);
    let longer = [target.as_slice(), b"tail"].concat();
    let out = answer(function, &longer, &[], 580);
    assert_eq!(out[..576], answer(function, &target, &[], 576));
    assert_eq!(&out[576..], b"tail");

    let shorter = &target[..575];
    assert_eq!(run(function, shorter, &[], 575), (Ok(Error::Decode as u32), shorter.to_vec()));
    let zero = vec![0; 580];
    assert_eq!(run(function, &zero, &[], 580), (Ok(Error::Unknown as u32), zero));
}

#[test]
fn a_buffer_may_overlap_the_inputs() {
    let curve = &curves()[0];
    let mut guest = TestGuest::new(1, 1);
    guest.memory[..96].copy_from_slice(&curve.generator);
    guest.memory[96..112].copy_from_slice(&limbs(&[7]));
    let ranges = [fat(0, 96), fat(96, 16), fat(10, 100)];
    assert_eq!(call(&mut guest, curve.mul, ranges), Ok(0));
    assert_eq!(guest.memory[10..106], curve.times(&[7]));
    assert_eq!(guest.memory[106..110], [0; 4]);
    assert_eq!(guest.memory[110..112], [0; 2]);
}

#[test]
fn a_range_out_of_bounds_traps_whatever_is_in_the_others() {
    let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
    let good = fat(0, 8);
    let bad = [fat(65_536, 1), fat(1, 65_536), fat(0, u32::MAX), fat(u32::MAX, u32::MAX)];
    for function in HOST_FUNCTIONS.iter().filter_map(|function| middle(function)) {
        let mut guest = TestGuest::new(1, 1);
        for bad in [bad.as_slice(), &[fat(65_537, 0)]].concat() {
            assert_eq!(call(&mut guest, function, [good, good, bad]), beyond, "{function}");
            if !function.ends_with("final_exponentiation") {
                assert_eq!(call(&mut guest, function, [bad, good, good]), beyond);
                assert_eq!(call(&mut guest, function, [good, bad, good]), beyond);
            }
        }
        let end = fat(65_536, 0);
        assert_eq!(call(&mut guest, function, [end; 3]), Ok(Error::Decode as u32));
        assert_eq!(guest.size(), 65_536);
    }
}

#[test]
fn a_list_that_claims_to_be_long_is_refused_without_reserving_memory_for_it() {
    for curve in curves() {
        for claimed in [1, 2, 1 << 32, 1 << 58, u64::MAX] {
            let claim = claimed.to_le_bytes();
            let (code, _) = run(curve.msm, &claim, &list(&[]), 200);
            assert_eq!(code, Ok(Error::Decode as u32));
            let (code, _) = run(curve.mul, &curve.generator, &claim, 200);
            assert_eq!(code, Ok(Error::Decode as u32));
        }
    }
}

#[test]
fn a_panic_in_the_arithmetic_traps() {
    assert_eq!(attempt(|| panic!("on purpose"), 0), Err(HostError::CurveArithmetic));
}

/// The name of a function of this family, without what they have in common.
fn middle(function: &HostFunction) -> Option<&'static str> {
    function.name.strip_prefix("ext_host_calls_")?.strip_suffix("_version_1")
}

#[test]
fn there_are_twelve_functions_and_only_the_parameter_offers_them() {
    let ecc = ExecutorHostFunction::EccRfc163;
    let enabled = ExecutorParams::new(vec![ExecutorParam::EnabledHostFunction(ecc)]);
    let functions: Vec<_> =
        HOST_FUNCTIONS.iter().filter(|function| middle(function).is_some()).collect();
    assert_eq!(functions.len(), 12);
    for function in functions {
        assert_eq!(function.availability, Availability::Enabled(ecc));
        for matching in [false, true] {
            assert!(!function.is_offered(&ExecutorParams::default(), matching));
            assert!(function.is_offered(&enabled, matching));
        }
        let arguments = if function.name.contains("final_exponentiation") { 1 } else { 3 };
        assert_eq!(function.params, &[ValueType::I64; 3][..arguments]);
        assert_eq!(function.result, Some(ValueType::I32));
    }
}
