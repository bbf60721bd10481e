//! Whether the suite finds what is wrong: backends that are broken, each in one way, and the tests that
//! have to fail on it.
//!
//! Each is a good backend with something around it. The good one passes the same tests.
//!
//! To put another backend to this, change [`GOOD`] and [`guests`].

use libtest_mimic::{Arguments, Trial};
use parity_scale_codec::Encode;
use pvf_conformance::{Guests, Options, Outcome, run, run_if_asked};
use pvf_host_core::{
    backend::{
        Artifact, BackendDescriptor, BackendId, BackendPrepareError, Chosen, CodePrefix, Execute,
        ExecuteError, Fingerprint, GuestLog, LoadError, LoadedArtifact, LogLevel, MachineError,
        Preparation, Prepare, RuntimeConstructionError, find,
    },
    primitives::{ExecutorParam, ExecutorParams, ValidationResult},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The good backend.
const GOOD: BackendId = pvf_backend_wasmi::ID;

/// The name of the one that is around it, and not broken.
const HARMLESS: BackendId = BackendId::from_static("harmless");

fn guests() -> Guests {
    Guests::webassembly()
}

/// How many different tests have to fail, on all broken backends together.
const AT_LEAST: usize = 100;

fn good() -> &'static BackendDescriptor {
    find(&GOOD).expect("the good backend is linked")
}

macro_rules! broken {
    ($($kind:ident, $id:literal: [$($test:literal),* $(,)?];)*) => {
        /// The way in which a backend is broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Kind {
            $($kind),*
        }

        /// All of them, with their names and the tests that have to fail.
        const ALL: &[(BackendId, &[&str])] = &[$((BackendId::from_static($id), &[$($test),*])),*];

        $(inventory::submit! {
            BackendDescriptor::new(
                BackendId::from_static($id),
                if matches!(Kind::$kind, Kind::NoVersion) { "" } else { "1" },
                |prefix| accepts(Kind::$kind, prefix),
                |params| fingerprint(Kind::$kind, params),
                &Broken(Kind::$kind),
                &Broken(Kind::$kind),
            )
            .with_chosen(Chosen::ByName)
        })*
    };
}

