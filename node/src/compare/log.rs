//! The log of a run: a line of JSON that says what is run, and one for each round.
//!
//! A run that was broken off, at whatever point, goes on from its log. The last line may be torn; it
//! is cut off, and its round is run again.

use super::{Options, Plan, Round};
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// The version of everything in this module.
const FORMAT: u32 = 1;

/// The first line: what has to be the same when a run goes on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    pvf_compare: u32,
    /// Of the host: program, processor and kernel.
    environment: String,
    backends: Vec<(String, String)>,
    options: Options,
    cases: Vec<(String, String)>,
}

impl Header {
    fn new(plan: &Plan, environment: &str) -> Self {
        let backends = plan.backends.iter();
        let cases = plan.cases.iter();
        Self {
            pvf_compare: FORMAT,
            environment: environment.to_owned(),
            backends: backends.map(|it| (it.id.to_string(), it.version.to_owned())).collect(),
            options: plan.options,
            cases: cases.map(|case| (case.name.clone(), case.digest.to_string())).collect(),
        }
    }

    /// What in a log's header is not as it would have to be.
    fn difference(&self, found: &Self) -> Option<&'static str> {
        if self.pvf_compare != found.pvf_compare {
            Some("another version of this program")
        } else if self.cases != found.cases {
            Some("other cases")
        } else if self.backends != found.backends {
            Some("other backends")
        } else if self.options != found.options {
            Some("other numbers of runs")
        } else if self.environment != found.environment {
            Some("another program, processor or kernel")
        } else {
            None
        }
    }
}

/// Where rounds are noted as soon as they are done.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<File>,
}

impl Log {
    /// Notes nothing.
    pub(crate) fn none() -> Self {
        Self { file: None }
    }

    /// Opens the log in `path`, which must not be there yet unless the run is `resumed`. Gives the
    /// rounds that it has.
    pub(crate) fn open(
        path: &Path,
        plan: &Plan,
        environment: &str,
        resumed: bool,
    ) -> Result<(Self, Vec<Round>), Failure> {
        let error = |error: String| Failure::usage(format!("log {}: {error}", path.display()));
        let io = |failed: io::Error| match failed.kind() {
            io::ErrorKind::AlreadyExists => {
                error("it is there already\n  hint: go on with --resume, or remove it".into())
            }
            _ => error(failed.to_string()),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .create_new(!resumed)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        file.try_lock().map_err(|_| error("another run writes to it".into()))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let header = Header::new(plan, environment);
        let (rounds, kept) = read(&text, &header, plan).map_err(error)?;
        file.set_len(kept as u64).map_err(io)?;
        file.seek(SeekFrom::Start(kept as u64)).map_err(io)?;
        let mut log = Self { file: Some(file) };
        if kept == 0 {
            log.write(&header)?;
        }
        Ok((log, rounds))
    }

    pub(crate) fn add(&mut self, round: &Round) -> Result<(), Failure> {
        self.write(round)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let failed =
            |error: io::Error| Failure::runtime("log", format!("can't write to the log: {error}"));
        let mut text = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        file.write_all(&text).map_err(failed)
    }
}

/// The rounds in a log, and how much of it is whole.
fn read(text: &[u8], header: &Header, plan: &Plan) -> Result<(Vec<Round>, usize), String> {
    let mut rounds: Vec<Round> = Vec::new();
    let mut kept = 0;
    for (i, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        let damaged =
            |_| format!("line {} is damaged\n  hint: start anew with another --log", i + 1);
        if i == 0 {
            let found = serde_json::from_slice::<Header>(whole)
                .map_err(|_| "it is no log of `pvf compare`".to_owned())?;
            if let Some(difference) = header.difference(&found) {
                return Err(format!(
                    "it is of {difference}\n  hint: start anew with another --log"
                ));
            }
        } else {
            let round = serde_json::from_slice::<Round>(whole).map_err(|_| damaged(()))?;
            if !is_planned(&round, plan) {
                return Err(damaged(()));
            }
            rounds.push(round);
        }
        kept += line.len();
    }
    if kept == 0
        && !text.is_empty()
        && !b"{\"pvf_compare\":".starts_with(&text[..text.len().min(15)])
    {
        // Not even a torn first line: some other file, which is none of ours to overwrite.
        return Err("it is no log of `pvf compare`".into());
    }
    Ok((rounds, kept))
}

/// Whether a round names nothing that is not there.
fn is_planned(round: &Round, plan: &Plan) -> bool {
    let backends = plan.backends.len();
    let Some(case) = plan.cases.get(round.case) else { return false };
    let took_part = |i: usize| round.samples.get(i).is_some_and(Option::is_some);
    round.samples.len() == backends
        && (0..backends).all(|i| case.programs[i].is_some() || !took_part(i))
        && round.divergences.iter().all(|divergence| {
            let against = match divergence.against {
                super::Against::Backend(i) => took_part(i),
                super::Against::Expected | super::Against::Before => true,
            };
            took_part(divergence.backend) && against
        })
}
