//! What sections measure with.

use super::{
    curve::Curve,
    figure::{About, Better, Figure, Goal, LeftOut, Unit},
    guests::{Guest, Guests},
    reference::Reference,
    scale::Scale,
};
use crate::{
    cli::Section, failure::Failure, floor::Floor, progress::Spinner, session::Session,
    temporary::TemporaryCache, timing,
};
use pvf_host_core::{
    Config, ConfigBuilder, ValidationHost, primitives::compression, sandbox::Sandbox,
};
use std::{path::Path, time::Duration};

/// Guests, hosts, and how often.
pub(super) struct Lab<'a> {
    pub(super) session: &'a Session,
    pub(super) spinner: &'a Spinner,
    pub(super) guests: &'a Guests,
    pub(super) reference: Option<&'a Reference>,
    pub(super) scale: &'a Scale,
    pub(super) sandbox: &'a Sandbox,
}

/// What a section has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) goals: Vec<Goal>,
    pub(super) figures: Vec<Figure>,
    pub(super) curves: Vec<Curve>,
    pub(super) left_out: Vec<LeftOut>,
    /// Whether something is left out because it went wrong.
    pub(super) has_failed: bool,
}

impl Lab<'_> {
    /// Says what is going on now.
    pub(super) fn say(&self, about: About<'_>, what: &str) {
        let section = section_name(about.section);
        self.spinner.say(format!("{section}: {} on {}, {what}", about.subject, about.backend));
    }

    /// Has `work` use a host with this cache, after `configure` has changed what it has to.
    pub(super) async fn on_host<T>(
        &self,
        cache: &TemporaryCache,
        configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
        work: impl AsyncFnOnce(&ValidationHost) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let config = Config::builder(cache.path()).sandbox(self.sandbox.clone());
        let config = configure(config).build()?;
        let result = self.session.with_host(config, async |host| work(&host).await).await;
        // A bad moment of one part is no reason to go on with the others after being told to stop.
        match self.session.is_interrupted() {
            true => Err(Failure::runtime(INTERRUPTED, "interrupted")),
            false => result,
        }
    }

    /// What calls of a guest take with no host around them.
    pub(super) async fn floor(
        &self,
        host: &ValidationHost,
        cache: &Path,
        guest: &Guest,
        count: usize,
    ) -> Result<Floor, Failure> {
        let input = timing::guest_input(&guest.request, compression::POV_LIMIT)?;
        timing::floor(host, cache, &guest.request.pvf, &guest.backend, &input, count).await
    }
}

/// How [`Failure`] names an interruption.
const INTERRUPTED: &str = "interrupted";

/// The name that is typed.
pub(super) fn section_name(section: Section) -> String {
    use clap::ValueEnum;
    section.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Found {
    pub(super) fn extend(&mut self, other: Self) {
        self.goals.extend(other.goals);
        self.figures.extend(other.figures);
        self.curves.extend(other.curves);
        self.left_out.extend(other.left_out);
        self.has_failed |= other.has_failed;
    }

    /// Takes what was found, or notes why it was not. What was an interruption ends the whole.
    pub(super) fn settle(
        &mut self,
        section: Section,
        what: &str,
        result: Result<Self, Failure>,
    ) -> Result<(), Failure> {
        match result {
            Ok(found) => self.extend(found),
            Err(failure @ Failure::Runtime { kind: INTERRUPTED, .. }) => return Err(failure),
            Err(Failure::Usage(reason) | Failure::Runtime { message: reason, .. }) => {
                tracing::error!(what, reason, "not measured");
                self.has_failed = true;
                self.leave_out(section, what, format!("it failed: {reason}"));
            }
        }
        Ok(())
    }

    /// Notes which of the guests with these names are not there.
    pub(super) fn leave_out_absent(&mut self, lab: &Lab<'_>, section: Section, names: &[&str]) {
        for (name, reason) in lab.guests.absent(names) {
            self.leave_out(section, name, reason);
        }
    }

    pub(super) fn leave_out(&mut self, section: Section, what: &str, reason: impl Into<String>) {
        self.left_out.push(LeftOut { section, what: what.into(), reason: reason.into() });
    }

    pub(super) fn figure(
        &mut self,
        about: About<'_>,
        name: &str,
        of: (Unit, Better),
        values: impl IntoIterator<Item = f64>,
    ) {
        self.figures.push(Figure::new(about, name, of, values));
    }

    /// Times, in milliseconds. Less is better.
    pub(super) fn times(
        &mut self,
        about: About<'_>,
        name: &str,
        times: impl IntoIterator<Item = Duration>,
    ) {
        let values = times.into_iter().map(|time| time.as_secs_f64() * 1e3);
        self.figure(about, name, (Unit::Ms, Better::Less), values);
    }

    /// Times of something that is there to compare with.
    pub(super) fn nanos(&mut self, about: About<'_>, name: &str, nanos: &[u64]) {
        let values = nanos.iter().map(|nanos| *nanos as f64 / 1e6);
        self.figure(about, name, (Unit::Ms, Better::Neither), values);
    }

    /// The median of a figure that was just noted.
    pub(super) fn median(&self, about: About<'_>, name: &str) -> Option<f64> {
        let wanted = (about.section, about.subject, name, about.backend);
        self.figures.iter().find(|figure| figure.identity() == wanted)?.median()
    }
}

/// The median of some values. None of none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    use crate::samples::{Real, Samples};
    Samples::new(values.into_iter().map(Real)).percentile(50).map(|value| value.0)
}

/// The median of some times, in milliseconds. Zero of none.
pub(super) fn median_ms(times: &[Duration]) -> f64 {
    median(times.iter().map(|time| time.as_secs_f64() * 1e3)).unwrap_or_default()
}

/// Why a guest that a goal is about is not there.
pub(super) type Absent = String;
