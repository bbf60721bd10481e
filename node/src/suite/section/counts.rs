//! What one execution makes the system do, which no other load on the machine changes.
//!
//! Each count is a difference over many executions, divided by their number.

use crate::{
    cli::Section,
    failure::Failure,
    suite::{
        counters::{Counters, Counts, What, Who, execute_workers},
        figure::{About, Better, Figure, Unit},
        guests::{ADDER, Guest, LARGE, NOISE},
        lab::{Found, Lab},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate_many},
};

const GUESTS: &[&str] = &[ADDER, LARGE, NOISE];

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    found.leave_out_absent(lab, Section::Counts, GUESTS);
    for guest in lab.guests.named(GUESTS) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Counts, &what, measure(lab, guest).await)?;
    }
    Ok(found)
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let about =
        About { section: Section::Counts, subject: guest.name, backend: guest.backend.as_str() };
    let cache = TemporaryCache::new()?;
    let work = async |host: &_| {
        lab.say(about, "preparing");
        precheck(host, &guest.request.pvf).await?;
        validate_many(host, &guest.request, 3, 1).await?;
        let workers = execute_workers();
        if workers.is_empty() {
            return Err(Failure::runtime("counts", "there is no worker"));
        }
        let mut found = Found::default();
        for what in What::ALL {
            lab.say(about, &format!("counting {}", what.name()));
            let mut counters =
                match Counters::start(what, &workers) {
                    Ok(counters) => counters,
                    Err(reason) => {
                        found.figures.extend(Who::ALL.map(|who| {
                            Figure::missing(about, &name(what, who), OF, reason.clone())
                        }));
                        continue;
                    }
                };
            // A job that was forked before the counting is used up.
            validate_many(host, &guest.request, 3, 1).await?;
            let read = |counters: &mut Counters| -> Result<Counts, Failure> {
                counters.read().map_err(|error| Failure::runtime("counts", error.to_string()))
            };
            let mut rounds = Vec::new();
            for _ in 0..lab.scale.rounds {
                let before = read(&mut counters)?;
                validate_many(host, &guest.request, lab.scale.counted, 1).await?;
                let after = read(&mut counters)?;
                rounds.push([0, 1, 2].map(|who: usize| {
                    after[who].saturating_sub(before[who]) as f64 / lab.scale.counted as f64
                }));
            }
            for (i, who) in Who::ALL.into_iter().enumerate() {
                found.figure(about, &name(what, who), OF, rounds.iter().map(|round| round[i]));
            }
        }
        Ok(found)
    };
    lab.on_host(&cache, |config| config.execute_workers_max(1), work).await
}

const OF: (Unit, Better) = (Unit::Count, Better::Less);

fn name(what: What, who: Who) -> String {
    format!("{}, {}", what.name(), who.name())
}
