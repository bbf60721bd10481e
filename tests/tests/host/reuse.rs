//! Functions that a preparation keeps for later ones: who is given them, and what becomes of them.

use crate::{host, host_with};
use pvf_host_core::{
    PrepareError, Pvf, ValidationError,
    artifact::PruneLimits,
    backend::FunctionCounts,
    primitives::{ExecutorParam, ExecutorParams},
};
use pvf_tests::{
    OnPrepare, Script, TestHost,
    request::{approval, hash_head},
    valid_head,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Code that keeps as many bytes of functions as it has never been asked for before.
fn keeps(bytes: u32) -> Script {
    Script::prepare(OnPrepare::KeepFunctions(bytes))
}

fn successor(of: &Script, script: &Script) -> Pvf {
    script.pvf().upgraded_from(of.code().hash())
}

fn bulk(pvf: Pvf) -> Pvf {
    pvf.with_params(ExecutorParams::new(vec![ExecutorParam::WasmExtBulkMemory]))
}

/// Has a candidate validated, whose artifact is not there. Gives the length of what its preparation was
/// given.
async fn given(host: &TestHost, pvf: Pvf) -> u32 {
    let request = approval(pvf);
    let validation = host.validate(request.clone()).await;
    let report = validation.prepare.clone().unwrap();
    assert!(!report.cached);
    assert_eq!(valid_head(validation), hash_head(&request));
    let FunctionCounts { reused, compiled } = report.functions.unwrap();
    assert_eq!(compiled, 1);
    reused
}

/// The file of what was kept beside the only artifact of some code.
fn functions(host: &TestHost, script: &Script) -> PathBuf {
    host.scratch().artifact(script).with_extension("functions")
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_given_to_the_declared_successor_alone() {
    let host = host().await;
    assert_eq!(given(&host, keeps(101).pvf()).await, 0);
    assert_eq!(given(&host, keeps(102).pvf()).await, 0);
    assert_eq!(given(&host, successor(&keeps(101), &keeps(103))).await, 101);
    assert_eq!(given(&host, successor(&keeps(103), &keeps(104))).await, 103);
    // Of code that is not there, or that keeps none.
    assert_eq!(given(&host, successor(&keeps(999), &keeps(105))).await, 0);
    host.precheck(Script::default().pvf()).await.unwrap();
    assert_eq!(given(&host, successor(&Script::default(), &keeps(106))).await, 0);
    let statistics = host.statistics();
    assert_eq!((statistics.functions_reused, statistics.functions_compiled), (204, 6));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_given_to_the_same_code_under_other_parameters() {
    let host = host().await;
    given(&host, keeps(101).pvf()).await;
    assert_eq!(given(&host, bulk(keeps(101).pvf())).await, 101);
    assert_eq!(given(&host, bulk(keeps(102).pvf())).await, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_predecessor_under_the_same_parameters_comes_first() {
    let host = host().await;
    given(&host, bulk(keeps(100).pvf())).await;
    given(&host, keeps(101).pvf()).await;
    // These two are of the same code. There are files of two lengths, by the parameters.
    let with = |param| keeps(102).pvf().with_params(ExecutorParams::new(vec![param]));
    given(&host, with(ExecutorParam::StackLogicalMax(2000))).await;
    assert_eq!(given(&host, successor(&keeps(101), &keeps(102))).await, 101);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_backend_is_given_nothing() {
    let host = host().await;
    let on = |id| ExecutorParams::new(vec![ExecutorParam::Backend(id)]);
    let shared = |script: &Script| Pvf::new(pvf_host_core::Code::new(script.shared_bytes()));
    let (first, second) = (shared(&keeps(101)), shared(&keeps(102)));
    let hash = first.code.hash();
    given(&host, first.with_params(on(pvf_tests::scripted::ID))).await;
    let second = second.upgraded_from(hash);
    assert_eq!(given(&host, second.clone().with_params(on(pvf_tests::scripted::TWIN_ID))).await, 0);
    assert_eq!(given(&host, second.with_params(on(pvf_tests::scripted::ID))).await, 101);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precheck_prepares_in_full() {
    let host = host().await;
    given(&host, keeps(101).pvf()).await;
    let report = host.precheck(successor(&keeps(101), &keeps(102))).await.unwrap();
    assert_eq!(report.functions, Some(FunctionCounts { reused: 0, compiled: 1 }));
    // But what it has kept is there for others.
    assert_eq!(given(&host, successor(&keeps(102), &keeps(103))).await, 102);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_survive_a_restart() {
    let host = host().await;
    given(&host, keeps(101).pvf()).await;
    let host = host.restart().await;
    assert_eq!(given(&host, successor(&keeps(101), &keeps(102))).await, 101);
    // What was reused is told by the host that has prepared.
    let host = host.restart().await;
    let report = host.precheck(keeps(102).pvf()).await.unwrap();
    assert_eq!((report.cached, report.functions), (true, None));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_fails_with_what_it_reuses_is_done_in_full() {
    let host = host().await;
    given(&host, keeps(101).pvf()).await;
    let script = Script::prepare(OnPrepare::PanicIfReusing);
    assert_eq!(given(&host, successor(&keeps(101), &script)).await, 0);
    // What fails in full too has failed.
    let script = Script::prepare(OnPrepare::FailToCompile);
    let validation = host.validate(approval(successor(&keeps(101), &script))).await;
    let is_refused = matches!(
        validation.verdict,
        Err(ValidationError::Preparation(PrepareError::Compilation(_)))
    );
    assert!(is_refused, "{validation:?}");
    host.shut_down().await;
}

// What is on disk

/// What can happen to the file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    FlipBit(usize),
    CutTo(usize),
    Append,
    Remove,
    /// By what is beside another artifact.
    Swap,
    /// By the artifact itself.
    PutArtifact,
    MakeDirectory,
}

const HEADER_LEN: usize = 248;

const DAMAGES: [Damage; 16] = [
    Damage::FlipBit(0),
    Damage::FlipBit(9),
    Damage::FlipBit(20),
    Damage::FlipBit(30),
    Damage::FlipBit(130),
    Damage::FlipBit(190),
    Damage::FlipBit(HEADER_LEN - 1),
    Damage::FlipBit(HEADER_LEN),
    Damage::FlipBit(HEADER_LEN + 300),
    Damage::CutTo(0),
    Damage::CutTo(HEADER_LEN),
    Damage::CutTo(HEADER_LEN + 200),
    Damage::Append,
    Damage::Remove,
    Damage::Swap,
    Damage::PutArtifact,
];

fn damage(how: Damage, path: &Path, other: &Path) {
    let mut bytes = fs::read(path).unwrap();
    match how {
        Damage::FlipBit(at) => bytes[at] ^= 0x10,
        Damage::CutTo(len) => bytes.truncate(len),
        Damage::Append => bytes.push(0),
        Damage::Swap => bytes = fs::read(other).unwrap(),
        Damage::PutArtifact => bytes = fs::read(path.with_extension("artifact")).unwrap(),
        Damage::Remove => return fs::remove_file(path).unwrap(),
        Damage::MakeDirectory => {
            fs::remove_file(path).unwrap();
            return fs::create_dir(path).unwrap();
        }
    }
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_functions_are_thrown_away_and_cost_nothing_but_time() {
    let host = host().await;
    given(&host, keeps(399).pvf()).await;
    let other = functions(&host, &keeps(399));
    for (at, how) in (0..).zip(DAMAGES.into_iter().chain([Damage::MakeDirectory])) {
        let (old, new) = (keeps(400 + at), keeps(500 + at));
        given(&host, old.pvf()).await;
        let path = functions(&host, &old);
        damage(how, &path, &other);
        assert_eq!(given(&host, successor(&old, &new)).await, 0, "{how:?}");
        assert!(!path.is_file(), "{how:?}");
        // The artifact beside it is as good as before, and so is what the successor has kept.
        assert!(host.precheck(old.pvf()).await.unwrap().cached);
        assert_eq!(given(&host, successor(&new, &keeps(600 + at))).await, 500 + at);
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        }
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_damaged_while_no_host_ran_take_no_artifact_along() {
    let mut host = host().await;
    given(&host, keeps(399).pvf()).await;
    for (at, how) in (0..).zip(DAMAGES) {
        let (old, new) = (keeps(400 + at), keeps(500 + at));
        given(&host, old.pvf()).await;
        let path = functions(&host, &old);
        damage(how, &path, &functions(&host, &keeps(399)));
        host = host.restart().await;
        assert!(host.precheck(old.pvf()).await.unwrap().cached, "{how:?}");
        assert_eq!(given(&host, successor(&old, &new)).await, 0, "{how:?}");
        assert!(!path.exists(), "{how:?}");
    }
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_go_with_their_artifact() {
    // Thrown away because it was damaged.
    let host = host_with(|config| config.hot_workers_max(0)).await;
    given(&host, keeps(101).pvf()).await;
    let (artifact, path) = (host.scratch().artifact(&keeps(101)), functions(&host, &keeps(101)));
    assert!(path.exists());
    fs::write(&artifact, "damaged").unwrap();
    host.validate(approval(keeps(101).pvf())).await.verdict.unwrap_err();
    assert!(!path.exists());
    // Removed by somebody, while no host ran.
    given(&host, keeps(101).pvf()).await;
    assert!(path.exists());
    fs::remove_file(&artifact).unwrap();
    let host = host.restart().await;
    assert!(!path.exists());
    // In need of room: what is kept counts, and goes.
    let report = host.precheck(keeps(1000).pvf()).await.unwrap();
    let path = functions(&host, &keeps(1000));
    let limits = |max_size| PruneLimits::new(max_size, Duration::ZERO);
    let both = fs::metadata(&path).unwrap().len() + report.artifact_size;
    let host = host.restart_with(|config| config.prune_limits(limits(both))).await;
    host.settle().await;
    assert!(path.exists());
    let host = host.restart_with(|config| config.prune_limits(limits(both - 1))).await;
    let both_are_gone = || host.scratch().entries().is_empty() && !path.exists();
    pvf_tests::eventually("both are gone", both_are_gone).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_without_its_functions_is_whole() {
    let host = host().await;
    given(&host, keeps(101).pvf()).await;
    // As a crash of the machine may leave it.
    let path = functions(&host, &keeps(101));
    let unfinished = path.with_file_name(".pvf-tmp-functions");
    let scratch = host.scratch().clone();
    host.shut_down().await;
    fs::rename(&path, &unfinished).unwrap();
    let host = scratch.start(scratch.config()).await.unwrap();
    assert!(!unfinished.exists());
    assert!(host.precheck(keeps(101).pvf()).await.unwrap().cached);
    assert_eq!(given(&host, successor(&keeps(101), &keeps(102))).await, 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_can_not_be_kept_cost_no_artifact() {
    let host = host().await;
    given(&host, keeps(101).pvf()).await;
    let environment = host.scratch().artifact(&keeps(101)).parent().unwrap().to_owned();
    // Something is in the way of the file to come.
    let old = functions(&host, &keeps(101)).file_name().unwrap().to_str().unwrap().to_owned();
    let hash = |script: &Script| script.code().hash().to_string()[2..].to_owned();
    let path = environment.join(old.replace(&hash(&keeps(101)), &hash(&keeps(102))));
    fs::create_dir(&path).unwrap();
    assert_eq!(given(&host, successor(&keeps(101), &keeps(102))).await, 101);
    assert_eq!(given(&host, successor(&keeps(102), &keeps(103))).await, 0);
    fs::remove_dir(&path).unwrap();
    host.shut_down().await;
}
