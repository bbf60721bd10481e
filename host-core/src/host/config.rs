//! How a host is set up.

use crate::{
    CodeProvider,
    artifact::PruneLimits,
    backend::{self, BackendId, SelectionError},
    metrics::Metrics,
    primitives::compression,
    sandbox::Sandbox,
    worker::{WorkerProgram, protocol::MAX_INPUT},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The settings that are plain numbers, times and switches: their fields, their defaults, how each is
/// set and how it is read.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr;)*) => {
        /// How a host is set up: settings that have been checked. Made with [`Config::builder`].
        #[derive(Clone)]
        pub struct Config {
            pub(crate) cache_dir: PathBuf,
            pub(crate) worker_program: WorkerProgram,
            pub(crate) sandbox: Sandbox,
            pub(crate) default_backend: Option<BackendId>,
            pub(crate) code_provider: Option<Arc<dyn CodeProvider>>,
            pub(crate) metrics: Option<Metrics>,
            $(pub(crate) $name: $type,)*
        }

        impl Config {
            fn defaults(cache_dir: PathBuf) -> Self {
                Self {
                    cache_dir,
                    worker_program: WorkerProgram::default(),
                    sandbox: Sandbox::default(),
                    default_backend: None,
                    code_provider: None,
                    metrics: None,
                    $($name: $default,)*
                }
            }

            $($(#[$doc])* pub fn $name(&self) -> $type {
                self.$name
            })*
        }

        impl ConfigBuilder {
            $($(#[$doc])* pub fn $name(mut self, $name: $type) -> Self {
                self.0.$name = $name;
                self
            })*
        }
    };
}

settings! {
    /// How many artifacts are prepared at once. 1 unless set, at least 1.
    ///
    /// Preparing uses all cores by itself, and takes them from the executions that wait for nothing
    /// else.
    prepare_workers_soft_max: usize = 1;
    /// How many artifacts are prepared at once when approvals or disputes wait for them. 2 unless set,
    /// no fewer than [`prepare_workers_soft_max`](Self::prepare_workers_soft_max).
    ///
    /// One more than usual, so that what is urgent need not wait for a preparation that is not.
    prepare_workers_hard_max: usize = 2;
    /// How many candidates are executed at once. 2 unless set, at least 1.
    ///
    /// Each takes a core while it runs. Limits are on CPU time, which more jobs than cores do not use
    /// up, yet each then takes longer on the clock. A validator with cores to spare sets more.
    execute_workers_max: usize = 2;
    /// How many execute workers that have nothing to do are kept with their artifact loaded. 1024 unless
    /// set; 0 keeps none.
    ///
    /// That is far more than there are parachains with a block in each slot. Each takes some 4 MiB besides
    /// its artifact, three descriptors of the host, and three processes. All of them together never take
    /// more than half of the descriptors that this process may open, and half of them go whenever the
    /// kernel has no room for another.
    hot_workers_max: usize = Self::HOT_WORKERS_MAX;
    /// What the artifacts of these workers may come to, as a sum of their sizes, in bytes. 1 GiB unless
    /// set.
    ///
    /// Artifacts are a few MiB, so that this holds only against unusual ones.
    hot_workers_max_size: u64 = 1 << 30;
    /// Whether an execute worker stands by that has no artifact yet. It does unless set.
    ///
    /// A candidate for whose code there is no other then waits for its artifact to be loaded, and not
    /// for a process to be started too. It costs some 4 MiB.
    standby_worker: bool = true;
    /// How many requests of each execution class, and how many prechecks, the host holds at once;
    /// further callers wait. 1024 unless set, at least 1.
    ///
    /// Each may hold a proof of validity. More than a validator ever has to do at once.
    queue_capacity: usize = 1024;
    /// The most that code may decompress to, in bytes. 30 MiB unless set, at least 1.
    ///
    /// The relay chain's own configuration limits code; a node passes on what that says.
    code_limit: usize = compression::CODE_LIMIT;
    /// The most that a proof of validity may decompress to, in bytes. 16 MiB unless set, at least 1 and
    /// at most 64 MiB, which is what a job can be given.
    ///
    /// The relay chain accepts proofs of at most 10 MiB.
    pov_limit: usize = compression::POV_LIMIT;
    /// When artifacts are removed to make room. Above 10 GiB those that were not needed for 24 hours,
    /// unless set.
    ///
    /// So much holds the code of all parachains several times over, and a day is longer than a chain
    /// that still makes blocks goes without one.
    prune_limits: PruneLimits = PruneLimits::default();
    /// How often artifacts are looked through to make room, besides after each preparation. 1 hour
    /// unless set, and never 0.
    ///
    /// Without a preparation they only grow older, which is measured in hours.
    prune_interval: Duration = Duration::from_secs(60 * 60);
    /// How long to wait before preparing again what failed for a reason that may pass. 15 minutes
    /// unless set.
    ///
    /// A preparation may take minutes of all cores, and most reasons do not pass sooner.
    prepare_retry_interval: Duration = Duration::from_secs(15 * 60);
    /// How often to prepare again what failed for a reason that may pass. 5 times unless set.
    ///
    /// What fails for more than an hour fails until somebody does something about it.
    prepare_retries: u32 = 5;
    /// How long a worker may take to start. 10 seconds unless set, and never 0.
    ///
    /// It takes milliseconds, the first one longer: it reads the whole program.
    spawn_timeout: Duration = Duration::from_secs(10);
    /// How long an execute worker may take to load its artifact. 30 seconds unless set, and never 0.
    ///
    /// Loading takes milliseconds; on a machine under heavy load, perhaps seconds.
    load_timeout: Duration = Duration::from_secs(30);
    /// After which multiple of a job's limit on CPU time, on the clock, a worker is killed that has not
    /// answered. 4 unless set, at least 1.
    ///
    /// The limit itself is enforced by the worker; this is for one that fails to. A machine may give a
    /// job a quarter of a core before that makes a candidate invalid.
    wall_clock_factor: u32 = 4;
}