broken! {
    // Not broken: what is around the good backend does no harm by itself.
    Harmless, "harmless": [];
    NoVersion, "no-version": ["descriptor::it_says_its_version"];
    AcceptsAnything, "accepts-anything": [
        "descriptor::it_does_not_accept_what_is_no_code",
        "descriptor::it_does_not_accept_another_format",
    ];
    AcceptsNothing, "accepts-nothing": [
        "descriptor::it_accepts_its_guests",
        "descriptor::it_accepts_its_guests_compressed",
    ];
    ConstantFingerprint, "constant-fingerprint": ["fingerprint::it_covers_something"];
    RandomFingerprint, "random-fingerprint": ["fingerprint::it_is_the_same_again"];
    FingerprintOfArguments, "fingerprint-of-arguments": [
        "fingerprint::it_is_the_same_in_another_process",
    ];
    FingerprintOfAnother, "fingerprint-of-another": [
        "fingerprint::it_is_not_that_of_another_backend",
    ];
    FingerprintOfTimeLimits, "fingerprint-of-time-limits": [
        "fingerprint::parameters_that_change_no_artifact_change_no_fingerprint",
    ];
    AnyCodeIsGood, "any-code-is-good": [
        "prevalidation::no_bytes_are_refused",
        "prevalidation::garbage_is_refused",
        "prevalidation::a_beginning_alone_is_refused",
        "prevalidation::another_format_is_refused",
        "prevalidation::compressed_code_is_refused",
        "prevalidation::truncated_code_is_refused_in_order",
    ];
    BadCodeDoesNotCompile, "bad-code-does-not-compile": [
        "prevalidation::text_is_refused",
        "through_the_host::garbage_is_refused_for_good",
    ];
    BadCodeIsTheMachines, "bad-code-is-the-machines": [
        "prevalidation::bits_that_flip_are_no_crash",
        "through_the_host::truncated_code_is_refused_in_order",
    ];
    PanicsOnBadCode, "panics-on-bad-code": [
        "prevalidation::bytes_that_are_overwritten_are_no_crash",
        "prevalidation::truncated_code_is_refused_in_order",
    ];
    MoodyAboutCode, "moody-about-code": ["prevalidation::the_answer_is_the_same_again"];
    RandomArtifact, "random-artifact": [
        "artifacts::the_same_code_makes_the_same_artifact",
        "prevalidation::what_was_accepted_is_the_same_again",
    ];
    ArtifactOfProcess, "artifact-of-process": [
        "artifacts::another_process_makes_the_same_artifact",
    ];
    ArtifactOfThreads, "artifact-of-threads": ["artifacts::threads_do_not_change_the_artifact"];
    ArtifactOfPlace, "artifact-of-place": ["determinism::the_environment_does_not_matter"];
    MemoryLimitInArtifact, "memory-limit-in-artifact": [
        "artifacts::parameters_outside_of_the_prep_hash_change_nothing",
        "fingerprint::what_changes_artifacts_is_covered",
        "loading::limits_are_those_of_the_load",
    ];
    GasInArtifact, "gas-in-artifact": ["artifacts::the_gas_is_not_in_the_artifact"];
    ReusingDiffers, "reusing-differs": ["artifacts::reusing_makes_the_same_artifact"];
    ReusingChecksNothing, "reusing-checks-nothing": ["artifacts::reusing_checks_the_code"];
    ChecksRefuse, "checks-refuse": [
        "artifacts::what_was_prepared_can_be_loaded",
        "through_the_host::each_guest_passes_a_precheck",
    ];
    ChecksAccept, "checks-accept": ["loading::garbage_is_refused"];
    PanicsInLoad, "panics-in-load": [
        "loading::each_guest_is_loaded",
        "through_the_host::adder",
    ];
    LoadsAnything, "loads-anything": [
        "loading::a_truncated_artifact_is_refused",
        "loading::another_backends_artifact_is_refused",
        "loading::a_good_artifact_is_loaded_after_a_bad_one",
    ];
    BadArtifactIsTheMachines, "bad-artifact-is-the-machines": [
        "loading::garbage_is_refused",
        "loading::a_flipped_beginning_is_no_crash",
    ];
    ThreadInLoad, "thread-in-load": [
        "loading::no_thread_is_left_behind",
        "through_the_host::a_worker_has_no_thread_of_the_backends",
    ];
    ThreadInCall, "thread-in-call": ["loading::no_thread_is_started_by_a_call"];
    OneArtifactAtATime, "one-artifact-at-a-time": ["loading::two_artifacts_are_apart"];
    ExtraByte, "extra-byte": [
        "guests::adder",
        "calls::an_output_of_no_bytes_is_one",
    ];
    ShortOutput, "short-output": ["calls::a_large_output_is_complete", "guests::big_output"];
    RandomOutput, "random-output": [
        "determinism::an_output_is_the_same_again",
        "through_the_host::many_at_once_get_the_same",
    ];
    OutputOfProcess, "output-of-process": [
        "determinism::an_output_is_the_same_in_another_process",
        "through_the_host::another_worker_gives_the_same",
    ];
    SameOutput, "same-output": [
        "calls::an_instance_sees_nothing_of_the_one_before",
        "loading::loaded_twice_they_are_apart",
    ];
    SwallowsTraps, "swallows-traps": [
        "guests::recursion",
        "forks::a_trap_is_confined",
        "limits::an_allocation_above_the_limit_traps",
        "host_functions::pointers_out_of_bounds_trap",
        "host_functions::functions_that_are_not_offered_link_and_trap",
        "through_the_host::workers_outlive_what_their_jobs_do",
    ];
    TrapsAreOurs, "traps-are-ours": [
        "guests::storage_proof",
        "limits::recursion_ends_in_a_trap",
        "through_the_host::recursion",
    ];
    PanicsAreTraps, "panics-are-traps": [
        "guests::panicker",
        "calls::an_input_of_no_bytes_reaches_the_guest",
        "logs::a_panic_is_logged_before_it_ends_the_call",
        "through_the_host::panicker",
    ];
    PoisonedByErrors, "poisoned-by-errors": [
        "calls::a_call_after_a_trap_is_right",
        "calls::a_call_after_a_panic_is_right",
        "calls::a_call_after_too_deep_a_recursion_is_right",
        "calls::a_call_after_out_of_memory_is_right",
        "calls::a_call_after_a_missing_entry_point_is_right",
    ];
    PoisonedByUnwinding, "poisoned-by-unwinding": [
        "unwinding::a_call_after_a_panic_in_a_log_is_right",
    ];
    PoisonsAll, "poisons-all": ["unwinding::another_artifact_is_right_after_a_panic"];
    PanicsInDrop, "panics-in-drop": ["unwinding::loaded_artifacts_can_be_dropped"];
    AnyEntryPoint, "any-entry-point": [
        "calls::an_entry_point_that_is_missing_is_an_invalid_output",
        "calls::any_name_can_be_asked_for",
        "forks::a_missing_function_is_confined",
    ];
    MissingEntryPointTraps, "missing-entry-point-traps": [
        "calls::an_entry_point_that_is_missing_is_an_invalid_output",
    ];
    LargeInputTraps, "large-input-traps": [
        "calls::an_input_that_does_not_fit_is_out_of_memory",
    ];
    NoMemoryLimit, "no-memory-limit": [
        "limits::memory_ends_at_the_limit",
        "limits::memory_above_the_limit_is_refused",
        "limits::an_allocation_above_the_limit_traps",
        "guests::memory_hog",
        "through_the_host::memory_hog",
    ];
    OnePageMore, "one-page-more": ["webassembly::memory_as_recorded"];
    HalfTheStack, "half-the-stack": ["webassembly::stack_as_recorded"];
    TooMuchMemoryTraps, "too-much-memory-traps": ["webassembly::memory_as_recorded"];
    FirstMemoryLimit, "first-memory-limit": ["limits::the_last_memory_limit_counts"];
    LittleMemory, "little-memory": [
        "limits::the_default_limit_is_2080_pages",
        "forks::growing_memory_is_confined",
    ];
    LeaksMemory, "leaks-memory": ["calls::an_instance_has_all_its_memory_again"];
    NoCurves, "no-curves": ["host_functions::elliptic_curves"];
    NoLog, "no-log": [
        "host_functions::logging",
        "host_functions::misc",
        "logs::ten_thousand_lines_are_all_passed_on",
    ];
    LogsLateAndAgain, "logs-late-and-again": ["logs::lines_go_where_the_call_says"];
    OtherLevels, "other-levels": ["host_functions::logging"];
    NeverMeters, "never-meters": [
        "gas::code_is_metered_or_refused",
        "gas::what_was_used_is_reported",
        "gas::just_enough_is_enough",
        "through_the_host::gas_is_reported",
    ];
    MetersSome, "meters-some": ["gas::code_is_metered_or_refused"];
    AlwaysCounts, "always-counts": ["gas::without_a_limit_nothing_is_counted"];
    RandomCount, "random-count": [
        "gas::the_count_is_the_same_again",
        "gas::more_work_uses_more",
        "gas::a_panic_has_used_gas",
        "gas::a_trap_has_used_gas",
    ];
    CountOfProcess, "count-of-process": ["gas::the_count_is_the_same_in_another_process"];
    CountOfLimit, "count-of-limit": ["gas::the_count_does_not_depend_on_the_limit"];
    OneMoreGas, "one-more-gas": [
        "gas::just_enough_is_enough",
        "gas::out_of_gas_has_used_the_limit",
    ];
    OutOfGasTraps, "out-of-gas-traps": [
        "gas::without_gas_nothing_runs",
        "gas::an_endless_loop_runs_out",
        "forks::running_out_of_gas_is_confined",
    ];
    GasForAllCalls, "gas-for-all-calls": ["gas::each_call_has_the_whole_limit"];
    LostByForks, "lost-by-forks": [
        "forks::many_forks_call_what_was_loaded_once",
        "forks::forks_of_forks_are_right",
        "through_the_host::hasher",
    ];
    LostByCalls, "lost-by-calls": [
        "forks::a_fork_after_a_call_is_right",
        "calls::a_hundred_calls_give_the_same",
    ];
    OpensSockets, "opens-sockets": [
        "forks::a_valid_call_is_confined",
        "forks::computing_is_confined",
        "through_the_host::interpreter",
    ];
    ForbiddenAfterTraps, "forbidden-after-traps": [
        "forks::a_trap_is_confined",
        "forks::recursion_is_confined",
        "through_the_host::workers_outlive_what_their_jobs_do",
    ];
    EndsJobs, "ends-jobs": ["through_the_host::host_functions_give_what_was_recorded"];
}

