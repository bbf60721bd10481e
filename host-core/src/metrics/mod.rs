//! What a host measures, for Prometheus.
//!
//! A node makes [`Metrics`] with [`Metrics::register`] in a [`Registry`] of its own, and gives them to
//! its host in [`ConfigBuilder::metrics`](crate::ConfigBuilder::metrics). There is nothing global: two hosts with
//! metrics of their own know nothing of each other, whether they share a registry (one in a
//! [sub-registry](Registry::sub_registry_with_label) with a label) or not. [`encode`] gives the text
//! that a scrape gets.
//!
//! All series are there from the start, with zeros, and no label has a value that comes from outside:
//! there are as many series as there are backends, classes and causes, whatever is asked of the host.
//! To count is to add to an atomic, and to measure is to add to a few numbers behind a lock that is
//! held for nanoseconds. Nothing is allocated, and nobody is called.

mod labels;
mod maker;
mod meters;

pub(crate) use labels::{SpawnFailure, Task, WorkerDeath};
pub(crate) use meters::{CountedWorker, Meters};
pub use prometheus_client::registry::Registry;

use std::{fmt, sync::Arc};

/// The media type of what [`encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What one host measures. Cheap to clone; a clone stands for the same numbers.
///
/// A host that is started after another one has ended may go on with its metrics. Two that run at once
/// need metrics of their own.
#[derive(Clone)]
pub struct Metrics(pub(crate) Arc<Meters>);

impl Metrics {
    /// Metrics that `registry` knows of. All their names begin with `pvf_`.
    pub fn register(registry: &mut Registry) -> Self {
        Self(Arc::new(Meters::new(Some(registry))))
    }

    /// Metrics that nobody can see.
    pub(crate) fn unseen() -> Self {
        Self(Arc::new(Meters::new(None)))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// All that is in a registry, in the text format of OpenMetrics, which Prometheus reads. See
/// [`CONTENT_TYPE`].
pub fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)
        .expect("a string takes all that is written to it");
    text
}