impl Config {
    /// How many workers are kept with their artifact loaded unless
    /// [set](ConfigBuilder::hot_workers_max).
    pub const HOT_WORKERS_MAX: usize = 1024;

    /// The defaults, which suit a validator, with a cache in `cache_dir`. Change what you must.
    ///
    /// ```
    /// use pvf_host_core::{Config, ConfigError};
    ///
    /// # fn main() -> Result<(), ConfigError> {
    /// let config = Config::builder("/var/cache/node/pvf").execute_workers_max(4).build()?;
    /// assert_eq!(config.execute_workers_max(), 4);
    ///
    /// // What makes no sense is said at once, and by its name.
    /// let error = config.to_builder().queue_capacity(0).build().unwrap_err();
    /// assert_eq!(error, ConfigError::Zero { setting: "queue_capacity" });
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(cache_dir: impl Into<PathBuf>) -> ConfigBuilder {
        ConfigBuilder(Self::defaults(cache_dir.into()))
    }

    /// A builder that begins with these settings.
    pub fn to_builder(&self) -> ConfigBuilder {
        ConfigBuilder(self.clone())
    }

    /// Where artifacts are kept.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// The program that is started as a worker.
    pub fn worker_program(&self) -> &WorkerProgram {
        &self.worker_program
    }

    /// What keeps the workers from the rest of the machine.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The backend for code that no linked backend accepts by its first bytes.
    pub fn default_backend(&self) -> Option<&BackendId> {
        self.default_backend.as_ref()
    }