/// A good backend with something around it.
struct Broken(Kind);

fn accepts(kind: Kind, prefix: &CodePrefix) -> bool {
    match kind {
        Kind::AcceptsAnything => true,
        Kind::AcceptsNothing => false,
        _ => (good().accepts)(prefix),
    }
}

/// A number that is never the same.
fn count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn process() -> u32 {
    std::process::id()
}

fn fingerprint(kind: Kind, params: &ExecutorParams) -> Result<Fingerprint, LoadError> {
    let good = (good().fingerprint)(params)?;
    let also = match kind {
        Kind::ConstantFingerprint => return Ok(Fingerprint([0; 32])),
        Kind::FingerprintOfAnother => return Ok(good),
        Kind::RandomFingerprint => count(),
        // All workers of a host have as many: one that were another in each would spoil the cache of
        // all backends here.
        Kind::FingerprintOfArguments => std::env::args().count() as u64,
        Kind::FingerprintOfTimeLimits => {
            let is_of_time = |param: &&ExecutorParam| {
                matches!(
                    param,
                    ExecutorParam::PvfPrepTimeout(..) | ExecutorParam::PvfExecTimeout(..)
                )
            };
            params.iter().filter(is_of_time).count() as u64
        }
        _ => 0,
    };
    Ok(Fingerprint::of(&[format!("{kind:?}").as_bytes(), &good.0, &also.to_le_bytes()]))
}

