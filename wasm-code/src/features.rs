//! The language.

use pvf_host_core::primitives::ExecutorParams;
use wasmparser::{Validator, WasmFeatures};

/// The language with these parameters: WebAssembly's first version, with mutable globals imported
/// and exported, and sign extension; bulk memory operations with the parameter `WasmExtBulkMemory`;
/// nothing else.
///
/// What is accepted is listed, not what is refused: a proposal that a new version of an engine
/// turns on by default is to stay off.
pub fn features(params: &ExecutorParams) -> WasmFeatures {
    let mut features =
        WasmFeatures::FLOATS | WasmFeatures::MUTABLE_GLOBAL | WasmFeatures::SIGN_EXTENSION;
    features.set(WasmFeatures::BULK_MEMORY, params.wasm_ext_bulk_memory());
    features
}

/// Checks that code is valid in that language.
///
/// # Errors
///
/// When it is not, with the reason.
pub fn validate(code: &[u8], params: &ExecutorParams) -> Result<(), String> {
    let result = Validator::new_with_features(features(params)).validate_all(code);
    result.map(drop).map_err(|error| error.to_string())
}
