//! Verdicts and what they took, for programs and for people.
//!
//! The fields of the JSON forms are an interface: scripts read them.

use crate::{
    failure::{Answer, Failure},
    features,
    output::Facts,
    units::{millis, size, time},
};
use pvf_host_core::{
    ExecuteReport, PrepareError, PrepareReport, Validation, ValidationError,
    primitives::{CodeHash, ValidationResult, hex},
};
use serde::Serialize;

/// The answer to `validate`.
#[derive(Debug, Serialize)]
pub(crate) struct ValidationJson {
    verdict: &'static str,
    backend: Option<String>,
    code_hash: String,
    reason: Option<Reason>,
    result: Option<ResultJson>,
    prepare: Option<PrepareJson>,
    execute: Option<ExecuteJson>,
    /// Why it was tried before, and tried again.
    retried: Vec<Reason>,
}

/// The answer to `precheck`.
#[derive(Debug, Serialize)]
pub(crate) struct PrecheckJson {
    verdict: &'static str,
    backend: Option<String>,
    code_hash: String,
    reason: Option<Reason>,
    prepare: Option<PrepareJson>,
}

/// Why it is not the good answer.
#[derive(Debug, Serialize)]
struct Reason {
    kind: &'static str,
    message: String,
}

#[derive(Debug, Serialize)]
struct ResultJson {
    head_data: String,
    new_validation_code: Option<String>,
    upward_messages: Vec<String>,
    horizontal_messages: Vec<HorizontalMessageJson>,
    processed_downward_messages: u32,
    hrmp_watermark: u32,
}

#[derive(Debug, Serialize)]
struct HorizontalMessageJson {
    recipient: u32,
    data: String,
}

#[derive(Debug, Serialize)]
struct PrepareJson {
    cached: bool,
    wall_ms: f64,
    cpu_ms: f64,
    peak_memory_bytes: u64,
    artifact_bytes: u64,
    /// Null when the backend does not keep functions, and when the artifact was there already.
    functions_reused: Option<u32>,
    functions_compiled: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ExecuteJson {
    wall_ms: f64,
    cpu_ms: f64,
    load_ms: Option<f64>,
    peak_rss_bytes: u64,
    /// Null when gas was not metered.
    gas_used: Option<u64>,
}

/// What a validator would do about a validation.
pub(crate) fn answer(verdict: &Result<ValidationResult, ValidationError>) -> Answer {
    match verdict {
        Ok(_) => Answer::Yes,
        Err(ValidationError::Invalid(_) | ValidationError::PossiblyInvalid(_)) => Answer::No,
        Err(
            ValidationError::Preparation(_)
            | ValidationError::Internal(_)
            | ValidationError::ExecutionDeadline,
        ) => Answer::Unknown,
    }
}

/// What a validator would vote about code. A timeout counts against it: the limit is there to keep
/// code out that others can't prepare in time.
pub(crate) fn precheck_answer(result: &Result<PrepareReport, PrepareError>) -> Answer {
    match result {
        Ok(_) => Answer::Yes,
        // Not certain to come again on another machine, but no validator votes for such code.
        Err(PrepareError::TimedOut { .. } | PrepareError::RuntimeConstruction(_)) => Answer::No,
        Err(error) if error.is_deterministic() => Answer::No,
        Err(_) => Answer::Unknown,
    }
}

impl Reason {
    fn of(error: &ValidationError) -> Self {
        let message = match error {
            ValidationError::Invalid(error) => error.to_string(),
            ValidationError::PossiblyInvalid(error) => {
                format!("{error} (ambiguous: counted as invalid, as a validator would vote)")
            }
            ValidationError::Preparation(_) | ValidationError::ExecutionDeadline => {
                error.to_string()
            }
            ValidationError::Internal(error) => error.to_string(),
        };
        let remark = features::remark_on_validation(error);
        Self { kind: error.kind(), message: message + &remark }
    }
}

impl Reason {
    fn of_retry(error: &ValidationError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }

    fn of_preparation(error: &PrepareError) -> Self {
        let remark = features::remark_on_preparation(error);
        Self { kind: error.kind(), message: format!("{error}{remark}") }
    }
}

impl ValidationJson {
    /// There was no host to ask.
    pub(crate) fn not_started(code_hash: CodeHash, kind: &'static str, message: String) -> Self {
        Self {
            verdict: "error",
            backend: None,
            code_hash: code_hash.to_string(),
            reason: Some(Reason { kind, message }),
            result: None,
            prepare: None,
            execute: None,
            retried: vec![],
        }
    }

