//! Counts of what the host has done.

use crate::{Decision, RetryCause};
use prometheus_client::metrics::counter::Counter;

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of what the host has done since it was started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            /// All counts. They may have begun before the host did.
            pub(crate) fn snapshot(&self) -> Statistics {
                Statistics { $($name: self.$name.get(),)* }
            }
        }

        impl Statistics {
            /// What has been counted since `earlier`.
            pub(crate) fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name - earlier.$name,)* }
            }
        }
    };
}

statistics! {
    /// Preparations started.
    preparations,
    /// Functions that preparations took from earlier ones.
    functions_reused,
    /// Functions that preparations compiled, as far as backends keep them.
    functions_compiled,
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
    /// Artifacts thrown away because they could not be read or loaded.
    artifacts_discarded,
    /// Validations tried again because the worker had died.
    retries_after_worker_death,
    /// Validations tried again because the job had died.
    retries_after_job_death,
    /// Validations tried again after an error in the job.
    retries_after_job_error,
    /// Validations tried again because the artifact was not what had been written.
    retries_after_corrupted_artifact,
    /// Validations tried again because the artifact could not be loaded.
    retries_after_runtime_construction,
    /// Validations tried again after a problem of this machine's.
    retries_after_internal_error,
    /// Validations whose error was one that may pass, and that were not tried again any more.
    retries_given_up,
    /// Candidates found invalid because their artifact could not be loaded twice.
    judged_after_runtime_construction,
}

impl Counters {
    /// Counts what was decided about a failed validation.
    pub(crate) fn count(&self, decision: &Decision) {
        let counter = match decision {
            Decision::Stands => return,
            Decision::GiveUp(_) => &self.retries_given_up,
            Decision::Judge(_) => &self.judged_after_runtime_construction,
            Decision::Retry { cause, .. } => match cause {
                RetryCause::WorkerDeath => &self.retries_after_worker_death,
                RetryCause::JobDeath => &self.retries_after_job_death,
                RetryCause::JobError => &self.retries_after_job_error,
                RetryCause::CorruptedArtifact => &self.retries_after_corrupted_artifact,
                RetryCause::RuntimeConstruction => &self.retries_after_runtime_construction,
                RetryCause::Internal => &self.retries_after_internal_error,
            },
        };
        counter.inc();
    }
}
