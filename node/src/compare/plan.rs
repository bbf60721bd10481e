//! What is to be run.

use super::Phase;
use crate::{
    case::{Case, CaseFile, Codes, Format, formats_of},
    failure::Failure,
    features,
};
use pvf_host_core::{
    artifact::ArtifactId,
    backend::{self, BackendDescriptor, BackendId, Chosen},
    primitives::Hash,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Cases, backends, and how often.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The first is what the others are compared with.
    pub(crate) backends: Vec<&'static BackendDescriptor>,
    pub(crate) cases: Vec<PlannedCase>,
    pub(crate) options: Options,
}

/// How often each case is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    pub(crate) runs: usize,
    pub(crate) first_runs: usize,
    pub(crate) prepare_runs: usize,
}

/// A case whose files have been looked at.
#[derive(Debug)]
pub(crate) struct PlannedCase {
    pub(crate) file: CaseFile,
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) digest: Hash,
    /// One for each backend, if it accepts code of this case's.
    pub(crate) programs: Vec<Option<Program>>,
}

/// What a backend runs of a case.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) code_size: u64,
    pub(crate) artifact: ArtifactId,
    /// The first case that has the same artifact: the one for which it is prepared.
    pub(crate) prepared_for: usize,
}

/// The backends of these names or, if there are none, those that are chosen by format: of all that
/// take WebAssembly first, for that is what PVFs are on chain.
pub(crate) fn backends(names: &[BackendId]) -> Result<Vec<&'static BackendDescriptor>, Failure> {
    let mut backends = Vec::new();
    if names.is_empty() {
        backends.extend(backend::linked());
        backends.retain(|backend| backend.chosen == Chosen::ByFormat);
        backends.sort_by_key(|backend| {
            !formats_of(backend).any(|format| format == Format::WebAssembly)
        });
        if backends.is_empty() {
            let hint = features::none_linked();
            return Err(Failure::usage(format!("no backend is linked\n  hint: {hint}")));
        }
    }
    for name in names {
        let backend = backend::find(name).map_err(|error| {
            let hint = features::hint(&error);
            Failure::usage(format!("{error}{hint}"))
        })?;
        if backends.iter().any(|other: &&BackendDescriptor| other.id == backend.id) {
            return Err(Failure::usage(format!("the backend {name} is named twice")));
        }
        backends.push(backend);
    }
    Ok(backends)
}

impl Plan {
    /// Looks at all cases.
    ///
    /// # Errors
    ///
    /// When one is not as it should be, or there is nothing to run.
    pub(crate) fn new(
        paths: Vec<PathBuf>,
        backends: Vec<&'static BackendDescriptor>,
        options: Options,
    ) -> Result<Self, Failure> {
        let mut codes = Codes::default();
        let mut cases: Vec<PlannedCase> = Vec::new();
        for path in paths {
            let file = CaseFile::read(&path)?;
            let case = file.load(&mut codes)?;
            let programs = backends.iter().map(|backend| {
                let code = case.code_for(backend)?;
                let artifact = ArtifactId {
                    code_hash: code.hash(),
                    prep_hash: case.request(&backend.id, code).pvf.params.prep_hash(),
                    backend: backend.id.clone(),
                };
                let has_it = |case: &PlannedCase| {
                    case.programs.iter().flatten().any(|program| program.artifact == artifact)
                };
                let prepared_for = cases.iter().position(has_it).unwrap_or(cases.len());
                Some(Program { code_size: code.bytes().len() as u64, artifact, prepared_for })
            });
            let programs = programs.collect();
            let (name, digest) = (case.name.clone(), case.digest());
            cases.push(PlannedCase { file, path, name, digest, programs });
        }
        if cases.iter().all(|case| case.programs.iter().all(Option::is_none)) {
            return Err(nothing_to_run(&cases, &backends));
        }
        Ok(Self { backends, cases, options })
    }

    /// How many rounds of a phase each case has.
    pub(crate) fn runs(&self, phase: Phase) -> usize {
        match phase {
            Phase::Prepare => self.options.prepare_runs,
            Phase::First => self.options.first_runs,
            Phase::Warm => self.options.runs,
            Phase::Replay => 1,
        }
    }

    /// Whether a backend takes part in a case's rounds of a phase. An artifact that several cases
    /// share is prepared for the first of them.
    pub(crate) fn takes_part(&self, phase: Phase, case: usize, backend: usize) -> bool {
        self.cases[case].programs[backend]
            .as_ref()
            .is_some_and(|program| phase != Phase::Prepare || program.prepared_for == case)
    }

    /// Whether a case has rounds of a phase.
    pub(crate) fn is_run(&self, phase: Phase, case: usize) -> bool {
        (0..self.backends.len()).any(|backend| self.takes_part(phase, case, backend))
    }

    /// Reads a case that is to be run now.
    pub(crate) fn load(&self, at: usize, codes: &mut Codes) -> Result<Case, Failure> {
        let planned = &self.cases[at];
        let case = planned.file.load(codes)?;
        if case.digest() != planned.digest {
            let path = planned.path.display();
            let message = format!("what {path} points to has changed since it was read first");
            return Err(Failure::runtime("case_changed", message));
        }
        Ok(case)
    }
}

fn nothing_to_run(cases: &[PlannedCase], backends: &[&BackendDescriptor]) -> Failure {
    let formats: Vec<_> = Format::ALL
        .into_iter()
        .filter(|format| cases.iter().any(|case| case.file.has_code_for(*format)))
        .collect();
    let names = |names: Vec<&str>| names.join(", ");
    Failure::usage(format!(
        "there is nothing to run: the code is for {}, which none of these backends takes: {}{}",
        names(formats.iter().map(|format| format.words()).collect()),
        names(backends.iter().map(|backend| backend.id.as_str()).collect()),
        formats.iter().map(|format| format.hint()).collect::<String>(),
    ))
}
