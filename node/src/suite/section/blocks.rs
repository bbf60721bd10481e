//! Blocks of a real parachain, taking turns with the reference implementation.

use crate::{
    cli::Section,
    failure::Failure,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{BLOCKS, Block, Chain, Guest},
        lab::{Found, Lab, median, median_ms},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate, validate_many},
    verdict,
};
use pvf_host_core::ValidationHost;

/// What a block of so many transfers may take, as a share of what the reference implementation
/// does.
fn bound(transfers: usize) -> f64 {
    match transfers {
        ..100 => 0.2,
        100..1000 => 0.55,
        1000.. => 0.65,
    }
}

const RATIO: &str = "warm, by the reference implementation's";

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    let chain = match &lab.guests.chain {
        Ok(chain) => chain,
        Err(reason) => {
            for (transfers, name) in BLOCKS {
                absent(lab, &mut found, name, transfers, reason);
            }
            return Ok(found);
        }
    };
    for block in &chain.blocks {
        match block {
            Ok(block) => {
                let result = measure(lab, chain, block).await;
                found.settle(Section::Blocks, block.name, result)?;
            }
            Err((transfers, name, reason)) => absent(lab, &mut found, name, *transfers, reason),
        }
    }
    if lab.reference.is_none() {
        let reason = "the reference implementation is not there, see --reference";
        found.leave_out(Section::Blocks, "ratios to the reference implementation", reason);
    }
    Ok(found)
}

/// Says of a block that there is none.
fn absent(lab: &Lab<'_>, found: &mut Found, name: &str, transfers: usize, reason: &str) {
    found.leave_out(Section::Blocks, name, reason);
    for backend in &lab.guests.backends {
        let about = About { section: Section::Blocks, subject: name, backend: backend.as_str() };
        found.goals.push(goal(about, Err(reason.into()), transfers));
    }
}

fn goal(about: About<'_>, ratio: Result<f64, String>, transfers: usize) -> Goal {
    Goal::new(
        about,
        "warm execution by the reference implementation's",
        "the median of each round's p50 by p50; the reference runs the code for WebAssembly",
        (Unit::Ratio, Better::Less),
        ratio,
        Some(bound(transfers)),
    )
}

async fn measure(lab: &Lab<'_>, chain: &Chain, block: &Block) -> Result<Found, Failure> {
    let cache = TemporaryCache::new()?;
    let work = async |host: &_| on_host(lab, chain, block, host).await;
    lab.on_host(&cache, |config| config.execute_workers_max(1), work).await
}

async fn on_host(
    lab: &Lab<'_>,
    chain: &Chain,
    block: &Block,
    host: &ValidationHost,
) -> Result<Found, Failure> {
    let about = |backend| About { section: Section::Blocks, subject: block.name, backend };
    let mut requests = Vec::new();
    for guest in &chain.guests {
        lab.say(about(guest.backend.as_str()), "preparing");
        let request = block.request(guest);
        precheck(host, &request.pvf).await?;
        let validation = validate(host, &request).await?.1;
        if let Err(error) = &validation.verdict {
            return Err(verdict::failure(error, "a block that is valid is not accepted"));
        }
        requests.push((guest, request, vec![], vec![]));
    }
    // The code that the reference implementation can run.
    let reference = lab.reference.zip(chain.guests.iter().find(|guest| is_wasm(guest)));
    let count = (lab.scale.blocks)(block.transfers);
    let mut theirs = Vec::new();
    for _ in 0..lab.scale.rounds {
        let mut p50 = None;
        if let Some((reference, guest)) = reference {
            lab.say(about("reference"), "validating");
            let times = reference.measure(guest.code.bytes(), block, count).await?;
            p50 = Some(times.warm_p50);
            theirs.push(times);
        }
        for (guest, request, ours, ratios) in &mut requests {
            lab.say(about(guest.backend.as_str()), "validating");
            let (took, _) = validate_many(host, request, count, 1).await?;
            ratios.extend(p50.map(|p50| median_ms(&took) / p50));
            ours.extend(took);
        }
    }
    let mut found = Found::default();
    let neither = (Unit::Ms, Better::Neither);
    if !theirs.is_empty() {
        let about = about("reference");
        found.figure(about, "warm, p50 of each round", neither, theirs.iter().map(|t| t.warm_p50));
        found.figure(about, "warm, p95 of each round", neither, theirs.iter().map(|t| t.warm_p95));
        found.figure(about, "precheck", neither, theirs.iter().map(|times| times.precheck));
    }
    for (guest, _, ours, ratios) in requests {
        let about = about(guest.backend.as_str());
        found.times(about, "warm", ours);
        let ratio = median(ratios.iter().copied());
        if ratio.is_some() {
            found.figure(about, RATIO, (Unit::Ratio, Better::Less), ratios);
        }
        let absent = "the reference implementation is not there, see --reference";
        found.goals.push(goal(about, ratio.ok_or(absent.to_owned()), block.transfers));
    }
    Ok(found)
}

fn is_wasm(guest: &Guest) -> bool {
    guest.backend.as_str() == "wasmtime"
}
