//! How much time the rest will take.

use super::Phase;
use std::time::Duration;

/// What has been done of each phase, how long that took, and what is left to do.
#[derive(Debug)]
pub(crate) struct TimeLeft(Vec<Progress>);

#[derive(Debug)]
struct Progress {
    phase: Phase,
    left: u64,
    done: u32,
    took: Duration,
}

impl TimeLeft {
    /// Phases in their order, and how many rounds of each there are to be done.
    pub(crate) fn new(rounds: impl IntoIterator<Item = (Phase, u64)>) -> Self {
        let progress = |(phase, left)| Progress { phase, left, done: 0, took: Duration::ZERO };
        Self(rounds.into_iter().map(progress).collect())
    }

    /// A round was done.
    pub(crate) fn did(&mut self, phase: Phase, took: Duration) {
        if let Some(progress) = self.of(phase) {
            progress.left = progress.left.saturating_sub(1);
            progress.done += 1;
            progress.took += took;
        }
    }

    /// Some rounds will not be done.
    pub(crate) fn skip(&mut self, phase: Phase, rounds: u64) {
        if let Some(progress) = self.of(phase) {
            progress.left = progress.left.saturating_sub(rounds);
        }
    }

    /// How many rounds there are to be done.
    pub(crate) fn rounds(&self) -> u64 {
        self.0.iter().map(|progress| progress.left).sum()
    }

    /// How long they will take, if each takes as long as those of its phase did, or those of the phase
    /// before if there are none. None if nothing is known.
    pub(crate) fn estimate(&self) -> Option<Duration> {
        let mut known = None;
        let mut total = Duration::ZERO;
        for progress in &self.0 {
            let mean = (progress.done > 0).then(|| progress.took / progress.done);
            known = mean.or(known);
            if progress.left > 0 {
                let left = u32::try_from(progress.left).unwrap_or(u32::MAX);
                total = total.saturating_add(known?.saturating_mul(left));
            }
        }
        Some(total)
    }

    fn of(&mut self, phase: Phase) -> Option<&mut Progress> {
        self.0.iter_mut().find(|progress| progress.phase == phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_expected_to_go_on_as_it_went() {
        let seconds = Duration::from_secs;
        let mut left = TimeLeft::new([(Phase::Prepare, 2), (Phase::First, 3), (Phase::Warm, 10)]);
        assert_eq!((left.rounds(), left.estimate()), (15, None));
        left.did(Phase::Prepare, seconds(4));
        assert_eq!((left.rounds(), left.estimate()), (14, Some(seconds(4 + 3 * 4 + 10 * 4))));
        left.did(Phase::Prepare, seconds(2));
        left.did(Phase::First, seconds(1));
        assert_eq!(left.estimate(), Some(seconds(2 + 10)));
        left.skip(Phase::Warm, 4);
        assert_eq!((left.rounds(), left.estimate()), (8, Some(seconds(2 + 6))));
        left.skip(Phase::Warm, 100);
        left.skip(Phase::First, 2);
        assert_eq!((left.rounds(), left.estimate()), (0, Some(Duration::ZERO)));
    }
}
