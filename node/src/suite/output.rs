//! The folder that a run's documents go to.

use super::{document::Document, page, plot};
use crate::failure::Failure;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A folder for `suite.json`, `suite.html` and plots.
#[derive(Debug)]
pub(crate) struct Output {
    folder: PathBuf,
}

impl Output {
    /// Makes the folder, before the work is done: afterwards, it would be a pity.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let unusable = |error: io::Error| {
            Failure::usage(format!("can't write into the folder {}: {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(unusable)?;
        // Whether files can be made there is found by making one.
        tempfile::tempfile_in(folder).map_err(unusable)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes everything. What else is in the folder stays.
    pub(crate) fn write(&self, document: &Document) -> Result<(), Failure> {
        let plots = plot::plots(document);
        let json = serde_json::to_string_pretty(document).map_err(io::Error::from);
        let written = json.and_then(|json| {
            fs::write(self.folder.join("suite.json"), json + "\n")?;
            fs::write(self.folder.join("suite.html"), page::page(document, &plots))?;
            plots.iter().try_for_each(|plot| {
                fs::write(self.folder.join(format!("{}.svg", plot.name)), plot.file())
            })
        });
        written.map_err(|error| {
            let message = format!("can't write into {}: {error}", self.folder.display());
            Failure::runtime("report", message)
        })
    }
}
