//! What executing costs with nothing around it: the floor that the host is measured against.

#![expect(unsafe_code, reason = "forks; `getrusage`")]

use crate::{
    execute::{ENTRY_POINT, on_guest_stack},
    job::Job,
};
use memmap2::{Advice, MmapMut};
use pvf_host_core::{
    backend::{self, Artifact, BackendId},
    primitives::ExecutorParams,
    worker::protocol::MAX_RESULT,
};
use std::{
    hint::black_box,
    mem::MaybeUninit,
    time::{Duration, Instant},
};

/// The time of each call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floor {
    /// Instantiating and calling the artifact in this process.
    pub in_process: Vec<Duration>,
    /// Forking this process, which holds the artifact ready, calling it in the child, and reaping
    /// that.
    pub forked: Vec<Duration>,
    /// The CPU time, user and system, of both processes together for each call in a child.
    pub forked_cpu: Vec<Duration>,
}

/// The time of each copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// Into fresh memory as it comes.
    pub small_pages: Vec<Duration>,
    /// Into fresh memory for which huge pages were asked. Empty if the kernel has none.
    pub huge_pages: Vec<Duration>,
}

/// What preparing code takes with nothing around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone {
    /// What comes before the engine: reading and rewriting.
    pub before: Duration,
    /// What the engine itself takes, on all cores.
    pub engine: Duration,
    /// The most memory that this process had resident, in bytes.
    pub peak_memory: u64,
}

/// Calls an artifact `count` times in either way. The calls may fail, as long as they end.
///
/// Call this in a process that has no other thread: it forks.
///
/// # Errors
///
/// When the artifact can't be loaded, or a child ends without an answer.
pub fn measure(
    artifact: &Artifact,
    backend: &BackendId,
    params: &ExecutorParams,
    input: &[u8],
    count: usize,
) -> Result<Floor, String> {
    let descriptor = backend::find(backend).map_err(|error| error.to_string())?;
    on_guest_stack(params, || {
        let load = || descriptor.execute.load(artifact, params).map_err(|error| error.to_string());
        let (mut called, mut ready) = (load()?, load()?);
        ready.prepare_call(ENTRY_POINT);
        let mut floor = Floor::default();
        for _ in 0..count {
            let start = Instant::now();
            // How the call ends is not what is measured.
            let _ = called.call(ENTRY_POINT, input, Box::new(()));
            floor.in_process.push(start.elapsed());

            let (start, cpu) = (Instant::now(), cpu_time());
            // SAFETY: the only other thread waits for this one to end.
            let job = unsafe {
                let enter = |_, socket| Ok(socket);
                Job::fork(MAX_RESULT, enter, |socket| {
                    socket.answer(ready.call(ENTRY_POINT, input, Box::new(())).ok())
                })
            };
            let job = job.map_err(|error| format!("can't fork: {error}"))?;
            job.answer::<Option<Vec<u8>>>()?;
            floor.forked.push(start.elapsed());
            floor.forked_cpu.push(cpu_time().saturating_sub(cpu));
        }
        Ok(floor)
    })
    .map_err(|error| error.to_string())?
}

/// Copies `len` bytes into memory that nobody has touched, `count` times in either way, each in a
/// child of its own, as a job would have to.
///
/// Call this in a process that has no other thread: it forks.
///
/// # Errors
///
/// When the kernel has no more memory or processes.
pub fn copies(len: usize, count: usize) -> Result<Copies, String> {
    // Not zeroes, so that the kernel has to have pages for them.
    let source = vec![0x5a_u8; len];
    let mut copies = Copies::default();
    for _ in 0..count {
        for (times, huge) in [(&mut copies.small_pages, false), (&mut copies.huge_pages, true)] {
            // SAFETY: the caller vouches for this process having no other thread.
            let job = unsafe {
                let enter = |_, socket| Ok(socket);
                Job::fork(MAX_RESULT, enter, |socket| socket.answer(copy(&source, huge)))
            };
            let job = job.map_err(|error| format!("can't fork: {error}"))?;
            let nanos: Result<Option<u64>, String> = job.answer()?;
            times.extend(nanos?.map(Duration::from_nanos));
        }
    }
    Ok(copies)
}

/// How long one copy takes, in nanoseconds. None without the pages that are asked for.
fn copy(source: &[u8], huge: bool) -> Result<Option<u64>, String> {
    let mut memory = MmapMut::map_anon(source.len()).map_err(|error| error.to_string())?;
    if huge && memory.advise(Advice::HugePage).is_err() {
        return Ok(None);
    }
    let start = Instant::now();
    memory.copy_from_slice(source);
    let took = start.elapsed();
    black_box(&memory);
    Ok(Some(took.as_nanos() as u64))
}

/// Prepares code in this process, which should have done nothing else, so that its memory is this
/// work's. The code is not compressed.
///
/// # Errors
///
/// When the code can't be prepared.
pub fn prepare_alone(
    code: &[u8],
    backend: &BackendId,
    params: &ExecutorParams,
) -> Result<Alone, String> {
    let descriptor = backend::find(backend).map_err(|error| error.to_string())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    descriptor.prepare.start_threads(cores).map_err(|error| error.to_string())?;
    #[cfg(feature = "wasmtime")]
    if *backend == pvf_backend_wasmtime::ID {
        use pvf_backend_wasmtime::parts;
        return alone(|| parts::instrumented(code, params), |code| parts::compiled(&code, params));
    }
    #[cfg(feature = "polkavm")]
    if *backend == pvf_backend_polkavm::ID {
        use pvf_backend_polkavm::parts;
        return alone(|| parts::rewritten(code), |code| parts::compiled(&code, params));
    }
    let prepare = || descriptor.prepare.prepare(code, params);
    alone(|| Ok(()), |()| prepare().map_err(|error| error.to_string()))
}

fn alone<T, M>(
    before: impl FnOnce() -> Result<T, String>,
    engine: impl FnOnce(T) -> Result<M, String>,
) -> Result<Alone, String> {
    let start = Instant::now();
    let code = before()?;
    let before = start.elapsed();
    let start = Instant::now();
    let made = black_box(engine(code)?);
    let engine = start.elapsed();
    drop(made);
    Ok(Alone { before, engine, peak_memory: peak_memory() })
}

/// Code in which the given share of the functions, in percent, is another: as after an upgrade.
/// None if the backend has no way to make such code.
///
/// # Errors
///
/// When the code can't be read.
pub fn upgraded(
    code: &[u8],
    backend: &BackendId,
    percent: usize,
) -> Result<Option<Vec<u8>>, String> {
    #[cfg(feature = "wasmtime")]
    if *backend == pvf_backend_wasmtime::ID {
        return pvf_backend_wasmtime::parts::upgraded(code, percent).map(Some);
    }
    // What else is linked can't be asked.
    let _ = (code, backend, percent);
    Ok(None)
}

/// The CPU time that this process and its reaped children have used.
fn cpu_time() -> Duration {
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec as u64, (time.tv_usec as u32).saturating_mul(1000))
    };
    let usages = [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].map(usage);
    usages.iter().map(|usage| time(usage.ru_utime) + time(usage.ru_stime)).sum()
}

/// The most memory that this process had resident since its program began, in bytes. Zero if the
/// kernel does not say. What `getrusage` says begins before that.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = kibibytes.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    number.unwrap_or(0_u64).saturating_mul(1024)
}

fn usage(whose: libc::c_int) -> libc::rusage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type, of which all zeroes are a valid value,
    // whether the kernel fills it or not.
    unsafe {
        libc::getrusage(whose, usage.as_mut_ptr());
        usage.assume_init()
    }
}
