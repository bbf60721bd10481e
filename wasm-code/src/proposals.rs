//! Why code is refused, in the words of whom it concerns: which of WebAssembly's proposals it uses
//! that are not accepted.
//!
//! Whether code is accepted is decided elsewhere. Only when it is not, the code is read once more
//! here, with all proposals that the parser knows. If it would then be valid, those that it needs
//! are named, else the place where it is wrong. Each attempt is one pass over the code, and the
//! number of attempts is bounded by the number of proposals.

use crate::features;
use pvf_host_core::primitives::ExecutorParams;
use wasmparser::{Error, Validator, WasmFeatures};

/// The proposals by the names that they give themselves.
///
/// One that builds upon others comes after them, so that it is the first to be left out when it is
/// asked which are needed.
const PROPOSALS: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::MUTABLE_GLOBAL, "import and export of mutable globals"),
    (WasmFeatures::SIGN_EXTENSION, "sign-extension operators"),
    (WasmFeatures::SATURATING_FLOAT_TO_INT, "non-trapping float-to-int conversions"),
    (WasmFeatures::MULTI_VALUE, "multi-value"),
    (WasmFeatures::BULK_MEMORY, BULK_MEMORY),
    (WasmFeatures::REFERENCE_TYPES, "reference types"),
    (WasmFeatures::SIMD, "fixed-width SIMD"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::THREADS, "threads and atomics"),
    (WasmFeatures::TAIL_CALL, "tail call"),
    (WasmFeatures::EXTENDED_CONST, "extended constant expressions"),
    (WasmFeatures::MULTI_MEMORY, "multiple memories"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::EXCEPTIONS, "exception handling"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exception handling"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::COMPACT_IMPORTS, "compact import section"),
];

const BULK_MEMORY: &str = "bulk memory operations";
/// Not a proposal, but what most of those that add types rest upon.
const TYPES: WasmFeatures = WasmFeatures::GC_TYPES;

/// How the binary of a component begins: it has a version and a layer of its own.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Why this code is refused with these parameters.
///
/// `message` is what the one who refused it said. It is the answer if there is nothing better to
/// say: if the code, as far as the parser is concerned, uses nothing but what is accepted.
pub fn why_refused(code: &[u8], params: &ExecutorParams, message: String) -> String {
    if code.starts_with(COMPONENT) {
        return "the WebAssembly proposal \"component model\" is not accepted: the code is a component"
            .into();
    }
    match needed(code, features(params)) {
        Ok(Needed { proposals, .. }) if proposals.is_empty() => message,
        Ok(Needed { proposals, first_error }) => {
            let (noun, verb) =
                if proposals.len() == 1 { ("proposal", "is") } else { ("proposals", "are") };
            let quoted: Vec<_> = proposals.iter().map(|name| format!("\"{name}\"")).collect();
            let names = quoted.join(", ");
            let hint = if proposals.contains(&BULK_MEMORY) {
                format!(" (the executor parameter WasmExtBulkMemory allows {BULK_MEMORY})")
            } else {
                String::new()
            };
            format!("the WebAssembly {noun} {names} {verb} not accepted{hint}: {first_error}")
        }
        Err(error) => format!("not valid WebAssembly: {error}"),
    }
}

/// What code needs beyond what is accepted.
#[derive(Default)]
struct Needed {
    proposals: Vec<&'static str>,
    /// What is wrong with the code if there are no proposals, with the place where it is.
    first_error: String,
}

/// A smallest set of proposals that make the code valid.
///
/// # Errors
///
/// What is wrong with the code if all of them do not.
fn needed(code: &[u8], accepted: WasmFeatures) -> Result<Needed, Error> {
    let Err(first_error) = validate(code, accepted) else { return Ok(Needed::default()) };
    let first_error = first_error.to_string();
    let mut features = accepted | TYPES;
    // Each round adds a proposal at least.
    while let Err(error) = validate(code, features) {
        // The parser usually says what is missing. Where it does not, it could be any.
        let missing = error.missing_wasm_feature().and_then(|missing| {
            let mut proposals = PROPOSALS.iter().map(|(proposal, _)| *proposal);
            proposals.find(|proposal| proposal.contains(missing) && !features.contains(*proposal))
        });
        let more = features | missing.unwrap_or_else(all);
        if more == features {
            return Err(error);
        }
        features = more;
    }
    // What one proposal needs another may bring along, and with all of them on, most are not
    // needed.
    for (proposal, _) in PROPOSALS.iter().rev() {
        let without = features.difference(*proposal) | accepted;
        if without != features && validate(code, without).is_ok() {
            features = without;
        }
    }
    let added =
        |proposal: &WasmFeatures| features.contains(*proposal) && !accepted.contains(*proposal);
    let proposals = PROPOSALS.iter().filter(|(proposal, _)| added(proposal));
    Ok(Needed { proposals: proposals.map(|(_, name)| *name).collect(), first_error })
}

/// All proposals.
fn all() -> WasmFeatures {
    PROPOSALS.iter().fold(WasmFeatures::empty(), |all, (proposal, _)| all | *proposal)
}

fn validate(code: &[u8], features: WasmFeatures) -> Result<(), Error> {
    Validator::new_with_features(features).validate_all(code).map(drop)
}
