//! What is done with all bytes of code, artifacts and blocks.

mod common;
mod identity;

use criterion::{BenchmarkId, Criterion, Throughput};
use pvf_host_core::{
    artifact::{CacheKey, EnvironmentDigest},
    backend::BackendId,
    primitives::{blake2_256, compression},
};
use std::hint::black_box;

/// From a small PVF's code to the longest block.
const LENGTHS: [usize; 3] = [64 << 10, 1 << 20, 16 << 20];

fn main() {
    common::run(|criterion| {
        // The host hashes each code once, to name its artifact.
        of_bytes(criterion, "blake2_256", |bytes| {
            black_box(blake2_256(bytes));
        });
        // A worker checks each artifact that it loads.
        let id = identity::id(0, &BackendId::from_static("bench"));
        let key = CacheKey::new([1; 32]).checksum_key(&EnvironmentDigest([2; 32]), &id);
        of_bytes(criterion, "checksum", move |bytes| {
            black_box(key.checksum(bytes));
        });
        decompression(criterion);
    });
}

fn of_bytes(criterion: &mut Criterion, name: &str, hash: impl Fn(&[u8])) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    for len in LENGTHS {
        let bytes = bytes(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| hash(black_box(&bytes)));
        });
    }
}

/// A job decompresses its block, and a prepare job its code. The length is that of what comes of it.
fn decompression(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decompress");
    group.sample_size(20);
    for len in LENGTHS {
        let blob = compression::compress(&bytes(len), 3).expect("it can be compressed");
        assert!(compression::is_compressed(&blob) && blob.len() < len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| compression::decompress(black_box(&blob), len));
        });
    }
}

/// As compressible as a block: hashes, which are not, between words that come again and again.
fn bytes(len: usize) -> Vec<u8> {
    let words: Vec<_> = (0..100_u8).map(|word| blake2_256(&[word]).0).collect();
    let mut bytes = Vec::with_capacity(len);
    for number in 0.. {
        let hash = blake2_256(&u64::to_le_bytes(number)).0;
        bytes.extend_from_slice(&hash);
        bytes.extend_from_slice(&words[usize::from(hash[0]) % words.len()]);
        if bytes.len() >= len {
            break;
        }
    }
    bytes.truncate(len);
    bytes
}
