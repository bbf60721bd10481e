//! The cache: what survives in it, what is not believed, and what makes room.

use crate::{host, host_with, scratch};
use pvf_host_core::{
    InternalError, PrepareError, StartError, Validation, ValidationError,
    artifact::{Cache, LockError, PruneLimits, format::HEADER_LEN},
    primitives::ValidationResult,
    validate_with_retry,
};
use pvf_tests::{
    OnPrepare, Script, TestHost, eventually,
    request::{approval, hash_head},
    valid_head,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The padding makes the payload longer than the header.
fn script(salt: u64) -> Script {
    Script::prepare(OnPrepare::SucceedWithPadding(1000)).salt(salt)
}

/// What can happen to a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    FlipBit {
        at: usize,
    },
    CutTo(usize),
    Append,
    Remove,
    SwapWithSpare,
    /// By the artifact of the same code and parameters in another cache.
    FromAnotherCache,
    /// By one that another cache's host in another environment has made.
    FromAnotherEnvironment,
}

const PAYLOAD: usize = HEADER_LEN;

/// Each for the artifact whose salt is its place in the list.
const DAMAGES: [Damage; 15] = [
    Damage::FlipBit { at: 0 },
    Damage::FlipBit { at: 20 },
    Damage::FlipBit { at: 170 },
    Damage::FlipBit { at: PAYLOAD - 1 },
    Damage::FlipBit { at: PAYLOAD },
    Damage::FlipBit { at: PAYLOAD + 1000 },
    Damage::CutTo(0),
    Damage::CutTo(1),
    Damage::CutTo(PAYLOAD),
    Damage::CutTo(PAYLOAD + 100),
    Damage::Append,
    Damage::Remove,
    Damage::SwapWithSpare,
    Damage::FromAnotherCache,
    Damage::FromAnotherEnvironment,
];

/// The salt of an artifact to swap another one with.
const SPARE: u64 = 100;

async fn damage(damage: Damage, salt: u64, host: &TestHost) -> PathBuf {
    let path = host.scratch().artifact(&script(salt));
    if let Damage::FromAnotherCache | Damage::FromAnotherEnvironment = damage {
        let other = scratch();
        if damage == Damage::FromAnotherEnvironment {
            other.rebuild_worker();
        }
        let other = other.start(other.config()).await.unwrap();
        let is_same = other.environment() == host.environment();
        assert_eq!(is_same, damage == Damage::FromAnotherCache);
        other.precheck(script(salt).pvf()).await.unwrap();
        fs::copy(other.scratch().artifact(&script(salt)), &path).unwrap();
        other.shut_down().await;
    } else {
        damage_file(damage, &path, host);
    }
    path
}

fn damage_file(damage: Damage, path: &Path, host: &TestHost) {
    let mut bytes = fs::read(path).unwrap();
    match damage {
        Damage::FlipBit { at } => bytes[at] ^= 1,
        Damage::CutTo(len) => bytes.truncate(len),
        Damage::Append => bytes.push(0),
        Damage::Remove => return fs::remove_file(path).unwrap(),
        Damage::SwapWithSpare => {
            let other = host.scratch().artifact(&script(SPARE));
            bytes = fs::read(&other).unwrap();
            fs::copy(path, other).unwrap();
        }
        Damage::FromAnotherCache | Damage::FromAnotherEnvironment => {
            unreachable!("there is another host for that")
        }
    }
    fs::write(path, bytes).unwrap();
}

fn is_corrupted(validation: &Validation) -> bool {
    matches!(
        validation.verdict,
        Err(ValidationError::Internal(InternalError::CorruptedArtifact(_)))
    )
}

/// A host without hot workers, so that each candidate's artifact is read from disk, with an artifact
/// for each damage and one more.
async fn host_with_artifacts() -> TestHost {
    let host = host_with(|config| config.hot_workers_max(0)).await;
    for salt in (0..DAMAGES.len() as u64).chain([SPARE]) {
        host.precheck(script(salt).pvf()).await.unwrap();
    }
    host
}

