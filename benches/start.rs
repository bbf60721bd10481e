//! How long a host takes to start, with few and many artifacts in its cache: until its first worker is
//! there, what it is made of is known, and all headers are read.

use criterion::{BenchmarkId, Criterion};
use pvf_host_core::{
    Config, ValidationHost,
    artifact::{
        ArtifactId, Cache, EnvironmentDirectory, PrepareCost,
        format::{BackendVersion, Header},
    },
    backend::{self, CodePrefix},
    primitives::{ExecutorParams, Hash},
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinHandle};

mod common;

fn main() {
    pvf_workers::run_if_worker();
    common::run(starts);
}

fn starts(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("there are threads");
    let mut group = criterion.benchmark_group("start");
    group.sample_size(20);
    for count in [0, 100, 1000, 10_000] {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let scratch = scratch.expect("a directory can be made");
        runtime.block_on(async {
            let (_, host, work) = start(scratch.path()).await;
            let environment = Cache::new(scratch.path()).environment(host.environment());
            (0..count).for_each(|number| add(&environment, number));
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
    let mut config = Config::new(cache);
    // What this machine can't have is not missed: no code is executed.
    config.sandbox = config.sandbox.accept_insecure();
    let start = Instant::now();
    let (host, work) = pvf_host_core::start(config).await.expect("it starts");
    let took = start.elapsed();
    (took, host, tokio::spawn(work))
}

/// Puts an artifact into the cache, which is not of use but for being found there.
fn add(environment: &EnvironmentDirectory, number: u64) {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    let backend = backend::linked()[0];
    let id = ArtifactId {
        code_hash: Hash(hash).into(),
        prep_hash: ExecutorParams::default().prep_hash(),
        backend: backend.id.clone(),
    };
    let key = environment.checksum_key(&id);
    let payload = [7; 1000];
    let header = Header {
        code_prefix: CodePrefix::of(b""),
        payload_len: payload.len() as u64,
        payload_checksum: key.checksum(&payload),
        cost: PrepareCost::default(),
        backend_version: BackendVersion::new(backend.version),
    };
    let bytes = [&header.to_bytes(&id, &key)[..], &payload].concat();
    fs::write(environment.artifact_path(&id), bytes).expect("there is room");
}
