//! `pvf demo`: the bundled example on every backend, side by side.
//!
//! The example is the guest `adder`: a parachain whose head has the hash of a number, its state, and
//! whose blocks say that number, and what to add to it.

use crate::{
    cli::Demo,
    failure::{Answer, Failure},
    features, input,
    output::{self, Table},
    progress::Spinner,
    session::with_host,
    temporary::TemporaryCache,
    units, verdict,
    verdict::ValidationJson,
};
use pvf_host_core::{
    Code, Config, Pvf, Validation, ValidationHost, ValidationKind, ValidationRequest,
    backend::{self, BackendId},
    primitives::{ExecutorParam, ExecutorParams, Hash, ValidationParams, hex},
    validate_with_retry,
};
use serde_json::{Value, json};

/// The example, once for each format of code, from one source.
pub(crate) const EXAMPLES: [&[u8]; 2] = [
    include_bytes!("../../../tests/guests/blobs/adder.wasm"),
    include_bytes!("../../../tests/guests/blobs/adder.polkavm"),
];

/// The head at number 0, with a state of 0, in hexadecimal.
pub(crate) const PARENT_HEAD: &str = include_str!("../../examples/adder-parent-head.hex");

pub(crate) struct Candidate {
    name: &'static str,
    about: &'static str,
    pub(crate) block: &'static [u8],
    /// In hexadecimal.
    new_head: Option<&'static str>,
}

pub(crate) const CANDIDATES: [Candidate; 2] = [
    Candidate {
        name: "good",
        about: "adds 512 to 0",
        block: include_bytes!("../../examples/adder-good.block"),
        new_head: Some(
            "0x0100000000000000804df47c526d888b3f52091df4e253c821e9991ec88e342722cc485fda31747e\
             a88d962ceb769d13dd202a8b8478e3a3f9d762a5702f76db9fd33d9f6af919ea",
        ),
    },
    Candidate {
        name: "bad",
        about: "adds to 256, which was not there",
        block: include_bytes!("../../examples/adder-bad.block"),
        new_head: None,
    },
];

impl Candidate {
    fn request(&self, pvf: Pvf) -> ValidationRequest {
        let params = ValidationParams {
            parent_head: hex::decode(PARENT_HEAD.trim()).unwrap_or_default().into(),
            block_data: self.block.to_vec().into(),
            relay_parent_number: 1,
            relay_parent_storage_root: Hash::default(),
            extension: None,
        };
        ValidationRequest::from_params(pvf, params, ValidationKind::Approval)
    }

    fn is_judged_rightly(&self, validation: &Validation) -> bool {
        match (&validation.verdict, self.new_head) {
            (Ok(result), Some(head)) => hex::encode(&result.head_data) == head,
            (Err(_), None) => verdict::answer(&validation.verdict) == Answer::No,
            _ => false,
        }
    }
}

/// The verdicts of one backend on all candidates, in their order.
struct Column {
    backend: BackendId,
    code: Code,
    validations: Vec<Validation>,
}

pub(crate) fn run(args: &Demo, json: bool) -> Result<Answer, Failure> {
    let plan = plan()?;
    let cache = TemporaryCache::new()?;
    let config = Config::builder(cache.path()).sandbox(input::sandbox(&args.sandbox)).build()?;

    let spinner = Spinner::start("starting");
    let columns = with_host(config, async |host| {
        let mut columns = Vec::new();
        for (backend, code) in plan {
            spinner.say(format!("preparing and executing on {backend}"));
            columns.push(Column::fill(&host, backend, code).await);
        }
        Ok(columns)
    })?;
    drop(spinner);

    if json {
        output::json(&to_json(&columns))?;
    } else {
        output::print(&to_text(&columns))?;
    }
    Ok(answer(&columns))
}

/// Which code to run on which backend.
fn plan() -> Result<Vec<(BackendId, Code)>, Failure> {
    let examples = EXAMPLES.map(Code::new);
    let mut plan = Vec::new();
    for backend in backend::linked() {
        match examples.iter().find(|code| (backend.accepts)(code.prefix())) {
            Some(code) => plan.push((backend.id.clone(), code.clone())),
            None => tracing::warn!(backend = %backend.id, "no example is in its format"),
        }
    }
    if plan.is_empty() {
        let hint = features::none_linked();
        let message = format!("no backend is linked that runs an example\n  hint: {hint}");
        return Err(Failure::runtime("backend", message));
    }
    Ok(plan)
}

