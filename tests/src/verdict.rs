//! What a backend makes of some code and an input, without a host around it.
//!
//! This is what can be compared with other implementations: how far the code gets ([`Stage`]), and
//! which output there is.

use pvf_host_core::{
    backend::{Artifact, BackendDescriptor, BackendPrepareError, ExecuteError},
    primitives::ExecutorParams,
};
use std::{fmt, str::FromStr};

/// More than the default parameters ask for.
const STACK: usize = 258 << 20;

const ENTRY_POINT: &str = "validate_block";

/// How far some code gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It is no module.
    Prevalidate,
    /// It can't be compiled.
    Prepare,
    /// It is loaded and called, which may fail at any point.
    Execute,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prevalidate => "prevalidate",
            Self::Prepare => "prepare",
            Self::Execute => "execute",
        })
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "prevalidate" => Ok(Self::Prevalidate),
            "prepare" => Ok(Self::Prepare),
            "execute" => Ok(Self::Execute),
            other => Err(format!("no stage is called {other:?}")),
        }
    }
}

/// What becomes of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where it ended.
    pub stage: Stage,
    /// The output, or why there is none. The text differs between implementations.
    pub result: Result<Vec<u8>, String>,
}

impl Verdict {
    /// Whether two implementations agree: the stage and the output count, an error's text does not.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.stage == other.stage && self.result.as_ref().ok() == other.result.as_ref().ok()
    }
}

/// Code that was prepared, or why it was not.
#[derive(Debug)]
pub struct Prepared {
    backend: &'static BackendDescriptor,
    params: ExecutorParams,
    artifact: Result<Artifact, (Stage, String)>,
}

impl Prepared {
    /// Prepares some code.
    ///
    /// # Panics
    ///
    /// When the machine has no memory for the artifact.
    pub fn new(backend: &'static BackendDescriptor, code: &[u8], params: &ExecutorParams) -> Self {
        let artifact = backend
            .prepare
            .prevalidate(code, params)
            .and_then(|()| backend.prepare.prepare(code, params))
            .map(|bytes| Artifact::from_bytes(&bytes).expect("there is memory for the artifact"))
            .map_err(|error| match error {
                BackendPrepareError::Prevalidation(_) => (Stage::Prevalidate, format!("{error:?}")),
                _ => (Stage::Prepare, format!("{error:?}")),
            });
        Self { backend, params: params.clone(), artifact }
    }

    /// Loads it and calls its entry point, on a thread with a large stack.
    ///
    /// # Panics
    ///
    /// When loading or calling does.
    pub fn call(&self, input: &[u8]) -> Verdict {
        let artifact = match &self.artifact {
            Ok(artifact) => artifact,
            Err((stage, error)) => return Verdict { stage: *stage, result: Err(error.clone()) },
        };
        let call = || -> Result<Vec<u8>, ExecuteError> {
            let mut loaded = self.backend.execute.load(artifact, &self.params)?;
            loaded.call(ENTRY_POINT, input, Box::new(()))
        };
        let result = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, call);
            thread.expect("there is memory for a stack").join()
        });
        let result = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Verdict { stage: Stage::Execute, result: result.map_err(|error| format!("{error:?}")) }
    }
}
