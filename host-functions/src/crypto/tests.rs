use super::*;
use crate::{CallState, GuestContext, GuestMemory, HostError, MemoryError, testing::TestGuest};
use secp256k1::constants::CURVE_ORDER;

const SIGNATURE: u32 = 0;
const PUBLIC_KEY: u32 = 128;
const MESSAGE: u32 = 256;
const HEAP_BASE: u32 = 65_536;
const END: u32 = 2 * 65_536;

type Verify = fn(&mut TestGuest, u32, u64, u32) -> Result<u32, HostError>;
type Recover = fn(&mut TestGuest, u32, u32) -> Result<u64, HostError>;

fn guest(signature: &[u8], public_key: &[u8], message: &[u8]) -> TestGuest {
    let mut guest = TestGuest::with_heap(2, 2, HEAP_BASE);
    guest.write(SIGNATURE, signature).unwrap();
    guest.write(PUBLIC_KEY, public_key).unwrap();
    guest.write(MESSAGE, message).unwrap();
    guest
}

fn fat(ptr: u32, len: usize) -> u64 {
    (len as u64) << 32 | u64::from(ptr)
}

fn verified(verify: Verify, signature: &[u8], public_key: &[u8], message: &[u8]) -> u32 {
    let mut guest = guest(signature, public_key, message);
    verify(&mut guest, SIGNATURE, fat(MESSAGE, message.len()), PUBLIC_KEY).unwrap()
}

fn verified_prehashed(signature: &[u8], public_key: &[u8], digest: &[u8]) -> u32 {
    let mut guest = guest(signature, public_key, digest);
    ecdsa_verify_prehashed_version_1(&mut guest, SIGNATURE, MESSAGE, PUBLIC_KEY).unwrap()
}

fn recovered(recover: Recover, signature: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut guest = guest(signature, &[], digest);
    let result = recover(&mut guest, SIGNATURE, MESSAGE).unwrap();
    guest.range(result).unwrap().into_owned()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

/// The words of each line of a file of vectors.
fn cases<const N: usize>(file: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    file.lines().map(|line| {
        let mut words = line.split(' ');
        std::array::from_fn(|_| words.next().unwrap_or_default())
    })
}

/// The sum of two numbers, big endian, if it has no more than 256 bits.
fn sum(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let mut sum = a.to_vec();
    let mut carry = false;
    for (digit, other) in sum.iter_mut().zip(b).rev() {
        (*digit, carry) = digit.carrying_add(*other, carry);
    }
    (!carry).then_some(sum)
}

/// The difference of two numbers, big endian.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut difference = a.to_vec();
    let mut borrow = false;
    for (digit, other) in difference.iter_mut().zip(b).rev() {
        (*digit, borrow) = digit.borrowing_sub(*other, borrow);
    }
    difference
}

#[test]
fn ed25519_accepts_the_signatures_of_rfc_8032() {
    let mut count = 0;
    for [public_key, signature, message] in
        cases(include_str!("../../vectors/crypto/rfc8032_ed25519.txt"))
    {
        let (public_key, mut signature) = (bytes(public_key), bytes(signature));
        let message = bytes(message);
        assert_eq!(verified(ed25519_verify_version_1, &signature, &public_key, &message), 1);
        signature[5] ^= 1;
        assert_eq!(verified(ed25519_verify_version_1, &signature, &public_key, &message), 0);
        count += 1;
    }
    assert_eq!(count, 5);
}

/// Wycheproof goes by RFC 8032, which refuses one encoding of a point that ZIP-215 accepts.
#[test]
fn ed25519_agrees_with_wycheproof_but_for_an_encoding_of_zip_215() {
    let mut count = 0;
    for [number, verdict, public_key, signature, message] in
        cases(include_str!("../../vectors/crypto/wycheproof_ed25519.txt"))
    {
        let good = verified(
            ed25519_verify_version_1,
            &bytes(signature),
            &bytes(public_key),
            &bytes(message),
        );
        // Its R is the ninth of `SMALL_ORDER`.
        assert_eq!(good == 1, verdict == "valid" || number == "151", "case {number}");
        count += 1;
    }
    assert_eq!(count, 139);
}