impl Column {
    async fn fill(host: &ValidationHost, backend: BackendId, code: Code) -> Self {
        let params = ExecutorParams::new(vec![ExecutorParam::Backend(backend.clone())]);
        let pvf = Pvf::new(code.clone()).with_params(params);
        let mut validations = Vec::new();
        for candidate in &CANDIDATES {
            validations.push(validate_with_retry(host, candidate.request(pvf.clone())).await);
        }
        Self { backend, code, validations }
    }
}

fn answer(columns: &[Column]) -> Answer {
    let mut judged = columns.iter().flat_map(|column| CANDIDATES.iter().zip(&column.validations));
    let mut verdicts = columns.iter().flat_map(|column| &column.validations);
    if verdicts.any(|validation| verdict::answer(&validation.verdict) == Answer::Unknown) {
        Answer::Unknown
    } else if judged.all(|(candidate, validation)| candidate.is_judged_rightly(validation)) {
        Answer::Yes
    } else {
        Answer::No
    }
}

fn to_json(columns: &[Column]) -> Value {
    let candidates = CANDIDATES.iter().enumerate().map(|(i, candidate)| {
        let verdicts = columns.iter().map(|column| {
            let validation = &column.validations[i];
            json!({
                "backend": column.backend.to_string(),
                "as_expected": candidate.is_judged_rightly(validation),
                "validation": ValidationJson::new(column.code.hash(), validation),
            })
        });
        json!({
            "name": candidate.name,
            "about": candidate.about,
            "expected": if candidate.new_head.is_some() { "valid" } else { "invalid" },
            "verdicts": verdicts.collect::<Vec<_>>(),
        })
    });
    json!({ "example": "adder", "candidates": candidates.collect::<Vec<_>>() })
}

fn to_text(columns: &[Column]) -> String {
    let cells = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let mut row = vec![name.to_owned()];
        row.extend(columns.iter().map(cell));
        row
    };
    let mut table = Table::default();
    table.row(cells("BACKEND", &|column| column.backend.to_string()));
    table.row(cells("prepared in", &|column| {
        let report = column.validations.first().and_then(|first| first.prepare.as_ref());
        report.map_or_else(|| "-".into(), |report| units::time(report.cost.wall))
    }));
    for (i, candidate) in CANDIDATES.iter().enumerate() {
        let validation = |column: &Column| column.validations[i].clone();
        table.row(cells(&format!("{}: {}", candidate.name, candidate.about), &|column| {
            match &validation(column).verdict {
                Ok(_) => "valid".into(),
                Err(error) => match verdict::answer(&validation(column).verdict) {
                    Answer::No => format!("invalid ({})", error.kind()),
                    _ => format!("could not tell ({error})"),
                },
            }
        }));
        if candidate.new_head.is_some() {
            table.row(cells("  new head", &|column| {
                validation(column)
                    .verdict
                    .map_or_else(|_| "-".into(), |new| brief(&new.head_data.0))
            }));
        }
        table.row(cells("  executed in", &|column| {
            validation(column).execute.map_or_else(|| "-".into(), |run| units::time(run.wall))
        }));
    }
    let judgement = match answer(columns) {
        Answer::Yes => "Every backend gives the verdicts that the example was made for.",
        Answer::No => "A backend gives a verdict that the example was not made for.",
        Answer::Unknown => "A backend could not tell.",
    };
    format!("{table}\n{judgement}\n")
}

/// The beginning and the end of some bytes, and how many they are: a column is narrow.
fn brief(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    match (digits.get(..12), digits.len().checked_sub(10).and_then(|at| digits.get(at..))) {
        (Some(start), Some(end)) if digits.len() > 32 => {
            format!("{start}…{end} ({} bytes)", bytes.len())
        }
        _ => digits,
    }
}
