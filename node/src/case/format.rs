//! The formats that code comes in.

use crate::features::{self, FEATURES, Feature};
use pvf_host_core::backend::{self, BackendDescriptor, CodePrefix, SelectionError};

/// A format of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    WebAssembly,
    PolkaVm,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::WebAssembly, Self::PolkaVm];

    /// Its key in a case file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::WebAssembly => "wasm",
            Self::PolkaVm => "polkavm",
        }
    }

    /// Its name for people.
    pub(crate) fn words(self) -> &'static str {
        self.feature().format
    }

    /// Whether code that begins like this is in this format.
    pub(crate) fn has(self, prefix: &CodePrefix) -> bool {
        prefix.starts_with(self.feature().magic)
    }

    /// The feature that brings backends for it.
    fn feature(self) -> &'static Feature {
        match self {
            Self::WebAssembly => &FEATURES[0],
            Self::PolkaVm => &FEATURES[1],
        }
    }

    fn is_accepted_by(self, backend: &BackendDescriptor) -> bool {
        (backend.accepts)(&CodePrefix::of(self.feature().magic))
    }

    /// What to do about it if no linked backend takes it, on a line of its own. Else nothing.
    pub(crate) fn hint(self) -> String {
        if backend::linked().into_iter().any(|backend| self.is_accepted_by(backend)) {
            return String::new();
        }
        let prefix = CodePrefix::of(self.feature().magic);
        features::hint(&SelectionError::NoneAccepts { prefix, linked: vec![] })
    }
}

/// The formats that a backend accepts.
pub(crate) fn formats_of(backend: &BackendDescriptor) -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(|format| format.is_accepted_by(backend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_told_by_how_code_begins() {
        let formats = |code: &[u8]| -> Vec<_> {
            let prefix = CodePrefix::of(code);
            Format::ALL.into_iter().filter(|format| format.has(&prefix)).collect()
        };
        assert_eq!(formats(b"\0asm\x01\0\0\0"), [Format::WebAssembly]);
        assert_eq!(formats(b"PVM\0\x01"), [Format::PolkaVm]);
        assert_eq!(formats(b"PVM"), []);
        assert_eq!(Format::ALL.map(Format::words), ["WebAssembly", "PolkaVM"]);
    }

    #[test]
    fn a_format_that_a_linked_backend_takes_needs_no_hint() {
        for format in Format::ALL {
            let is_taken = backend::linked()
                .into_iter()
                .any(|backend| formats_of(backend).any(|taken| taken == format));
            assert_eq!(format.hint().is_empty(), is_taken, "{format:?}");
        }
    }
}
