//! Workers that greet as they should and break the protocol then: nothing that they say crashes, blocks
//! or bloats the host, or costs anything but the work at hand.

use crate::scratch;
use pvf_host_core::{PossiblyInvalid, PrepareError, ValidationError, worker::protocol::WorkerKind};
use pvf_tests::{
    Script, eventually,
    manners::Manners,
    processes,
    request::{approval, hash_head},
    valid_head,
};

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