    /// Who has the code that a request named by its hash alone.
    pub fn code_provider(&self) -> Option<&Arc<dyn CodeProvider>> {
        self.code_provider.as_ref()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let empty = [
            ("prepare_workers_soft_max", self.prepare_workers_soft_max == 0),
            ("execute_workers_max", self.execute_workers_max == 0),
            ("queue_capacity", self.queue_capacity == 0),
            ("code_limit", self.code_limit == 0),
            ("pov_limit", self.pov_limit == 0),
            ("prune_interval", self.prune_interval.is_zero()),
            ("spawn_timeout", self.spawn_timeout.is_zero()),
            ("load_timeout", self.load_timeout.is_zero()),
            ("wall_clock_factor", self.wall_clock_factor == 0),
        ];
        if let Some((setting, _)) = empty.into_iter().find(|(_, is_empty)| *is_empty) {
            return Err(ConfigError::Zero { setting });
        }
        let (soft, hard) = (self.prepare_workers_soft_max, self.prepare_workers_hard_max);
        if soft > hard {
            return Err(ConfigError::PrepareWorkers { soft, hard });
        }
        if self.pov_limit > MAX_INPUT {
            return Err(ConfigError::PovLimit { bytes: self.pov_limit });
        }
        if self.cache_dir.as_os_str().is_empty() {
            return Err(ConfigError::NoCacheDir);
        }
        if let WorkerProgram::Path(path) = &self.worker_program
            && path.parent().is_none_or(|parent| parent.as_os_str().is_empty())
        {
            return Err(ConfigError::WorkerProgram(path.clone()));
        }
        if let Some(id) = &self.default_backend {
            backend::find(id).map_err(ConfigError::DefaultBackend)?;
        }
        Ok(())
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
            .field("metrics", &self.metrics.is_some())
            .field("execute_workers_max", &self.execute_workers_max)
            .finish_non_exhaustive()
    }
}

/// Settings for a host that have not been checked yet. Made with [`Config::builder`].
#[derive(Debug, Clone)]
#[must_use = "settings are of no use until they are built"]
pub struct ConfigBuilder(Config);

impl ConfigBuilder {
    /// Where artifacts are kept, in place of the directory that the builder was made with. One host at
    /// a time may use it.
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.0.cache_dir = directory.into();
        self
    }

    /// The program that is started as a worker. This very program unless set.
    ///
    /// So node and workers can't differ. A path has to say in which directory the program is.
    pub fn worker_program(mut self, program: WorkerProgram) -> Self {
        self.0.worker_program = program;
        self
    }

    /// What keeps the workers from the rest of the machine. Every measure unless set, and no start
    /// without those that it takes to keep untrusted code in.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.0.sandbox = sandbox;
        self
    }

    /// The backend for code that no linked backend accepts by its first bytes, and among those that
    /// accept it the first choice. None unless set: it is an error then if not exactly one accepts.
    ///
    /// All validators should choose alike, so there is no default.
    pub fn default_backend(mut self, id: impl Into<Option<BackendId>>) -> Self {
        self.0.default_backend = id.into();
        self
    }

    /// Who has the code that a request named by its hash alone. Nobody unless set: such a request fails
    /// unless the artifact is there.
    pub fn code_provider(mut self, provider: Arc<dyn CodeProvider>) -> Self {
        self.0.code_provider = Some(provider);
        self
    }

    /// Where the host counts and measures. Nowhere that anybody can see unless set.
    pub fn metrics(mut self, metrics: impl Into<Option<Metrics>>) -> Self {
        self.0.metrics = metrics.into();
        self
    }

    /// Checks the settings.
    ///
    /// What only this machine can tell, such as whether the cache can be written to, is found when the
    /// host is [started](crate::start).
    ///
    /// # Errors
    ///
    /// When no host could work with them. See [`ConfigError`].
    pub fn build(self) -> Result<Config, ConfigError> {
        self.0.check()?;
        Ok(self.0)
    }
}

