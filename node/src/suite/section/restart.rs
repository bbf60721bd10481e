//! The first execution after a restart, with everything prepared.

use crate::{
    cli::Section,
    failure::Failure,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{ADDER, Guest, LARGE, MIDDLE, NOISE},
        lab::{Found, Lab, median},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate},
};
use pvf_host_core::{ConfigBuilder, ValidationHost};
use std::time::Duration;

/// How many times the artifact's load time it may take.
const BOUND: f64 = 3.0;

/// In milliseconds.
const READY: f64 = 15.0;

const GUESTS: &[&str] = &[ADDER, MIDDLE, LARGE, NOISE];

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    found.leave_out_absent(lab, Section::Restart, GUESTS);
    for guest in lab.guests.named(GUESTS) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Restart, &what, measure(lab, guest).await)?;
    }
    Ok(found)
}

/// What one start of a host shows.
struct Restart {
    first: Duration,
    load: Duration,
    /// The first execution, from leaving the queue, less the next one.
    ready: Duration,
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let about =
        About { section: Section::Restart, subject: guest.name, backend: guest.backend.as_str() };
    let cache = TemporaryCache::new()?;
    lab.say(about, "preparing");
    let prepare = async |host: &_| precheck(host, &guest.request.pvf).await;
    lab.on_host(&cache, |config| config, prepare).await?;
    let (mut restarts, mut alone) = (vec![], vec![]);
    for _ in 0..lab.scale.restarts {
        lab.say(about, "restarting");
        let work = async |host: &_| restart(host, guest).await;
        restarts.push(lab.on_host(&cache, |config| config, work).await?);
        lab.say(about, "restarting with no worker that stands by");
        let configure = |config: ConfigBuilder| config.standby_worker(false);
        alone.push(lab.on_host(&cache, configure, work).await?);
    }
    let mut found = Found::default();
    found.times(about, "first execution", restarts.iter().map(|restart| restart.first));
    found.times(about, "load", restarts.iter().map(|restart| restart.load));
    let firsts = alone.iter().map(|restart| restart.first);
    found.times(about, "first execution, no worker standing by", firsts);
    found.times(about, "worker spawn to ready", alone.iter().map(|restart| restart.ready));
    let ratio = |restart: &Restart| restart.first.as_secs_f64() / restart.load.as_secs_f64();
    let ratios: Vec<_> = restarts.iter().map(ratio).collect();
    let of = (Unit::Ratio, Better::Less);
    let value = median(ratios.iter().copied()).ok_or("no restarts".to_owned());
    found.figure(about, "first execution by load", of, ratios);
    let compares =
        "the median of the restarts; reading, checking and loading, as the host reports it";
    let name = "first execution by load time";
    found.goals.push(Goal::new(about, name, compares, of, value, Some(BOUND)));
    if guest.name == ADDER {
        let name = "worker spawn to ready";
        found.goals.push(Goal::new(
            about,
            name,
            "with no worker standing by, the first execution, from leaving the queue, less the next \
             one: reading the artifact, starting the worker, loading",
            (Unit::Ms, Better::Less),
            found.median(about, name).ok_or("no restarts".to_owned()),
            Some(READY),
        ));
    }
    Ok(found)
}

async fn restart(host: &ValidationHost, guest: &Guest) -> Result<Restart, Failure> {
    let broken = || Failure::runtime("report", "the host does not say what an execution took");
    let (first, validation) = validate(host, &guest.request).await?;
    let report = validation.execute.ok_or_else(broken)?;
    let load = report.load.ok_or_else(broken)?;
    let next = validate(host, &guest.request).await?.1.execute.ok_or_else(broken)?;
    Ok(Restart { first, load, ready: report.wall.saturating_sub(next.wall) })
}
