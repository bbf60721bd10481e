//! The backends that this program can be built with, whether or not it was.

use pvf_host_core::{
    InternalError, PrepareError, ValidationError,
    backend::{BackendId, CodePrefix, SelectionError},
};

/// A cargo feature, and what it brings.
pub(crate) struct Feature {
    /// Its name.
    name: &'static str,
    /// The backends that it links.
    backends: &'static [&'static str],
    /// The format of code that they take, for people.
    pub(crate) format: &'static str,
    /// How code in that format begins.
    pub(crate) magic: &'static [u8],
}

/// All features that link backends.
pub(crate) const FEATURES: [Feature; 3] = [
    Feature { name: "wasmtime", backends: &["wasmtime"], format: "WebAssembly", magic: b"\0asm" },
    Feature {
        name: "polkavm",
        backends: &["polkavm", "polkavm-interpreter"],
        format: "PolkaVM",
        magic: b"PVM\0",
    },
    Feature { name: "wasmi", backends: &["wasmi"], format: "WebAssembly", magic: b"\0asm" },
];

impl Feature {
    fn with_backend(id: &BackendId) -> Option<&'static Self> {
        FEATURES.iter().find(|feature| feature.backends.contains(&id.as_str()))
    }

    fn for_code(prefix: &CodePrefix) -> Option<&'static Self> {
        FEATURES.iter().find(|feature| prefix.starts_with(feature.magic))
    }
}

/// What to do about it that no backend was chosen, if that can be said.
fn advice(error: &SelectionError) -> Option<String> {
    let (feature, what) = match error {
        SelectionError::NotLinked { id, .. } => (Feature::with_backend(id), "has it".to_owned()),
        SelectionError::NoneAccepts { prefix, .. } => {
            let feature = Feature::for_code(prefix);
            let format = feature.map(|feature| feature.format).unwrap_or_default();
            (feature, format!("takes such code, which is for {format}"))
        }
        _ => return None,
    };
    Some(match feature {
        Some(Feature { name, .. }) => {
            format!("this program, built with `--features {name}`, {what}")
        }
        None => "`pvf backends` lists what is there".into(),
    })
}

/// The advice on a line of its own, behind an error.
pub(crate) fn hint(error: &SelectionError) -> String {
    advice(error).map(|advice| format!("\n  hint: {advice}")).unwrap_or_default()
}

/// [`hint`], if that is what went wrong.
pub(crate) fn hint_for_preparation(error: &PrepareError) -> String {
    match error {
        PrepareError::Backend(error) => hint(error),
        _ => String::new(),
    }
}

/// The advice in brackets, behind a reason, if it was the choice that went wrong.
pub(crate) fn remark_on_preparation(error: &PrepareError) -> String {
    match error {
        PrepareError::Backend(error) => {
            advice(error).map(|advice| format!(" ({advice})")).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The same, for a validation.
pub(crate) fn remark_on_validation(error: &ValidationError) -> String {
    match error {
        ValidationError::Preparation(error)
        | ValidationError::Internal(InternalError::Preparation(error)) => {
            remark_on_preparation(error)
        }
        _ => String::new(),
    }
}

/// What to say when no backend is there at all.
pub(crate) fn none_linked() -> String {
    let names = FEATURES.map(|feature| format!("`--features {}`", feature.name));
    format!("build this program with {}", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::backend;

    #[test]
    fn an_error_of_choice_names_the_feature() {
        let of_code = |code: &[u8]| {
            let prefix = CodePrefix::of(code);
            hint(&SelectionError::NoneAccepts { prefix, linked: vec![] })
        };
        let of_name = |name: &'static str| {
            let id = BackendId::from_static(name);
            hint(&SelectionError::NotLinked { id, linked: vec![] })
        };
        assert!(of_code(b"\0asm\x01\0\0\0").contains("--features wasmtime"));
        assert!(of_code(b"PVM\0 and more").contains("--features polkavm"));
        assert!(of_code(b"#!/bin/sh").contains("pvf backends"));
        assert!(of_name("wasmtime").contains("--features wasmtime"));
        assert!(of_name("polkavm-interpreter").contains("--features polkavm"));
        assert!(of_name("wasmi").contains("--features wasmi"));
        assert!(of_name("nobody").contains("pvf backends"));
    }

    #[test]
    fn every_linked_backend_is_known_and_takes_the_format_of_its_feature() {
        for backend in backend::linked() {
            let feature = Feature::with_backend(&backend.id).expect("a feature has it");
            assert!((backend.accepts)(&CodePrefix::of(feature.magic)), "{}", backend.id);
        }
    }
}
