//! The host as a whole: `pvf bench --suite`.
//!
//! A [`Lab`] has the guests and starts hosts. Each [section] measures something with them, and says
//! what it has found: [figures](figure), [goals](figure::Goal), [curves](curve). All of it together
//! is a [document], which is written as JSON and as a [page] with [plots](plot). Two of them can be
//! [compared](diff).
//!
//! Whatever is compared takes turns within one run, so that a machine that gets slower or faster
//! does so for both alike. What can't be measured has no figure, but a reason.

mod counters;
mod curve;
pub(crate) mod diff;
pub(crate) mod document;
mod figure;
mod guests;
mod lab;
pub(crate) mod output;
mod page;
mod plot;
mod reference;
mod scale;
mod section {
    //! One module for each part of the suite.

    pub(super) mod blocks;
    pub(super) mod counts;
    pub(super) mod curves;
    pub(super) mod input;
    pub(super) mod prepare;
    pub(super) mod restart;
    pub(super) mod sandbox;
    pub(super) mod throughput;
    pub(super) mod warm;
}
mod text;

use crate::{cli::Section, failure::Failure, progress::Spinner, session::Session};
use document::{Document, FORMAT, Head, Settings};
use guests::Guests;
use lab::{Found, Lab};
use pvf_host_core::sandbox::Sandbox;
use reference::Reference;
use std::{path::PathBuf, time::Instant};
pub(crate) use text::Text;

/// What to measure.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// In the order in which they are measured.
    pub(crate) sections: Vec<Section>,
    pub(crate) fixtures: Option<PathBuf>,
    /// More blocks of the chain that is among the fixtures.
    pub(crate) blocks: Option<PathBuf>,
    pub(crate) reference: Option<PathBuf>,
    pub(crate) sandbox: Sandbox,
    /// Whether the sandbox has to hold.
    pub(crate) secure: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) document: Document,
    /// Whether something was left out because it went wrong.
    pub(crate) has_failed: bool,
}

impl Options {
    /// Whether what the folders are to hold is there. To be asked before anything is made.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for (name, folder) in [("fixtures", &self.fixtures), ("blocks", &self.blocks)] {
            if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
                let message = format!("the {name} {} are no folder", folder.display());
                return Err(Failure::usage(message));
            }
        }
        self.reference.as_deref().map_or(Ok(()), |folder| Reference::new(folder).map(drop))
    }
}

/// Runs the suite. What fails is left out, and said.
pub(crate) async fn run(options: &Options, session: &Session) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let mut head = Head::now(Settings {
        quick: options.quick,
        sections: options.sections.clone(),
        fixtures: options.fixtures.is_some(),
        reference: options.reference.is_some(),
        secure: options.secure,
        optimised: !cfg!(debug_assertions),
    });
    let guests = Guests::find(options.fixtures.as_deref(), options.blocks.as_deref())?;
    let reference = options.reference.as_deref().map(Reference::new).transpose()?;
    let spinner = Spinner::start("starting");
    let lab = Lab {
        session,
        spinner: &spinner,
        guests: &guests,
        reference: reference.as_ref(),
        scale: if options.quick { &scale::QUICK } else { &scale::FULL },
        sandbox: &options.sandbox,
    };
    let mut found = Found::default();
    for section in &options.sections {
        found.extend(lab.measure(*section).await?);
    }
    head.took_s = figure::rounded(start.elapsed().as_secs_f64());
    head.machine.load_average_after = document::load_average();
    let Found { goals, figures, curves, left_out, has_failed } = found;
    let document = Document { format: FORMAT, head, goals, figures, curves, left_out };
    Ok(Outcome { document, has_failed })
}

impl Lab<'_> {
    async fn measure(&self, section: Section) -> Result<Found, Failure> {
        match section {
            Section::Warm => section::warm::run(self).await,
            Section::Blocks => section::blocks::run(self).await,
            Section::Throughput => section::throughput::run(self).await,
            Section::Input => section::input::run(self).await,
            Section::Restart => section::restart::run(self).await,
            Section::Prepare => section::prepare::run(self).await,
            Section::Curves => section::curves::run(self).await,
            Section::Counts => section::counts::run(self).await,
            Section::Sandbox => section::sandbox::run(self).await,
        }
    }
}
