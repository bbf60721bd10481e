//! Many candidates on two backends.
//!
//! Only totals are kept, and the first divergences; a case is read when its turn comes and is
//! forgotten after that. So memory does not grow with the corpus.

use super::{
    Class, Divergence, Phase, Round, Sample, TimeLeft, comparison::Backend, execute::execute,
};
use crate::{
    case::{CaseError, CaseFile, Codes},
    failure::{Answer, Failure},
    progress::Bar,
};
use pvf_host_core::{ValidationHost, backend::BackendDescriptor};
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::task::JoinSet;

/// How many divergences are kept to be shown.
pub(crate) const MAX_SHOWN: usize = 100;

/// What to run: the backend that is the measure of the other, and that.
pub(crate) type Pair = [&'static BackendDescriptor; 2];

/// What a replay has found out. What is there twice is in the order of the [`Pair`].
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) backends: [Backend; 2],
    pub(crate) candidates: usize,
    pub(crate) agreeing: usize,
    pub(crate) diverging: usize,
    /// A backend could not tell.
    pub(crate) unknown: usize,
    /// There is no code for one of the backends.
    pub(crate) skipped: usize,
    /// Files that were there at first and could not be read when their turn came.
    pub(crate) unreadable: usize,
    /// How many candidates are of each class.
    pub(crate) classes: [BTreeMap<Class, usize>; 2],
    pub(crate) cpu: Times,
    pub(crate) wall: Times,
    /// The first of them, by the number of their case.
    pub(crate) divergences: BTreeMap<usize, Divergent>,
}

/// Times of candidates that were timed on both backends, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) candidates: u64,
    pub(crate) total: [u128; 2],
}

/// A case that diverges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Divergent {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) divergences: Vec<Divergence>,
}

/// What became of one case.
enum Step {
    Ran(String, Box<Round>),
    Skipped,
    Unreadable(CaseError),
}

impl Times {
    fn add(&mut self, times: [Option<u64>; 2]) {
        if let [Some(one), Some(other)] = times {
            self.candidates += 1;
            self.total[0] += u128::from(one);
            self.total[1] += u128::from(other);
        }
    }

    /// The second backend's time divided by the first's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        (self.total[0] > 0).then(|| self.total[1] as f64 / self.total[0] as f64)
    }
}

impl Replayed {
    fn new(pair: &Pair) -> Self {
        let backend = |backend: &BackendDescriptor| Backend {
            id: backend.id.to_string(),
            version: backend.version.to_owned(),
        };
        Self {
            backends: [backend(pair[0]), backend(pair[1])],
            candidates: 0,
            agreeing: 0,
            diverging: 0,
            unknown: 0,
            skipped: 0,
            unreadable: 0,
            classes: Default::default(),
            cpu: Times::default(),
            wall: Times::default(),
            divergences: BTreeMap::new(),
        }
    }

    pub(crate) fn answer(&self) -> Answer {
        match (self.diverging, self.unknown + self.unreadable) {
            (1.., _) => Answer::No,
            (0, 1..) => Answer::Unknown,
            (0, 0) => Answer::Yes,
        }
    }

    fn add(&mut self, path: &Path, step: Step) {
        self.candidates += 1;
        let (name, round) = match step {
            Step::Skipped => return self.skipped += 1,
            Step::Unreadable(error) => {
                tracing::error!("{error}");
                return self.unreadable += 1;
            }
            Step::Ran(name, round) => (name, round),
        };
        for (sample, classes) in round.samples.iter().zip(&mut self.classes) {
            if let Some(sample) = sample {
                *classes.entry(sample.outcome.class).or_default() += 1;
            }
        }
        let times = |of: fn(&Sample) -> Option<u64>| {
            let time = |i: usize| round.samples[i].as_ref().and_then(of);
            [time(0), time(1)]
        };
        self.cpu.add(times(|sample| sample.cpu.filter(|_| sample.outcome.class.is_timed())));
        // What was prepared or loaded for some candidates says nothing about the others.
        self.wall.add(times(|sample| sample.wall.filter(|_| sample.hot)));
        if !round.divergences.is_empty() {
            self.diverging += 1;
            let (path, divergences) = (path.display().to_string(), round.divergences);
            self.divergences.insert(round.case, Divergent { name, path, divergences });
            if self.divergences.len() > MAX_SHOWN {
                self.divergences.pop_last();
            }
        } else if round.samples.iter().flatten().all(Sample::is_known) {
            self.agreeing += 1;
        } else {
            self.unknown += 1;
        }
    }
}

