//! What is wrong with a case file, and where.

use crate::failure::Failure;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Something in a case file that can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CaseError {
    path: PathBuf,
    pub(super) line: Option<usize>,
    key: Option<&'static str>,
    message: String,
}

impl CaseError {
    pub(crate) fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, key: None, message: message.into() }
    }

    /// An error at a byte of the file's text.
    pub(super) fn at(path: &Path, text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = text.as_bytes().get(..byte).unwrap_or(text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Self { line: Some(line), ..Self::of_file(path, message) }
    }

    pub(super) fn of_key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl From<CaseError> for Failure {
    fn from(error: CaseError) -> Self {
        Self::usage(error.to_string())
    }
}
