//! Artifacts that are intact by their checksums, and that the engine refuses: as if it were another
//! version of the engine, of which the environment does not tell.

use crate::host;
use pvf_host_core::{
    PossiblyInvalid, ValidationError,
    artifact::{Cache, CacheEntry, EntryContent, format::Header},
    validate_with_retry,
};
use pvf_tests::guests::{Candidate, Outcome};
use std::fs;

/// What becomes of an artifact's bytes.
type Damage = fn(&mut Vec<u8>);

/// Of every backend's artifacts.
const DAMAGES: [Damage; 2] = [|bytes| bytes.truncate(1), |bytes| bytes.truncate(bytes.len() / 2)];

/// Of a PolkaVM program, behind its magic: the version of its format.
fn of_an_unknown_version(bytes: &mut [u8]) {
    let magic = bytes.windows(4).position(|window| window == b"PVM\0");
    bytes[magic.expect("the artifact is the program") + 4] = 200;
}

/// Rewrites the artifact in the cache, and its checksums.
fn damage(cache: &Cache, damage: Damage) {
    let mut rewritten = 0;
    for environment in cache.environments().unwrap() {
        for CacheEntry { id, path, content, .. } in environment.entries().unwrap() {
            let Ok(EntryContent::Artifact(header)) = content else { panic!("{content:?}") };
            let key = environment.checksum_key(&id);
            let file = fs::read(&path).unwrap();
            let mut payload = file[file.len() - header.payload_len as usize..].to_vec();
            damage(&mut payload);
            let header = Header {
                payload_len: payload.len() as u64,
                payload_checksum: key.checksum(&payload),
                ..header
            };
            fs::write(&path, [&header.to_bytes(&id, &key)[..], &payload].concat()).unwrap();
            rewritten += 1;
        }
    }
    assert_eq!(rewritten, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_refuses_is_prepared_anew_with_every_backend() {
    let candidate = Candidate::all().into_iter().find(|it| it.guest.name == "hasher").unwrap();
    assert!(matches!(candidate.expected, Outcome::Valid(_)));
    for (backend, blob) in candidate.guest.runs() {
        let version: Option<Damage> =
            blob.name.ends_with(".polkavm").then_some(|bytes| of_an_unknown_version(bytes));
        for how in DAMAGES.into_iter().chain(version) {
            let request = candidate.request(blob, &backend.id);
            let mut host = host().await;
            let good = host.validate(request.clone()).await;
            assert_eq!(Outcome::from(good.verdict), candidate.expected);
            let scratch = host.scratch().clone();

            // Once without the retries.
            host = host
                .restart_with(|config| {
                    damage(&Cache::new(scratch.cache()), how);
                    config
                })
                .await;
            let refused = host.validate(request.clone()).await;
            assert!(refused.prepare.is_some_and(|report| report.cached));
            assert!(
                matches!(
                    refused.verdict,
                    Err(ValidationError::PossiblyInvalid(PossiblyInvalid::RuntimeConstruction(_)))
                ),
                "{}: {:?}",
                backend.id,
                refused.verdict
            );
            // It was thrown away.
            let mended = host.validate(request.clone()).await;
            assert_eq!(Outcome::from(mended.verdict), candidate.expected);
            assert_eq!(host.statistics().preparations, 1);

            // And once with them.
            host = host
                .restart_with(|config| {
                    damage(&Cache::new(scratch.cache()), how);
                    config
                })
                .await;
            let retried = validate_with_retry(&*host, request).await;
            assert_eq!(Outcome::from(retried.verdict), candidate.expected);
            assert_eq!(host.statistics().preparations, 1);
            host.shut_down().await;
        }
    }
}
