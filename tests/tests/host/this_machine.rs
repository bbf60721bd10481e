//! What this machine lacks is no fault of an artifact, and still less of a candidate.

use crate::{host, scratch};
use pvf_host_core::{
    InternalError, PossiblyInvalid, Validation, ValidationError, ValidationRequest, backend,
    validate_with_retry,
};
use pvf_tests::{OnCall, OnLoad, Script, guests, request::approval, scripted};
use std::{collections::HashSet, fs};

/// What a host says about a candidate, with retries, whose execute workers have a limit in KiB on the
/// resource that `ulimit` calls `kind`.
async fn validated_under(kind: &str, limit: u32, request: ValidationRequest) -> Validation {
    let scratch = scratch();
    let program = scratch.worker().with_extension("unlimited");
    fs::rename(scratch.worker(), &program).unwrap();
    scratch.install_script(&format!(
        "test \"$2\" = execute && ulimit {kind} {limit}; exec '{}' \"$@\"",
        program.display()
    ));
    let host = scratch.start(scratch.config()).await.unwrap();
    let validation = validate_with_retry(&*host, request).await;
    assert_eq!(host.statistics().preparations, 1, "nothing was wrong with the artifact");
    host.shut_down().await;
    validation
}

fn is_the_machines(validation: &Validation) -> bool {
    matches!(validation.verdict, Err(ValidationError::Internal(InternalError::Machine(_))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_room_for_a_stack_makes_no_candidate_invalid() {
    let validation = validated_under("-v", 200 << 10, approval(Script::default().pvf())).await;
    assert!(is_the_machines(&validation), "{validation:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_room_for_an_instance_makes_no_candidate_invalid() {
    let candidate = guests::Candidate::all().into_iter().find(|it| it.guest.name == "hasher");
    let candidate = candidate.unwrap();
    for (backend, blob) in candidate.guest.runs() {
        // An interpreter reserves nothing.
        if !["polkavm-interpreter", "wasmi"].contains(&backend.id.as_str()) {
            let request = candidate.request(blob, &backend.id);
            let validation = validated_under("-v", 2 << 20, request).await;
            assert!(is_the_machines(&validation), "{}: {validation:?}", backend.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_memory_for_a_call_makes_no_candidate_invalid() {
    // It grows its memory to the limit.
    let is_hog = |it: &guests::Candidate| it.guest.name == "memory-hog";
    let valid = |it: &guests::Candidate| matches!(it.expected, guests::Outcome::Valid(_));
    let candidates = guests::Candidate::all().into_iter().filter(is_hog).filter(valid);
    let mut without_memory = HashSet::new();
    for candidate in candidates {
        for (backend, blob) in candidate.guest.runs() {
            let request = candidate.request(blob, &backend.id);
            // The stack takes 260 MiB of it.
            let validation = validated_under("-d", 300 << 10, request).await;
            if is_the_machines(&validation) {
                without_memory.insert(backend.id.clone());
            } else {
                assert_eq!(guests::Outcome::from(validation.verdict), candidate.expected);
            }
        }
    }
    let engines = backend::linked()
        .into_iter()
        .filter(|it| it.id != scripted::ID && it.id != scripted::TWIN_ID);
    assert_eq!(without_memory, engines.map(|it| it.id.clone()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_blames_the_machine_without_reason_is_not_believed() {
    let host = host().await;
    let request = approval(Script::call(OnCall::MachineFails).pvf());
    let verdict = validate_with_retry(&*host, request).await.verdict;
    assert!(
        matches!(verdict, Err(ValidationError::PossiblyInvalid(PossiblyInvalid::JobError(_)))),
        "{verdict:?}"
    );
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_blames_the_machine_makes_no_candidate_invalid() {
    let host = host().await;
    let request = approval(Script::load(OnLoad::MachineFails).pvf());
    let validation = validate_with_retry(&*host, request).await;
    assert!(is_the_machines(&validation), "{validation:?}");
    assert_eq!(host.statistics().preparations, 1);
    host.shut_down().await;
}