/// How many threads were asked for.
static THREADS: AtomicUsize = AtomicUsize::new(0);

impl Broken {
    /// What an artifact has at its end, which is cut off when it is loaded.
    fn more(&self, params: &ExecutorParams) -> Vec<u8> {
        match self.0 {
            Kind::RandomArtifact => count().encode(),
            Kind::ArtifactOfProcess => u64::from(process()).encode(),
            Kind::ArtifactOfThreads => (THREADS.load(Ordering::Relaxed) as u64).encode(),
            Kind::ArtifactOfPlace => {
                let place = std::env::current_dir().unwrap_or_default();
                (place.as_os_str().len() as u64).encode()
            }
            Kind::MemoryLimitInArtifact => u64::from(params.memory_pages_limit()).encode(),
            Kind::GasInArtifact => params.max_gas().unwrap_or(0).encode(),
            _ => vec![],
        }
    }

    /// What the good backend gets.
    fn params(&self, params: &ExecutorParams, more: &[u8]) -> ExecutorParams {
        let mut list: Vec<_> = params.iter().cloned().collect();
        match self.0 {
            Kind::NoMemoryLimit => list.push(ExecutorParam::MaxMemoryPages(16_384)),
            Kind::OnePageMore => {
                list.push(ExecutorParam::MaxMemoryPages(params.memory_pages_limit() - 32 + 1));
            }
            Kind::HalfTheStack => {
                list.push(ExecutorParam::StackLogicalMax(params.stack_logical_max() / 2));
            }
            Kind::FirstMemoryLimit => {
                let is_limit =
                    |param: &&ExecutorParam| matches!(param, ExecutorParam::MaxMemoryPages(_));
                let first = list.iter().find(is_limit).cloned();
                list.extend(first);
            }
            Kind::LittleMemory => {
                list.push(ExecutorParam::MaxMemoryPages(params.memory_pages_limit() - 32 - 16));
            }
            Kind::MemoryLimitInArtifact => {
                let pages = u64::from_le_bytes(more.try_into().unwrap_or_default());
                list.push(ExecutorParam::MaxMemoryPages(pages as u32 - 32));
            }
            Kind::NoCurves => {
                list.retain(|param| !matches!(param, ExecutorParam::EnabledHostFunction(_)));
            }
            Kind::NeverMeters => list.retain(|param| !matches!(param, ExecutorParam::MaxGas(_))),
            Kind::OneMoreGas => {
                list.extend(
                    params.max_gas().map(|gas| ExecutorParam::MaxGas(gas.saturating_add(1))),
                );
            }
            _ => {}
        }
        ExecutorParams::new(list)
    }
}

