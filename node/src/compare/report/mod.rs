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
use crate::failure::Failure;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file that a report goes to.
#[derive(Debug)]
pub(crate) struct Report {
    path: PathBuf,
    file: File,
}

impl Report {
    /// Opens the file, before the work is done: afterwards, it would be a pity. What is in it stays
    /// until there is a report.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| {
            Failure::usage(format!("can't write the report {}: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(crate) fn write(mut self, comparison: &Comparison) -> Result<(), Failure> {
        let page = page::page(comparison);
        let mut write = || -> io::Result<()> {
            self.file.set_len(0)?;
            self.file.write_all(page.as_bytes())
        };
        write().map_err(|error| {
            let message = format!("can't write the report {}: {error}", self.path.display());
            Failure::runtime("report", message)
        })
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // It was made for a report that there is none of.
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
