//! One execution of a case on a backend.

use super::{
    Outcome, Sample,
    outcome::Verdict,
    round::{Executed, Prepared},
};
use crate::case::Case;
use pvf_host_core::{
    ValidationError, ValidationHost, ValidationRequest, backend::BackendDescriptor,
    validate_with_retry,
};
use std::time::{Duration, Instant};

/// Executes a case, if the backend accepts code of it.
pub(crate) async fn execute(
    host: &ValidationHost,
    case: &Case,
    backend: &BackendDescriptor,
) -> Executed {
    let code = case.code_for(backend)?;
    Some(validate(host, case.request(&backend.id, code)).await)
}

async fn validate(host: &ValidationHost, request: ValidationRequest) -> (Verdict, Sample) {
    let start = Instant::now();
    let mut validation = host.validate(request.clone()).await;
    let mut wall = Some(nanos(start.elapsed()));
    if let Err(ValidationError::PossiblyInvalid(_) | ValidationError::Internal(_)) =
        validation.verdict
    {
        // The verdict is what a validator would vote, and waiting before trying again takes time.
        validation = validate_with_retry(host, request).await;
        wall = None;
    }
    let outcome = Outcome::of(&validation.verdict);
    let report = validation.execute.as_ref();
    let prepared = validation.prepare.filter(|report| !report.cached).map(|report| Prepared {
        wall: nanos(report.cost.wall),
        cpu: nanos(report.cost.cpu),
        peak_memory: report.cost.peak_memory,
        artifact_size: report.artifact_size,
    });
    let sample = Sample {
        wall: wall.filter(|_| outcome.class.is_timed()),
        outcome,
        hot: report.is_some_and(|report| report.load.is_none()),
        load: report.and_then(|report| report.load).map(nanos),
        cpu: report.map(|report| nanos(report.cpu)),
        peak_memory: report.map(|report| report.peak_memory),
        gas: report.and_then(|report| report.gas_used),
        prepared,
    };
    (validation.verdict, sample)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