// What survives

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_host_prepares_nothing_anew() {
    let host = host().await;
    let requests = [0, 1, 2].map(|salt| approval(Script::salted(salt).pvf()));
    let mut costs = vec![];
    for request in &requests {
        costs.push(host.precheck(request.pvf.clone()).await.unwrap().cost);
    }
    let environment = host.environment();
    let host = host.restart().await;
    assert_eq!(host.environment(), environment);
    for (request, cost) in requests.iter().zip(costs) {
        let validation = host.validate(request.clone()).await;
        let report = validation.prepare.clone().unwrap();
        assert!(report.cached);
        // To the microsecond.
        assert_eq!(report.cost.cpu.as_micros(), cost.cpu.as_micros());
        assert_eq!(report.cost.peak_memory, cost.peak_memory);
        assert_eq!(valid_head(validation), hash_head(request));
    }
    assert_eq!(host.statistics().preparations, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_restarted_with_many_artifacts_has_a_verdict_on_each_without_preparing() {
    let host = host().await;
    for salt in 0..200 {
        host.precheck(Script::salted(salt).pvf()).await.unwrap();
    }
    let host = host.restart().await;
    for salt in 0..200 {
        let request = approval(Script::salted(salt).pvf());
        assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    }
    assert_eq!(host.statistics().preparations, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_environments_artifacts_and_unfinished_files_are_removed_at_the_start() {
    let host = host().await;
    host.precheck(Script::default().pvf()).await.unwrap();
    let environment = Cache::new(host.scratch().cache()).environments().unwrap().remove(0);
    let foreign = host.scratch().cache().join("ab".repeat(32));
    let unfinished = [".pvf-tmp-1", ".pvf-tmp-abcdef"];
    let scratch = host.scratch().clone();
    host.shut_down().await;
    fs::create_dir(&foreign).unwrap();
    for name in unfinished {
        fs::write(environment.path().join(name), "unfinished").unwrap();
        fs::write(scratch.cache().join(name), "unfinished").unwrap();
        fs::write(foreign.join(name), "unfinished").unwrap();
    }
    let bystanders = [scratch.cache().join("notes.txt"), environment.path().join("notes.txt")];
    for path in &bystanders {
        fs::write(path, "not ours").unwrap();
    }
    let host = scratch.start(scratch.config()).await.unwrap();
    assert!(!foreign.exists());
    assert!(scratch.temporary_files().is_empty());
    assert!(bystanders.iter().all(|path| path.exists()));
    assert!(host.precheck(Script::default().pvf()).await.unwrap().cached);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_program_is_another_environment() {
    let host = host().await;
    host.precheck(Script::default().pvf()).await.unwrap();
    let environment = host.environment();
    let scratch = host.scratch().clone();
    host.shut_down().await;
    scratch.rebuild_worker();
    let host = scratch.start(scratch.config()).await.unwrap();
    assert_ne!(host.environment(), environment);
    assert!(scratch.entries().is_empty());
    assert!(!host.precheck(Script::default().pvf()).await.unwrap().cached);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_ends_while_it_writes_leaves_all_of_a_file_or_nothing() {
    let script = Script::prepare(OnPrepare::SucceedWithPadding(50 << 20));
    let host = host().await;
    host.heads_up([script.pvf()]).await;
    eventually("it writes", || {
        !host.scratch().temporary_files().is_empty() || !host.scratch().entries().is_empty()
    })
    .await;
    // The next one finds the cache free.
    let host = host.restart().await;
    let request = approval(script.pvf());
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    assert!(host.statistics().preparations <= 1);
    host.shut_down().await;
}

// What is not believed

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_artifact_is_found_out_and_thrown_away() {
    let host = host_with_artifacts().await;
    for (salt, how) in (0..).zip(DAMAGES) {
        let path = damage(how, salt, &host).await;
        let before = host.statistics();
        let request = approval(script(salt).pvf());
        let validation = host.validate(request.clone()).await;
        assert!(is_corrupted(&validation), "{how:?}: {validation:?}");
        assert!(!path.exists(), "{how:?}");
        // The next one prepares it anew.
        let validation = host.validate(request.clone()).await;
        assert!(!validation.prepare.as_ref().unwrap().cached);
        assert_eq!(valid_head(validation), hash_head(&request));
        let after = host.statistics();
        assert_eq!(after.artifacts_discarded - before.artifacts_discarded, 1);
        assert_eq!(after.preparations - before.preparations, 1);
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_gets_its_verdict_in_spite_of_a_damaged_artifact() {
    let host = host_with_artifacts().await;
    for (salt, how) in (0..).zip(DAMAGES) {
        damage(how, salt, &host).await;
        let before = host.statistics().preparations;
        let request = approval(script(salt).pvf());
        let validation = validate_with_retry(&*host, request.clone()).await;
        assert_eq!(valid_head(validation), hash_head(&request), "{how:?}");
        assert_eq!(host.statistics().preparations - before, 1, "{how:?}");
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_damaged_while_no_host_ran_is_prepared_anew() {
    let host = host_with_artifacts().await;
    for (salt, how) in (0..).zip(DAMAGES) {
        damage(how, salt, &host).await;
    }
    let host = host.restart().await;
    // All but those whose payload alone was damaged are found out at the start, the other one of the
    // two that were swapped included.
    let in_payload = |how| matches!(how, Damage::FlipBit { at } if at >= PAYLOAD);
    let unseen = DAMAGES.into_iter().filter(|how| in_payload(*how)).count();
    assert_eq!(host.scratch().entries().len(), unseen);
    for (salt, how) in (0..).zip(DAMAGES) {
        let request = approval(script(salt).pvf());
        let mut validation = host.validate(request.clone()).await;
        if in_payload(how) {
            assert!(is_corrupted(&validation), "{how:?}: {validation:?}");
            validation = host.validate(request.clone()).await;
        }
        assert!(!validation.prepare.as_ref().unwrap().cached);
        assert_eq!(valid_head(validation), hash_head(&request), "{how:?}");
    }
    assert_eq!(host.statistics().preparations, DAMAGES.len() as u64);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_of_a_failure_is_forgotten() {
    for how in [Damage::FlipBit { at: 10 }, Damage::CutTo(0), Damage::CutTo(10), Damage::Append] {
        let host = host().await;
        let script = Script::prepare(OnPrepare::FailToCompile);
        host.precheck(script.pvf()).await.unwrap_err();
        damage_file(how, &host.scratch().artifact(&script), &host);
        let host = host.restart().await;
        assert!(host.scratch().entries().is_empty(), "{how:?}");
        host.precheck(script.pvf()).await.unwrap_err();
        assert_eq!(host.statistics().preparations, 1, "{how:?}");
        host.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_on_disk_does_not_reach_a_worker_that_has_the_artifact_loaded() {
    let host = host().await;
    let request = approval(script(0).pvf());
    valid_head(host.validate(request.clone()).await);
    damage(Damage::CutTo(0), 0, &host).await;
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_lost_is_an_empty_cache() {
    let losses: [fn(&Path); 3] = [
        |key| fs::remove_file(key).unwrap(),
        |key| fs::write(key, "x").unwrap(),
        |key| {
            let mut bytes = fs::read(key).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(key, bytes).unwrap();
        },
    ];
    let request = approval(script(0).pvf());
    let mut host = host().await;
    for lose in losses {
        assert!(!host.precheck(request.pvf.clone()).await.unwrap().cached);
        host = host.restart().await;
        assert!(host.precheck(request.pvf.clone()).await.unwrap().cached);
        lose(&host.scratch().cache().join("key"));
        host = host.restart().await;
        assert!(host.scratch().entries().is_empty());
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_in_an_artifacts_or_the_keys_place_holds_nobody_up() {
    let host = host_with(|config| config.hot_workers_max(0)).await;
    let request = approval(script(0).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    let make_pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let artifact = host.scratch().artifact(&script(0));
    make_pipe(&artifact);
    let verdict = host.validate(request.clone()).await.verdict;
    let is_unreadable =
        matches!(verdict, Err(ValidationError::Internal(InternalError::UnreadableArtifact(_))));
    assert!(is_unreadable, "{verdict:?}");
    assert_eq!(valid_head(host.validate(request).await), hash_head(&approval(script(0).pvf())));
    let scratch = host.scratch().clone();
    host.shut_down().await;
    make_pipe(&scratch.cache().join("key"));
    let error = scratch.start(scratch.config()).await.unwrap_err();
    assert!(error.to_string().contains("key"), "{error}");
    fs::remove_file(scratch.cache().join("key")).unwrap();
    scratch.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_of_a_failure_takes_no_artifact_along() {
    let host = host().await;
    host.precheck(script(0).pvf()).await.unwrap();
    let artifact = host.scratch().artifact(&script(0));
    fs::write(artifact.with_extension("failure"), "damaged").unwrap();
    let host = host.restart().await;
    assert_eq!(host.scratch().artifact(&script(0)), artifact);
    assert!(host.precheck(script(0).pvf()).await.unwrap().cached);
    valid_head(host.validate(approval(script(0).pvf())).await);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_of_a_note_stops_no_host() {
    let host = host().await;
    host.precheck(script(0).pvf()).await.unwrap();
    let environment = host.scratch().artifact(&script(0)).parent().unwrap().to_owned();
    let scratch = host.scratch().clone();
    host.shut_down().await;
    fs::remove_file(environment.join("environment")).unwrap();
    fs::create_dir(environment.join("environment")).unwrap();
    // Another environment's folder with something in it that can't be removed as a file.
    let other = scratch.cache().join("cd".repeat(32));
    fs::create_dir_all(other.join("environment")).unwrap();
    let host = scratch.start(scratch.config()).await.unwrap();
    assert!(host.precheck(script(0).pvf()).await.unwrap().cached);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_damaged_again_and_again_makes_no_candidate_invalid() {
    let host = host_with(|config| config.hot_workers_max(0)).await;
    let request = approval(script(0).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    let path = host.scratch().artifact(&script(0));
    damage(Damage::FlipBit { at: PAYLOAD }, 0, &host).await;
    // The one that replaces it is damaged before it can be read: a single place for executions is taken.
    let host = host.restart_with(|config| config.execute_workers_max(1)).await;
    let verdict = {
        let holder = host.occupy().await;
        let waiting = host.submit(request.clone()).await;
        fs::write(&path, "damaged").unwrap();
        drop(holder);
        waiting.await.verdict
    };
    let is_corrupted =
        matches!(verdict, Err(ValidationError::Internal(InternalError::CorruptedArtifact(_))));
    assert!(is_corrupted, "{verdict:?}");
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_candidates_of_a_damaged_artifact_need_one_new_preparation() {
    let host = host_with(|config| config.hot_workers_max(0).execute_workers_max(4)).await;
    let request = approval(script(0).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    damage(Damage::FlipBit { at: PAYLOAD }, 0, &host).await;
    let validations = (0..20).map(|_| host.retry(request.clone()));
    for validation in futures_util::future::join_all(validations).await {
        assert_eq!(valid_head(validation.unwrap()), hash_head(&request));
    }
    assert_eq!(host.statistics().preparations, 2);
    assert_eq!(host.statistics().artifacts_discarded, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_to_read_is_no_fault_of_the_candidate() {
    let host = host_with(|config| config.hot_workers_max(0)).await;
    let request = approval(script(0).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    let path = host.scratch().artifact(&script(0));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let verdict = host.validate(request.clone()).await.verdict;
    let Err(ValidationError::Internal(InternalError::UnreadableArtifact(reason))) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(reason.contains(path.to_str().unwrap()), "{reason}");
    // It was thrown away, but nothing can be put in its place.
    let verdict = host.validate(request.clone()).await.verdict;
    assert!(is_store_trouble(&verdict, &path), "{verdict:?}");
    // Until that is over.
    fs::remove_dir(&path).unwrap();
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

/// Whether the verdict is that something could not be stored at `path`.
fn is_store_trouble(verdict: &Result<ValidationResult, ValidationError>, path: &Path) -> bool {
    matches!(
        verdict,
        Err(ValidationError::Internal(InternalError::Preparation(PrepareError::Store(reason))))
            if reason.contains(path.to_str().unwrap())
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_removed_is_made_anew() {
    let host = host_with(|config| config.hot_workers_max(0)).await;
    let request = approval(script(0).pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    let environment = host.scratch().artifact(&script(0)).parent().unwrap().to_owned();
    for directory in [environment, host.scratch().cache()] {
        fs::remove_dir_all(&directory).unwrap();
        let before = host.statistics();
        let validation = validate_with_retry(&*host, request.clone()).await;
        assert_eq!(validation.retried.len(), 1);
        assert_eq!(valid_head(validation), hash_head(&request));
        assert_eq!(host.statistics().preparations - before.preparations, 1);
        assert_eq!(
            host.statistics().retries_after_corrupted_artifact,
            before.retries_after_corrupted_artifact + 1
        );
    }
    // It is locked, and as good as the one before.
    let scratch = host.scratch().clone();
    let second = scratch.start(scratch.config()).await;
    assert!(matches!(second, Err(StartError::Lock(LockError::InUse(_)))), "{second:?}");
    let host = host.restart().await;
    assert!(host.precheck(request.pvf.clone()).await.unwrap().cached);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_can_not_be_made_anew_is_trouble_until_it_can() {
    let host = host().await;
    let cache = host.scratch().cache();
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "in the way").unwrap();
    let request = approval(script(0).pvf());
    for _ in 0..2 {
        let verdict = host.validate(request.clone()).await.verdict;
        assert!(is_store_trouble(&verdict, &cache), "{verdict:?}");
    }
    fs::remove_file(&cache).unwrap();
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    // Nothing was made that could not have been stored.
    assert_eq!(host.statistics().prepare_workers_started, 0);
    host.shut_down().await;
}

// What makes room

/// Which artifacts are on disk after the host has done what it was asked to.
async fn artifacts(host: &TestHost) -> Vec<u64> {
    host.settle().await;
    (0..10)
        .filter(|salt| {
            let hash = script(*salt).code().hash();
            host.scratch().entries().iter().any(|entry| entry.id.code_hash == hash)
        })
        .collect()
}

async fn host_with_room_for(artifacts: u64, min_age: Duration) -> TestHost {
    let host = host().await;
    let size = host.precheck(script(99).pvf()).await.unwrap().artifact_size;
    fs::remove_file(host.scratch().artifact(&script(99))).unwrap();
    host.restart_with(|config| config.prune_limits(PruneLimits::new(artifacts * size, min_age)))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_artifacts_that_were_not_needed_for_longest_make_room() {
    let host = host_with_room_for(3, Duration::ZERO).await;
    for salt in [0, 1, 2] {
        host.precheck(script(salt).pvf()).await.unwrap();
    }
    assert_eq!(artifacts(&host).await, [0, 1, 2]);
    valid_head(host.validate(approval(script(0).pvf())).await);
    host.precheck(script(3).pvf()).await.unwrap();
    assert_eq!(artifacts(&host).await, [0, 2, 3]);
    assert_eq!(host.statistics().artifacts_pruned, 1);
    // What made room is prepared again when it is needed.
    assert!(!host.precheck(script(1).pvf()).await.unwrap().cached);
    assert_eq!(artifacts(&host).await, [0, 1, 3]);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_needed_recently_stays_however_full_the_cache_is() {
    let host = host_with_room_for(0, Duration::from_secs(3600)).await;
    for salt in [0, 1, 2] {
        host.precheck(script(salt).pvf()).await.unwrap();
    }
    assert_eq!(artifacts(&host).await, [0, 1, 2]);
    // The disk remembers how recent that was.
    let host = host.restart().await;
    assert_eq!(artifacts(&host).await, [0, 1, 2]);
    assert_eq!(host.statistics().artifacts_pruned, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_too_full_is_pruned_when_a_host_starts_on_it() {
    let host = host_with_room_for(3, Duration::ZERO).await;
    for salt in [0, 1, 2] {
        host.precheck(script(salt).pvf()).await.unwrap();
    }
    let size = host.precheck(script(2).pvf()).await.unwrap().artifact_size;
    let limits = PruneLimits::new(size, Duration::ZERO);
    let host = host.restart_with(|config| config.prune_limits(limits)).await;
    eventually("the oldest two are gone", || host.scratch().entries().len() == 1).await;
    assert_eq!(artifacts(&host).await, [2]);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_a_candidate_waits_for_is_not_pruned() {
    let host = host_with_room_for(0, Duration::ZERO)
        .await
        .restart_with(|config| config.execute_workers_max(1))
        .await;
    let holder = host.occupy().await;
    let request = approval(script(0).pvf());
    let waiting = host.submit(request.clone()).await;
    host.precheck(script(1).pvf()).await.unwrap();
    assert_eq!(artifacts(&host).await, [0]);
    drop(holder);
    assert_eq!(valid_head(waiting.await), hash_head(&request));
    assert_eq!(host.statistics().preparations, 3);
    host.shut_down().await;
}

// One host at a time

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_cache_is_refused() {
    let host = host().await;
    host.precheck(Script::default().pvf()).await.unwrap();
    let scratch = host.scratch().clone();
    let second = scratch.start(scratch.config()).await;
    assert!(matches!(second, Err(StartError::Lock(LockError::InUse(_)))), "{second:?}");
    // The first one has noticed nothing.
    assert!(host.precheck(Script::default().pvf()).await.unwrap().cached);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_cannot_be_written_to_is_refused() {
    let scratch = scratch();
    let file = scratch.cache().with_file_name("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), "/proc/self".into(), "/proc/none".into()] {
        let host = scratch.start(scratch.config().cache_dir(&path)).await;
        let is_unusable = matches!(host, Err(StartError::Lock(LockError::Unusable { .. })));
        assert!(is_unusable, "{}: {host:?}", path.display());
    }
    scratch.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_made_where_there_is_none_however_deep() {
    let scratch = scratch();
    let deep = scratch.cache().join("a/b/c");
    let host = scratch.start(scratch.config().cache_dir(deep)).await.unwrap();
    host.precheck(Script::default().pvf()).await.unwrap();
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_whose_directory_can_not_be_made_is_an_error() {
    let host = host().await;
    let scratch = host.scratch().clone();
    let environment = Cache::new(scratch.cache()).environments().unwrap().remove(0);
    host.shut_down().await;
    fs::remove_dir_all(environment.path()).unwrap();
    fs::write(environment.path(), "in the way").unwrap();
    let host = scratch.start(scratch.config()).await;
    assert!(matches!(host, Err(StartError::Io { .. })), "{host:?}");
    scratch.assert_nothing_is_left().await;
}
