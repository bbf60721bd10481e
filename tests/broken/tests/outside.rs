//! Backends that are broken from the outside: a good one with something around it.

use parity_scale_codec::Encode;
use pvf_broken_backends::example;
use pvf_conformance::request;
use pvf_host_core::{
    backend::{
        Artifact, BackendDescriptor, BackendId, BackendPrepareError, Bytes, Chosen, CodePrefix,
        Execute, ExecuteError, Fingerprint, GuestLog, LoadError, LoadedArtifact, LogLevel,
        MachineError, Preparation, Prepare, RuntimeConstructionError, find,
    },
    primitives::{ExecutorParam, ExecutorParams, ValidationResult, defaults},
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The good backend.
const GOOD: BackendId = example::ID;

/// The name of one that has something around it, and is not broken.
pub(crate) const HARMLESS: BackendId = BackendId::from_static("harmless");

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
        pub(crate) const ALL: &[(BackendId, &[&str])] = &[$((BackendId::from_static($id), &[$($test),*])),*];

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
        "webassembly::reading_as_recorded",
    ];
    BadCodeIsTheMachines, "bad-code-is-the-machines": [
        "prevalidation::bits_that_flip_are_no_crash",
        "through_the_host::truncated_code_is_refused_in_order",
    ];
    PanicsOnBadCode, "panics-on-bad-code": [
        "prevalidation::bytes_that_are_overwritten_are_no_crash",
        "prevalidation::truncated_code_is_refused_in_order",
        "prevalidation::bytes_behind_the_code_are_no_crash",
    ];
    MoodyAboutCode, "moody-about-code": ["prevalidation::the_answer_is_the_same_again"];
    RandomArtifact, "random-artifact": [
        "artifacts::the_same_code_makes_the_same_artifact",
        "prevalidation::what_was_accepted_is_the_same_again",
    ];
    ArtifactOfProcess, "artifact-of-process": [
        "artifacts::another_process_makes_the_same_artifact",
        "through_the_host::artifacts_are_the_same_in_two_caches",
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
    ShortOutput, "short-output": [
        "calls::a_large_output_is_complete", "guests::big_output",
        "through_the_host::big_output",
        "through_the_host::too_large_a_result_is_an_invalid_output",
    ];
    RandomOutput, "random-output": [
        "determinism::an_output_is_the_same_again",
        "through_the_host::many_at_once_get_the_same",
    ];
    OutputOfProcess, "output-of-process": [
        "determinism::an_output_is_the_same_in_another_process",
        "through_the_host::another_worker_gives_the_same",
        "through_the_host::a_restarted_host_gives_the_same",
        "through_the_host::a_damaged_artifact_is_prepared_anew",
        "through_the_host::a_missing_artifact_is_prepared_anew",
    ];
    SameOutput, "same-output": [
        "calls::an_instance_sees_nothing_of_the_one_before",
        "loading::loaded_twice_they_are_apart",
        "host_functions::the_allocator_is_fresh_in_each_call",
    ];
    SwallowsTraps, "swallows-traps": [
        "guests::recursion",
        "forks::a_trap_is_confined",
        "limits::an_allocation_above_the_limit_traps",
        "host_functions::pointers_out_of_bounds_trap",
        "host_functions::functions_that_are_not_offered_link_and_trap",
        "through_the_host::workers_outlive_what_their_jobs_do",
        "host_functions::the_allocator_refuses_too_much",
        "host_functions::the_allocator_checks_what_is_freed",
        "webassembly::traps_as_recorded",
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
    CallsWhatWasPrepared, "calls-what-was-prepared": [
        "calls::a_call_that_was_prepared_is_like_any_other",
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
    LeaksMemory, "leaks-memory": [
        "calls::an_instance_has_all_its_memory_again",
        "logs::a_log_that_drops_everything_changes_nothing",
    ];
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
        "gas::an_endless_recursion_ends",
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
        "forks::a_large_output_is_confined",
        "forks::a_panic_is_confined",
        "forks::host_functions_are_confined",
    ];
    ForbiddenAfterTraps, "forbidden-after-traps": [
        "forks::a_trap_is_confined",
        "forks::recursion_is_confined",
        "through_the_host::workers_outlive_what_their_jobs_do",
    ];
    RefusesLargeCode, "refuses-large-code": ["prevalidation::guests_are_accepted"];
    CompilesLittle, "compiles-little": ["artifacts::each_guest_is_prepared"];
    OneStackLimit, "one-stack-limit": [
        "artifacts::another_stack_limit_is_another_artifact_or_none",
    ];
    StackUpsideDown, "stack-upside-down": ["limits::a_smaller_stack_is_no_deeper"];
    CutsInput, "cuts-input": ["calls::a_large_input_reaches_the_guest"];
    OneBitIsWrong, "one-bit-is-wrong": [
        "guests::hasher",
        "guests::interpreter",
        "guests::messages",
        "guests::random_access",
        "guests::signatures",
        "host_functions::crypto",
        "host_functions::hashing",
        "host_functions::the_allocator_puts_blocks_one_behind_the_other",
        "host_functions::the_allocator_reuses_what_was_freed",
        "host_functions::tries",
        "through_the_host::compressed_code_is_prepared",
        "through_the_host::messages",
        "through_the_host::random_access",
        "through_the_host::signatures",
        "through_the_host::storage_proof",
        "webassembly::floats_as_recorded",
        "webassembly::instructions_as_recorded",
    ];
    MemoryLimitShows, "memory-limit-shows": ["limits::a_larger_limit_changes_no_result"];
    MeteringShows, "metering-shows": ["gas::metering_changes_no_result"];
    TrapsNowAndThen, "traps-now-and-then": [
        "determinism::an_error_is_the_same_again",
        "limits::recursion_ends_at_the_same_depth_each_time",
    ];
    NumbersLines, "numbers-lines": ["determinism::a_log_is_the_same_again"];
    PanicsOnManyLines, "panics-on-many-lines": [
        "through_the_host::a_flood_of_log_lines_is_harmless",
    ];
    LoadsItsOwn, "loads-its-own": ["determinism::an_artifact_prepared_elsewhere_gives_the_same"];
    SignedGas, "signed-gas": ["gas::the_largest_limit_is_one"];
    GasForEverything, "gas-for-everything": [
        "through_the_host::an_endless_loop_is_ended_by_the_host",
    ];
    AbortsOnPanics, "aborts-on-panics": ["unwinding::a_panic_in_a_log_is_no_crash"];
    SharedByForks, "shared-by-forks": ["forks::a_fork_sees_nothing_of_another"];
    // One here, one in a process of its own, one in a worker.
    HangsInLoad, "hangs-in-load": [
        "loading::each_guest_is_loaded",
        "loading::a_flipped_beginning_is_no_crash",
        "through_the_host::adder",
    ];
    HangsInCalls, "hangs-in-calls": [
        "calls::a_hundred_calls_give_the_same",
        "forks::a_fork_after_a_call_is_right",
        "through_the_host::hasher",
    ];
    CallsInLoad, "calls-in-load": ["loading::no_code_of_the_guest_runs"];
    EndsInCalls, "ends-in-calls": [
        "calls::a_hundred_calls_give_the_same",
        "forks::a_fork_after_a_call_is_right",
        "through_the_host::hasher",
    ];
    EndsJobs, "ends-jobs": ["through_the_host::host_functions_give_what_was_recorded"];
}

/// A good backend with something around it.
struct Broken(Kind);

/// A size of code, in bytes, above which that of some guests is.
const LARGE: usize = 10_000;

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
            Kind::ArtifactOfProcess | Kind::LoadsItsOwn => u64::from(process()).encode(),
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
            Kind::StackUpsideDown => {
                let values = params.stack_logical_max();
                let values = 70_000_u32.saturating_sub(values).max(1024);
                list.push(ExecutorParam::StackLogicalMax(values));
            }
            Kind::SignedGas => {
                for param in &mut list {
                    if let ExecutorParam::MaxGas(gas) = param {
                        *gas = gas.cast_signed().max(0).cast_unsigned();
                    }
                }
            }
            Kind::GasForEverything => list.push(ExecutorParam::MaxGas(10_000)),
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
        if self.0 == Kind::RefusesLargeCode && code.len() > LARGE {
            return Err(BackendPrepareError::Prevalidation("too large".into()));
        }
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
        let is_refused = match self.0 {
            Kind::CompilesLittle => code.len() > LARGE,
            Kind::MetersSome => params.max_gas().is_some() && code.len() > LARGE,
            Kind::OneStackLimit => params.stack_logical_max() != defaults::STACK_LOGICAL_MAX,
            _ => false,
        };
        if is_refused {
            return Err(BackendPrepareError::Compilation("this is too much".into()));
        }
        let mut artifact = good().prepare.prepare(code, &self.params(params, &[16, 0, 0, 0]))?;
        artifact.extend(self.more(params));
        Ok(artifact)
    }

    fn prepare_reusing(
        &self,
        code: &[u8],
        params: &ExecutorParams,
        earlier: Option<Bytes>,
        _kept: Box<dyn Write + Send>,
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

fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// Sockets from which nothing is read where nothing was written.
fn socket_pair() -> (UnixStream, UnixStream) {
    let pair = UnixStream::pair().expect("there are descriptors");
    pair.0.set_nonblocking(true).expect("a socket need not block");
    pair
}

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
            Kind::HangsInLoad => hang(),
            Kind::LoadsItsOwn if more != self.more(&params) => {
                return Err(RuntimeConstructionError("made elsewhere".into()).into());
            }
            Kind::OneArtifactAtATime => {
                let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some((bytes.to_vec(), params.clone()));
            }
            _ => {}
        }
        let good = match (self.0, load()) {
            (Kind::CallsInLoad, Ok(mut loaded)) => {
                let input = request::params([]).encode();
                let _ = loaded.call("validate_block", &input, Box::new(()));
                Some(loaded)
            }
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
            prepared: None,
            log: None,
            shared: (self.0 == Kind::SharedByForks).then(socket_pair),
        }))
    }
}

