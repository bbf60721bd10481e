//! Validations with a clock, as a node would see them: requests go through the whole host.

use crate::{
    failure::Failure,
    features,
    floor::{self, Floor},
    verdict,
};
use parity_scale_codec::Encode;
use pvf_host_core::{
    InvalidCandidate, PrepareReport, Pvf, Validation, ValidationError, ValidationHost,
    ValidationRequest,
    artifact::ArtifactId,
    backend::BackendId,
    primitives::{ValidationParams, compression},
};
use std::{
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What the host would call the code with.
pub(crate) fn guest_input(
    request: &ValidationRequest,
    pov_limit: usize,
) -> Result<Vec<u8>, Failure> {
    let data = &request.persisted_validation_data;
    let block = compression::decompress(request.pov.block_data.as_ref(), pov_limit)
        .map_err(|error| not_timed(&format!("its block {error}")))?;
    let params = ValidationParams {
        parent_head: data.parent_head.clone(),
        block_data: block.into_owned().into(),
        relay_parent_number: data.relay_parent_number,
        relay_parent_storage_root: data.relay_parent_storage_root,
        extension: request.extension,
    };
    Ok(params.encode())
}

fn not_timed(reason: &str) -> Failure {
    Failure::runtime("not_timed", format!("this candidate can't be timed: {reason}"))
}

/// Has code prepared, if it is not yet.
pub(crate) async fn precheck(host: &ValidationHost, pvf: &Pvf) -> Result<PrepareReport, Failure> {
    host.precheck(pvf.clone()).await.map_err(|error| {
        let hint = features::hint_for_preparation(&error);
        Failure::runtime(error.kind(), format!("the code can't be prepared: {error}{hint}"))
    })
}

/// Validates once, and says how long that took.
pub(crate) async fn validate(
    host: &ValidationHost,
    request: &ValidationRequest,
) -> Result<(Duration, Validation), Failure> {
    let start = Instant::now();
    let validation = host.validate(request.clone()).await;
    let took = start.elapsed();
    check_usable(&validation)?;
    Ok((took, validation))
}

/// How often each of two hosts validates before it counts. Until a machine has got used to them, they
/// differ by less than they do.
pub(crate) const WARM_UP: usize = 50;

/// Has two hosts take turns with single validations, `warm_up` that do not count and `count` that do. What
/// each of them took.
pub(crate) async fn in_turns(
    hosts: [&ValidationHost; 2],
    request: &ValidationRequest,
    warm_up: usize,
    count: usize,
) -> Result<[Vec<Duration>; 2], Failure> {
    let mut took = [vec![], vec![]];
    for round in 0..warm_up + count {
        // Neither always comes second.
        for i in [round % 2, 1 - round % 2] {
            let (time, _) = validate(hosts[i], request).await?;
            if round >= warm_up {
                took[i].push(time);
            }
        }
    }
    Ok(took)
}

/// Validates `count` times, from `tasks` tasks. Says what each took, and all together.
pub(crate) async fn validate_many(
    host: &ValidationHost,
    request: &ValidationRequest,
    count: usize,
    tasks: usize,
) -> Result<(Vec<Duration>, Duration), Failure> {
    let started = Arc::new(AtomicUsize::new(0));
    // Dropping the set ends its tasks, and with them their handles to the host.
    let mut set = JoinSet::new();
    let start = Instant::now();
    for _ in 0..tasks {
        let (host, request, started) = (host.clone(), request.clone(), started.clone());
        set.spawn(async move {
            let mut took = Vec::new();
            while started.fetch_add(1, Ordering::Relaxed) < count {
                took.push(validate(&host, &request).await?.0);
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(task) = set.join_next().await {
        let took = task.map_err(|error| Failure::runtime("panic", error.to_string()))?;
        all.extend(took?);
    }
    Ok((all, start.elapsed()))
}

/// What `count` calls of code that this host has prepared take with no host around them.
pub(crate) async fn floor(
    host: &ValidationHost,
    cache_dir: &Path,
    pvf: &Pvf,
    backend: &BackendId,
    input: &[u8],
    count: usize,
) -> Result<Floor, Failure> {
    if count == 0 {
        return Ok(Floor::default());
    }
    let artifact = ArtifactId {
        code_hash: pvf.code.hash(),
        prep_hash: pvf.params.prep_hash(),
        backend: backend.clone(),
    };
    floor::measure(floor::Request {
        cache_dir: cache_dir.as_os_str().as_bytes().to_vec(),
        environment: host.environment().0,
        artifact,
        params: (*pvf.params).clone(),
        input: input.to_vec(),
        count: count as u64,
    })
    .await
}

/// A verdict may be timed, whichever it is, if the code ran to its end.
fn check_usable(validation: &Validation) -> Result<(), Failure> {
    match &validation.verdict {
        Ok(_) => Ok(()),
        Err(ValidationError::Invalid(
            InvalidCandidate::Execution(_) | InvalidCandidate::MalformedResult(_),
        )) => Ok(()),
        Err(ValidationError::Invalid(error)) => Err(not_timed(&error.to_string())),
        Err(error) => Err(verdict::failure(error, "a validation failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::{
        InternalError, PossiblyInvalid,
        backend::ExecuteError,
        primitives::{HeadData, ValidationResult},
    };

    fn validation(verdict: Result<ValidationResult, ValidationError>) -> Validation {
        Validation::new(verdict)
    }

    #[test]
    fn an_invalid_candidate_is_timed_if_it_ran_to_its_end() {
        let trap = InvalidCandidate::Execution(ExecuteError::Trap("unreachable".into()));
        let result = ValidationResult { head_data: HeadData(vec![1]), ..Default::default() };
        assert!(check_usable(&validation(Ok(result))).is_ok());
        assert!(check_usable(&validation(Err(trap.into()))).is_ok());
        for error in [
            ValidationError::from(InvalidCandidate::HardTimeout),
            InvalidCandidate::PovDecompressionFailure(compression::DecompressError::Invalid).into(),
            PossiblyInvalid::AmbiguousJobDeath("killed".into()).into(),
            InternalError::HostGone.into(),
        ] {
            assert!(check_usable(&validation(Err(error.clone()))).is_err(), "{error}");
        }
    }
}
