//! How a host is set up.

use crate::{
    CodeProvider, artifact::PruneLimits, backend::BackendId, primitives::compression,
    sandbox::Sandbox, worker::WorkerProgram,
};
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

/// How a host is set up. The defaults suit a validator; change what you must.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where artifacts are kept. One host at a time may use it.
    pub cache_dir: PathBuf,
    /// The program that is started as a worker.
    pub worker_program: WorkerProgram,
    /// What keeps the workers from the rest of the machine.
    pub sandbox: Sandbox,
    /// The backend for code that no linked backend accepts by its first bytes. None: an error.
    pub default_backend: Option<BackendId>,
    /// Who has the code that a request named by its hash alone. None: such a request fails unless
    /// the artifact is there.
    pub code_provider: Option<Arc<dyn CodeProvider>>,
    /// How many artifacts are prepared at once.
    pub prepare_workers_soft_max: usize,
    /// How many are when approvals or disputes wait for them.
    pub prepare_workers_hard_max: usize,
    /// How many candidates are executed at once.
    pub execute_workers_max: usize,
    /// How many execute workers that have nothing to do are kept with their artifact loaded. Each takes
    /// some 4 MiB besides its artifact, three descriptors of the host, and three processes. All of them
    /// together never take more than half of the descriptors that this process may open, and half of them
    /// go whenever the kernel has no room for another.
    pub hot_workers_max: usize,
    /// The same as a sum of the sizes of their artifacts, in bytes.
    pub hot_workers_max_size: u64,
    /// Whether an execute worker stands by that has no artifact yet. A candidate for whose code there
    /// is no other then waits for its artifact to be loaded, and not for a process to be started too.
    pub standby_worker: bool,
    /// How many requests of each execution class, and how many prechecks, the host holds at once;
    /// further callers wait.
    pub queue_capacity: usize,
    /// The most that code may decompress to, in bytes.
    pub code_limit: usize,
    /// The most that a proof of validity may decompress to, in bytes.
    pub pov_limit: usize,
    /// When artifacts are removed to make room.
    pub prune_limits: PruneLimits,
    /// How often that is looked at, besides after each preparation.
    pub prune_interval: Duration,
    /// How long to wait before preparing again what failed for a reason that may pass.
    pub prepare_retry_interval: Duration,
    /// How often to do so.
    pub prepare_retries: u32,
    /// How long a worker may take to start.
    pub spawn_timeout: Duration,
    /// How long an execute worker may take to load its artifact.
    pub load_timeout: Duration,
    /// A job's limit on CPU time is enforced by its worker. A worker that has not answered after
    /// this multiple of it on the clock is killed.
    pub wall_clock_factor: u32,
}

impl Config {
    /// The defaults, with a cache in `cache_dir`.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            worker_program: WorkerProgram::default(),
            sandbox: Sandbox::default(),
            default_backend: None,
            code_provider: None,
            prepare_workers_soft_max: 1,
            prepare_workers_hard_max: 2,
            execute_workers_max: 2,
            // More than there are parachains with a block in each slot.
            hot_workers_max: 1024,
            hot_workers_max_size: 1 << 30,
            standby_worker: true,
            queue_capacity: 1024,
            code_limit: compression::CODE_LIMIT,
            pov_limit: compression::POV_LIMIT,
            prune_limits: PruneLimits::default(),
            prune_interval: Duration::from_secs(60 * 60),
            prepare_retry_interval: Duration::from_secs(15 * 60),
            prepare_retries: 5,
            spawn_timeout: Duration::from_secs(10),
            // Loading takes milliseconds; on a machine under heavy load, perhaps seconds.
            load_timeout: Duration::from_secs(30),
            wall_clock_factor: 4,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("cache_dir", &self.cache_dir)
            .field("worker_program", &self.worker_program)
            .field("sandbox", &self.sandbox)
            .field("default_backend", &self.default_backend)
            .field("code_provider", &self.code_provider.is_some())
            .field("execute_workers_max", &self.execute_workers_max)
            .finish_non_exhaustive()
    }
}
