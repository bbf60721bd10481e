//! Preparing through the host, taking turns with the engine alone.

use crate::{
    cli::Section,
    failure::Failure,
    floor,
    suite::{
        figure::{About, Better, Goal, Unit},
        guests::{ADDER, Guest, LARGE, MIDDLE, NOISE},
        lab::{Found, Lab, median},
    },
    temporary::TemporaryCache,
    timing::precheck,
};
use pvf_host_core::{Code, PrepareReport, Pvf, ValidationHost, primitives::ExecutorParams};
use std::time::{Duration, Instant};

/// How many times as long as the engine alone it may take.
const BOUND: f64 = 1.05;

/// The share of a full preparation that one after an upgrade may take.
const UPGRADE: f64 = 0.3;

/// How many functions of a hundred an upgrade changes.
const CHANGED: usize = 2;

const GUESTS: &[&str] = &[ADDER, MIDDLE, LARGE, NOISE];

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    found.leave_out_absent(lab, Section::Prepare, GUESTS);
    for guest in lab.guests.named(GUESTS) {
        let what = format!("{} on {}", guest.name, guest.backend);
        found.settle(Section::Prepare, &what, measure(lab, guest).await)?;
        let upgrade = after_an_upgrade(lab, guest).await;
        found.settle(Section::Prepare, &format!("{what}, after an upgrade"), upgrade)?;
    }
    Ok(found)
}

fn about(guest: &Guest) -> About<'_> {
    About { section: Section::Prepare, subject: guest.name, backend: guest.backend.as_str() }
}

async fn measure(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let about = about(guest);
    let code = guest.decompressed()?;
    let params = ExecutorParams::default();
    let (mut ours, mut reports, mut alone, mut ratios) = (vec![], vec![], vec![], vec![]);
    for round in 0..lab.scale.preparations {
        for turn in [round % 2, 1 - round % 2] {
            if turn == 0 {
                lab.say(about, "preparing");
                let cache = TemporaryCache::new()?;
                let work = async |host: &_| timed(host, &guest.request.pvf).await;
                let (took, report) = lab.on_host(&cache, |config| config, work).await?;
                ours.push(took);
                reports.push(report);
            } else {
                lab.say(about, "preparing with the engine alone");
                let work = floor::prepare_alone(&code, &guest.backend, &params);
                alone.push(lab.session.unless_interrupted(work).await?);
            }
        }
        if let (Some(ours), Some(alone)) = (ours.last(), alone.last()) {
            ratios.push(ours.as_nanos() as f64 / alone.engine_ns.max(1) as f64);
        }
    }
    let mut found = Found::default();
    found.times(about, "precheck", ours);
    found.times(about, "the job of it", reports.iter().map(|report| report.cost.wall));
    found.times(about, "CPU time of it", reports.iter().map(|report| report.cost.cpu));
    let column = |get: fn(&floor::Alone) -> u64| alone.iter().map(get).collect::<Vec<_>>();
    found.nanos(about, "engine alone", &column(|alone| alone.engine_ns));
    found.nanos(about, "reading and rewriting alone", &column(|alone| alone.before_ns));
    let peak = reports.iter().map(|report| report.cost.peak_memory as f64);
    found.figure(about, "peak memory", (Unit::Bytes, Better::Less), peak);
    let peak = alone.iter().map(|alone| alone.peak_memory as f64);
    found.figure(about, "peak memory of the engine alone", (Unit::Bytes, Better::Neither), peak);
    let of = (Unit::Ratio, Better::Less);
    let value = median(ratios.iter().copied()).ok_or("no rounds".to_owned());
    found.figure(about, "precheck by engine alone", of, ratios);
    found.goals.push(Goal::new(
        about,
        "precheck by what the engine alone takes",
        match guest.backend.as_str() {
            "wasmtime" => {
                "the median of the rounds; Wasmtime compiles the instrumented module with the same \
                 settings, in a process that has started its threads"
            }
            "polkavm" => {
                "the median of the rounds; PolkaVM compiles the rewritten program with the same \
                 settings, in a process of its own"
            }
            _ => "the median of the rounds; the backend prepares in a process of its own",
        },
        of,
        value,
        Some(BOUND),
    ));
    Ok(found)
}

async fn timed(host: &ValidationHost, pvf: &Pvf) -> Result<(Duration, PrepareReport), Failure> {
    let start = Instant::now();
    let report = precheck(host, pvf).await?;
    Ok((start.elapsed(), report))
}

/// Prepares what will be needed. A precheck would do it in full: it only waits here.
async fn ahead(host: &ValidationHost, pvf: &Pvf) -> Result<(Duration, PrepareReport), Failure> {
    let start = Instant::now();
    host.heads_up([pvf.clone()]).await;
    let report = precheck(host, pvf).await?;
    Ok((start.elapsed(), report))
}

/// Prepares the code, and then the same with some functions changed, in the same environment.
async fn after_an_upgrade(lab: &Lab<'_>, guest: &Guest) -> Result<Found, Failure> {
    let about = about(guest);
    let name = "preparing again after an upgrade, by preparing in full";
    let of = (Unit::Ratio, Better::Less);
    let compares = format!(
        "preparing the same code with {CHANGED} % of its functions changed, declared to be an upgrade \
         of the old code, which was prepared, by preparing it where nothing was; the median of the \
         rounds"
    );
    let mut found = Found::default();
    let failed = |reason| Failure::runtime("upgrade", reason);
    let old = guest.decompressed()?;
    let new = pvf_workers::floor::upgraded(&old, &guest.backend, CHANGED).map_err(failed)?;
    let Some(new) = new else {
        let reason = "there is no way to change code for this backend";
        found.leave_out(
            Section::Prepare,
            &format!("{} on {}, {name}", guest.name, guest.backend),
            reason,
        );
        return Ok(found);
    };
    let old = Pvf::new(Code::new(old));
    let new = Pvf::new(Code::new(new)).upgraded_from(old.code.hash());
    let (mut full, mut again, mut ratios) = (vec![], vec![], vec![]);
    let (mut cpu_ratios, mut compiled) = (vec![], vec![]);
    for _ in 0..lab.scale.preparations {
        lab.say(about, "preparing in full");
        let cache = TemporaryCache::new()?;
        let work = async |host: &_| ahead(host, &new).await;
        let (whole, of_whole) = lab.on_host(&cache, |config| config, work).await?;
        lab.say(about, "preparing again after an upgrade");
        let cache = TemporaryCache::new()?;
        let work = async |host: &_| {
            ahead(host, &old).await?;
            ahead(host, &new).await
        };
        let (part, of_part) = lab.on_host(&cache, |config| config, work).await?;
        ratios.push(part.as_secs_f64() / whole.as_secs_f64());
        cpu_ratios.push(of_part.cost.cpu.as_secs_f64() / of_whole.cost.cpu.as_secs_f64());
        compiled.extend(of_part.functions.map(|functions| functions.compiled as f64));
        full.push(whole);
        again.push(part);
    }
    let value = median(ratios.iter().copied()).ok_or("no rounds".to_owned());
    found.times(about, "preparing the upgraded code, in full", full);
    found.times(about, "preparing the upgraded code, after the old", again);
    found.figure(about, name, of, ratios);
    found.figure(about, "the same by CPU time", of, cpu_ratios);
    let of_compiled = (Unit::Count, Better::Less);
    found.figure(about, "functions of the upgraded code compiled anew", of_compiled, compiled);
    found.goals.push(Goal::new(about, name, &compares, of, value, Some(UPGRADE)));
    Ok(found)
}
