//! Requests that name their code by its hash alone.

use crate::{host, host_with};
use async_trait::async_trait;
use pvf_host_core::{
    Code, CodeProvider, InternalError, PrepareError, Pvf, Validation, ValidationError,
    primitives::{CodeHash, ExecutorParam, ExecutorParams},
};
use pvf_tests::{
    OnPrepare, Script, TestHost, eventually,
    request::{approval, hash_head},
    scripted, valid_head,
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Semaphore;

/// Answers each question with the same, once it is let.
struct Provider {
    answer: Mutex<Result<Vec<u8>, String>>,
    asked: AtomicUsize,
    permits: Semaphore,
}

impl Provider {
    fn new(answer: Result<Vec<u8>, String>) -> Arc<Self> {
        let permits = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { answer: Mutex::new(answer), asked: AtomicUsize::new(0), permits })
    }

    fn of(script: &Script) -> Arc<Self> {
        Self::new(Ok(script.bytes()))
    }

    /// The same, but it waits for permits to answer.
    fn held_back(script: &Script) -> Arc<Self> {
        let provider = Self::of(script);
        provider.permits.forget_permits(Semaphore::MAX_PERMITS);
        provider
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl CodeProvider for Provider {
    async fn code(&self, _: CodeHash) -> Result<Vec<u8>, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.permits.acquire().await.unwrap().forget();
        self.answer.lock().unwrap().clone()
    }
}

async fn host_asking(provider: &Arc<Provider>) -> TestHost {
    let provider = provider.clone();
    host_with(|config| config.code_provider(provider)).await
}

fn by_hash(script: &Script) -> Pvf {
    Pvf::new(script.code().hash())
}

fn unavailable(validation: Validation) -> CodeHash {
    match validation.verdict {
        Err(ValidationError::Internal(InternalError::Preparation(
            PrepareError::CodeUnavailable { hash, .. },
        ))) => hash,
        other => panic!("the code was to be had: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_code_whose_artifact_is_there() {
    let script = Script::default();
    let provider = Provider::of(&script);
    let host = host_asking(&provider).await;
    host.precheck(script.pvf()).await.unwrap();
    let request = approval(by_hash(&script));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    // The next host knows from the artifact alone whose it is.
    let host = host.restart().await;
    let validation = host.validate(request.clone()).await;
    assert!(validation.prepare.as_ref().unwrap().cached);
    assert_eq!(valid_head(validation), hash_head(&request));
    assert_eq!((provider.asked(), host.statistics().code_fetches), (0, 0));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_many_need_is_asked_for_once() {
    let script = Script::default();
    let provider = Provider::held_back(&script);
    let host = host_asking(&provider).await;
    let request = approval(by_hash(&script));
    let mut validations = vec![];
    for _ in 0..5 {
        validations.push(host.submit(request.clone()).await);
    }
    let precheck = host.submit_precheck(by_hash(&script)).await;
    host.heads_up([by_hash(&script)]).await;
    host.settle().await;
    provider.permits.add_permits(1);
    for validation in validations {
        assert_eq!(valid_head(validation.await), hash_head(&request));
    }
    assert!(!precheck.await.unwrap().cached);
    assert_eq!((provider.asked(), host.statistics().code_fetches), (1, 1));
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_for_a_backend_named_in_the_parameters_is_asked_for_too() {
    let script = Script::default();
    let provider = Provider::of(&script);
    let host = host_asking(&provider).await;
    let params = ExecutorParams::new(vec![ExecutorParam::Backend(scripted::ID)]);
    let request = approval(by_hash(&script).with_params(params));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    assert_eq!(provider.asked(), 1);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_not_to_be_had_is_no_fault_of_the_candidate() {
    let script = Script::default();
    let hash = script.code().hash();
    // Nobody to ask.
    let alone = host().await;
    assert_eq!(unavailable(alone.validate(approval(by_hash(&script))).await), hash);
    let answer = alone.precheck(by_hash(&script)).await;
    assert!(matches!(answer, Err(PrepareError::CodeUnavailable { .. })), "{answer:?}");
    alone.shut_down().await;
    // Nobody who knows.
    let provider = Provider::new(Err("unknown".into()));
    let host = host_asking(&provider).await;
    assert_eq!(unavailable(host.validate(approval(by_hash(&script))).await), hash);
    // Somebody who lies.
    *provider.answer.lock().unwrap() = Ok(Script::salted(1).bytes());
    assert_eq!(unavailable(host.validate(approval(by_hash(&script))).await), hash);
    assert!(host.scratch().entries().is_empty());
    // It is asked for again each time.
    *provider.answer.lock().unwrap() = Ok(script.bytes());
    let request = approval(by_hash(&script));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    assert_eq!(provider.asked(), 3);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_code_that_is_known_to_fail() {
    let script = Script::prepare(OnPrepare::FailToCompile);
    let provider = Provider::of(&script);
    let host = host_asking(&provider).await;
    let error = host.precheck(Pvf::new(script.code())).await.unwrap_err();
    assert_eq!(host.precheck(by_hash(&script)).await, Err(error.clone()));
    let host = host.restart().await;
    assert_eq!(host.precheck(by_hash(&script)).await, Err(error));
    assert_eq!(provider.asked(), 0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_arrives_when_nobody_waits_any_more_costs_no_preparation() {
    let script = Script::default();
    let provider = Provider::held_back(&script);
    let host = host_asking(&provider).await;
    let validation = host.submit(approval(by_hash(&script))).await;
    eventually("the provider was asked", || provider.asked() == 1).await;
    drop(validation);
    host.settle().await;
    provider.permits.add_permits(1);
    eventually("the provider has answered", || provider.permits.available_permits() == 0).await;
    host.settle().await;
    assert_eq!(host.statistics().preparations, 0);
    // Who comes later gets it all the same.
    provider.permits.add_permits(1);
    let request = approval(by_hash(&script));
    assert_eq!(valid_head(host.validate(request.clone()).await), hash_head(&request));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_on_its_way_for_somebody_who_left_serves_the_next() {
    let script = Script::default();
    let provider = Provider::held_back(&script);
    let host = host_asking(&provider).await;
    let request = approval(by_hash(&script));
    let first = host.submit(request.clone()).await;
    eventually("the provider was asked", || provider.asked() == 1).await;
    drop(first);
    host.settle().await;
    let second = host.submit(request.clone()).await;
    provider.permits.add_permits(1);
    assert_eq!(valid_head(second.await), hash_head(&request));
    assert_eq!((provider.asked(), host.statistics().code_fetches), (1, 1));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_the_code_does_not_wait_for_one_without() {
    let script = Script::default();
    let provider = Provider::held_back(&script);
    let host = host_asking(&provider).await;
    let without = host.submit(approval(by_hash(&script))).await;
    let with = approval(Pvf::new(Code::new(script.bytes())));
    assert_eq!(valid_head(host.validate(with.clone()).await), hash_head(&with));
    provider.permits.add_permits(1);
    assert_eq!(valid_head(without.await), hash_head(&with));
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}
