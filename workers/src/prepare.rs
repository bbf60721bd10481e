//! The prepare worker: a broker that forks a job for each artifact to be made.

#![expect(unsafe_code, reason = "forks, and asks the kernel what was used")]

use crate::{
    channel::{Channel, HostGone},
    confine::{self, Confinement},
    job::{Ending, Job, JobSocket, Outcome, Watch},
};
use pvf_host_core::{
    backend::{self, Artifact, BackendDescriptor, memory_file},
    failpoint::{self, Point},
    primitives::compression,
    worker::{
        memory::prepare_memory,
        protocol::{
            JobUsage, MAX_FRAME, Numbered, PrepareJobError, PrepareRequest, PrepareResponse,
        },
    },
};
use std::{
    any::Any,
    convert::Infallible,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, FromRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// What a job answers: nothing more than how it went. The artifact is in the memory file.
type Answer = Result<(), PrepareJobError>;

/// Works for the host until it is gone.
pub(crate) fn serve(mut host: Channel, confinement: Confinement) -> Result<(), HostGone> {
    loop {
        let (Numbered { id, message: request }, descriptors) =
            host.receive::<Numbered<PrepareRequest>>()?;
        let Ok([code]) = <[OwnedFd; 1]>::try_from(descriptors) else {
            return Err(HostGone::Broken("a request to prepare without the code".into()));
        };
        let (result, usage) = match prepare(&mut host, confinement, &request, code)? {
            Ok((artifact, usage)) => (Ok(artifact), usage),
            Err((error, usage)) => (Err(error), usage),
        };
        match result {
            Ok(artifact) => {
                let message = PrepareResponse { result: Ok(()), usage };
                host.send(&Numbered { id, message }, &[artifact.file().as_fd()])?;
            }
            Err(error) => {
                let message = PrepareResponse { result: Err(error), usage };
                host.send(&Numbered { id, message }, &[])?;
            }
        }
    }
}

type Prepared = Result<(Artifact, JobUsage), (PrepareJobError, JobUsage)>;

fn prepare(
    host: &mut Channel,
    confinement: Confinement,
    request: &PrepareRequest,
    code: OwnedFd,
) -> Result<Prepared, HostGone> {
    let failed = |reason: String| (PrepareJobError::Io(reason), JobUsage::default());
    let descriptor = match backend::find(&request.backend) {
        Ok(descriptor) => descriptor,
        Err(error) => return Ok(Err(failed(error.to_string()))),
    };
    let (code, output) = match Artifact::from_sealed(code)
        .and_then(|code| Ok((code, memory_file("pvf-artifact")?)))
    {
        Ok(files) => files,
        Err(error) => return Ok(Err(failed(error.to_string()))),
    };
    // SAFETY: the worker has no other thread, and holds no lock.
    let job = unsafe {
        let enter = |worker, socket| confinement.enter_prepare_job(worker, socket, output.as_fd());
        let compile = |socket| {
            // SAFETY: it was put there when the job gave up all others.
            let output = File::from(OwnedFd::from_raw_fd(confine::OUTPUT));
            run_job(&socket, confinement, descriptor, request, code.bytes(), output)
        };
        Job::fork(MAX_FRAME, enter, compile)
    };
    let mut job = match job {
        Ok(job) => job,
        Err(error) => return Ok(Err(failed(format!("can't fork a job: {error}")))),
    };
    let Ending { outcome, .. } =
        job.supervise::<Answer>(request.cpu_limit, crate::cores(), host, |host| {
            match host.try_receive::<()>()? {
                None => Ok(Watch::Continue),
                // It has nothing to say until it has its answer.
                Some(_) => Err(HostGone::Broken("the host spoke out of turn".into())),
            }
        })?;
    let usage = job.usage();
    // The job watches its memory only now and then. Whether it is caught must not depend on when.
    let is_over_memory = request.memory_limit.is_some_and(|limit| usage.peak_memory > limit);
    Ok(match outcome {
        Outcome::Answered(_) if is_over_memory => Err((PrepareJobError::OutOfMemory, usage)),
        Outcome::Answered(Ok(())) => match Artifact::from_sealed(output.into()) {
            Ok(artifact) => Ok((artifact, usage)),
            Err(error) => Err((PrepareJobError::Died(format!("no artifact: {error}")), usage)),
        },
        Outcome::Answered(Err(error)) => Err((error, usage)),
        Outcome::TimedOut => Err((PrepareJobError::TimedOut, usage)),
        Outcome::NeverReady(how) => Err(failed(format!("a job could not be confined: {how}"))),
        Outcome::Died(how) => Err((PrepareJobError::Died(how), usage)),
        Outcome::Killed => Err((PrepareJobError::Died("killed".into()), usage)),
    })
}

fn run_job(
    socket: &JobSocket,
    confinement: Confinement,
    descriptor: &BackendDescriptor,
    request: &PrepareRequest,
    code: &[u8],
    output: File,
) -> Infallible {
    if let Err(error) = start_threads(socket, confinement, descriptor, request.memory_limit) {
        socket.answer(Answer::Err(PrepareJobError::Io(error.to_string())));
    }
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        failpoint::reach(Point::JobPrepare)
            .map_err(|error| PrepareJobError::Io(error.to_string()))?;
        compile(descriptor, request, code, output)
    }));
    socket.answer(
        prepared.unwrap_or_else(|panic| Err(PrepareJobError::Panicked(panic_message(&*panic)))),
    )
}

