//! How often, and how far.

/// Numbers of repetitions, and the sizes that curves go through.
#[derive(Debug)]
pub(super) struct Scale {
    /// Validations one after the other.
    pub(super) warm: usize,
    /// Calls of each kind for the floor.
    pub(super) floor: usize,
    /// Rounds in which things take turns.
    pub(super) rounds: usize,
    /// Validations of a small and a large block in each round.
    pub(super) blocks: fn(transfers: usize) -> usize,
    /// Validations at once, in each round.
    pub(super) batch: usize,
    /// Validations of each input in each round.
    pub(super) inputs: usize,
    /// Restarts.
    pub(super) restarts: usize,
    /// Preparations.
    pub(super) preparations: usize,
    /// Validations between two readings of a counter.
    pub(super) counted: usize,
    pub(super) pvfs: &'static [usize],
    pub(super) workers: &'static [usize],
    /// In MiB.
    pub(super) block_sizes: &'static [usize],
    pub(super) queued: &'static [usize],
    /// Validations at each point of a curve, at least.
    pub(super) point: usize,
}

pub(super) const FULL: Scale = Scale {
    warm: 500,
    floor: 200,
    rounds: 7,
    blocks: |transfers| (4000 / transfers.max(1)).clamp(8, 40),
    batch: 400,
    inputs: 20,
    restarts: 20,
    preparations: 5,
    counted: 200,
    pvfs: &[1, 10, 100, 1000],
    workers: &[1, 2, 4, 8, 16],
    block_sizes: &[0, 1, 2, 4, 8, 16],
    queued: &[1, 10, 100, 1000, 10_000],
    point: 200,
};

pub(super) const QUICK: Scale = Scale {
    warm: 40,
    floor: 20,
    rounds: 3,
    blocks: |_| 3,
    batch: 40,
    inputs: 5,
    restarts: 3,
    preparations: 1,
    counted: 20,
    pvfs: &[1, 4, 8],
    workers: &[1, 2, 4],
    block_sizes: &[0, 1, 4],
    queued: &[1, 10, 100],
    point: 16,
};