/// Changes the bits of a byte in the middle.
fn change(output: &mut [u8], bits: u8) {
    let middle = output.len() / 2;
    if let Some(byte) = output.get_mut(middle) {
        *byte ^= bits;
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
    prepared: Option<String>,
    /// Lines of the call before.
    log: Option<Box<dyn GuestLog>>,
    /// What all forks share.
    shared: Option<(UnixStream, UnixStream)>,
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

/// Puts numbers before messages.
struct NumberedLines(Box<dyn GuestLog>);

impl GuestLog for NumberedLines {
    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.0.log(level, target, &format!("{}: {message}", count()));
    }
}

/// Takes so many lines.
struct FewLines(usize, Box<dyn GuestLog>);

impl GuestLog for FewLines {
    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.0 = self.0.checked_sub(1).expect("there are few lines");
        self.1.log(level, target, message);
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
        let (mut entry_point, mut input, mut log) = (entry_point, input, log);
        if let Some((from, to)) = &mut self.shared {
            if from.read(&mut [0]).is_ok() {
                return poisoned();
            }
            to.write_all(&[0]).expect("there is room for a byte");
        }
        match self.kind {
            Kind::ThreadInCall => nap(),
            Kind::AnyEntryPoint => entry_point = "validate_block",
            Kind::CallsWhatWasPrepared => {
                entry_point = self.prepared.as_deref().unwrap_or(entry_point);
            }
            Kind::NoLog => log = Box::new(()),
            Kind::OtherLevels => log = Box::new(OtherLevels(log)),
            Kind::NumbersLines => log = Box::new(NumberedLines(log)),
            Kind::PanicsOnManyLines => log = Box::new(FewLines(1000, log)),
            Kind::CutsInput => input = &input[..input.len().min(1 << 20)],
            Kind::HangsInCalls => hang(),
            Kind::EndsInCalls => std::process::abort(),
            Kind::TrapsNowAndThen if count().is_multiple_of(7) => {
                return Err(ExecuteError::Trap("once in a while".into()));
            }
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
        let call = || good.call(entry_point, input, log);
        let called = if self.kind == Kind::AbortsOnPanics {
            catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| std::process::abort())
        } else {
            call()
        };
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

    fn prepare_call(&mut self, entry_point: &str) {
        self.prepared = Some(entry_point.to_owned());
        if let Some(good) = &mut self.good {
            good.prepare_call(entry_point);
        }
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
            Kind::OneBitIsWrong => change(&mut output, 1),
            Kind::MemoryLimitShows => {
                change(&mut output, (self.params.memory_pages_limit() >> 10) as u8);
            }
            Kind::MeteringShows => change(&mut output, u8::from(self.params.max_gas().is_some())),
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
