//! How long a host takes to start, with few and many artifacts in its cache.
//!
//! ```text
//! cargo bench --workspace --bench start
//! ```
//!
//! The hosts take turns, so that what else the machine does hits all alike.

use pvf_host_core::{
    ValidationHost,
    artifact::{
        ArtifactId, Cache, EnvironmentDirectory, PrepareCost,
        format::{BackendVersion, Header},
    },
    backend::{self, CodePrefix},
    primitives::{ExecutorParams, Hash},
};
use pvf_tests::{Scratch, Script, programs, request::approval, scripted, valid_head};
use std::{
    fs,
    time::{Duration, Instant},
};

const ARTIFACTS: [u64; 4] = [0, 200, 1000, 10_000];
const ROUNDS: usize = 21;

/// Puts an artifact into the cache, which is not of use but for being found there.
fn add(environment: &EnvironmentDirectory, number: u64) {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    let id = ArtifactId {
        code_hash: Hash(hash).into(),
        prep_hash: ExecutorParams::default().prep_hash(),
        backend: scripted::ID,
    };
    let key = environment.checksum_key(&id);
    let payload = [7; 1000];
    let linked = backend::find(&scripted::ID).expect("it is linked");
    let header = Header {
        code_prefix: CodePrefix::of(b"SCRIPT"),
        payload_len: payload.len() as u64,
        payload_checksum: key.checksum(&payload),
        cost: PrepareCost::default(),
        backend_version: BackendVersion::new(linked.version),
    };
    let bytes = [&header.to_bytes(&id, &key)[..], &payload].concat();
    fs::write(environment.artifact_path(&id), bytes).expect("there is room");
}

async fn started(scratch: &Scratch) -> (Duration, ValidationHost, tokio::task::JoinHandle<()>) {
    let start = Instant::now();
    let (host, work) = pvf_host_core::start(scratch.config()).await.expect("it starts");
    let took = start.elapsed();
    (took, host, tokio::spawn(work))
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut scratches = Vec::new();
    for count in ARTIFACTS {
        let scratch = Scratch::new(programs!());
        let (_, host, work) = started(&scratch).await;
        let environment = Cache::new(scratch.cache()).environment(host.environment());
        (0..count).for_each(|number| add(&environment, number));
        drop(host);
        work.await.expect("it ends");
        scratches.push((count, scratch, Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, scratch, times) in &mut scratches {
            let (took, host, work) = started(scratch).await;
            times.push(took);
            drop(host);
            work.await.expect("it ends");
        }
    }
    println!("start of a host, {ROUNDS} rounds:");
    let mut base = None;
    for (count, _, times) in &mut scratches {
        times.sort();
        let ms = |at: usize| times[at].as_secs_f64() * 1e3;
        let (low, median, high) = (ms(ROUNDS / 10), ms(ROUNDS / 2), ms(ROUNDS - 1 - ROUNDS / 10));
        let more = median - *base.get_or_insert(median);
        println!(
            "{count:>6} artifacts: p50 {median:7.1} ms (p10 {low:.1}, p90 {high:.1}), \
             {more:6.1} ms more than with none"
        );
    }

    let scratch = Scratch::new(programs!());
    let (_, host, work) = started(&scratch).await;
    for salt in 0..200 {
        host.precheck(Script::salted(salt).pvf()).await.expect("it can be prepared");
    }
    drop(host);
    work.await.expect("it ends");
    let (took, host, work) = started(&scratch).await;
    let mut first = Vec::new();
    for salt in 0..200 {
        let start = Instant::now();
        valid_head(host.validate(approval(Script::salted(salt).pvf())).await);
        first.push(start.elapsed());
    }
    assert_eq!(host.statistics().preparations, 0);
    drop(host);
    work.await.expect("it ends");
    first.sort();
    println!(
        "restart with 200 that were prepared: {:.1} ms; first verdicts, nothing prepared anew: p50 \
         {:.1} ms, slowest {:.1} ms",
        took.as_secs_f64() * 1e3,
        first[100].as_secs_f64() * 1e3,
        first[199].as_secs_f64() * 1e3,
    );
}
