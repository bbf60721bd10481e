//! `pvf bench`: how fast a candidate is validated, and how fast it could be.
//!
//! Everything is timed as a node would see it: requests come from tasks on a multi-threaded runtime
//! and go through the whole host. The [floor](crate::floor) is measured beside that, half before
//! and half after the warm validations, so that both see the same machine in the same mood.

mod cost;
pub(crate) mod diff;
pub(crate) mod suite;

use crate::{
    cli::Bench,
    failure::{Answer, Failure},
    floor::Floor,
    input::{self, Program},
    metrics,
    output::{self, Facts},
    progress::Spinner,
    samples::Samples,
    session,
    temporary::TemporaryCache,
    timing::{self, precheck, validate},
    units::{millis, time},
};
use cost::{Cost, CostJson};
use pvf_host_core::{PrepareReport, ValidationHost, ValidationRequest};
use serde::Serialize;
use std::{
    num::NonZeroUsize,
    path::Path,
    thread::available_parallelism,
    time::{Duration, Instant},
};

#[derive(Debug, Serialize)]
struct BenchJson {
    precheck_ms: f64,
    first_ms: f64,
    /// Null when gas was not metered.
    gas_used: Option<u64>,
    warm: WarmJson,
    throughput_per_s: f64,
    concurrency: usize,
    workers: usize,
    floor: FloorJson,
    /// Null unless asked for.
    sandbox: Option<CostJson>,
}

#[derive(Debug, Serialize)]
struct WarmJson {
    n: usize,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct FloorJson {
    in_process_p50_ms: f64,
    fork_p50_ms: f64,
}

/// What was measured.
#[derive(Debug)]
struct Measured {
    precheck: Duration,
    first: Duration,
    gas_used: Option<u64>,
    warm: Samples<Duration>,
    throughput: f64,
    in_process: Samples<Duration>,
    forked: Samples<Duration>,
    sandbox: Option<Cost>,
}

/// What to measure.
#[derive(Debug)]
struct Plan {
    request: ValidationRequest,
    /// What the code is called with.
    input: Vec<u8>,
    count: usize,
    concurrency: usize,
    workers: usize,
}

pub(crate) fn run(args: &Bench, json: bool) -> Result<Answer, Failure> {
    let program = Program::read(&args.code)?;
    let request = input::request(&program, &args.candidate)?;
    let processors = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let workers = args.workers.unwrap_or(processors);

    let temporary;
    let cache_dir = match &args.host.cache.cache_dir {
        Some(directory) => directory.clone(),
        None => {
            temporary = TemporaryCache::new()?;
            temporary.path()
        }
    };
    let measured = metrics::Measured::open(&args.metrics)?;
    let config = input::config(&cache_dir, &args.host, &args.code)?;
    let config = input::config_execution(config, &args.candidate, workers);
    let config = config.metrics(measured.metrics()).build()?;

    let plan = Plan {
        input: timing::guest_input(&request, config.pov_limit())?,
        request,
        count: args.count.get(),
        concurrency: args.concurrency.unwrap_or(processors).get(),
        workers: workers.get(),
    };
    let spinner = Spinner::start("starting");
    let bare_cache = args.sandbox_cost.then(TemporaryCache::new).transpose()?;
    let bare_config =
        bare_cache.as_ref().map(|cache| cost::bare(&config, &cache.path())).transpose()?;
    let result = session::run(async |session| {
        let on_host = async |host| {
            let mut measured = plan.measure(&host, &cache_dir, &spinner).await?;
            if let Some(config) = bare_config {
                spinner.say("validating with and without measures");
                let on_bare = async |bare| {
                    Cost::measure(&host, &bare, &plan.request, plan.count).await.map(Some)
                };
                measured.sandbox = session.with_host(config, on_bare).await?;
            }
            Ok(measured)
        };
        session.with_host(config, on_host).await
    });
    let measured = measured.finish(result)?;
    drop(spinner);

    if json {
        output::json(&plan.to_json(&measured))?;
    } else {
        output::print(&plan.describe(&measured).to_string())?;
    }
    Ok(Answer::Yes)
}

impl Plan {
    async fn measure(
        &self,
        host: &ValidationHost,
        cache_dir: &Path,
        spinner: &Spinner,
    ) -> Result<Measured, Failure> {
        spinner.say("prechecking");
        let start = Instant::now();
        let prepared = precheck(host, &self.request.pvf).await?;
        let precheck = start.elapsed();
        if prepared.cached {
            tracing::warn!("the cache has the artifact: the precheck compiled nothing");
        }

        spinner.say("validating for the first time");
        let (first, validation) = validate(host, &self.request).await?;
        let gas_used = validation.execute.and_then(|report| report.gas_used);
        let mut floor = Floor::default();
        spinner.say("measuring the floor");
        floor.extend(self.floor(host, cache_dir, &prepared, self.count.div_ceil(2)).await?);
        spinner.say("validating one after the other");
        let (warm, _) = timing::validate_many(host, &self.request, self.count, 1).await?;
        spinner.say("measuring the floor");
        floor.extend(self.floor(host, cache_dir, &prepared, self.count / 2).await?);
        spinner.say("validating at once");
        // Before the clock runs, as many workers are started as there will be.
        timing::validate_many(host, &self.request, self.concurrency, self.concurrency).await?;
        let (_, took) =
            timing::validate_many(host, &self.request, self.count, self.concurrency).await?;

        let samples = |nanos: Vec<u64>| Samples::new(nanos.into_iter().map(Duration::from_nanos));
        Ok(Measured {
            precheck,
            first,
            gas_used,
            warm: Samples::new(warm),
            throughput: self.count as f64 / took.as_secs_f64(),
            in_process: samples(floor.in_process_ns),
            forked: samples(floor.forked_ns),
            sandbox: None,
        })
    }

