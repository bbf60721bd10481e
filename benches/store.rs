//! The artifacts on disk. Beside the program, so on whichever disk that is.

mod common;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use pvf_host_core::{
    artifact::{ArtifactId, Environment},
    backend::{self, Artifact, BackendId},
    parts::Store,
    primitives::{ExecutorParams, Hash},
};
use std::path::Path;
use tempfile::TempDir;

// For the backends that it brings along: only their artifacts are read.
use pvf_workers as _;

/// Of a small PVF, and of a large runtime.
const LENGTHS: [usize; 2] = [64 << 10, 16 << 20];

fn main() {
    common::run(|criterion| {
        opening(criterion);
        reading_and_writing(criterion);
    });
}

/// What a host does with its cache when it starts: it takes the lock, and reads all headers.
fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    group.sample_size(20);
    for count in [0, 100, 1000] {
        let (scratch, artifact) = (scratch(), artifact(1000));
        let store = open(scratch.path(), 0);
        for number in 0..count {
            store.write(&id(number), &artifact).expect("it is written");
        }
        drop(store);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let open = || open(scratch.path(), count);
            bencher.iter_batched(|| (), |()| open(), BatchSize::PerIteration);
        });
    }
}

/// What comes after a preparation, until it is on the disk for good; and what comes before a worker can
/// load, from the kernel's cache of the file to a sealed copy.
fn reading_and_writing(criterion: &mut Criterion) {
    let scratch = scratch();
    let store = open(scratch.path(), 0);
    for len in LENGTHS {
        let (id, artifact) = (id(len as u64), artifact(len));
        let mut group = criterion.benchmark_group("write");
        group.sample_size(10).throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| store.write(&id, &artifact).expect("it is written"));
        });
        group.finish();
        let mut group = criterion.benchmark_group("read");
        group.sample_size(20).throughput(Throughput::Bytes(len as u64));
        store.write(&id, &artifact).expect("it is written");
        assert_eq!(store.read(&id).expect("it holds").bytes(), artifact.bytes());
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            let read = || store.read(&id).expect("it holds");
            bencher.iter_batched(|| (), |()| read(), BatchSize::PerIteration);
        });
    }
}

fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be made")
}

fn open(root: &Path, count: u64) -> Store {
    let environment = Environment {
        worker_program: [1; 32],
        backends: vec![],
        cpu_model: "bench".into(),
        cpu_features: ["bench".to_owned()].into(),
        kernel: "bench".into(),
        architecture: "bench".into(),
    };
    let (store, found) = Store::open(root, environment).expect("it can be opened");
    assert_eq!(found as u64, count);
    store
}

fn artifact(len: usize) -> Artifact {
    Artifact::from_bytes(&vec![0x5a; len]).expect("there is room")
}

fn id(number: u64) -> ArtifactId {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    ArtifactId {
        code_hash: Hash(hash).into(),
        prep_hash: ExecutorParams::default().prep_hash(),
        backend: linked(),
    }
}

fn linked() -> BackendId {
    backend::linked().first().expect("a backend is linked").id.clone()
}