/// Why a host can't be set up so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// With none of something, the host could do nothing, or would give up at once.
    #[error("{setting} is 0: it has to be more")]
    Zero {
        /// The method of [`ConfigBuilder`] that sets it.
        setting: &'static str,
    },
    /// More workers prepare usually than when it is urgent.
    #[error(
        "prepare_workers_soft_max is {soft}, and prepare_workers_hard_max only {hard}: it has to be \
         as many or more"
    )]
    PrepareWorkers {
        /// How many prepare usually.
        soft: usize,
        /// How many when it is urgent.
        hard: usize,
    },
    /// Proofs of validity may be longer than what a job can be given.
    #[error("pov_limit is {bytes} bytes, and a job can be given no more than {MAX_INPUT}")]
    PovLimit {
        /// How long they may be, in bytes.
        bytes: usize,
    },
    /// The path of the cache is empty.
    #[error("cache_dir is empty: it has to name a directory")]
    NoCacheDir,
    /// The worker program is a bare name, which would be searched for in `PATH`.
    #[error("worker_program is {}: it has to say in which directory that is", .0.display())]
    WorkerProgram(PathBuf),
    /// The default backend is not there.
    #[error("default_backend: {0}")]
    DefaultBackend(#[source] SelectionError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> ConfigBuilder {
        Config::builder("cache")
    }

    #[test]
    fn the_defaults_are_accepted() {
        let config = builder().build().unwrap();
        assert_eq!(config.cache_dir(), Path::new("cache"));
        assert!(config.sandbox().measures() == Sandbox::default().measures());
        assert!(!config.sandbox().accepts_insecure());
    }

    #[test]
    fn a_host_that_could_do_nothing_is_refused_by_the_name_of_the_setting() {
        type Set = fn(ConfigBuilder) -> ConfigBuilder;
        let settings: [(&str, Set); 9] = [
            ("prepare_workers_soft_max", |it| it.prepare_workers_soft_max(0)),
            ("execute_workers_max", |it| it.execute_workers_max(0)),
            ("queue_capacity", |it| it.queue_capacity(0)),
            ("code_limit", |it| it.code_limit(0)),
            ("pov_limit", |it| it.pov_limit(0)),
            ("prune_interval", |it| it.prune_interval(Duration::ZERO)),
            ("spawn_timeout", |it| it.spawn_timeout(Duration::ZERO)),
            ("load_timeout", |it| it.load_timeout(Duration::ZERO)),
            ("wall_clock_factor", |it| it.wall_clock_factor(0)),
        ];
        for (setting, set) in settings {
            let error = set(builder()).build().unwrap_err();
            assert_eq!(error, ConfigError::Zero { setting });
            assert!(error.to_string().starts_with(setting), "{error}");
        }
    }

    #[test]
    fn what_may_be_nothing_is_accepted_as_nothing() {
        let config = builder()
            .hot_workers_max(0)
            .hot_workers_max_size(0)
            .prepare_retry_interval(Duration::ZERO)
            .prepare_retries(0)
            .prune_limits(PruneLimits::new(0, Duration::ZERO));
        assert!(config.build().is_ok());
    }

    #[test]
    fn fewer_prepare_when_it_is_urgent_is_refused() {
        let error = builder().prepare_workers_soft_max(3).build().unwrap_err();
        assert_eq!(error, ConfigError::PrepareWorkers { soft: 3, hard: 2 });
        let both = builder().prepare_workers_soft_max(3).prepare_workers_hard_max(3);
        assert!(both.build().is_ok());
    }

    #[test]
    fn a_proof_of_validity_may_be_as_long_as_a_jobs_input_and_no_longer() {
        assert!(builder().pov_limit(MAX_INPUT).build().is_ok());
        let error = builder().pov_limit(MAX_INPUT + 1).build().unwrap_err();
        assert_eq!(error, ConfigError::PovLimit { bytes: MAX_INPUT + 1 });
    }

    #[test]
    fn paths_have_to_say_where() {
        assert_eq!(Config::builder("").build().unwrap_err(), ConfigError::NoCacheDir);
        for (path, is_clear) in
            [("", false), ("worker", false), ("./worker", true), ("/bin/worker", true)]
        {
            let program = WorkerProgram::Path(path.into());
            let result = builder().worker_program(program).build().map(drop);
            let refused = Err(ConfigError::WorkerProgram(path.into()));
            assert_eq!(result, if is_clear { Ok(()) } else { refused });
        }
    }

    #[test]
    fn a_default_backend_has_to_be_linked() {
        let absent = BackendId::from_static("absent");
        let error = builder().default_backend(absent.clone()).build().unwrap_err();
        let ConfigError::DefaultBackend(SelectionError::NotLinked { id, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(id, absent);
    }

    #[test]
    fn a_builder_made_of_settings_keeps_them() {
        let config = builder().execute_workers_max(7).build().unwrap();
        let again = config.to_builder().cache_dir("elsewhere").build().unwrap();
        assert_eq!((again.execute_workers_max(), again.cache_dir()), (7, Path::new("elsewhere")));
    }
}
