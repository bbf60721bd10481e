//! From an artifact in memory to one that can be called: what a worker does once, after it has checked
//! the artifact's bytes.

mod common;
mod guests;
mod measured;

use criterion::{BatchSize, BenchmarkId, Criterion};

fn main() {
    common::run(loads);
}

fn loads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    let input = guests::addition();
    for guest in guests::small_and_large() {
        assert_eq!(guests::call(&mut *guest.load(), &input), guest.returns);
        group.bench_function(BenchmarkId::from_parameter(&guest.name), |bencher| {
            bencher.iter_batched(|| (), |()| guest.load(), BatchSize::PerIteration);
        });
    }
}
