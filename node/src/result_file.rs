//! Files that a command leaves beside what it prints.

use crate::failure::Failure;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file that will be written once the work is done.
#[derive(Debug)]
pub(crate) struct ResultFile {
    path: PathBuf,
    file: File,
    what: &'static str,
}

impl ResultFile {
    /// Opens the file for `what`, before the work is done: afterwards, it would be a pity. What is in it
    /// stays until there is something new.
    pub(crate) fn open(path: &Path, what: &'static str) -> Result<Self, Failure> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| {
            Failure::usage(format!("can't write the {what} {}: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), file, what })
    }

    /// Writes all of it.
    pub(crate) fn write(mut self, content: &str) -> Result<(), Failure> {
        let mut write = || -> io::Result<()> {
            // Not everything that can be written to has a length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(content.as_bytes())
        };
        write().map_err(|error| {
            let message = format!("can't write the {} {}: {error}", self.what, self.path.display());
            Failure::runtime(self.what, message)
        })
    }
}

impl Drop for ResultFile {
    fn drop(&mut self) {
        // It was made for something that there is none of.
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
