//! Counts of what the host has done.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of what the host has done since it was started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Statistics {
                Statistics { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

statistics! {
    /// Preparations started.
    preparations,
    /// Executions that left the queue.
    executions,
    /// Prepare workers started.
    prepare_workers_started,
    /// Execute workers started.
    execute_workers_started,
    /// Executions that found a worker with the artifact loaded.
    hot_hits,
    /// Times the code provider was asked.
    code_fetches,
    /// Artifacts removed to make room.
    artifacts_pruned,
    /// Artifacts thrown away because they could not be loaded.
    artifacts_discarded,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
