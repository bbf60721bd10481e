//! How long a host takes to start, with few and many artifacts in its cache: until its first worker is
//! there, what it is made of is known, and all headers are read.

mod common;
mod filling;
mod identity;
mod measured;

use criterion::{BenchmarkId, Criterion};
use pvf_host_core::{Config, ValidationHost, sandbox::Sandbox};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinHandle};

fn main() {
    pvf_workers::run_if_worker();
    common::run(starts);
}

fn starts(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("there are threads");
    let mut group = criterion.benchmark_group("start");
    group.sample_size(20);
    let most = if measured::is_measured() { 10_000 } else { 100 };
    for count in [0, 100, 1000, 10_000].into_iter().filter(|count| *count <= most) {
        let scratch = filling::scratch();
        runtime.block_on(async {
            let (_, host, work) = start(scratch.path()).await;
            filling::fill(scratch.path(), host.environment(), count);
            drop(host);
            work.await.expect("it ends");
        });
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let mut sum = Duration::ZERO;
                    for _ in 0..rounds {
                        let (took, host, work) = start(scratch.path()).await;
                        sum += took;
                        drop(host);
                        work.await.expect("it ends");
                    }
                    sum
                })
            });
        });
    }
}

async fn start(cache: &Path) -> (Duration, ValidationHost, JoinHandle<()>) {
    // What this machine can't have is not missed: no code is executed.
    let sandbox = Sandbox::default().accept_insecure();
    let config = Config::builder(cache).sandbox(sandbox).build().expect("it can be set up so");
    let start = Instant::now();
    let (host, work) = pvf_host_core::start(config).await.expect("it starts");
    let took = start.elapsed();
    (took, host, tokio::spawn(work))
}