impl Prepare for Broken {
    fn prevalidate(&self, code: &[u8], params: &ExecutorParams) -> Result<(), BackendPrepareError> {
        let said = good().prepare.prevalidate(code, params);
        let Err(BackendPrepareError::Prevalidation(why)) = said else { return said };
        match self.0 {
            Kind::AnyCodeIsGood => Ok(()),
            Kind::BadCodeDoesNotCompile => Err(BackendPrepareError::Compilation(why)),
            Kind::BadCodeIsTheMachines => Err(MachineError(why).into()),
            Kind::PanicsOnBadCode => panic!("{why}"),
            Kind::MoodyAboutCode if count().is_multiple_of(2) => {
                Err(BackendPrepareError::Compilation(why))
            }
            _ => Err(BackendPrepareError::Prevalidation(why)),
        }
    }

    fn start_threads(&self, cores: usize) -> io::Result<()> {
        THREADS.store(cores, Ordering::Relaxed);
        good().prepare.start_threads(cores)
    }

    fn prepare(
        &self,
        code: &[u8],
        params: &ExecutorParams,
    ) -> Result<Vec<u8>, BackendPrepareError> {
        if self.0 == Kind::MetersSome && params.max_gas().is_some() && code.len() > 10_000 {
            return Err(BackendPrepareError::Compilation("too large to be metered".into()));
        }
        let mut artifact = good().prepare.prepare(code, &self.params(params, &[16, 0, 0, 0]))?;
        artifact.extend(self.more(params));
        Ok(artifact)
    }

    fn prepare_reusing(
        &self,
        code: &[u8],
        params: &ExecutorParams,
        earlier: Option<&[u8]>,
    ) -> Result<Preparation, BackendPrepareError> {
        if self.0 == Kind::ReusingChecksNothing {
            let prepared = self.prevalidate(code, params).and_then(|()| self.prepare(code, params));
            return Ok(prepared.unwrap_or_else(|_| b"nothing".to_vec()).into());
        }
        self.prevalidate(code, params)?;
        let mut artifact = self.prepare(code, params)?;
        if self.0 == Kind::ReusingDiffers && earlier.is_some() {
            artifact.push(0);
        }
        Ok(artifact.into())
    }

    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError> {
        match self.0 {
            Kind::ChecksAccept => Ok(()),
            Kind::ChecksRefuse => Err(RuntimeConstructionError("no".into()).into()),
            _ => self.load(artifact, params).map(drop),
        }
    }
}

/// The artifact that was loaded last.
static LAST: Mutex<Option<(Vec<u8>, ExecutorParams)>> = Mutex::new(None);

fn nap() {
    let _ = thread::Builder::new().spawn(|| thread::sleep(Duration::from_secs(1000)));
}

/// Makes a system call that no job may make.
fn open_socket() {
    drop(std::os::unix::net::UnixDatagram::unbound());
}

impl Execute for Broken {
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
        let (bytes, more) = artifact
            .bytes()
            .split_at(artifact.bytes().len().saturating_sub(self.more(params).len()));
        let params = self.params(params, more);
        let load = || -> Result<_, LoadError> {
            if more.is_empty() {
                return good().execute.load(artifact, &params);
            }
            // No worker may make the file that this takes.
            let artifact = Artifact::from_bytes(bytes)
                .map_err(|error| RuntimeConstructionError(error.to_string()))?;
            good().execute.load(&artifact, &params)
        };
        match self.0 {
            Kind::PanicsInLoad => panic!("no"),
            Kind::ThreadInLoad => nap(),
            Kind::OneArtifactAtATime => {
                let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some((bytes.to_vec(), params.clone()));
            }
            _ => {}
        }
        let good = match (self.0, load()) {
            (_, Ok(loaded)) => Some(loaded),
            (Kind::LoadsAnything, Err(_)) => None,
            (Kind::BadArtifactIsTheMachines, Err(LoadError::RuntimeConstruction(error))) => {
                return Err(MachineError(error.0).into());
            }
            (_, Err(error)) => return Err(error),
        };
        Ok(Box::new(Loaded {
            kind: self.0,
            good,
            params,
            process: process(),
            calls: 0,
            is_poisoned: false,
            gas_left: None,
            log: None,
        }))
    }
}

