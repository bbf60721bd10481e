//! Random modules through a real host.

#[path = "../../../backend-wasmtime/tests/common/modules.rs"]
mod modules;

use crate::host_with;
use futures_util::{StreamExt, stream};
use modules::{Language, Random, generate, mutate};
use pvf_host_core::{Code, PrepareError, Pvf};
use std::collections::BTreeMap;

/// A module, or what is left of one.
fn code(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0xc0de);
    let language = match random.below(8) {
        0 => Language::BulkMemory,
        1 => Language::All,
        _ => Language::Accepted,
    };
    let code = generate(random.next(), language);
    if random.below(2) == 0 { mutate(random.next(), &code) } else { code }
}

/// Prechecks `count` random modules, and returns how many met with which fate.
async fn precheck(first: u64, count: u64) -> BTreeMap<&'static str, u64> {
    let host = host_with(|config| config.prepare_workers_soft_max(2)).await;
    let fates = stream::iter(first..first + count).map(async |seed| {
        match host.precheck(Pvf::new(Code::new(code(seed)))).await {
            Ok(_) => "accepted",
            Err(PrepareError::Backend(_)) => "no backend",
            Err(PrepareError::Prevalidation(_)) => "refused at once",
            Err(PrepareError::Compilation(_)) => "refused when compiled",
            Err(PrepareError::RuntimeConstruction(_)) => "refused when loaded",
            Err(error) => panic!("seed {seed}: {error}"),
        }
    });
    let counts = fates.buffer_unordered(4).fold(BTreeMap::new(), async |mut counts, fate| {
        *counts.entry(fate).or_default() += 1;
        counts
    });
    let counts = counts.await;
    host.shut_down().await;
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn random_modules_are_accepted_or_refused_for_a_reason() {
    let counts = precheck(0, 300).await;
    for fate in ["accepted", "refused at once", "refused when loaded"] {
        assert!(counts.contains_key(fate), "{counts:?}");
    }
}

/// How many is in the environment variable `PVF_RANDOM_MODULES`, the first seed in
/// `PVF_RANDOM_SEED`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as one likes"]
async fn a_great_many_random_modules_are_accepted_or_refused_for_a_reason() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse().expect("it is a number"))
    };
    let counts =
        precheck(number("PVF_RANDOM_SEED", 1_000_000), number("PVF_RANDOM_MODULES", 10_000)).await;
    println!("{counts:?}");
}
