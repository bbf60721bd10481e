//! Real hosts with real workers, by subject.

mod artifacts;
mod bad_workers;
mod cancellation;
mod code_by_hash;
mod limits;
mod metrics;
mod one_source;
mod preparation;
mod queueing;
#[cfg(feature = "wasmtime")]
mod random;
#[cfg(any(feature = "polkavm", feature = "wasmtime"))]
mod real_pvfs;
#[cfg(any(feature = "polkavm", feature = "wasmtime"))]
mod refused_artifacts;
mod retry;
mod reuse;
mod this_machine;
mod verdicts;
#[cfg(feature = "wasmtime")]
mod wasm;
mod workers;

use pvf_host_core::{ConfigBuilder, Validation, ValidationRequest};
use pvf_tests::{Scratch, TestHost, programs};

/// A host with the defaults.
async fn host() -> TestHost {
    host_with(|config| config).await
}

/// A host set up by `configure`.
async fn host_with(configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> TestHost {
    TestHost::new(programs!(), configure).await
}

/// A directory without a host.
fn scratch() -> Scratch {
    Scratch::new(programs!())
}

/// What a new host with the defaults says about a candidate.
async fn validated(request: ValidationRequest) -> Validation {
    let host = host().await;
    let validation = host.validate(request).await;
    host.shut_down().await;
    validation
}
