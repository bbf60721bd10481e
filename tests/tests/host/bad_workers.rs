//! Workers that greet as they should and break the protocol then: nothing that they say crashes, blocks
//! or bloats the host, or costs anything but the work at hand.

use crate::scratch;
use futures_util::future::join_all;
use pvf_host_core::{
    InternalError, PossiblyInvalid, PrepareError, StartError, ValidationError, validate_with_retry,
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    Script, eventually,
    manners::{Manners, Place},
    processes,
    request::{approval, hash_head},
    valid_head,
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_prepare_worker_that_breaks_the_protocol_gives_no_artifact() {
    for manners in [
        Manners::Interrupt,
        Manners::HangUp,
        Manners::Mumble,
        Manners::Boast,
        Manners::TrailOff,
        Manners::Overload,
        Manners::PromiseArtifact,
        Manners::KeepArtifact,
        Manners::EmptyArtifact,
    ] {
        let scratch = scratch();
        scratch.teach(manners);
        let host = scratch.start(scratch.config()).await.unwrap();
        let answer = host.precheck(Script::default().pvf()).await;
        assert!(matches!(answer, Err(PrepareError::Worker(_))), "{manners:?}: {answer:?}");
        assert!(scratch.entries().is_empty());
        eventually("the worker is gone", || host.workers(WorkerKind::Prepare).is_empty()).await;
        // Its successor is none the worse.
        scratch.forget_manners();
        let request = approval(Script::salted(1).pvf());
        assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
        host.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepare_worker_that_answers_twice_is_not_asked_again() {
    let scratch = scratch();
    scratch.teach(Manners::Repeat);
    let host = scratch.start(scratch.config()).await.unwrap();
    let worker = host.worker(WorkerKind::Prepare);
    host.precheck(Script::default().pvf()).await.unwrap();
    eventually("the worker is gone", || processes::look(worker.as_raw_pid()).is_none()).await;
    scratch.forget_manners();
    // The second answer is never taken for one to the next request.
    let request = approval(Script::salted(1).pvf());
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execute_worker_that_breaks_the_protocol_gives_no_verdict() {
    for manners in [
        Manners::Interrupt,
        Manners::HangUp,
        Manners::Mumble,
        Manners::Boast,
        Manners::TrailOff,
        Manners::Overload,
        Manners::Repeat,
        Manners::Chatter,
        Manners::ForgeResult,
    ] {
        let scratch = scratch();
        let host = scratch.start(scratch.config()).await.unwrap();
        let request = approval(Script::default().pvf());
        host.precheck(request.pvf.clone()).await.unwrap();
        scratch.teach(manners);
        let verdict = host.validate(request.clone()).await.verdict;
        let Err(ValidationError::PossiblyInvalid(reason)) = verdict else {
            panic!("{manners:?}: {verdict:?}");
        };
        let is_expected = match manners {
            Manners::ForgeResult => matches!(reason, PossiblyInvalid::JobError(_)),
            _ => matches!(reason, PossiblyInvalid::AmbiguousWorkerDeath(_)),
        };
        assert!(is_expected, "{manners:?}: {reason:?}");
        scratch.forget_manners();
        eventually("the worker is gone", || host.workers(WorkerKind::Execute).is_empty()).await;
        assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
        host.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_does_not_start_with_a_worker_that_does_not_greet() {
    let cases = [
        Manners::HangUp,
        Manners::Mumble,
        Manners::Boast,
        Manners::TrailOff,
        Manners::Drip,
        Manners::Silent,
        Manners::HalfFrame,
    ];
    join_all(cases.map(async |manners| {
        let scratch = scratch();
        scratch.teach_one(Place::Greeting(WorkerKind::Prepare), manners);
        let config = scratch.config().spawn_timeout(Duration::from_millis(500));
        let error = scratch.start(config).await.unwrap_err();
        assert!(matches!(error, StartError::Worker(_)), "{manners:?}: {error:?}");
        scratch.assert_nothing_is_left().await;
        scratch.start(scratch.config()).await.unwrap().shut_down().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_makes_good_what_one_bad_worker_did() {
    let cases = [
        (Place::Greeting(WorkerKind::Execute), Manners::HangUp),
        (Place::Load, Manners::WrongId),
        (Place::Load, Manners::WrongTrace),
        (Place::Load, Manners::Flood),
        (Place::Execute, Manners::WrongId),
        (Place::Execute, Manners::WrongTrace),
        (Place::Execute, Manners::GuessId),
        (Place::Execute, Manners::TrailOff),
        (Place::Execute, Manners::Exaggerate),
    ];
    join_all(cases.map(async |(place, manners)| {
        let scratch = scratch();
        let host = scratch.start(scratch.config()).await.unwrap();
        scratch.teach_one(place, manners);
        let request = approval(Script::default().pvf());
        let validation = validate_with_retry(&*host, request.clone()).await;
        let [first] = &validation.retried[..] else { panic!("{manners:?}: {validation:?}") };
        let is_expected = match place {
            Place::Greeting(_) => {
                matches!(first, ValidationError::Internal(InternalError::Worker(_)))
            }
            _ => matches!(
                first,
                ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousWorkerDeath(_))
            ),
        };
        assert!(is_expected, "{place:?} {manners:?}: {first:?}");
        assert_eq!(valid_head(validation), hash_head(&request));
        host.shut_down().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bad_workers_in_a_row_leave_a_candidate_possibly_invalid() {
    let scratch = scratch();
    let host = scratch.start(scratch.config()).await.unwrap();
    let request = approval(Script::default().pvf());
    host.precheck(request.pvf.clone()).await.unwrap();
    scratch.teach(Manners::WrongId);
    let validation = validate_with_retry(&*host, request).await;
    let is_worker_death = |error: &ValidationError| {
        matches!(error, ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousWorkerDeath(_)))
    };
    assert!(validation.retried.iter().all(is_worker_death), "{validation:?}");
    assert_eq!(validation.retried.len(), 1);
    assert!(is_worker_death(&validation.verdict.unwrap_err()));
    host.shut_down().await;
}
