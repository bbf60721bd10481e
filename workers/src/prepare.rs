//! The prepare worker: a broker that forks a job for each artifact to be made.

#![expect(unsafe_code, reason = "forks, and asks the kernel what was used")]

use crate::{
    channel::{Channel, HostGone},
    confine::{self, Confinement},
    job::{Ending, Job, JobSocket, Outcome, Watch},
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::{
    backend::{self, Artifact, BackendDescriptor, Bytes, FunctionCounts, Preparation, memory_file},
    failpoint::{self, Point},
    primitives::compression,
    worker::{
        memory::prepare_memory,
        protocol::{
            JobUsage, MAX_FRAME, Numbered, PrepareJobError, PrepareJobSteps, PrepareRequest,
            PrepareResponse, PrepareSteps,
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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What a job answers.
#[derive(Debug, Encode, Decode)]
struct Answer {
    /// How it went. The artifact is in the one memory file, and what is to be kept of its functions in the
    /// other.
    result: Result<Option<FunctionCounts>, PrepareJobError>,
    steps: PrepareJobSteps,
}

impl From<PrepareJobError> for Answer {
    fn from(error: PrepareJobError) -> Self {
        Self { result: Err(error), steps: PrepareJobSteps::default() }
    }
}

/// Works for the host until it is gone.
pub(crate) fn serve(mut host: Channel, confinement: Confinement) -> Result<(), HostGone> {
    loop {
        let (Numbered { id, trace, message: request }, descriptors) =
            host.receive::<Numbered<PrepareRequest>>()?;
        let mut descriptors = descriptors.into_iter();
        let (Some(code), earlier, None) =
            (descriptors.next(), descriptors.next(), descriptors.next())
        else {
            return Err(HostGone::Broken("a request to prepare without the code".into()));
        };
        let mut steps = PrepareSteps::default();
        match prepare(&mut host, confinement, &request, code, earlier, &mut steps)? {
            Ok((Made { artifact, functions, counts }, usage)) => {
                let message = PrepareResponse { result: Ok(counts), usage, steps };
                let files = [Some(&artifact), functions.as_ref()].into_iter().flatten();
                let files: Vec<_> = files.map(|file| file.file().as_fd()).collect();
                host.send(&Numbered { id, trace, message }, &files)?;
            }
            Err((error, usage)) => {
                let message = PrepareResponse { result: Err(error), usage, steps };
                host.send(&Numbered { id, trace, message }, &[])?;
            }
        }
    }
}

/// What a job has left.
struct Made {
    artifact: Artifact,
    functions: Option<Artifact>,
    counts: Option<FunctionCounts>,
}

type Prepared = Result<(Made, JobUsage), (PrepareJobError, JobUsage)>;

fn prepare(
    host: &mut Channel,
    confinement: Confinement,
    request: &PrepareRequest,
    code: OwnedFd,
    earlier: Option<OwnedFd>,
    steps: &mut PrepareSteps,
) -> Result<Prepared, HostGone> {
    let start = Instant::now();
    let failed = |reason: String| (PrepareJobError::Io(reason), JobUsage::default());
    let descriptor = match backend::find(&request.backend) {
        Ok(descriptor) => descriptor,
        Err(error) => return Ok(Err(failed(error.to_string()))),
    };
    let files = || {
        let earlier = earlier.map(Artifact::from_sealed).transpose()?.map(Artifact::into_bytes);
        let outputs = [memory_file("pvf-artifact")?, memory_file("pvf-functions")?];
        Ok::<_, io::Error>((Artifact::from_sealed(code)?, earlier, outputs))
    };
    let (code, earlier, outputs) = match files() {
        Ok(files) => files,
        Err(error) => return Ok(Err(failed(error.to_string()))),
    };
    // SAFETY: the worker has no other thread, and holds no lock.
    let job = unsafe {
        let enter = |worker, socket| {
            let outputs = outputs.each_ref().map(AsFd::as_fd);
            confinement.enter_prepare_job(worker, socket, outputs)
        };
        let compile = |socket| {
            // SAFETY: they were put there when the job gave up all others.
            let outputs = confine::OUTPUTS.map(|fd| File::from(OwnedFd::from_raw_fd(fd)));
            run_job(&socket, confinement, descriptor, request, code.bytes(), earlier, outputs)
        };
        Job::fork(MAX_FRAME, enter, compile)
    };
    let mut job = match job {
        Ok(job) => job,
        Err(error) => return Ok(Err(failed(format!("can't fork a job: {error}")))),
    };
    steps.fork = start.elapsed();
    let start = Instant::now();
    let Ending { outcome, .. } =
        job.supervise::<Answer>(request.cpu_limit, crate::cores(), host, |host| {
            match host.try_receive::<()>()? {
                None => Ok(Watch::Continue),
                // It has nothing to say until it has its answer.
                Some(_) => Err(HostGone::Broken("the host spoke out of turn".into())),
            }
        })?;
    steps.run = start.elapsed();
    if let Outcome::Answered(answer) = &outcome {
        steps.job = answer.steps;
    }
    let usage = job.usage();
    // The job watches its memory only now and then. Whether it is caught must not depend on when.
    let is_over_memory = request.memory_limit.is_some_and(|limit| usage.peak_memory > limit);
    Ok(match outcome {
        Outcome::Answered(_) if is_over_memory => Err((PrepareJobError::OutOfMemory, usage)),
        Outcome::Answered(Answer { result: Ok(counts), .. }) => {
            let [artifact, functions] = outputs.map(|file| Artifact::from_sealed(file.into()));
            match artifact {
                // Functions that were not sealed, or none: there is nothing to keep.
                Ok(artifact) => Ok((Made { artifact, functions: functions.ok(), counts }, usage)),
                Err(error) => Err((PrepareJobError::Died(format!("no artifact: {error}")), usage)),
            }
        }
        Outcome::Answered(Answer { result: Err(error), .. }) => Err((error, usage)),
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
    earlier: Option<Bytes>,
    outputs: [File; 2],
) -> Infallible {
    if let Err(error) = start_threads(socket, confinement, descriptor, request.memory_limit) {
        socket.answer(Answer::from(PrepareJobError::Io(error.to_string())));
    }
    let mut steps = PrepareJobSteps::default();
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        failpoint::reach(Point::JobPrepare)
            .map_err(|error| PrepareJobError::Io(error.to_string()))?;
        compile(descriptor, request, code, earlier, outputs, &mut steps)
    }));
    let result =
        prepared.unwrap_or_else(|panic| Err(PrepareJobError::Panicked(panic_message(&*panic))));
    socket.answer(Answer { result, steps })
}

/// Leaves the artifact in the first output, and in the second what the backend keeps for later, both sealed.
fn compile(
    descriptor: &BackendDescriptor,
    request: &PrepareRequest,
    code: &[u8],
    earlier: Option<Bytes>,
    [mut output, functions_output]: [File; 2],
    steps: &mut PrepareJobSteps,
) -> Result<Option<FunctionCounts>, PrepareJobError> {
    let start = Instant::now();
    let is_compressed = compression::is_compressed(code);
    let code = compression::decompress(code, request.code_limit as usize)
        .map_err(|error| PrepareJobError::Decompression(error.to_string()))?;
    if is_compressed {
        steps.decompress = start.elapsed();
    }
    let backend = descriptor.prepare;
    let functions = Functions::new(functions_output, Artifact::MAX_LEN);
    let start = Instant::now();
    let prepared =
        backend.prepare_reusing(&code, &request.params, earlier, Box::new(functions.clone()));
    steps.compile = start.elapsed();
    let Preparation { artifact, counts, is_constructed, .. } =
        prepared.map_err(PrepareJobError::Backend)?;
    let artifact = output
        .write_all(&artifact)
        .and_then(|()| Artifact::seal(output))
        .map_err(|error| PrepareJobError::Io(format!("can't write the artifact: {error}")))?;
    if request.check_runtime_construction && !is_constructed {
        let start = Instant::now();
        let checked = backend.check_runtime_construction(&artifact, &request.params);
        steps.check = start.elapsed();
        checked.map_err(PrepareJobError::Unloadable)?;
    }
    drop(functions.seal());
    Ok(counts)
}

/// Where a backend leaves compiled functions for later preparations.
#[derive(Clone)]
struct Functions(Arc<Mutex<FunctionsFile>>);

struct FunctionsFile {
    /// None once something could not be written, or it is sealed.
    file: Option<File>,
    /// How much more may be written, in bytes.
    room: u64,
}

impl Functions {
    fn new(file: File, room: u64) -> Self {
        Self(Arc::new(Mutex::new(FunctionsFile { file: Some(file), room })))
    }

    fn file(&self) -> MutexGuard<'_, FunctionsFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it. What is not whole stays unsealed, and is not kept; nor is what is empty.
    fn seal(&self) -> Option<Artifact> {
        let file = self.file().file.take()?;
        Artifact::seal(file).ok()
    }
}

impl Write for Functions {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut this = self.file();
        let FunctionsFile { file, room } = &mut *this;
        let written = match file {
            Some(file) if bytes.len() as u64 <= *room => file.write(bytes),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        };
        match &written {
            Ok(len) => *room -= *len as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => *file = None,
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts every thread that the job will have, and confines them all.
fn start_threads(
    socket: &JobSocket,
    confinement: Confinement,
    descriptor: &BackendDescriptor,
    memory_limit: Option<u64>,
) -> io::Result<()> {
    // The backend first, which may have something to say about how all threads have their memory.
    descriptor.prepare.start_threads(crate::cores())?;
    if let Some(limit) = memory_limit {
        watch_memory(socket.clone(), limit)?;
    }
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
        socket.answer(Answer::from(PrepareJobError::OutOfMemory));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn output(room: u64) -> (Functions, File) {
        let file = memory_file("test").unwrap();
        (Functions::new(file.try_clone().unwrap(), room), file)
    }

    fn is_sealed(file: File) -> bool {
        Artifact::from_sealed(file.into()).is_ok()
    }

    #[test]
    fn what_a_backend_has_written_is_sealed() {
        let (functions, file) = output(10);
        let mut of_thread = functions.clone();
        of_thread.write_all(b"one").unwrap();
        functions.clone().write_all(b"two, 7.").unwrap();
        assert_eq!(functions.seal().unwrap().bytes(), b"onetwo, 7.");
        assert!(is_sealed(file));
        // Whoever writes later is told.
        of_thread.write_all(b"x").unwrap_err();
        assert!(functions.seal().is_none());
    }

    #[test]
    fn what_is_not_whole_is_not_sealed() {
        let (mut functions, file) = output(10);
        functions.write_all(b"ten bytes.").unwrap();
        functions.write_all(b"x").unwrap_err();
        assert!(functions.seal().is_none());
        assert!(!is_sealed(file));
        // Not if there would be room for what comes then, either.
        let (mut functions, file) = output(10);
        functions.write_all(b"one").unwrap();
        functions.write_all(&[0; 8]).unwrap_err();
        functions.write_all(b"x").unwrap_err();
        assert!(functions.seal().is_none());
        assert!(!is_sealed(file));
    }

    #[test]
    fn nothing_is_not_sealed() {
        let (functions, file) = output(10);
        assert!(functions.seal().is_none());
        assert!(!is_sealed(file));
    }
}
