//! What the hosts of a command have measured, as a file.

use crate::{cli::MetricsArg, failure::Failure, result_file::ResultFile};
use pvf_host_core::{
    Metrics,
    metrics::{self, Registry},
};

/// Metrics, and where they go.
#[derive(Debug, Default)]
pub(crate) struct Measured(Option<(Metrics, Registry, ResultFile)>);

impl Measured {
    /// Opens the file, if there is to be one.
    pub(crate) fn open(args: &MetricsArg) -> Result<Self, Failure> {
        let Some(path) = &args.metrics else { return Ok(Self(None)) };
        let file = ResultFile::open(path, "metrics")?;
        let mut registry = Registry::default();
        Ok(Self(Some((Metrics::register(&mut registry), registry, file))))
    }

    /// What the hosts are to measure with.
    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.0.as_ref().map(|(metrics, ..)| metrics.clone())
    }

    /// Writes the file, whether the work was done or failed. What came of that is given back, unless
    /// the file can't be written although all else went well.
    pub(crate) fn finish<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        let Some((_, registry, file)) = self.0 else { return result };
        let written = file.write(&metrics::encode(&registry));
        result.and_then(|done| written.map(|()| done))
    }
}
