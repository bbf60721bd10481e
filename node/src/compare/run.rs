//! Running a plan.
//!
//! Everything goes through hosts like a node's, one candidate at a time. Within a round the backends
//! take turns, so that a machine that gets slower or faster does so for all of them alike.

use super::{Phase, Plan, Round, Sample, TimeLeft, execute::execute, log::Log, round::Executed};
use crate::{
    case::{Case, Codes},
    failure::Failure,
    progress::Bar,
    session::Session,
    temporary::TemporaryCache,
};
use pvf_host_core::{
    Config, Metrics, ValidationHost, artifact::ArtifactId, detect_environment, primitives::hex,
    sandbox::Sandbox,
};
use std::{collections::HashSet, ops::Range, path::PathBuf, time::Instant};

/// How often each backend executes a case before warm executions count.
const WARM_UP: usize = 2;

/// Where to note rounds, and whether to go on from there.
#[derive(Debug)]
pub(crate) struct LogOptions {
    pub(crate) path: PathBuf,
    pub(crate) resume: bool,
}

/// How its hosts are set up.
#[derive(Debug)]
pub(crate) struct HostOptions {
    pub(crate) sandbox: Sandbox,
    /// Where all of them, one after the other, count and measure.
    pub(crate) metrics: Option<Metrics>,
}

/// Runs what the log does not have yet, on hosts that are set up like this. Gives all rounds, case by case.
pub(crate) async fn run(
    plan: &Plan,
    session: &Session,
    host: HostOptions,
    log: Option<&LogOptions>,
) -> Result<Vec<Vec<Round>>, Failure> {
    let (log, rounds) = match log {
        None => (Log::none(), vec![]),
        Some(LogOptions { path, resume }) => {
            // No cache is touched by that.
            let config = Config::builder(".").build()?;
            let environment = detect_environment(&config).await?.digest();
            Log::open(path, plan, &hex::encode(environment.0), *resume)?
        }
    };
    let mut run = Run::new(plan, host, log, rounds);
    let mut cache = run.prepare(session).await?;
    run.execute(session, &mut cache, Phase::First).await?;
    run.execute(session, &mut cache, Phase::Warm).await?;
    Ok(run.rounds)
}

/// A cache that is gone when dropped, and what was prepared in it.
#[derive(Debug)]
struct Cache {
    directory: TemporaryCache,
    prepared: HashSet<ArtifactId>,
}

impl Cache {
    fn new() -> Result<Self, Failure> {
        Ok(Self { directory: TemporaryCache::new()?, prepared: HashSet::new() })
    }
}

