//! The tests, area by area.
//!
//! Each file begins with the list of its tests and what they demand.

/// Makes tests of a function that tries all candidates of a guest: one for each guest with candidates
/// that end by themselves, of the guest's name.
macro_rules! of_each_guest {
    ($all:ident) => {
        of_each_guest! {
            $all:
            adder = ADDER;
            big_output = BIG_OUTPUT;
            hasher = HASHER;
            interpreter = INTERPRETER;
            memory_hog = MEMORY_HOG;
            messages = MESSAGES;
            panicker = PANICKER;
            random_access = RANDOM_ACCESS;
            recursion = RECURSION;
            signatures = SIGNATURES;
            storage_proof = STORAGE_PROOF;
        }
    };
    ($all:ident: $($name:ident = $guest:ident;)*) => {
        $(fn $name(subject: &Subject) -> Verdict {
            $all(subject, &crate::guests::$guest)
        })*
    };
}

mod artifacts;
mod calls;
mod descriptor;
mod determinism;
mod fingerprint;
mod forks;
mod gas;
mod guests;
mod host_functions;
mod limits;
mod loading;
mod logs;
mod prevalidation;
mod through_the_host;
mod unwinding;
mod webassembly;

use crate::{elsewhere::Task, test::Test};

/// All tests.
pub(crate) const ALL: &[&[Test]] = &[
    descriptor::TESTS,
    prevalidation::TESTS,
    artifacts::TESTS,
    fingerprint::TESTS,
    loading::TESTS,
    calls::TESTS,
    guests::TESTS,
    limits::TESTS,
    host_functions::TESTS,
    logs::TESTS,
    determinism::TESTS,
    gas::TESTS,
    unwinding::TESTS,
    forks::TESTS,
    through_the_host::TESTS,
    webassembly::TESTS,
];

/// What is done in processes of their own.
pub(crate) const TASKS: &[&[Task]] = &[
    artifacts::TASKS,
    fingerprint::TASKS,
    forks::TASKS,
    determinism::TASKS,
    gas::TASKS,
    loading::TASKS,
    webassembly::TASKS,
];

/// Numbers without a pattern, the same each time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// By xorshift.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Some lengths below that of the whole: the first few, the last few, and others between.
pub(crate) fn lengths(len: usize, between: usize) -> Vec<usize> {
    let mut random = Random::new(len as u64);
    let mut lengths: Vec<_> = (0..len.min(16)).chain(len.saturating_sub(16)..len).collect();
    lengths.extend((0..between).map(|_| random.below(len)));
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}
