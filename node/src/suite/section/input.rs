//! A block of 5 MiB, beside one copy of it into fresh memory.
//!
//! The project's adder reads sixteen bytes of its block where they are, and ignores what follows, so that
//! what is measured is the way of a block to its guest. The relay chain's ignores as much, but copies
//! the block as it decodes it, into memory that grows meanwhile: most of its time is its own.

use crate::{
    cli::Section,
    failure::Failure,
    floor,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{ADDER, Guest, IN_PLACE},
        lab::{Found, Lab, median, median_ms},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate},
    verdict,
};
use std::time::Duration;

const SIZE: usize = 5 << 20;

/// How many times as long as a copy it may take.
const BOUND: f64 = 1.3;

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    for guest in lab.guests.named(&[ADDER, IN_PLACE]) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Input, &what, measure(lab, guest).await)?;
    }
    Ok(found)
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let subject = format!("{}, block of 5 MiB", guest.name);
    let about =
        About { section: Section::Input, subject: &subject, backend: guest.backend.as_str() };
    let requests = [guest.request.clone(), guest.with_padding(SIZE)];
    let cache = TemporaryCache::new()?;
    let work = async |host: &_| {
        lab.say(about, "preparing");
        precheck(host, &guest.request.pvf).await?;
        for request in &requests {
            if let Err(error) = validate(host, request).await?.1.verdict {
                return Err(verdict::failure(&error, "the adder does not accept its block"));
            }
        }
        let mut all = [vec![], vec![]];
        let (mut copies, mut huge) = (vec![], vec![]);
        let (mut more, mut plain) = (vec![], vec![]);
        for _ in 0..lab.scale.rounds {
            lab.say(about, "copying");
            let copied = floor::copies(SIZE, lab.scale.inputs).await?;
            lab.say(about, "validating");
            let mut took = [vec![], vec![]];
            for turn in 0..lab.scale.inputs {
                // Neither always comes second.
                for i in [turn % 2, 1 - turn % 2] {
                    took[i].push(validate(host, &requests[i]).await?.0);
                }
            }
            let nanos = copied.small_pages_ns.iter().copied().map(Duration::from_nanos);
            let copy = median_ms(&nanos.collect::<Vec<_>>());
            let [small, large] = [0, 1].map(|i| median_ms(&took[i]));
            more.push((large - small) / copy);
            plain.push(large / copy);
            copies.extend(copied.small_pages_ns);
            huge.extend(copied.huge_pages_ns);
            for (all, took) in all.iter_mut().zip(took) {
                all.extend(took);
            }
        }
        let mut found = Found::default();
        let [small, large] = all;
        found.times(about, "warm, small block", small);
        found.times(about, "warm, 5 MiB", large);
        found.nanos(about, "one copy, small pages", &copies);
        found.nanos(about, "one copy, huge pages", &huge);
        let goals = [
            (
                "what 5 MiB more take, by one copy",
                "the warm p50 with 5 MiB less that with a small block, by the p50 of a copy into \
                 memory as it comes; the median of the rounds",
                more,
            ),
            (
                "all of it, by one copy",
                "the same with nothing taken off: fork and hops are in it",
                plain,
            ),
        ];
        for (name, compares, values) in goals {
            let of = (Unit::Ratio, Better::Less);
            let value = median(values.iter().copied()).ok_or("no rounds".to_owned());
            found.figure(about, name, of, values);
            found.goals.push(Goal::new(about, name, compares, of, value, Some(BOUND)));
        }
        Ok(found)
    };
    lab.on_host(&cache, |config| config.execute_workers_max(1), work).await
}