struct Run<'a> {
    plan: &'a Plan,
    host: HostOptions,
    log: Log,
    /// By case.
    rounds: Vec<Vec<Round>>,
    done: HashSet<(Phase, usize, usize)>,
    codes: Codes,
    left: TimeLeft,
    steps: u64,
    bar: Bar,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, host: HostOptions, log: Log, rounds: Vec<Round>) -> Self {
        let mut left = TimeLeft::new([Phase::Prepare, Phase::First, Phase::Warm].map(|phase| {
            let cases = (0..plan.cases.len()).filter(|case| plan.is_run(phase, *case)).count();
            (phase, (cases * plan.runs(phase)) as u64)
        }));
        let steps = left.rounds();
        for round in &rounds {
            left.skip(round.phase, 1);
        }
        let done = rounds.iter().map(|round| (round.phase, round.case, round.run)).collect();
        let bar = Bar::start(steps);
        let mut by_case: Vec<Vec<Round>> = plan.cases.iter().map(|_| vec![]).collect();
        for round in rounds {
            by_case[round.case].push(round);
        }
        let codes = Codes::default();
        Self { plan, host, log, rounds: by_case, done, codes, left, steps, bar }
    }

    /// Prepares everything, as often as planned, each time from nothing. Gives the last cache.
    async fn prepare(&mut self, session: &Session) -> Result<Cache, Failure> {
        let mut cache = Cache::new()?;
        for run in 0..self.plan.runs(Phase::Prepare) {
            if self.is_done(Phase::Prepare, run..run + 1) {
                continue;
            }
            cache = Cache::new()?;
            self.run(session, &mut cache, Phase::Prepare, run..run + 1).await?;
        }
        Ok(cache)
    }

    /// Executes every case, as often as planned.
    async fn execute(
        &mut self,
        session: &Session,
        cache: &mut Cache,
        phase: Phase,
    ) -> Result<(), Failure> {
        let runs = 0..self.plan.runs(phase);
        if self.is_done(phase, runs.clone()) {
            return Ok(());
        }
        self.run(session, cache, phase, runs).await
    }

    fn is_done(&self, phase: Phase, runs: Range<usize>) -> bool {
        let mut cases = (0..self.plan.cases.len()).filter(|case| self.plan.is_run(phase, *case));
        cases.all(|case| runs.clone().all(|run| self.done.contains(&(phase, case, run))))
    }

    /// Runs these rounds of every case, as far as they are not done.
    async fn run(
        &mut self,
        session: &Session,
        cache: &mut Cache,
        phase: Phase,
        runs: Range<usize>,
    ) -> Result<(), Failure> {
        let hot = if phase == Phase::Warm { self.plan.backends.len() } else { 0 };
        let config = Config::builder(cache.directory.path())
            .sandbox(self.host.sandbox.clone())
            .metrics(self.host.metrics.clone())
            .execute_workers_max(1)
            .hot_workers_max(hot)
            .hot_workers_max_size(u64::MAX)
            // Each that is not warm starts its own, whatever came before it.
            .standby_worker(false)
            .build()?;
        tracing::info!(phase = phase.words(), "comparing");
        session
            .with_host(config, async |host| {
                for at in 0..self.plan.cases.len() {
                    if self.plan.is_run(phase, at) {
                        self.run_case(&host, cache, phase, at, runs.clone()).await?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn run_case(
        &mut self,
        host: &ValidationHost,
        cache: &mut Cache,
        phase: Phase,
        at: usize,
        runs: Range<usize>,
    ) -> Result<(), Failure> {
        let undone: Vec<_> = runs.filter(|run| !self.done.contains(&(phase, at, *run))).collect();
        if undone.is_empty() {
            return Ok(());
        }
        self.bar.say(format!("{}: {}", phase.words(), self.plan.cases[at].name));
        let case = self.plan.load(at, &mut self.codes)?;
        let mut is_warm = false;
        for run in undone {
            if !self.is_worth(phase, at, run) {
                self.left.skip(phase, 1);
                self.show();
                continue;
            }
            if !is_warm {
                self.warm_up(host, cache, phase, at, &case).await;
                is_warm = true;
            }
            let start = Instant::now();
            let round = self.round(host, phase, at, &case, run).await;
            let programs = self.plan.cases[at].programs.iter().flatten();
            cache.prepared.extend(programs.map(|program| program.artifact.clone()));
            self.log.add(&round)?;
            self.done.insert((phase, at, run));
            self.rounds[at].push(round);
            self.left.did(phase, start.elapsed());
            self.show();
        }
        Ok(())
    }

    /// Whether another round would tell anything. One of a case that is stopped for its time does
    /// not, as soon as that is known.
    fn is_worth(&self, phase: Phase, at: usize, run: usize) -> bool {
        let is_timed = || {
            let rounds = self.rounds[at].iter();
            let mut samples = rounds.flat_map(|round| round.samples.iter().flatten());
            samples.all(|sample| sample.outcome.class.is_timed())
        };
        match phase {
            Phase::Prepare | Phase::Replay => true,
            Phase::First => run == 0 || is_timed(),
            Phase::Warm => is_timed(),
        }
    }

    /// Brings about what the phase starts from.
    async fn warm_up(
        &self,
        host: &ValidationHost,
        cache: &mut Cache,
        phase: Phase,
        at: usize,
        case: &Case,
    ) {
        let planned = &self.plan.cases[at];
        let times = if phase == Phase::Warm { WARM_UP } else { 1 };
        for _ in 0..times {
            for (backend, program) in self.plan.backends.iter().zip(&planned.programs) {
                let Some(program) = program else { continue };
                let is_missing = !cache.prepared.contains(&program.artifact);
                let is_needed = match phase {
                    Phase::Prepare | Phase::Replay => false,
                    Phase::First => is_missing,
                    Phase::Warm => true,
                };
                if is_needed {
                    // What comes of it will be seen again, and then it is checked.
                    execute(host, case, backend).await;
                    cache.prepared.insert(program.artifact.clone());
                }
            }
        }
    }

    async fn round(
        &self,
        host: &ValidationHost,
        phase: Phase,
        at: usize,
        case: &Case,
        run: usize,
    ) -> Round {
        let mut executed: Vec<Executed> = Vec::new();
        for (i, backend) in self.plan.backends.iter().enumerate() {
            executed.push(match self.plan.takes_part(phase, at, i) {
                true => execute(host, case, backend).await,
                false => None,
            });
        }
        Round::check((phase, at, run), executed, &case.expected, |backend| self.before(at, backend))
    }

    /// What the backend made of the case when that was first known.
    fn before(&self, at: usize, backend: usize) -> Option<Sample> {
        let mut samples =
            self.rounds[at].iter().filter_map(|round| round.samples[backend].as_ref());
        samples.find(|sample| sample.is_known()).cloned()
    }

    fn show(&self) {
        self.bar.advance(self.steps - self.left.rounds(), self.left.estimate());
    }
}
