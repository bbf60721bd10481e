//! Executions on a worker that has the artifact loaded, one after the other, beside their floor.

use crate::{
    cli::Section,
    failure::Failure,
    floor::Floor,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{ADDER, Guest, LARGE, MIDDLE, NOISE},
        lab::{Found, Lab},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate, validate_many},
};

/// What the p50 of a guest may be, in milliseconds, if its floor does not allow more.
const GOALS: [(&str, f64); 3] = [(ADDER, 0.35), (LARGE, 0.5), (NOISE, 0.5)];

/// The share of its floor that it may take in any case.
const OF_FLOOR: f64 = 0.7;

const GUESTS: &[&str] = &[ADDER, MIDDLE, LARGE, NOISE];

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    found.leave_out_absent(lab, Section::Warm, GUESTS);
    for guest in lab.guests.named(GUESTS) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Warm, &what, measure(lab, guest).await)?;
    }
    for backend in &lab.guests.backends {
        for (name, bound) in GOALS {
            // There is no runtime of 3.58 MB for PolkaVM: the Cumulus runtime stands for it there.
            let counts = (name == NOISE) == (backend.as_str() == "polkavm") || name == ADDER;
            if !counts {
                continue;
            }
            let about = About { section: Section::Warm, subject: name, backend: backend.as_str() };
            let value = match lab.guests.get(name, backend) {
                Ok(_) => found.median(about, "warm").ok_or("it failed".to_owned()),
                Err(reason) => Err(reason),
            };
            let floor = found.median(about, "floor, forked").unwrap_or_default();
            found.goals.push(Goal::new(
                about,
                "warm execution, p50",
                &format!("with the larger of {bound} ms and {OF_FLOOR} × the floor, forked"),
                (Unit::Ms, Better::Less),
                value,
                Some(bound.max(OF_FLOOR * floor)),
            ));
        }
    }
    Ok(found)
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let about =
        About { section: Section::Warm, subject: guest.name, backend: guest.backend.as_str() };
    let cache = TemporaryCache::new()?;
    let work = async |host: &_| {
        lab.say(about, "prechecking");
        let prepared = precheck(host, &guest.request.pvf).await?;
        // What comes first is another matter, see `restart`.
        validate(host, &guest.request).await?;
        let mut floor = Floor::default();
        lab.say(about, "measuring the floor");
        let half = lab.scale.floor.div_ceil(2);
        floor.extend(lab.floor(host, &cache.path(), guest, half).await?);
        lab.say(about, "validating");
        let (warm, _) = validate_many(host, &guest.request, lab.scale.warm, 1).await?;
        lab.say(about, "measuring the floor");
        floor.extend(lab.floor(host, &cache.path(), guest, half).await?);

        let mut found = Found::default();
        found.times(about, "warm", warm);
        found.nanos(about, "floor, in process", &floor.in_process_ns);
        found.nanos(about, "floor, forked", &floor.forked_ns);
        found.nanos(about, "floor, forked: CPU time", &floor.forked_cpu_ns);
        let size = prepared.artifact_size as f64;
        found.figure(about, "artifact", (Unit::Bytes, Better::Less), [size]);
        Ok(found)
    };
    lab.on_host(&cache, |config| config.execute_workers_max(1), work).await
}
