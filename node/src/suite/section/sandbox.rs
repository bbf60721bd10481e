//! Executions with everything that keeps code in, taking turns with executions without.

use crate::{
    cli::Section,
    failure::Failure,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{ADDER, Guest, LARGE, NOISE},
        lab::{Found, Lab, median_ms},
    },
    temporary::TemporaryCache,
    timing::{WARM_UP, in_turns, precheck},
};
use pvf_host_core::{ConfigBuilder, sandbox::Measures};

/// How many times as long an execution may take.
const BOUND: f64 = 1.25;

const GUESTS: &[&str] = &[ADDER, LARGE, NOISE];

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    found.leave_out_absent(lab, Section::Sandbox, GUESTS);
    for guest in lab.guests.named(GUESTS) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Sandbox, &what, measure(lab, guest).await)?;
    }
    Ok(found)
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let about =
        About { section: Section::Sandbox, subject: guest.name, backend: guest.backend.as_str() };
    let caches = [TemporaryCache::new()?, TemporaryCache::new()?];
    let bare = lab.sandbox.clone().only(Measures::none()).accept_insecure();
    let on_both = async |sandboxed: &_| {
        let work = async |bare: &_| {
            lab.say(about, "prechecking");
            for host in [sandboxed, bare] {
                precheck(host, &guest.request.pvf).await?;
            }
            lab.say(about, "validating with and without measures");
            let hosts = [sandboxed, bare];
            in_turns(hosts, &guest.request, WARM_UP.min(lab.scale.warm), lab.scale.warm).await
        };
        let configure = |config: ConfigBuilder| config.execute_workers_max(1).sandbox(bare);
        lab.on_host(&caches[1], configure, work).await
    };
    let [sandboxed, bare] =
        lab.on_host(&caches[0], |config| config.execute_workers_max(1), on_both).await?;

    let mut found = Found::default();
    // What the machine does meanwhile, it does to both.
    let size = lab.scale.warm.div_ceil(lab.scale.rounds);
    let rounds = sandboxed.chunks(size).zip(bare.chunks(size));
    let ratios = rounds.map(|(sandboxed, bare)| median_ms(sandboxed) / median_ms(bare));
    let of = (Unit::Ratio, Better::Less);
    found.figure(about, "with all measures, by without", of, ratios);
    let value = median_ms(&sandboxed) / median_ms(&bare);
    found.times(about, "with all measures", sandboxed);
    found.times(about, "without measures", bare);
    found.goals.push(Goal::new(
        about,
        "warm execution with all measures by one without",
        "the medians of executions that take turns",
        of,
        Ok(value),
        Some(BOUND),
    ));
    Ok(found)
}