/// The encodings of the eight points of small order: the canonical ones, then those that ZIP-215
/// accepts besides.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn ed25519_accepts_every_pair_of_points_of_small_order_as_zip_215_wants() {
    for public_key in SMALL_ORDER {
        for point in SMALL_ORDER {
            let signature = [bytes(point), vec![0; 32]].concat();
            let public_key = bytes(public_key);
            assert_eq!(verified(ed25519_verify_version_1, &signature, &public_key, b"Zcash"), 1);
            assert_eq!(verified(ed25519_verify_version_1, &signature, &public_key, b""), 1);
        }
    }
}

#[test]
fn ed25519_wants_scalars_below_the_order_and_points_on_the_curve() {
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let point = bytes(SMALL_ORDER[0]);
    let off_curve = [&[2], &[0; 31][..]].concat();
    let verdict = |point: &[u8], scalar: &[u8], public_key: &[u8]| {
        verified(ed25519_verify_version_1, &[point, scalar].concat(), public_key, b"")
    };
    assert_eq!(verdict(&point, &[0; 32], &point), 1);
    assert_eq!(verdict(&point, &order, &point), 0);
    assert_eq!(verdict(&off_curve, &[0; 32], &point), 0);
    assert_eq!(verdict(&point, &[0; 32], &off_curve), 0);
}

#[test]
fn only_version_1_of_sr25519_accepts_signatures_of_schnorrkel_0_1_1() {
    let published = [
        (
            "def12e42f3e487e9b14095aa8d5cc16a33491f1b50dadcf8811d1480f3fa8627",
            "28a854d54903e056f89581c691c1f7d2ff39f8f896c9e9c22475e60902cc2b3547199e0e91fa32902028f2ca2355e8cdd16cfe19ba5e8b658c94aa80f3b81a00",
            &b"SUBSTRATE"[..],
        ),
        (
            "b4bfa1f7a5166695eb75299fd1c4c03ea212871c342f2c5dfea0902b2c246918",
            "5a9755f069939f45d96aaf125cf5ce7ba1db998686f87f2fb3cbdea922078741a73891ba265f70c31436e18a9acd14d189d73c12317ab6c313285cd938453202",
            b"Verifying that I am the owner of 5G9hQLdsKQswNPgB499DeA5PkFBbgkLPJWkkS6FAM6xGQ8xD. Hash: 221455a3\n",
        ),
    ];
    for (public_key, signature, message) in published {
        let (public_key, signature) = (bytes(public_key), bytes(signature));
        assert_eq!(verified(sr25519_verify_version_1, &signature, &public_key, message), 1);
        assert_eq!(verified(sr25519_verify_version_2, &signature, &public_key, message), 0);
        assert_eq!(verified(sr25519_verify_version_1, &signature, &public_key, b"other"), 0);
    }
}

