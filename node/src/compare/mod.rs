//! The same candidates on several backends, side by side.
//!
//! A [`Plan`] says what is to be run: cases, backends, and how often. Running it gives [`Round`]s, each
//! of them one case executed once on every backend, and checked: do all give the same [`Outcome`], is
//! it the expected one, and is it the same as in the rounds before? Rounds go to a [log], from which
//! a run that was broken off goes on. All of them together are a [`Comparison`], which is shown as
//! [text], as [JSON](json) or as a [page](report).

pub(crate) mod comparison;
pub(crate) mod difference;
pub(crate) mod execute;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod measure;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod round;
pub(crate) mod run;
pub(crate) mod text;
mod time_left;

pub(crate) use comparison::Comparison;
pub(crate) use measure::{Measure, Unit};
pub(crate) use outcome::{Class, Outcome};
pub(crate) use plan::{Options, Plan};
pub(crate) use round::{Against, Divergence, Phase, Round, Sample};
pub(crate) use time_left::TimeLeft;
