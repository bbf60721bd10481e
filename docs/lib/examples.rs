//! Has the examples on the pages compiled. `docs/tests/examples.rs` looks that no page is missing.

/// The README.
#[doc = include_str!("../../README.md")]
pub mod readme {}

/// Metrics and traces.
#[doc = include_str!("../src/metrics.md")]
pub mod metrics {}

/// Embedding the host in a node.
#[doc = include_str!("../src/embedding.md")]
pub mod embedding {}
