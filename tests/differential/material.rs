//! What host functions take: signatures, proofs, lists of entries, runtimes.

use crate::random::Random;
use parity_scale_codec::Encode;
use pvf_host_core::primitives::{blake2_256, compression, hex};
use std::sync::LazyLock;
use wasm_encoder::{CustomSection, Module};

/// A kind, and byte strings.
type Line = (&'static str, Vec<Vec<u8>>);

/// All lines, made with the reference implementation.
static MATERIAL: LazyLock<Vec<Line>> = LazyLock::new(|| {
    let parse = |line: &'static str| {
        let mut words = line.split_whitespace();
        let kind = words.next().expect("a line has a kind");
        (kind, words.map(|word| hex::decode(word).expect("the material is hexadecimal")).collect())
    };
    include_str!("material.txt").lines().filter(|line| !line.starts_with('#')).map(parse).collect()
});

/// Something of a kind; often slightly wrong.
pub(crate) fn any(random: &mut Random, kind: &str) -> Vec<Vec<u8>> {
    let of_kind: Vec<_> = MATERIAL.iter().filter(|(one, _)| *one == kind).collect();
    if of_kind.is_empty() {
        return (0..4).map(|_| random.bytes(65)).collect();
    }
    let mut parts = random.pick(&of_kind).1.clone();
    if random.percent(40) {
        let part = random.below(parts.len());
        if !parts[part].is_empty() {
            let at = random.below(parts[part].len());
            match random.below(4) {
                0 => parts[part][at] = *random.pick(&[0, 1, 2, 3, 4, 0x7f, 0x80, 0xff]),
                1 => {
                    let last = parts[part].len() - 1;
                    parts[part][last] = *random.pick(&[0, 1, 2, 3, 4, 26, 27, 28, 31, 0x80]);
                }
                _ => parts[part][at] ^= 1 << random.below(8),
            }
        }
    }
    parts
}

/// An ed25519 signature and key, each a point of small order in some encoding.
pub(crate) fn small_order(random: &mut Random) -> Vec<Vec<u8>> {
    let mut points = Vec::new();
    // y of 1, −1, 0, and of orders 8; then those that are not reduced. With either sign.
    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let order_8_too = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let mut special = vec![[0; 32], [0; 32]];
    special[1][0] = 1;
    for low in [0xec, 0xed, 0xee] {
        let mut point = [0xff; 32];
        point[0] = low;
        point[31] = 0x7f;
        special.push(point);
    }
    special.extend([order_8, order_8_too].map(|text| hex::decode_array(text).expect("32 bytes")));
    for point in special {
        points.push(point);
        let mut other = point;
        other[31] |= 0x80;
        points.push(other);
    }
    let mut signature = random.pick(&points).to_vec();
    let mut scalar = [0; 32];
    if random.percent(20) {
        // The group's order: not reduced, so refused.
        scalar =
            hex::decode_array("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
                .expect("32 bytes");
    }
    signature.extend_from_slice(&scalar);
    vec![signature, random.pick(&points).to_vec(), random.bytes(8)]
}

/// Keys and values, as the trie functions take them, and whether these will refuse them.
pub(crate) fn entries(random: &mut Random) -> (Vec<u8>, bool) {
    let prefixes = [random.bytes(1), random.bytes(3), Vec::new()];
    let pairs: Vec<_> = (0..random.below(12))
        .map(|_| {
            let mut key = random.pick(&prefixes).clone();
            let more = random.below(5);
            key.extend(random.bytes(more).iter().map(|byte| byte & 0x13));
            if random.percent(5) {
                key.extend(random.bytes(70));
            }
            (key, value(random))
        })
        .collect();
    spoil(random, pairs.encode())
}

/// Values alone.
pub(crate) fn values(random: &mut Random) -> (Vec<u8>, bool) {
    let count = *random.pick(&[0, 1, 2, 3, 15, 16, 17, 64, 65, 130]);
    let values: Vec<_> = (0..count).map(|_| value(random)).collect();
    spoil(random, values.encode())
}

fn value(random: &mut Random) -> Vec<u8> {
    // Around the length from which on a value is hashed.
    let len = *random.pick(&[0, 1, 5, 30, 31, 32, 33, 34, 64, 200]);
    random.bytes(len)
}

/// Sometimes not quite what can be decoded.
fn spoil(random: &mut Random, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let which = random.below(40);
    match which {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => bytes.push(0),
        2 => bytes[0] ^= 1 << random.below(8),
        3 => {
            // The count takes four bytes where one would do.
            let rest = bytes.split_off(1);
            bytes = (u32::from(bytes[0]) >> 2 << 2 | 2).to_le_bytes().to_vec();
            bytes.extend(rest);
        }
        _ => {}
    }
    (bytes, which < 4)
}

/// A runtime with its version in it.
pub(crate) fn runtime(random: &mut Random) -> Vec<u8> {
    let mut version = Vec::new();
    ("runtime", "implementation", 7_u32, 1_u32, 2_u32).encode_to(&mut version);
    // The version of the API named "Core" tells which fields there are.
    let core: [u8; 8] = [0xdf, 0x6a, 0xcb, 0x68, 0x99, 0x07, 0x60, 0x9b];
    let mut apis: Vec<([u8; 8], u32)> = Vec::new();
    if random.percent(80) {
        apis.push((core, random.below(7) as u32));
    }
    for _ in 0..random.below(3) {
        apis.push((random.next().to_le_bytes(), 1));
    }
    let in_section = random.percent(60);
    if in_section { Vec::new() } else { apis.clone() }.encode_to(&mut version);
    if random.percent(80) {
        9_u32.encode_to(&mut version);
        version.push(random.below(2) as u8);
    }
    if random.percent(10) {
        version.truncate(random.below(version.len()));
    }
    let apis: Vec<u8> = apis.iter().flat_map(|(id, version)| (*id, *version).encode()).collect();
    let mut module = Module::new();
    if random.percent(90) {
        module.section(&CustomSection { name: "runtime_version".into(), data: (&version).into() });
    }
    if in_section || random.percent(10) {
        let mut apis = apis;
        if random.percent(10) {
            apis.push(0);
        }
        module.section(&CustomSection { name: "runtime_apis".into(), data: apis.into() });
    }
    let mut blob = module.finish();
    if random.percent(30) {
        blob = compression::compress(&blob, 3).expect("compressing into memory works");
    }
    if random.percent(10) {
        let at = random.below(blob.len());
        blob[at] ^= 1 << random.below(8);
    }
    blob
}

/// A proof of a list with one entry, made up.
pub(crate) fn no_proof(random: &mut Random) -> Vec<Vec<u8>> {
    let nodes: Vec<_> = (0..random.below(3)).map(|_| value(random)).collect();
    let root = nodes.first().map_or([0; 32], |node| blake2_256(node).0);
    vec![root.to_vec(), nodes.encode(), value(random), value(random)]
}
