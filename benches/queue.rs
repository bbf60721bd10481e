//! The queues, with as many requests waiting as there may ever be, and more.
//!
//! No step may cost more than the queue is long, and the one on the path of each request should not
//! depend on that.

mod common;
mod identity;

use criterion::{BenchmarkId, Criterion, Throughput};
use pvf_host_core::{
    backend::BackendId,
    parts::{ExecuteQueue, PrepareQueue},
};
use std::{hint::black_box, iter};

const LENGTHS: [usize; 5] = [1, 10, 100, 1000, 10_000];

fn main() {
    common::run(|criterion| {
        executions(criterion);
        preparations(criterion);
    });
}

fn executions(criterion: &mut Criterion) {
    // A request comes, and a worker has become free.
    let mut group = criterion.benchmark_group("execute/push and pop");
    for len in LENGTHS {
        let mut queue = ExecuteQueue::filled(len);
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            let mut number = len;
            bencher.iter(|| {
                queue.push(number);
                number += 1;
                queue.pop()
            });
        });
    }
    group.finish();
    // A burst of requests, and until it is worked off.
    let mut group = criterion.benchmark_group("execute/fill and drain");
    for len in LENGTHS {
        group.throughput(Throughput::Elements(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| {
                let mut queue = ExecuteQueue::filled(black_box(len));
                iter::from_fn(|| queue.pop()).map(black_box).count()
            });
        });
    }
    group.finish();
    // The leaves of the chain have changed: each request is looked at, and is wanted still.
    let mut group = criterion.benchmark_group("execute/look for what is unwanted");
    for len in LENGTHS {
        let mut queue = ExecuteQueue::filled(len);
        group.throughput(Throughput::Elements(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| queue.remove(|number| *number == black_box(usize::MAX)));
        });
    }
}

fn preparations(criterion: &mut Criterion) {
    let backend = BackendId::from_static("bench");
    let numbers = 0..=LENGTHS[LENGTHS.len() - 1] as u64;
    let ids: Vec<_> = numbers.map(|number| identity::id(number, &backend)).collect();
    // As many new parachains at once.
    let mut group = criterion.benchmark_group("prepare/fill and drain");
    for len in LENGTHS {
        group.throughput(Throughput::Elements(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| {
                let mut queue = PrepareQueue::filled(&ids[..len]);
                iter::from_fn(|| queue.pop()).map(black_box).count()
            });
        });
    }
    group.finish();
    // An approval needs an artifact for which all that wait are looked through.
    let mut group = criterion.benchmark_group("prepare/raise");
    for len in LENGTHS {
        let (mut queue, absent) = (PrepareQueue::filled(&ids[..len]), &ids[len]);
        group.throughput(Throughput::Elements(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| queue.raise(black_box(absent)));
        });
    }
}