    async fn floor(
        &self,
        host: &ValidationHost,
        cache_dir: &Path,
        prepared: &PrepareReport,
        count: usize,
    ) -> Result<Floor, Failure> {
        let backend = &prepared.backend;
        timing::floor(host, cache_dir, &self.request.pvf, backend, &self.input, count).await
    }

    fn to_json(&self, measured: &Measured) -> BenchJson {
        let percentile = percentile_millis;
        BenchJson {
            precheck_ms: millis(measured.precheck),
            first_ms: millis(measured.first),
            gas_used: measured.gas_used,
            warm: WarmJson {
                n: measured.warm.len(),
                p50_ms: percentile(&measured.warm, 50),
                p95_ms: percentile(&measured.warm, 95),
                p99_ms: percentile(&measured.warm, 99),
            },
            throughput_per_s: (measured.throughput * 10.0).round() / 10.0,
            concurrency: self.concurrency,
            workers: self.workers,
            floor: FloorJson {
                in_process_p50_ms: percentile(&measured.in_process, 50),
                fork_p50_ms: percentile(&measured.forked, 50),
            },
            sandbox: measured.sandbox.as_ref().map(Cost::to_json),
        }
    }

    fn describe(&self, measured: &Measured) -> Facts {
        let percentile = percentile_time;
        let mut facts = Facts::default();
        facts.add("precheck", time(measured.precheck));
        facts.add("first", time(measured.first));
        if let Some(gas) = measured.gas_used {
            facts.add("gas used", gas.to_string());
        }
        facts.add(
            "warm",
            format!(
                "p50 {}, p95 {}, p99 {} ({} one after the other)",
                percentile(&measured.warm, 50),
                percentile(&measured.warm, 95),
                percentile(&measured.warm, 99),
                measured.warm.len()
            ),
        );
        facts.add(
            "throughput",
            format!(
                "{:.1} per second ({} at once on {} workers)",
                measured.throughput, self.concurrency, self.workers
            ),
        );
        facts.add(
            "floor",
            format!(
                "p50 {} in process, {} forked",
                percentile(&measured.in_process, 50),
                percentile(&measured.forked, 50)
            ),
        );
        if let Some(cost) = &measured.sandbox {
            facts.add("sandboxed", cost.describe());
        }
        facts
    }
}

fn percentile_millis(samples: &Samples<Duration>, percent: usize) -> f64 {
    millis(samples.percentile(percent).unwrap_or_default())
}

fn percentile_time(samples: &Samples<Duration>, percent: usize) -> String {
    time(samples.percentile(percent).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::ValidationParams;
    use serde_json::{json, to_value};

    fn samples(millis: impl IntoIterator<Item = u64>) -> Samples<Duration> {
        Samples::new(millis.into_iter().map(Duration::from_millis))
    }

    #[test]
    fn the_json_has_every_figure() {
        let plan = Plan {
            request: ValidationRequest::from_params(
                pvf_host_core::Pvf::new(pvf_host_core::Code::new(vec![])),
                ValidationParams {
                    parent_head: vec![].into(),
                    block_data: vec![].into(),
                    relay_parent_number: 1,
                    relay_parent_storage_root: Default::default(),
                    extension: None,
                },
                pvf_host_core::ValidationKind::Approval,
            ),
            input: vec![],
            count: 2,
            concurrency: 4,
            workers: 3,
        };
        let measured = Measured {
            precheck: Duration::from_millis(100),
            first: Duration::from_micros(9_500),
            gas_used: Some(77),
            warm: samples([1, 2]),
            throughput: 1234.56,
            in_process: samples([3]),
            forked: samples([4]),
            sandbox: None,
        };
        let expected = json!({
            "precheck_ms": 100.0,
            "first_ms": 9.5,
            "gas_used": 77,
            "warm": { "n": 2, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 2.0 },
            "throughput_per_s": 1234.6,
            "concurrency": 4,
            "workers": 3,
            "floor": { "in_process_p50_ms": 3.0, "fork_p50_ms": 4.0 },
            "sandbox": null,
        });
        assert_eq!(to_value(plan.to_json(&measured)).unwrap(), expected);
    }
}