/// The first output of this process.
static OUTPUT: Mutex<BTreeMap<u32, Vec<u8>>> = Mutex::new(BTreeMap::new());

struct Loaded {
    kind: Kind,
    good: Option<Box<dyn LoadedArtifact>>,
    params: ExecutorParams,
    process: u32,
    calls: u32,
    is_poisoned: bool,
    gas_left: Option<u64>,
    /// Lines of the call before.
    log: Option<Box<dyn GuestLog>>,
}

/// Whether something has gone wrong, for all.
static IS_POISONED: Mutex<()> = Mutex::new(());

/// Turns levels around.
struct OtherLevels(Box<dyn GuestLog>);

impl GuestLog for OtherLevels {
    fn log(&mut self, _: LogLevel, target: &str, message: &str) {
        self.0.log(LogLevel::Trace, target, message);
    }
}

impl LoadedArtifact for Loaded {
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError> {
        self.calls += 1;
        let poisoned = || Err(ExecuteError::Trap("this was used before".into()));
        if self.is_poisoned {
            return poisoned();
        }
        let _all = match (self.kind, IS_POISONED.lock()) {
            (Kind::PoisonsAll, Err(_)) => return poisoned(),
            (Kind::PoisonsAll, Ok(guard)) => Some(guard),
            _ => None,
        };
        let (mut entry_point, mut log) = (entry_point, log);
        match self.kind {
            Kind::ThreadInCall => nap(),
            Kind::AnyEntryPoint => entry_point = "validate_block",
            Kind::NoLog => log = Box::new(()),
            Kind::OtherLevels => log = Box::new(OtherLevels(log)),
            Kind::LogsLateAndAgain => {
                let next = self.log.replace(log);
                log = next.unwrap_or_else(|| Box::new(()));
            }
            Kind::PoisonedByUnwinding => self.is_poisoned = true,
            Kind::LostByForks if self.process != process() => {
                return Err(ExecuteError::Trap("this is another process".into()));
            }
            Kind::LostByCalls if self.process != process() && self.calls > 1 => {
                return Err(ExecuteError::Trap("this was called before".into()));
            }
            Kind::LostByCalls if self.calls > 90 => {
                return Err(ExecuteError::Trap("this was called often".into()));
            }
            Kind::OpensSockets => open_socket(),
            Kind::EndsJobs if self.process != process() => std::process::abort(),
            Kind::GasForAllCalls if self.gas_left == Some(0) => return Err(ExecuteError::OutOfGas),
            Kind::LeaksMemory if self.calls > 1 => {
                return Err(ExecuteError::OutOfMemory("there was some".into()));
            }
            Kind::OneArtifactAtATime => {
                let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (bytes, params) = last.expect("this was loaded");
                let artifact = Artifact::from_bytes(&bytes).expect("there is memory");
                self.good = Some(good().execute.load(&artifact, &params)?);
            }
            _ => {}
        }
        let Some(good) = &mut self.good else {
            return Err(ExecuteError::InvalidOutput("nothing was loaded".into()));
        };
        let called = good.call(entry_point, input, log);
        match self.kind {
            Kind::PoisonedByUnwinding => self.is_poisoned = false,
            Kind::PoisonedByErrors => self.is_poisoned = called.is_err(),
            Kind::GasForAllCalls => self.gas_left = Some(0),
            Kind::ForbiddenAfterTraps if called.is_err() => {
                open_socket();
            }
            _ => {}
        }
        self.result(called)
    }

    fn gas_used(&self) -> Option<u64> {
        let used = self.good.as_ref()?.gas_used();
        let limit = self.params.max_gas();
        match self.kind {
            Kind::AlwaysCounts => used.or(Some(1)),
            Kind::RandomCount => {
                used.map(|used| used + count().wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1009)
            }
            Kind::CountOfProcess => used.map(|used| used + u64::from(process()) % 100_003),
            Kind::CountOfLimit => used.map(|used| used + limit.unwrap_or(0) / (1 << 20)),
            _ => used,
        }
    }
}