#[test]
fn signatures_over_curve25519_are_judged_as_by_polkadots_own_host() {
    let mut seen = [0; 4];
    for [signature, public_key, message, answers] in
        cases(include_str!("../../vectors/crypto/curve25519.txt"))
    {
        let (signature, public_key) = (bytes(signature), bytes(public_key));
        let message = bytes(message);
        let verdict = |verify| verified(verify, &signature, &public_key, &message);
        let ed25519 = verdict(ed25519_verify_version_1);
        let [first, second] = [sr25519_verify_version_1, sr25519_verify_version_2]
            .map(|verify: Verify| verdict(verify));
        assert_eq!(format!("{ed25519}{first}{second}"), answers, "{signature:02x?}");
        assert_eq!(verdict(sr25519_batch_verify_version_1), second);
        seen[usize::from(ed25519 == 1)] += 1;
        seen[2 + usize::from(first == second)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

#[test]
fn ecdsa_is_judged_as_by_polkadots_own_host() {
    let mut differing = 0;
    for [signature, digest, public_key, answers, first, second] in
        cases(include_str!("../../vectors/crypto/ecdsa.txt"))
    {
        let (signature, public_key) = (bytes(signature), bytes(public_key));
        let digest = bytes(digest);
        let verdict = |verify| verified(verify, &signature, &public_key, &digest);
        let [one, two] =
            [ecdsa_verify_version_1, ecdsa_verify_version_2].map(|verify: Verify| verdict(verify));
        let prehashed = verified_prehashed(&signature, &public_key, &digest);
        assert_eq!(format!("{one}{two}{prehashed}"), answers, "{signature:02x?}");
        assert_eq!(verdict(ecdsa_batch_verify_version_1), two);

        differing += usize::from(second != "=");
        let second = if second == "=" { first } else { second };
        let versions: [(&str, Recover, Recover); 2] = [
            (
                first,
                secp256k1_ecdsa_recover_version_1,
                secp256k1_ecdsa_recover_compressed_version_1,
            ),
            (
                second,
                secp256k1_ecdsa_recover_version_2,
                secp256k1_ecdsa_recover_compressed_version_2,
            ),
        ];
        for (expected, recover, recover_compressed) in versions {
            let expected = bytes(expected);
            assert_eq!(recovered(recover, &signature, &digest), expected, "{signature:02x?}");
            let compressed = match &expected[..] {
                [0, key @ ..] => [&[0, 2 + (key[63] & 1)], &key[..32]].concat(),
                error => error.to_vec(),
            };
            assert_eq!(recovered(recover_compressed, &signature, &digest), compressed);
        }
    }
    assert!(differing > 50, "{differing}");
}

/// Wycheproof's signatures are r and s alone, so one is good if it recovers to the key with some
/// identifier. Here, as on Polkadot's own host, low and high s are equal: for each good signature
/// the one with the negated s is good as well, with the other parity in the identifier.
#[test]
fn ecdsa_agrees_with_wycheproof_up_to_the_sign_of_s() {
    let mut count = 0;
    for [number, verdict, public_key, digest, signature] in
        cases(include_str!("../../vectors/crypto/wycheproof_ecdsa_secp256k1.txt"))
    {
        let (public_key, digest, signature) = (bytes(public_key), bytes(digest), bytes(signature));
        let good: Vec<u8> = (0..4)
            .filter(|id| {
                verified_prehashed(&[&signature, &[*id][..]].concat(), &public_key, &digest) == 1
            })
            .collect();
        assert_eq!(good.len() == 1, verdict == "valid", "case {number}: {good:?}");
        for id in good {
            let (r, s) = signature.split_at(32);
            let negated = [r, &difference(&CURVE_ORDER, s), &[id ^ 1]].concat();
            assert_eq!(verified_prehashed(&negated, &public_key, &digest), 1, "case {number}");
        }
        count += 1;
    }
    assert_eq!(count, 234);
}

#[test]
fn only_version_1_of_recovery_takes_r_and_s_modulo_the_order() {
    // With r = 1 the point at x = 1 is meant, which is on the curve.
    let mut small = [0; 65];
    small[31] = 1;
    small[63] = 1;
    let digest = [7; 32];
    let key = recovered(secp256k1_ecdsa_recover_version_2, &small, &digest);
    assert_eq!(key[0], 0);
    for half in [0..32, 32..64] {
        let mut signature = small;
        let overflowing = sum(&signature[half.clone()], &CURVE_ORDER).unwrap();
        signature[half].copy_from_slice(&overflowing);
        assert_eq!(recovered(secp256k1_ecdsa_recover_version_1, &signature, &digest), key);
        assert_eq!(recovered(secp256k1_ecdsa_recover_version_2, &signature, &digest), [1, 0]);
    }
}

#[test]
fn recovery_says_what_is_wrong() {
    let versions: [Recover; 4] = [
        secp256k1_ecdsa_recover_version_1,
        secp256k1_ecdsa_recover_version_2,
        secp256k1_ecdsa_recover_compressed_version_1,
        secp256k1_ecdsa_recover_compressed_version_2,
    ];
    for recover in versions {
        for id in [4, 5, 26, 31, 32, 255] {
            let mut signature = [0xff; 65];
            signature[64] = id;
            assert_eq!(recovered(recover, &signature, &[0; 32]), [1, 1], "{id}");
        }
        for id in [0, 3, 27, 30] {
            let mut signature = [0; 65];
            signature[64] = id;
            assert_eq!(recovered(recover, &signature, &[0; 32]), [1, 2], "{id}");
        }
    }
    // Of the numbers alone, only version 2 can find fault.
    let overflowing = [&[0xff; 64][..], &[0]].concat();
    assert_eq!(recovered(versions[0], &overflowing, &[0; 32]), [1, 2]);
    assert_eq!(recovered(versions[1], &overflowing, &[0; 32]), [1, 0]);
}

#[test]
fn identifiers_are_counted_from_27_in_recovery_but_not_in_verification() {
    let [signature, digest, public_key, ..] =
        cases::<4>(include_str!("../../vectors/crypto/ecdsa.txt"))
            .find(|[.., answers]| *answers == "001")
            .unwrap();
    let (mut signature, digest, public_key) = (bytes(signature), bytes(digest), bytes(public_key));
    let key = recovered(secp256k1_ecdsa_recover_compressed_version_2, &signature, &digest);
    assert_eq!(key[1..], public_key);
    signature[64] += 27;
    assert_eq!(recovered(secp256k1_ecdsa_recover_compressed_version_1, &signature, &digest), key);
    assert_eq!(recovered(secp256k1_ecdsa_recover_compressed_version_2, &signature, &digest), key);
    assert_eq!(verified_prehashed(&signature, &public_key, &digest), 0);
}

#[test]
fn what_is_out_of_bounds_traps_and_what_ends_at_the_end_does_not() {
    let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
    let verifiers: [(Verify, u32, u32); 7] = [
        (ed25519_verify_version_1, 64, 32),
        (sr25519_verify_version_1, 64, 32),
        (sr25519_verify_version_2, 64, 32),
        (sr25519_batch_verify_version_1, 64, 32),
        (ecdsa_verify_version_1, 65, 33),
        (ecdsa_verify_version_2, 65, 33),
        (ecdsa_batch_verify_version_1, 65, 33),
    ];
    for (verify, signature, public_key) in verifiers {
        // The signature is bad, which must not keep the rest from being looked at.
        let guest = &mut guest(&[0xff; 65], &[0xff; 33], &[]);
        guest.write(END - 65, &[0xff; 65]).unwrap();
        let nothing = fat(END, 0);
        assert_eq!(verify(guest, END - signature, nothing, END - public_key), Ok(0));
        assert_eq!(verify(guest, END - signature + 1, nothing, PUBLIC_KEY), beyond);
        assert_eq!(verify(guest, u32::MAX, nothing, PUBLIC_KEY), beyond);
        assert_eq!(verify(guest, SIGNATURE, nothing, END - public_key + 1), beyond);
        assert_eq!(verify(guest, SIGNATURE, nothing, u32::MAX), beyond);
        assert_eq!(verify(guest, SIGNATURE, fat(END, 1), PUBLIC_KEY), beyond);
        assert_eq!(verify(guest, SIGNATURE, u64::MAX, PUBLIC_KEY), beyond);
    }

    let guest = &mut guest(&[0xff; 65], &[0xff; 33], &[]);
    let verify = ecdsa_verify_prehashed_version_1::<TestGuest>;
    assert_eq!(verify(guest, END - 65, END - 32, END - 33), Ok(0));
    assert_eq!(verify(guest, END - 64, MESSAGE, PUBLIC_KEY), beyond);
    assert_eq!(verify(guest, SIGNATURE, END - 31, PUBLIC_KEY), beyond);
    assert_eq!(verify(guest, SIGNATURE, MESSAGE, END - 32), beyond);
    let recoveries: [Recover; 4] = [
        secp256k1_ecdsa_recover_version_1,
        secp256k1_ecdsa_recover_version_2,
        secp256k1_ecdsa_recover_compressed_version_1,
        secp256k1_ecdsa_recover_compressed_version_2,
    ];
    for recover in recoveries {
        assert!(recover(guest, END - 65, END - 32).is_ok());
        assert_eq!(recover(guest, END - 64, MESSAGE), beyond.map(u64::from));
        assert_eq!(recover(guest, SIGNATURE, END - 31), beyond.map(u64::from));
    }
}

#[test]
fn recovery_traps_when_nothing_can_be_allocated() {
    let mut guest = TestGuest::with_heap(1, 1, HEAP_BASE);
    assert!(matches!(
        secp256k1_ecdsa_recover_version_2(&mut guest, 0, 0),
        Err(HostError::Allocator(_))
    ));
}

#[test]
fn a_batch_is_good_if_all_its_signatures_are() {
    let [sr_signature, sr_key, message, _] =
        cases::<4>(include_str!("../../vectors/crypto/curve25519.txt"))
            .find(|[.., answers]| *answers == "011")
            .unwrap();
    let mut guest = guest(&bytes(sr_signature), &bytes(sr_key), &bytes(message));
    let good = fat(MESSAGE, 32);
    let bad = fat(MESSAGE, 31);

    // Outside of a batch nothing is counted.
    assert_eq!(sr25519_batch_verify_version_1(&mut guest, SIGNATURE, bad, PUBLIC_KEY), Ok(0));
    assert_eq!(guest.state().batch_verification, None);

    start_batch_verify_version_1(&mut guest).unwrap();
    assert_eq!(sr25519_batch_verify_version_1(&mut guest, SIGNATURE, good, PUBLIC_KEY), Ok(1));
    // Nor what is verified by other means.
    assert_eq!(sr25519_verify_version_2(&mut guest, SIGNATURE, bad, PUBLIC_KEY), Ok(0));
    assert_eq!(finish_batch_verify_version_1(&mut guest), Ok(1));

    start_batch_verify_version_1(&mut guest).unwrap();
    assert_eq!(ecdsa_batch_verify_version_1(&mut guest, SIGNATURE, good, PUBLIC_KEY), Ok(0));
    assert_eq!(sr25519_batch_verify_version_1(&mut guest, SIGNATURE, good, PUBLIC_KEY), Ok(1));
    assert_eq!(finish_batch_verify_version_1(&mut guest), Ok(0));

    start_batch_verify_version_1(&mut guest).unwrap();
    assert_eq!(finish_batch_verify_version_1(&mut guest), Ok(1));
}

#[test]
fn a_batch_in_a_batch_and_the_end_of_none_trap() {
    let mut guest = TestGuest::new(1, 1);
    assert_eq!(finish_batch_verify_version_1(&mut guest), Err(HostError::NoBatch));
    start_batch_verify_version_1(&mut guest).unwrap();
    assert_eq!(start_batch_verify_version_1(&mut guest), Err(HostError::BatchAlreadyStarted));
    assert_eq!(finish_batch_verify_version_1(&mut guest), Ok(1));
    assert_eq!(finish_batch_verify_version_1(&mut guest), Err(HostError::NoBatch));
    assert_eq!(CallState::new(HEAP_BASE).batch_verification, None);
}

#[test]
fn a_batch_of_ed25519_traps_even_with_a_good_signature() {
    let [public_key, signature, _] =
        cases(include_str!("../../vectors/crypto/rfc8032_ed25519.txt")).next().unwrap();
    let mut guest = guest(&bytes(signature), &bytes(public_key), &[]);
    for _ in 0..2 {
        assert_eq!(
            ed25519_batch_verify_version_1(&mut guest, SIGNATURE, 0, PUBLIC_KEY),
            Err(HostError::AlwaysFails)
        );
        let _ = start_batch_verify_version_1(&mut guest);
    }
}

#[test]
fn what_needs_a_key_store_traps_and_says_so() {
    let mut guest = TestGuest::new(1, 1);
    let guest = &mut guest;
    let results = [
        ecdsa_generate_version_1(guest, 0, 0).map(u64::from),
        ecdsa_public_keys_version_1(guest, 0),
        ecdsa_sign_prehashed_version_1(guest, 0, 0, 0),
        ecdsa_sign_version_1(guest, 0, 0, 0),
        ed25519_generate_version_1(guest, 0, 0).map(u64::from),
        ed25519_public_keys_version_1(guest, 0),
        ed25519_sign_version_1(guest, 0, 0, 0),
        sr25519_generate_version_1(guest, 0, 0).map(u64::from),
        sr25519_public_keys_version_1(guest, 0),
        sr25519_sign_version_1(guest, 0, 0, 0),
    ];
    assert_eq!(results, [Err(HostError::NoKeyStore); 10]);
    assert_eq!(HostError::NoKeyStore.to_string(), "there is no key store");
}
