//! What grows when the work does: distinct PVFs, workers, blocks, waiting requests.

use crate::{
    cli::Section,
    failure::Failure,
    samples::{Real, Samples},
    suite::{
        curve::{Curve, Point, Step, TOLERANCE},
        figure::{About, Better, Goal, Unit, rounded},
        guests::{ADDER, Guest},
        lab::{Found, Lab, median_ms},
    },
    temporary::TemporaryCache,
    timing::{precheck, validate, validate_many},
    verdict,
};
use pvf_host_core::{
    Code, Pvf, ValidationHost, ValidationRequest,
    primitives::{ExecutorParam, ExecutorParams},
};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// How many requests wait at most, if it is not their number that grows.
const QUEUE: usize = 1024;

pub(in crate::suite) async fn run(lab: &Lab<'_>) -> Result<Found, Failure> {
    let mut found = Found::default();
    let scale = lab.scale;
    let what = Growing {
        name: "pvfs",
        x: "distinct PVFs in rotation",
        cost: "one rotation: a validation with each PVF",
        sizes: scale.pvfs,
    };
    sweep(lab, &mut found, &what, async |guest, size| pvfs(lab, guest, size).await).await?;
    let what = Growing {
        name: "workers",
        x: "workers",
        cost: "a validation on each worker, at once",
        sizes: scale.workers,
    };
    sweep(lab, &mut found, &what, async |guest, size| workers(lab, guest, size).await).await?;
    let what = Growing {
        name: "blocks",
        x: "MiB of block",
        cost: "one validation",
        sizes: scale.block_sizes,
    };
    sweep(lab, &mut found, &what, async |guest, size| blocks(lab, guest, size).await).await?;
    // Last, because it takes most memory, of which an allocator keeps some.
    let what = Growing {
        name: "queued",
        x: "requests at once",
        cost: "all requests, from the first to the last answer",
        sizes: scale.queued,
    };
    sweep(lab, &mut found, &what, async |guest, size| queued(lab, guest, size).await).await?;
    Ok(found)
}

/// What grows.
struct Growing {
    name: &'static str,
    x: &'static str,
    /// What each size's cost is.
    cost: &'static str,
    sizes: &'static [usize],
}

/// Measures all sizes, each with all guests, so that none has the memory of larger ones before it.
async fn sweep(
    lab: &Lab<'_>,
    found: &mut Found,
    what: &Growing,
    measure: impl AsyncFn(&Guest, usize) -> Result<Measured, Failure>,
) -> Result<(), Failure> {
    let mut curves: Vec<(&Guest, Result<Vec<Point>, Failure>)> =
        lab.guests.named(&[ADDER]).map(|guest| (guest, Ok(vec![]))).collect();
    for &size in what.sizes {
        for (guest, curve) in &mut curves {
            let Ok(points) = curve else { continue };
            match measure(guest, size).await {
                Ok(measured) => points.push(point(size, &measured)),
                Err(failure) => *curve = Err(failure),
            }
        }
    }
    for (guest, points) in curves {
        let backend = guest.backend.as_str();
        let result = points.map(|points| {
            with_goals(guest, Curve::new(what.name, backend, what.x, what.cost, points))
        });
        found.settle(Section::Curves, &format!("{} on {backend}", what.name), result)?;
    }
    Ok(())
}

/// A curve, with what is demanded of it.
fn with_goals(guest: &Guest, curve: Curve) -> Found {
    let mut found = Found::default();
    for (name, excess) in [
        ("steepest step by linear growth: time", Step::excess as fn(&Step) -> f64),
        ("steepest step by linear growth: memory", Step::memory_excess),
    ] {
        let subject = format!("curve of {}", curve.x);
        let backend = guest.backend.as_str();
        let about = About { section: Section::Curves, subject: &subject, backend };
        let value = curve.steps.iter().map(excess).reduce(f64::max);
        found.goals.push(Goal::new(
            about,
            name,
            &format!("{}; linear growth is 1, the tolerance {TOLERANCE}", curve.cost),
            (Unit::Ratio, Better::Less),
            value.ok_or("too few points".to_owned()),
            Some(TOLERANCE),
        ));
    }
    found.curves.push(curve);
    found
}

/// What was measured at one size.
struct Measured {
    /// One validation each.
    times: Vec<Duration>,
    /// All of the work, each time that it was done.
    costs: Vec<Duration>,
    memory: u64,
}

fn point(x: usize, measured: &Measured) -> Point {
    let samples = Samples::new(measured.times.iter().map(|time| Real(time.as_secs_f64() * 1e3)));
    let percentile = |percent| samples.percentile(percent).map_or(0.0, |value| rounded(value.0));
    Point {
        x: x as f64,
        n: samples.len(),
        p25_ms: percentile(25),
        p50_ms: percentile(50),
        p75_ms: percentile(75),
        cost_ms: rounded(median_ms(&measured.costs)),
        host_peak_memory_bytes: measured.memory,
    }
}

fn say(lab: &Lab<'_>, guest: &Guest, what: &str) {
    let backend = guest.backend.as_str();
    lab.say(About { section: Section::Curves, subject: guest.name, backend }, what);
}