impl Loaded {
    /// What comes of what the good backend has returned.
    fn result(&mut self, called: Result<Vec<u8>, ExecuteError>) -> Result<Vec<u8>, ExecuteError> {
        let mut output = match (self.kind, called) {
            (_, Ok(output)) => output,
            (Kind::SwallowsTraps, Err(ExecuteError::Trap(_))) => {
                return Ok(ValidationResult::default().encode());
            }
            (Kind::TrapsAreOurs, Err(ExecuteError::Trap(why))) => {
                return Err(RuntimeConstructionError(why).into());
            }
            (Kind::TooMuchMemoryTraps, Err(ExecuteError::OutOfMemory(why))) => {
                return Err(ExecuteError::Trap(why));
            }
            (Kind::PanicsAreTraps, Err(ExecuteError::Panic(why))) => {
                return Err(ExecuteError::Trap(why));
            }
            (Kind::MissingEntryPointTraps, Err(ExecuteError::InvalidOutput(why))) => {
                return Err(ExecuteError::Trap(why));
            }
            (Kind::LargeInputTraps, Err(ExecuteError::OutOfMemory(why))) => {
                return Err(ExecuteError::Trap(why));
            }
            (Kind::OutOfGasTraps, Err(ExecuteError::OutOfGas)) => {
                return Err(ExecuteError::Trap("no gas".into()));
            }
            (_, Err(error)) => return Err(error),
        };
        match self.kind {
            Kind::ExtraByte => output.push(0),
            Kind::ShortOutput => output.truncate(1 << 20),
            Kind::RandomOutput => *output.last_mut().expect("not empty") ^= count() as u8,
            Kind::OutputOfProcess => *output.last_mut().expect("not empty") ^= process() as u8 | 1,
            Kind::SameOutput => {
                let mut first = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
                output = first.entry(process()).or_insert(output).clone();
            }
            _ => {}
        }
        Ok(output)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if self.kind == Kind::PanicsInDrop && self.calls > 0 && !thread::panicking() {
            panic!("this was called");
        }
    }
}

/// Runs the tests that have to fail on a broken backend. Says which of them do not.
fn is_found(id: &BackendId, tests: &[&str]) -> Result<(), String> {
    let report = run(id, &guests(), &options().only(tests.iter().copied()));
    let passed = |name: &&&str| !report.failed().contains(*name);
    match tests.iter().filter(passed).copied().collect::<Vec<_>>()[..] {
        [] => Ok(()),
        ref passed => Err(format!("these tests have to fail, and pass: {passed:?}")),
    }
}

/// What is around the good backend does not fail the tests by itself.
fn is_harmless(tests: &BTreeSet<&str>) -> Result<(), String> {
    let report = run(&HARMLESS, &guests(), &options().only(tests.iter().copied()));
    let failed: Vec<_> =
        report.outcomes.iter().filter(|(_, outcome)| *outcome != Outcome::Passed).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("{failed:#?}")) }
}

fn options() -> Options {
    let scratch = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, Into::into);
    // The backends are tried side by side.
    Options::default().scratch(scratch).threads(1)
}

fn main() -> ExitCode {
    run_if_asked();
    // What broken backends say when they panic is of no interest here.
    std::panic::set_hook(Box::new(|_| {}));
    let broken = || ALL.iter().filter(|(id, _)| *id != HARMLESS);
    let tests: BTreeSet<_> = broken().flat_map(|(_, tests)| tests.iter().copied()).collect();
    let count = tests.len();
    let mut trials: Vec<_> = broken()
        .map(|(id, tests)| {
            Trial::test(format!("broken_backend::{id}"), || Ok(is_found(id, tests)?))
        })
        .collect();
    trials.push(Trial::test("broken_backend::harmless", move || Ok(is_harmless(&tests)?)));
    trials.push(Trial::test("broken_backend::enough_tests_fail", move || {
        if count < AT_LEAST { Err(format!("{count} tests").into()) } else { Ok(()) }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