/// Leaves the artifact in `output`, sealed.
fn compile(
    descriptor: &BackendDescriptor,
    request: &PrepareRequest,
    code: &[u8],
    mut output: File,
) -> Result<(), PrepareJobError> {
    let code = compression::decompress(code, request.code_limit as usize)
        .map_err(|error| PrepareJobError::Decompression(error.to_string()))?;
    let backend = descriptor.prepare;
    backend.prevalidate(&code, &request.params).map_err(PrepareJobError::Backend)?;
    let artifact = backend.prepare(&code, &request.params).map_err(PrepareJobError::Backend)?;
    let artifact = output
        .write_all(&artifact)
        .and_then(|()| Artifact::seal(output))
        .map_err(|error| PrepareJobError::Io(format!("can't write the artifact: {error}")))?;
    if request.check_runtime_construction {
        backend
            .check_runtime_construction(&artifact, &request.params)
            .map_err(PrepareJobError::Unloadable)?;
    }
    Ok(())
}

/// Starts every thread that the job will have, and confines them all.
fn start_threads(
    socket: &JobSocket,
    confinement: Confinement,
    descriptor: &BackendDescriptor,
    memory_limit: Option<u64>,
) -> io::Result<()> {
    if let Some(limit) = memory_limit {
        watch_memory(socket.clone(), limit)?;
    }
    descriptor.prepare.start_threads(crate::cores())?;
    confinement.limit_memory(prepare_memory(memory_limit))?;
    confinement.prepare_job_has_its_threads()
}

/// Ends the job as soon as more than `limit` bytes are resident.
fn watch_memory(socket: JobSocket, limit: u64) -> io::Result<()> {
    /// A processor core fills about two mebibytes in this time.
    const INTERVAL: Duration = Duration::from_millis(1);
    std::thread::Builder::new().name("memory watch".into()).spawn(move || {
        while peak_memory() <= limit {
            std::thread::sleep(INTERVAL);
        }
        socket.answer(Answer::Err(PrepareJobError::OutOfMemory));
    })?;
    Ok(())
}

/// The most memory that this process had resident at once, in bytes.
pub(crate) fn peak_memory() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type, which the kernel fills; if it did not, all
    // zeroes are a valid `rusage` too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    (usage.ru_maxrss as u64).saturating_mul(1024)
}

/// The text of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
