//! What is fuzzed, and what must hold.
//!
//! Each function is one target: it takes any bytes, and panics when a promise is broken. That it
//! returns at all, soon, and without much memory, is a promise too.

mod decode;
mod frames;
mod meter;
#[cfg(feature = "wasmtime")]
mod prepare;
#[cfg(feature = "polkavm")]
mod programs;
mod rewrite;

pub use decode::{
    artifact_header, decompress, executor_params, validation_params, validation_result,
    worker_messages,
};
pub use frames::frames;
#[cfg(feature = "wasmtime")]
pub use prepare::{functions, prepare_bytes, prepare_module};
#[cfg(feature = "polkavm")]
pub use programs::programs;
pub use rewrite::rewrite;

/// Uses the allocator and a model of it in step.
pub fn allocator(data: &[u8]) {
    pvf_host_functions::testing::heap::check(data);
}

/// Calls host functions with arbitrary arguments.
pub fn host_calls(data: &[u8]) {
    pvf_host_functions::testing::calls::check(data);
}