/// Distinct PVFs, one after the other, round and round.
async fn pvfs(lab: &Lab<'_>, guest: &Guest, count: usize) -> Result<Measured, Failure> {
    let cache = TemporaryCache::new()?;
    let work = async |host: &ValidationHost| {
        let mut requests = Vec::new();
        for i in 0..count {
            say(lab, guest, &format!("preparing {} of {count} PVFs", i + 1));
            let pvf = variant(guest, i)?;
            precheck(host, &pvf).await?;
            // The host has the artifact; the code would only be in the way.
            let pvf = Pvf { code: pvf.code.hash().into(), ..pvf };
            requests.push(guest.request.clone().with_pvf(pvf));
        }
        say(lab, guest, &format!("validating with {count} PVFs in rotation"));
        for request in &requests {
            accepted(host, request).await?;
        }
        let rounds = lab.scale.point.div_ceil(count).max(3);
        let memory = PeakMemory::begin();
        let (mut times, mut costs) = (vec![], vec![]);
        for _ in 0..rounds {
            let start = Instant::now();
            for request in &requests {
                times.push(validate(host, request).await?.0);
            }
            costs.push(start.elapsed());
        }
        Ok(Measured { times, costs, memory: memory.end() })
    };
    lab.on_host(&cache, |config| config, work).await
}

/// The same guest as another PVF: with a custom section in WebAssembly; else with another limit on
/// the logical stack, which makes it another artifact.
fn variant(guest: &Guest, i: usize) -> Result<Pvf, Failure> {
    let mut code = guest.decompressed()?;
    if code.starts_with(b"\0asm") {
        let number = u32::try_from(i).unwrap_or(u32::MAX).to_le_bytes();
        // Its length, that of its name, its name, and what is in it.
        code.extend([0, 6, 1, b'n']);
        code.extend(number);
        return Ok(Pvf::new(Code::new(code)));
    }
    let max = ExecutorParam::StackLogicalMax(65_536 + u32::try_from(i).unwrap_or(u32::MAX));
    Ok(guest.request.pvf.clone().with_params(ExecutorParams::new(vec![max])))
}

/// A guest that is measured has to do what it is there for.
async fn accepted(host: &ValidationHost, request: &ValidationRequest) -> Result<(), Failure> {
    match validate(host, request).await?.1.verdict {
        Ok(_) => Ok(()),
        Err(error) => Err(verdict::failure(&error, "the adder does not accept its block")),
    }
}

/// Workers, each of which has something to do all the time.
async fn workers(lab: &Lab<'_>, guest: &Guest, count: usize) -> Result<Measured, Failure> {
    let cache = TemporaryCache::new()?;
    let work = async |host: &ValidationHost| {
        say(lab, guest, &format!("validating on {count} workers"));
        accepted(host, &guest.request).await?;
        validate_many(host, &guest.request, 2 * count, count).await?;
        let validations = lab.scale.point.max(8 * count);
        let memory = PeakMemory::begin();
        let (mut times, mut costs) = (vec![], vec![]);
        for _ in 0..lab.scale.rounds {
            let (each, all) = validate_many(host, &guest.request, validations, count).await?;
            times.extend(each);
            costs.push(all.mul_f64(count as f64 / validations as f64));
        }
        Ok(Measured { times, costs, memory: memory.end() })
    };
    lab.on_host(&cache, |config| config.execute_workers_max(count), work).await
}

/// Blocks that grow.
async fn blocks(lab: &Lab<'_>, guest: &Guest, size: usize) -> Result<Measured, Failure> {
    let cache = TemporaryCache::new()?;
    let work = async |host: &ValidationHost| {
        say(lab, guest, &format!("validating a block of {size} MiB"));
        let request = guest.with_padding(size << 20);
        accepted(host, &request).await?;
        let memory = PeakMemory::begin();
        let count = lab.scale.point.div_ceil(4);
        let (times, _) = validate_many(host, &request, count, 1).await?;
        Ok(Measured { costs: times.clone(), times, memory: memory.end() })
    };
    lab.on_host(&cache, |config| config.execute_workers_max(1), work).await
}

/// Requests that are there at once.
async fn queued(lab: &Lab<'_>, guest: &Guest, count: usize) -> Result<Measured, Failure> {
    let cache = TemporaryCache::new()?;
    let work = async |host: &ValidationHost| {
        say(lab, guest, &format!("validating {count} at once"));
        accepted(host, &guest.request).await?;
        validate_many(host, &guest.request, 4, 2).await?;
        let rounds = (lab.scale.point / count).clamp(3, 50);
        let memory = PeakMemory::begin();
        let (mut times, mut costs) = (vec![], vec![]);
        for _ in 0..rounds {
            let start = Instant::now();
            let mut set = JoinSet::new();
            for _ in 0..count {
                let (host, request) = (host.clone(), guest.request.clone());
                set.spawn(async move { validate(&host, &request).await.map(drop) });
            }
            while let Some(task) = set.join_next().await {
                task.map_err(|error| Failure::runtime("panic", error.to_string()))??;
            }
            let all = start.elapsed();
            // A validation's share: how long it waited is another question.
            times.push(all / count as u32);
            costs.push(all);
        }
        Ok(Measured { times, costs, memory: memory.end() })
    };
    lab.on_host(&cache, |config| config.queue_capacity(count.max(QUEUE)), work).await
}

/// The most memory that this process, which is the host's, has resident from some moment on.
struct PeakMemory;

impl PeakMemory {
    fn begin() -> Self {
        // Forgets the peak so far. Without it, points come after smaller ones, and show at most
        // theirs.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self
    }

    fn end(self) -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.map_or(0, crate::suite::document::kibibytes)
    }
}
