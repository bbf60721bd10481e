//! What a job can make of its own connection.

use crate::{
    log::Since,
    outside::Outside,
    trial::{Ground, hash, salt},
};
use pvf_host_core::{
    InvalidCandidate, PossiblyInvalid, PrepareError, PrepareReport, ValidationError,
    backend::ExecuteError,
    primitives::{ExecutorParam, ExecutorParams, PvfPrepKind, ValidationResult},
    sandbox::Sandbox,
    validate_with_retry,
};
use pvf_tests::{
    OnPrepare, Script,
    escape::{Attempt, Escape},
    request::approval,
};

/// What is said, and what has to come of it.
type Row<T> = (Attempt, fn(&T) -> bool);

type Verdict = Result<ValidationResult, ValidationError>;

/// What a job says, and what is to become of its candidate.
const EXPECTED: &[Row<Verdict>] = &[
    (Attempt::Garbage, has_died),
    (Attempt::HugeFrame, has_died),
    (Attempt::HalfFrame, has_died),
    (Attempt::ForgeTimeout, has_died),
    (Attempt::EndAsIfWell, has_died),
    (Attempt::TrapThenSuccess, has_trapped),
    // A valid result is what its own code may give anyway.
    (Attempt::SuccessThenTrap, is_forged),
    (Attempt::SuccessTwice, is_forged),
    (Attempt::OutliveAnswer, is_forged),
    (Attempt::ForkAfterAnswer, is_forged),
    (Attempt::LogMuchThenSuccess, is_forged),
    (Attempt::LogFlood, has_timed_out),
    (Attempt::BlockSignals, has_timed_out),
    (Attempt::Stop, has_died),
];

fn has_died(verdict: &Verdict) -> bool {
    let error = PossiblyInvalid::AmbiguousJobDeath;
    let kind = |reason: &PossiblyInvalid| reason.kind() == error(String::new()).kind();
    matches!(verdict, Err(ValidationError::PossiblyInvalid(reason)) if kind(reason))
}

fn has_trapped(verdict: &Verdict) -> bool {
    let invalid = |reason: &InvalidCandidate| matches!(reason, InvalidCandidate::Execution(ExecuteError::Trap(why)) if why == "forged");
    matches!(verdict, Err(ValidationError::Invalid(reason)) if invalid(reason))
}

fn has_timed_out(verdict: &Verdict) -> bool {
    *verdict == Err(ValidationError::Invalid(InvalidCandidate::HardTimeout))
}

fn is_forged(verdict: &Verdict) -> bool {
    verdict.as_ref().is_ok_and(|result| result.head_data.0 == b"forged")
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_job_says_its_first_answer_counts_and_nothing_is_left_of_it() {
    let outside = Outside::new();
    let ground = Ground::new(Sandbox::default()).await;
    ground.assert_clean().await;
    for (attempt, is_expected) in EXPECTED {
        let escape = Escape { attempt: *attempt, target: outside.target() };
        let request = ground.request(Box::new(escape));
        let log = Since::now();
        let validation = ground.host.validate(request).await;
        println!("{:40} {:?}", attempt.name(), validation.verdict);
        assert!(is_expected(&validation.verdict), "{attempt:?}: {:?}", validation.verdict);
        let is_logged = |what| log.has(&[&ground.artifact(), what]);
        if has_died(&validation.verdict) {
            assert!(is_logged("a job ended without a verdict"), "{attempt:?}");
        }
        if let Attempt::LogFlood | Attempt::LogMuchThenSuccess = attempt {
            assert!(is_logged("the guest logged more than is kept"), "{attempt:?}");
        }
        // The next one gets its own answer, and not one that was left.
        ground.assert_clean().await;
    }
    ground.host.shut_down().await;
}

type Preparation = Result<PrepareReport, PrepareError>;

/// What a prepare job says, and what is to become of its code.
const EXPECTED_OF_PREPARING: &[Row<Preparation>] = &[
    (Attempt::Garbage, no_artifact),
    (Attempt::HugeFrame, no_artifact),
    (Attempt::HalfFrame, no_artifact),
    (Attempt::ForgeTimeout, no_artifact),
    (Attempt::EndAsIfWell, no_artifact),
    (Attempt::PromiseArtifact, no_artifact),
    (Attempt::LogFlood, |result| matches!(result, Err(PrepareError::TimedOut { .. }))),
    (Attempt::BlockSignals, |result| matches!(result, Err(PrepareError::TimedOut { .. }))),
    (
        Attempt::RefuseThenArtifact,
        |result| matches!(result, Err(PrepareError::Compilation(why)) if why == "forged"),
    ),
    // Whoever loads it finds that it is none.
    (Attempt::ForgeArtifact, Result::is_ok),
];

fn no_artifact(result: &Preparation) -> bool {
    matches!(result, Err(PrepareError::JobDied(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_prepare_job_says_its_first_answer_counts_and_is_about_its_own_code_alone() {
    let outside = Outside::new();
    let ground = Ground::new(Sandbox::default()).await;
    ground.assert_clean().await;
    for (attempt, is_expected) in EXPECTED_OF_PREPARING {
        let escape = Box::new(Escape { attempt: *attempt, target: outside.target() });
        let limit = ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 300);
        let pvf = Script::prepare(OnPrepare::Escape(escape)).salt(salt()).pvf();
        let pvf = pvf.with_params(ExecutorParams::new(vec![limit]));
        let log = Since::now();
        let result = ground.host.precheck(pvf.clone()).await;
        println!("{:40} {result:?}", attempt.name());
        assert!(is_expected(&result), "{attempt:?}: {result:?}");
        let is_logged = log.has(&[&hash(&pvf), "preparing failed"]);
        assert_eq!(is_logged, result.is_err(), "{attempt:?}");
        if result.is_ok() {
            let verdict = ground.host.validate(approval(pvf)).await.verdict;
            let refused = |reason: &PossiblyInvalid| {
                matches!(reason, PossiblyInvalid::RuntimeConstruction(_))
            };
            let is_refused =
                matches!(&verdict, Err(ValidationError::PossiblyInvalid(it)) if refused(it));
            assert!(is_refused, "{verdict:?}");
        }
        ground.assert_clean().await;
        let next = Script::salted(salt()).pvf();
        assert!(ground.host.precheck(next).await.is_ok(), "after {attempt:?}");
    }
    ground.host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_whose_jobs_are_killed_by_the_filter_is_invalid_in_the_end() {
    let outside = Outside::new();
    let ground = Ground::new(Sandbox::default()).await;
    let escape = Escape { attempt: Attempt::Fork, target: outside.target() };
    let request = ground.request(Box::new(escape));
    let request = request.with_timeout(None);
    let validation = validate_with_retry(&*ground.host, request).await;
    let deaths = validation.retried.iter().cloned().map(Err).chain([validation.verdict]);
    let deaths: Vec<Verdict> = deaths.collect();
    assert!(deaths.iter().all(has_died) && deaths.len() == 2, "{deaths:?}");
    assert!(deaths.iter().all(|death| format!("{death:?}").contains("SIGSYS")), "{deaths:?}");
    ground.assert_clean().await;
    ground.host.shut_down().await;
}