    pub(crate) fn new(code_hash: CodeHash, validation: &Validation) -> Self {
        Self {
            verdict: match answer(&validation.verdict) {
                Answer::Yes => "valid",
                Answer::No => "invalid",
                Answer::Unknown => "error",
            },
            backend: validation.backend.as_ref().map(ToString::to_string),
            code_hash: code_hash.to_string(),
            reason: validation.verdict.as_ref().err().map(Reason::of),
            result: validation.verdict.as_ref().ok().map(ResultJson::from),
            prepare: validation.prepare.as_ref().map(PrepareJson::from),
            execute: validation.execute.as_ref().map(ExecuteJson::from),
            retried: validation.retried.iter().map(Reason::of_retry).collect(),
        }
    }
}

impl PrecheckJson {
    pub(crate) fn new(code_hash: CodeHash, result: &Result<PrepareReport, PrepareError>) -> Self {
        Self {
            verdict: precheck_word(precheck_answer(result), "error"),
            backend: result.as_ref().ok().map(|report| report.backend.to_string()),
            code_hash: code_hash.to_string(),
            reason: result.as_ref().err().map(Reason::of_preparation),
            prepare: result.as_ref().ok().map(PrepareJson::from),
        }
    }
}

fn precheck_word(answer: Answer, unknown: &'static str) -> &'static str {
    match answer {
        Answer::Yes => "accepted",
        Answer::No => "rejected",
        Answer::Unknown => unknown,
    }
}

impl From<&ValidationResult> for ResultJson {
    fn from(result: &ValidationResult) -> Self {
        Self {
            head_data: hex::encode(&result.head_data),
            new_validation_code: result.new_validation_code.as_ref().map(hex::encode),
            upward_messages: result.upward_messages.iter().map(hex::encode).collect(),
            horizontal_messages: result
                .horizontal_messages
                .iter()
                .map(|message| HorizontalMessageJson {
                    recipient: message.recipient.into(),
                    data: hex::encode(&message.data),
                })
                .collect(),
            processed_downward_messages: result.processed_downward_messages,
            hrmp_watermark: result.hrmp_watermark,
        }
    }
}

impl From<&PrepareReport> for PrepareJson {
    fn from(report: &PrepareReport) -> Self {
        Self {
            cached: report.cached,
            wall_ms: millis(report.cost.wall),
            cpu_ms: millis(report.cost.cpu),
            peak_memory_bytes: report.cost.peak_memory,
            artifact_bytes: report.artifact_size,
            functions_reused: report.functions.map(|functions| functions.reused),
            functions_compiled: report.functions.map(|functions| functions.compiled),
        }
    }
}

impl From<&ExecuteReport> for ExecuteJson {
    fn from(report: &ExecuteReport) -> Self {
        Self {
            wall_ms: millis(report.wall),
            cpu_ms: millis(report.cpu),
            load_ms: report.load.map(millis),
            peak_rss_bytes: report.peak_memory,
            gas_used: report.gas_used,
        }
    }
}

/// A validation for people.
pub(crate) fn describe(code_hash: CodeHash, validation: &Validation) -> Facts {
    let mut facts = Facts::default();
    facts.add(
        "verdict",
        match answer(&validation.verdict) {
            Answer::Yes => "valid",
            Answer::No => "invalid",
            Answer::Unknown => "could not tell",
        },
    );
    if let Err(error) = &validation.verdict {
        let Reason { kind, message } = Reason::of(error);
        // What is said of code names its class by itself.
        let is_of_code = matches!(error, ValidationError::Preparation(_));
        facts.add("reason", if is_of_code { message } else { reason(kind, &message) });
    }
    for error in &validation.retried {
        facts.add("tried before", error.to_string());
    }
    if let Ok(result) = &validation.verdict {
        facts.add("new head", head(result));
        let messages = (result.upward_messages.len(), result.horizontal_messages.len());
        facts.add(
            "messages",
            format!(
                "{} upward, {} horizontal, {} downward processed",
                messages.0, messages.1, result.processed_downward_messages
            ),
        );
        facts.add("watermark", result.hrmp_watermark.to_string());
        if let Some(code) = &result.new_validation_code {
            facts.add("new code", format!("{} ({} bytes)", code.hash(), code.0.len()));
        }
    }
    facts.add("code", code_hash.to_string());
    if let Some(backend) = &validation.backend {
        facts.add("backend", backend.to_string());
    }
    describe_preparation(&mut facts, validation.prepare.as_ref());
    if let Some(report) = &validation.execute {
        facts.add(
            "executed",
            format!(
                "in {}, {} of CPU time, {} resident",
                time(report.wall),
                time(report.cpu),
                size(report.peak_memory)
            ),
        );
        if let Some(gas) = report.gas_used {
            facts.add("gas used", gas.to_string());
        }
    }
    facts
}

/// The message, behind its kind if it does not begin with the same words.
fn reason(kind: &str, message: &str) -> String {
    let words = kind.replace('_', " ");
    if message.starts_with(&words) { message.to_owned() } else { format!("{words}: {message}") }
}

/// A precheck for people.
pub(crate) fn describe_precheck(
    code_hash: CodeHash,
    result: &Result<PrepareReport, PrepareError>,
) -> Facts {
    let mut facts = Facts::default();
    facts.add("verdict", precheck_word(precheck_answer(result), "could not tell"));
    if let Err(error) = result {
        let Reason { kind, message } = Reason::of_preparation(error);
        facts.add("reason", reason(kind, &message));
    }
    facts.add("code", code_hash.to_string());
    if let Ok(report) = result {
        facts.add("backend", report.backend.to_string());
    }
    describe_preparation(&mut facts, result.as_ref().ok());
    facts
}

fn describe_preparation(facts: &mut Facts, report: Option<&PrepareReport>) {
    let Some(report) = report else { return };
    let took = format!(
        "in {}, {} of CPU time, {} resident",
        time(report.cost.wall),
        time(report.cost.cpu),
        size(report.cost.peak_memory)
    );
    facts.add("prepared", if report.cached { format!("cached; {took}") } else { took });
    facts.add("artifact", size(report.artifact_size));
}

/// A head, as far as a line has room for it.
pub(crate) fn head(result: &ValidationResult) -> String {
    const SHOWN: usize = 128;
    let bytes = &result.head_data.0;
    match bytes.get(..SHOWN) {
        Some(start) if bytes.len() > SHOWN => {
            format!("{}… ({} bytes, all of them with --json)", hex::encode(start), bytes.len())
        }
        _ => hex::encode(bytes),
    }
}

/// The failure of a command that can't go on after this error.
pub(crate) fn failure(error: &ValidationError, what: &str) -> Failure {
    let Reason { kind, message } = Reason::of(error);
    Failure::runtime(kind, format!("{what}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::{
        InternalError, InvalidCandidate, PossiblyInvalid, Trace, TraceId,
        artifact::PrepareCost,
        backend::FunctionCounts,
        backend::{BackendId, ExecuteError},
        primitives::{Hash, OutboundHrmpMessage, ParaId, ValidationCode},
    };
    use serde_json::{json, to_value};
    use std::time::Duration;

    const CODE_HASH: Hash = Hash([0xab; 32]);

    fn prepare_report() -> PrepareReport {
        let mut report = PrepareReport::new(BackendId::from_static("wasmtime"));
        report.trace = TraceId::from_u64(7);
        report.cached = true;
        report.cost = PrepareCost {
            wall: Duration::from_micros(12_345),
            cpu: Duration::from_millis(20),
            peak_memory: 1 << 20,
        };
        report.artifact_size = 4096;
        report.functions = Some(FunctionCounts { reused: 3, compiled: 4 });
        report
    }

    fn execute_report() -> ExecuteReport {
        let mut report = ExecuteReport::default();
        report.trace = TraceId::from_u64(7);
        report.wall = Duration::from_micros(1_500);
        report.cpu = Duration::from_micros(700);
        report.peak_memory = 2 << 20;
        report.gas_used = Some(u64::MAX);
        report.load = Some(Duration::from_micros(300));
        report
    }

    fn validation(verdict: Result<ValidationResult, ValidationError>) -> Validation {
        let mut validation = Validation::new(verdict);
        validation.trace = Some(Trace::first(TraceId::from_u64(7)));
        validation.backend = Some(BackendId::from_static("wasmtime"));
        validation.prepare = Some(prepare_report());
        validation.execute = Some(execute_report());
        validation
    }

    fn failed(error: impl Into<ValidationError>) -> Validation {
        Validation::new(Err(error.into()))
    }

    fn to_json(validation: &Validation) -> serde_json::Value {
        to_value(ValidationJson::new(CODE_HASH.into(), validation)).unwrap()
    }

    #[test]
    fn a_valid_candidate_has_every_field() {
        let result = ValidationResult {
            head_data: vec![1, 2].into(),
            new_validation_code: Some(ValidationCode(vec![3])),
            upward_messages: vec![vec![4]].try_into().unwrap(),
            horizontal_messages: vec![OutboundHrmpMessage { recipient: ParaId(5), data: vec![6] }]
                .try_into()
                .unwrap(),
            processed_downward_messages: 7,
            hrmp_watermark: 8,
        };
        let expected = json!({
            "verdict": "valid",
            "backend": "wasmtime",
            "code_hash": CODE_HASH.to_string(),
            "reason": null,
            "result": {
                "head_data": "0x0102",
                "new_validation_code": "0x03",
                "upward_messages": ["0x04"],
                "horizontal_messages": [{ "recipient": 5, "data": "0x06" }],
                "processed_downward_messages": 7,
                "hrmp_watermark": 8,
            },
            "prepare": {
                "cached": true,
                "wall_ms": 12.345,
                "cpu_ms": 20.0,
                "peak_memory_bytes": 1 << 20,
                "artifact_bytes": 4096, "functions_reused": 3, "functions_compiled": 4,
            },
            "execute": {
                "wall_ms": 1.5,
                "cpu_ms": 0.7,
                "load_ms": 0.3,
                "peak_rss_bytes": 2 << 20,
                "gas_used": u64::MAX,
            },
            "retried": [],
        });
        assert_eq!(to_json(&validation(Ok(result))), expected);
    }

    #[test]
    fn what_did_not_happen_is_null() {
        let json = to_json(&failed(InternalError::HostGone));
        assert_eq!(json["verdict"], "error");
        assert_eq!(json["reason"]["kind"], "host_gone");
        for absent in ["backend", "result", "prepare", "execute"] {
            assert!(json[absent].is_null(), "{absent}");
        }
    }

    #[test]
    fn every_class_of_error_has_its_verdict() {
        let trap = InvalidCandidate::Execution(ExecuteError::Trap("unreachable".into()));
        let death = PossiblyInvalid::AmbiguousJobDeath("killed".into());
        let prevalidation = PrepareError::Prevalidation("no code".into());
        for (error, verdict, kind, expected) in [
            (ValidationError::from(trap), "invalid", "trap", Answer::No),
            (death.into(), "invalid", "ambiguous_job_death", Answer::No),
            (
                ValidationError::Preparation(prevalidation),
                "error",
                "prevalidation",
                Answer::Unknown,
            ),
            (InternalError::Io("disk".into()).into(), "error", "io", Answer::Unknown),
            (ValidationError::ExecutionDeadline, "error", "execution_deadline", Answer::Unknown),
        ] {
            let validation = failed(error);
            let json = to_json(&validation);
            assert_eq!(
                (&json["verdict"], &json["reason"]["kind"]),
                (&verdict.into(), &kind.into())
            );
            assert_eq!(answer(&validation.verdict), expected);
        }
    }

    #[test]
    fn a_precheck_rejects_what_fails_for_everyone_and_what_takes_too_long() {
        let code = || CODE_HASH.into();
        let json = to_value(PrecheckJson::new(code(), &Ok(prepare_report()))).unwrap();
        assert_eq!((&json["verdict"], &json["reason"]), (&"accepted".into(), &json!(null)));
        assert_eq!(json["prepare"]["artifact_bytes"], 4096);
        for (error, verdict) in [
            (PrepareError::Compilation("no".into()), "rejected"),
            (PrepareError::TimedOut { limit: Duration::from_secs(60) }, "rejected"),
            (PrepareError::Store("disk full".into()), "error"),
            (PrepareError::JobDied("killed".into()), "error"),
        ] {
            let json = to_value(PrecheckJson::new(code(), &Err(error))).unwrap();
            assert_eq!(json["verdict"], verdict);
        }
    }

    #[test]
    fn people_read_the_verdict_first() {
        let trap = InvalidCandidate::Execution(ExecuteError::Trap("\x1b[2Junreachable".into()));
        let text = describe(CODE_HASH.into(), &failed(trap)).to_string();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("verdict  invalid"));
        assert_eq!(lines.next(), Some("reason   trap: \\u{1b}[2Junreachable"));
    }

    #[test]
    fn why_code_can_not_be_prepared_is_said_once_and_as_the_book_has_it() {
        let error = PrepareError::Prevalidation("the code is empty".into());
        let validation = failed(ValidationError::Preparation(error));
        let message = "preparation: prevalidation: the code is empty";
        assert_eq!(to_json(&validation)["reason"]["message"], message);
        let text = describe(CODE_HASH.into(), &validation).to_string();
        assert_eq!(text.lines().nth(1), Some(format!("reason   {message}").as_str()));
    }

    #[test]
    fn a_long_head_is_abbreviated_for_people() {
        let result =
            |len| ValidationResult { head_data: vec![0; len].into(), ..Default::default() };
        assert_eq!(head(&result(128)).len(), 2 + 256);
        assert!(head(&result(129)).contains("129 bytes"));
    }
}
