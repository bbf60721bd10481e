//! Whatever a worker does: the host says the right thing about the request at hand, answers others
//! meanwhile, replaces the worker, and stays small. In a program of its own, with a single test, for all
//! tests of a program share its memory.

use pvf_host_core::{
    ConfigBuilder, InternalError, InvalidCandidate, PossiblyInvalid, PrepareError, Pvf,
    ValidationError,
    primitives::{ExecutorParam, ExecutorParams, PvfPrepKind},
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    Scratch, Script, TestHost,
    allocation::Counting,
    eventually, eventually_some,
    manners::{LONGEST_RESPONSE, Manners, Place},
    processes, programs,
    request::{approval, hash_head},
    valid_head,
};
use std::time::Duration;

#[global_allocator]
static MEMORY: Counting = Counting::new();

/// What the host may hold, in bytes, for what it does anyway.
const LITTLE: usize = 8 << 20;
/// What it may hold for a response: the frame, and what is in it.
const MUCH: usize = 2 * LONGEST_RESPONSE as usize + LITTLE;

/// Far longer than a worker that means well needs for anything.
const SOME_TIME: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_millis(50);
const FOREVER: Duration = Duration::from_secs(1_000_000);

/// What becomes of the request that a bad worker gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is answered.
    Answer,
    /// What the worker's death means.
    Death,
    /// What it means that the worker takes too long.
    Timeout,
}
use End::{Answer, Death, Timeout};

const KINDS: [WorkerKind; 2] = [WorkerKind::Prepare, WorkerKind::Execute];

/// What is tried, and how it ends.
fn cases() -> Vec<(Place, Manners, End)> {
    let mut cases = vec![];
    let mut add = |places: &[Place], all: &[(Manners, End)]| {
        for place in places {
            cases.extend(all.iter().map(|(manners, end)| (*place, *manners, *end)));
        }
    };
    let wherever_asked =
        [Place::Greeting(WorkerKind::Execute), Place::Load, Place::Execute, Place::Prepare];
    add(
        &wherever_asked,
        &[
            (Manners::HangUp, Death),
            (Manners::Mumble, Death),
            (Manners::Boast, Death),
            (Manners::TrailOff, Death),
            (Manners::Overload, Death),
            (Manners::Drip, Timeout),
            (Manners::Silent, Timeout),
            (Manners::HalfFrame, Timeout),
        ],
    );
    add(
        &[Place::Load, Place::Execute, Place::Prepare],
        &[
            (Manners::WrongId, Death),
            (Manners::WrongTrace, Death),
            (Manners::AnswerEarly, Death),
            (Manners::GuessId, Death),
        ],
    );
    add(
        // The first answer is a right one.
        &[Place::Execute, Place::Prepare],
        &[(Manners::Repeat, Answer), (Manners::Flood, Answer), (Manners::Exaggerate, Death)],
    );
    add(&[Place::Load], &[(Manners::Repeat, Death), (Manners::Flood, Death)]);
    add(&[Place::Execute], &[(Manners::Chatter, Death), (Manners::Twitter, Death)]);
    add(
        &[Place::Prepare],
        &[
            (Manners::PromiseArtifact, Death),
            (Manners::KeepArtifact, Death),
            (Manners::EmptyArtifact, Death),
            (Manners::SparseArtifact, Death),
            (Manners::PipeArtifact, Death),
            (Manners::SocketArtifact, Death),
            (Manners::DirectoryArtifact, Death),
            (Manners::DeviceArtifact, Death),
        ],
    );
    add(
        &KINDS.map(Place::Idle),
        &[
            (Manners::HangUp, Answer),
            (Manners::Boast, Answer),
            (Manners::AnswerEarly, Answer),
            (Manners::GuessId, Answer),
            (Manners::Drip, Answer),
            (Manners::HalfFrame, Answer),
            (Manners::Flood, Answer),
        ],
    );
    cases
}

fn configure(config: ConfigBuilder) -> ConfigBuilder {
    config.prepare_workers_soft_max(2).prepare_workers_hard_max(2).load_timeout(SOME_TIME)
}

fn pvf() -> Pvf {
    Script::salted(1).pvf()
}

async fn assert_another_is_served(host: &TestHost, salt: u64) {
    let other = approval(Script::salted(salt).pvf());
    assert_eq!(valid_head(host.validate(other.clone()).await), hash_head(&other));
}

