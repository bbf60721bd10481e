//! The formats that code comes in.

use pvf_host_core::backend::{BackendDescriptor, CodePrefix};

/// A format of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    WebAssembly,
    PolkaVm,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::WebAssembly, Self::PolkaVm];

    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebAssembly => "WebAssembly",
            Self::PolkaVm => "PolkaVM",
        }
    }

    /// Its key in a case file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::WebAssembly => "wasm",
            Self::PolkaVm => "polkavm",
        }
    }

    /// Whether code that begins like this is in this format.
    pub(crate) fn has(self, prefix: &CodePrefix) -> bool {
        prefix.starts_with(match self {
            Self::WebAssembly => b"\0asm",
            Self::PolkaVm => b"PVM\0",
        })
    }

    /// How code of this format begins.
    fn start(self) -> CodePrefix {
        CodePrefix::of(match self {
            Self::WebAssembly => b"\0asm\x01\0\0\0",
            Self::PolkaVm => b"PVM\0",
        })
    }
}

/// The formats that a backend accepts.
pub(crate) fn formats_of(backend: &BackendDescriptor) -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(|format| (backend.accepts)(&format.start()))
}
