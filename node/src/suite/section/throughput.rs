//! Executions per second, beside what the processors could do if there were nothing but the work.

use crate::{
    cli::Section,
    failure::Failure,
    machine,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{ADDER, Guest, LARGE, NOISE},
        lab::{Found, Lab, median},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate_many},
};

/// The least share.
const BOUND: f64 = 0.8;

const GUESTS: &[&str] = &[ADDER, LARGE, NOISE];

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    found.leave_out_absent(lab, Section::Throughput, GUESTS);
    for guest in lab.guests.named(GUESTS) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Throughput, &what, measure(lab, guest).await)?;
    }
    Ok(found)
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let cores = machine::processors();
    // Requests wait, so that no worker has to.
    let tasks = 2 * cores;
    let about = About {
        section: Section::Throughput,
        subject: guest.name,
        backend: guest.backend.as_str(),
    };
    let cache = TemporaryCache::new()?;
    let work = async |host: &_| {
        lab.say(about, "preparing");
        precheck(host, &guest.request.pvf).await?;
        // As many workers are started as there will be.
        validate_many(host, &guest.request, tasks, tasks).await?;
        let (mut per_s, mut cpu_ns, mut shares) = (vec![], vec![], vec![]);
        for _ in 0..lab.scale.rounds {
            lab.say(about, "measuring the floor");
            let calls = lab.scale.floor.div_ceil(4);
            let floor = lab.floor(host, &cache.path(), guest, calls).await?;
            lab.say(about, "validating");
            let count = lab.scale.batch;
            let (_, took) = validate_many(host, &guest.request, count, tasks).await?;
            let rate = count as f64 / took.as_secs_f64();
            let cpu_s = median(floor.forked_cpu_ns.iter().map(|nanos| *nanos as f64 / 1e9));
            per_s.push(rate);
            shares.extend(cpu_s.filter(|cpu_s| *cpu_s > 0.0).map(|s| rate * s / cores as f64));
            cpu_ns.extend(floor.forked_cpu_ns);
        }
        let mut found = Found::default();
        found.figure(about, "executions", (Unit::PerS, Better::More), per_s);
        found.nanos(about, "floor, forked: CPU time", &cpu_ns);
        let share = median(shares.iter().copied());
        found.figure(about, "share of the floor's", (Unit::Ratio, Better::More), shares);
        found.goals.push(Goal::new(
            about,
            "executions per second by cores ÷ CPU time of one fork and call",
            "the median of the rounds; as many workers as cores",
            (Unit::Ratio, Better::More),
            share.ok_or("the floor's CPU time is too short to be told".to_owned()),
            Some(BOUND),
        ));
        Ok(found)
    };
    lab.on_host(&cache, |config| config.execute_workers_max(cores), work).await
}