/// What the host says when a bad worker gets the request.
async fn ask(host: &TestHost, place: Place, end: End) -> End {
    if place == Place::Prepare {
        let limit = if end == Timeout { SHORT } else { FOREVER };
        let limit = ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, limit.as_millis() as u64);
        let pvf = pvf().with_params(ExecutorParams::new(vec![limit]));
        let precheck = host.submit_precheck(pvf).await;
        eventually_some("a worker misbehaves", || host.scratch().culprit()).await;
        assert_another_is_served(host, 2).await;
        return match precheck.await {
            Ok(_) => Answer,
            Err(PrepareError::Worker(_)) => Death,
            Err(PrepareError::TimedOut { .. }) => Timeout,
            other => panic!("{other:?}"),
        };
    }
    let timeout = if end == Timeout && place == Place::Execute { SHORT } else { FOREVER };
    let request = approval(pvf()).with_timeout(timeout);
    let validation = host.submit(request).await;
    eventually_some("a worker misbehaves", || host.scratch().culprit()).await;
    assert_another_is_served(host, 2).await;
    match (place, validation.await.verdict) {
        (_, Ok(_)) => Answer,
        (_, Err(ValidationError::PossiblyInvalid(PossiblyInvalid::AmbiguousWorkerDeath(_)))) => {
            Death
        }
        (_, Err(ValidationError::Invalid(InvalidCandidate::HardTimeout))) => Timeout,
        // Nothing is known about the candidate yet.
        (Place::Greeting(_) | Place::Load, Err(ValidationError::Internal(error))) => {
            let InternalError::Worker(reason) = &error else { panic!("{error:?}") };
            // What took too long says so.
            let is_slow = ["took more than", "no answer within"].map(|it| reason.contains(it));
            if is_slow.contains(&true) { Timeout } else { Death }
        }
        (_, other) => panic!("{other:?}"),
    }
}

/// Has a host meet a bad worker. Gives how the request ended, and the most memory that it took.
async fn meet(scratch: &Scratch, place: Place, manners: Manners, end: End) -> (End, usize) {
    let mut config = configure(scratch.config());
    if let Place::Greeting(_) = place {
        config = config.spawn_timeout(SOME_TIME);
    }
    if place == Place::Idle(WorkerKind::Prepare) {
        // The first one that the host starts.
        scratch.teach_one(place, manners);
    }
    let before = MEMORY.reset_peak();
    let host = scratch.start(config).await.unwrap();
    if place == Place::Prepare {
        processes::kill(host.worker(WorkerKind::Prepare)).await;
    }
    if place != Place::Idle(WorkerKind::Prepare) {
        scratch.teach_one(place, manners);
    }
    let ended = if place == Place::Idle(WorkerKind::Prepare) {
        Answer
    } else {
        ask(&host, place, end).await
    };
    let culprit = eventually_some("a worker misbehaves", || scratch.culprit()).await;
    eventually("it is gone", || processes::look(culprit).is_none()).await;
    assert_another_is_served(&host, 3).await;
    if place != Place::Prepare {
        assert_another_is_served(&host, 1).await;
    }
    let took = MEMORY.peak() - before;
    host.shut_down().await;
    (ended, took)
}

/// While a bad worker takes its time, and nobody stops it.
async fn assert_nobody_else_waits(place: Place, manners: Manners) {
    let host = TestHost::new(programs!(), |config| {
        configure(config).spawn_timeout(FOREVER).load_timeout(FOREVER)
    })
    .await;
    let scratch = host.scratch();
    let (validation, precheck);
    if place == Place::Prepare {
        processes::kill(host.worker(WorkerKind::Prepare)).await;
        scratch.teach_one(place, manners);
        precheck = Some(host.submit_precheck(pvf()).await);
        validation = None;
    } else {
        scratch.teach_one(place, manners);
        let request = approval(pvf()).with_timeout(FOREVER);
        validation = Some(host.submit(request).await);
        precheck = None;
    }
    let culprit = eventually_some("a worker misbehaves", || scratch.culprit()).await;
    for salt in 2..5 {
        assert_another_is_served(&host, salt).await;
    }
    assert!(processes::look(culprit).is_some(), "it is still at it");
    drop((validation, precheck));
    host.shut_down().await;
}

/// One test, for there is one allocator.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_worker_does_the_host_answers_others_replaces_it_and_stays_small() {
    for (place, manners, end) in cases() {
        let scratch = Scratch::new(programs!());
        let (ended, took) = meet(&scratch, place, manners, end).await;
        println!("{place:?} {manners:?}: {ended:?}, {} KiB", took >> 10);
        assert_eq!(ended, end, "{place:?} {manners:?}");
        let answers_at_length = [Place::Execute, Place::Idle(WorkerKind::Execute)];
        let limit = if answers_at_length.contains(&place) { MUCH } else { LITTLE };
        assert!(took <= limit, "{place:?} {manners:?}: {took} bytes");
    }
    for place in [Place::Greeting(WorkerKind::Execute), Place::Load, Place::Execute, Place::Prepare]
    {
        for manners in [Manners::Drip, Manners::Silent, Manners::HalfFrame] {
            assert_nobody_else_waits(place, manners).await;
        }
    }
}
