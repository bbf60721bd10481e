//! The artifacts on disk. Beside the program, so on whichever disk that is.

mod common;
mod filling;
mod identity;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use filling::{backend, scratch};
use pvf_host_core::{artifact::Environment, backend::Artifact, parts::Store};
use std::path::Path;

// For the backends that it brings along.
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
        let scratch = scratch();
        drop(open(scratch.path(), 0));
        filling::fill(scratch.path(), environment().digest(), count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let open = || open(scratch.path(), count);
            bencher.iter_batched(|| (), |()| open(), BatchSize::PerIteration);
        });
    }
}

/// What comes after a preparation, until the disk has its content; and what comes before a worker can
/// load, from the kernel's cache of the file to a sealed copy.
fn reading_and_writing(criterion: &mut Criterion) {
    let scratch = scratch();
    let store = open(scratch.path(), 0);
    for len in LENGTHS {
        let id = identity::id(len as u64, &backend().id);
        let artifact = Artifact::from_bytes(&vec![0x5a; len]).expect("there is room");
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

fn open(root: &Path, count: u64) -> Store {
    let (store, found) = Store::open(root, environment()).expect("it can be opened");
    assert_eq!(found as u64, count);
    store
}

fn environment() -> Environment {
    Environment {
        worker_program: [1; 32],
        backends: vec![],
        cpu_model: "bench".into(),
        cpu_features: ["bench".to_owned()].into(),
        kernel: "bench".into(),
        architecture: "bench".into(),
    }
}
