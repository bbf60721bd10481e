//! A comparison as one HTML page that needs nothing else: no network, no script, no other file.
//!
//! What diverges comes first, then the verdicts of all cases, then what was measured: bars with their
//! spread, times against each other, and every figure in a table. Whatever comes from outside (names,
//! errors of guests) is [text](crate::html::Text) in it, never markup.

mod bars;
mod page;
mod scatter;
mod tables;

use super::Comparison;
use crate::{failure::Failure, result_file::ResultFile};
use std::path::Path;

/// The file that a report goes to.
#[derive(Debug)]
pub(crate) struct Report(ResultFile);

impl Report {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        ResultFile::open(path, "report").map(Self)
    }

    pub(crate) fn write(self, comparison: &Comparison) -> Result<(), Failure> {
        self.0.write(&page::page(comparison))
    }
}