/// Runs all cases, several at once.
pub(crate) async fn replay(
    paths: Vec<PathBuf>,
    pair: Pair,
    workers: NonZeroUsize,
    host: ValidationHost,
) -> Result<Replayed, Failure> {
    let bar = Bar::start(paths.len() as u64);
    let mut left = TimeLeft::new([(Phase::Replay, paths.len() as u64)]);
    let mut replayed = Replayed::new(&pair);
    let work = Arc::new(Work { paths, pair, next: AtomicUsize::new(0), codes: Mutex::default() });
    // As many cases are in memory as there are tasks. Dropping the set ends them, and with them their
    // handles to the host.
    let mut tasks = JoinSet::new();
    for _ in 0..workers.get() {
        tasks.spawn(work.clone().step(host.clone()));
    }
    let mut last = Instant::now();
    while let Some(task) = tasks.join_next().await {
        let step = task.map_err(|error| Failure::runtime("panic", error.to_string()))?;
        if let Some((at, step)) = step {
            tasks.spawn(work.clone().step(host.clone()));
            replayed.add(&work.paths[at], step);
            left.did(Phase::Replay, last.elapsed());
            last = Instant::now();
            bar.advance(replayed.candidates as u64, left.estimate());
        }
    }
    Ok(replayed)
}

struct Work {
    paths: Vec<PathBuf>,
    pair: Pair,
    next: AtomicUsize,
    codes: Mutex<Codes>,
}

impl Work {
    /// Runs the next case. None if there is none left.
    async fn step(self: Arc<Self>, host: ValidationHost) -> Option<(usize, Step)> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.paths.get(at)?;
        let case = tokio::task::block_in_place(|| {
            let file = CaseFile::read(path)?;
            file.load(&mut self.codes.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let case = match case {
            Ok(case) => case,
            Err(error) => return Some((at, Step::Unreadable(error))),
        };
        if self.pair.iter().any(|backend| case.code_for(backend).is_none()) {
            return Some((at, Step::Skipped));
        }
        let [one, other] = self.pair;
        // Neither is always the one that finds the caches cold.
        let executed = if at.is_multiple_of(2) {
            let first = execute(&host, &case, one).await;
            vec![first, execute(&host, &case, other).await]
        } else {
            let second = execute(&host, &case, other).await;
            vec![execute(&host, &case, one).await, second]
        };
        let round = Round::check((Phase::Replay, at, 0), executed, &case.expected, |_| None);
        Some((at, Step::Ran(case.name, Box::new(round))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Against, Outcome};
    use pvf_host_core::{InternalError, backend, primitives::ValidationResult};

    fn sample(is_known: bool) -> Sample {
        let verdict = match is_known {
            true => Ok(ValidationResult::default()),
            false => Err(InternalError::HostGone.into()),
        };
        Sample {
            outcome: Outcome::of(&verdict),
            wall: Some(10),
            hot: true,
            load: None,
            cpu: Some(5),
            peak_memory: None,
            gas: None,
            prepared: None,
        }
    }

    fn round(case: usize, samples: [Sample; 2], diverges: bool) -> Step {
        let divergence =
            Divergence { backend: 1, against: Against::Backend(0), differences: vec![] };
        let round = Round {
            phase: Phase::Replay,
            case,
            run: 0,
            samples: samples.map(Some).into(),
            divergences: if diverges { vec![divergence] } else { vec![] },
        };
        Step::Ran(format!("case {case}"), Box::new(round))
    }

    fn replayed() -> Replayed {
        let backend = backend::linked()[0];
        Replayed::new(&[backend, backend])
    }

    #[test]
    fn every_candidate_is_counted_once() {
        let mut totals = replayed();
        assert_eq!(totals.answer(), Answer::Yes);
        totals.add("".as_ref(), round(0, [sample(true), sample(true)], false));
        totals.add("".as_ref(), Step::Skipped);
        assert_eq!(totals.answer(), Answer::Yes);
        totals.add("".as_ref(), round(2, [sample(true), sample(false)], false));
        assert_eq!(totals.answer(), Answer::Unknown);
        totals.add("".as_ref(), Step::Unreadable(CaseError::of_file("".as_ref(), "gone")));
        totals.add("".as_ref(), round(4, [sample(true), sample(true)], true));
        assert_eq!(totals.answer(), Answer::No);
        assert_eq!(
            [
                totals.candidates,
                totals.agreeing,
                totals.skipped,
                totals.unknown,
                totals.unreadable,
                totals.diverging
            ],
            [5, 1, 1, 1, 1, 1]
        );
        assert_eq!(totals.classes[1], BTreeMap::from([(Class::Valid, 2), (Class::Unknown, 1)]));
    }

    #[test]
    fn times_are_of_candidates_that_were_timed_on_both() {
        let mut totals = replayed();
        let slow = || Sample { wall: Some(30), cpu: Some(20), ..sample(true) };
        totals.add("".as_ref(), round(0, [sample(true), slow()], false));
        totals.add("".as_ref(), round(1, [Sample { hot: false, ..sample(true) }, slow()], false));
        assert_eq!(totals.wall, Times { candidates: 1, total: [10, 30] });
        assert_eq!(totals.cpu, Times { candidates: 2, total: [10, 40] });
        assert_eq!(totals.cpu.ratio(), Some(4.0));
        assert_eq!(Times::default().ratio(), None);
    }

    #[test]
    fn only_the_first_divergences_are_kept() {
        let mut totals = replayed();
        for case in (0..300).rev() {
            totals.add("".as_ref(), round(case, [sample(true), sample(true)], true));
        }
        assert_eq!(totals.diverging, 300);
        assert!(totals.divergences.keys().copied().eq(0..MAX_SHOWN));
    }
}
