//! Guests that are built from one source: the same verdict on every backend.

use crate::host_with;
use pvf_tests::guests::{Candidate, GUESTS, HOST_CALLS, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// A multiple of a time limit that no machine is slow enough to reach before the job has used its CPU
/// time.
const FOREVER: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_candidate_has_the_same_verdict_with_every_backend() {
    let host = host_with(|config| config.wall_clock_factor(FOREVER)).await;
    let mut used = BTreeSet::new();
    let mut failures = Vec::new();
    for candidate in Candidate::all() {
        let mut gas = BTreeMap::new();
        for (backend, blob) in candidate.guest.runs() {
            let validation = host.validate(candidate.request(blob, &backend.id)).await;
            assert_eq!(validation.backend, Some(backend.id.clone()));
            used.insert((backend.id.as_str(), blob.name));
            // What is counted is the program's, not the engine's.
            let gas_used = validation.execute.and_then(|report| report.gas_used);
            let others = *gas.entry(blob.name).or_insert(gas_used);
            if gas_used != others {
                failures.push(format!(
                    "{} on {}, {}: {gas_used:?} gas instead of {others:?}",
                    blob.name, backend.id, candidate.name
                ));
            }
            let outcome = Outcome::from(validation.verdict);
            if outcome != candidate.expected {
                failures.push(format!(
                    "{} on {}, {}: {outcome:?} instead of {:?}",
                    blob.name, backend.id, candidate.name, candidate.expected
                ));
            }
        }
    }
    host.shut_down().await;
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));

    let mut expected = BTreeSet::new();
    let blobs = GUESTS.iter().filter(|guest| guest.name != HOST_CALLS.name);
    for blob in blobs.flat_map(|guest| guest.blobs) {
        if blob.name.ends_with(".wasm") {
            expected.extend(cfg!(feature = "wasmtime").then_some(("wasmtime", blob.name)));
            expected.extend(cfg!(feature = "wasmi").then_some(("wasmi", blob.name)));
        } else if cfg!(feature = "polkavm") {
            expected.extend([("polkavm", blob.name), ("polkavm-interpreter", blob.name)]);
        }
    }
    assert_eq!(used, expected);
}
