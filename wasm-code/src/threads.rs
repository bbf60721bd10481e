//! Threads to read and rewrite code in, where there are some.
//!
//! None is started here: the jobs of a worker may start none once they have been confined. An engine
//! that has threads of its own, started before, lends them.

use std::num::NonZeroUsize;

/// Something to be done in one of several threads.
pub type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Threads that an engine lends.
///
/// What is done does not depend on them. Only how long it takes does.
pub trait Threads {
    /// How many tasks can be done at once.
    fn count(&self) -> NonZeroUsize;

    /// Does all of these, in any order, and returns when they are done.
    fn run(&self, tasks: Vec<Task<'_>>);
}

/// The thread that calls, and no other.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisThread;

impl Threads for ThisThread {
    fn count(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    fn run(&self, tasks: Vec<Task<'_>>) {
        tasks.into_iter().for_each(|task| task());
    }
}
