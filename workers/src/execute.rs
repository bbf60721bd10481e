//! The execute worker: holds one artifact, and forks a job for each candidate.
//!
//! The next jobs are forked ahead, while the worker has nothing to do, so that a request finds one
//! waiting for its input.

#![expect(unsafe_code, reason = "forks, and reads shared memory")]

use crate::{
    channel::{Channel, HostGone},
    confine::Confinement,
    job::{Clock, Ending, Job, JobLog, JobSocket, Outcome, Watch},
    prepare::{panic_message, peak_memory},
};
use memmap2::{MmapMut, MmapOptions, MmapRaw};
use parity_scale_codec::{Compact, CompactLen, Decode, Encode};
use pvf_host_core::{
    backend::{self, Artifact, ExecuteError, LoadedArtifact, MachineError},
    failpoint::{self, Point},
    primitives::{
        ExecutorParams, ValidationResult,
        compression::{self, DecompressError},
    },
    worker::{
        memory::{HOST_STACK, guest_memory, process_memory},
        protocol::{
            ByteRange, ExecuteJobSteps, ExecuteMessage, ExecuteRequest, ExecuteResponse,
            ExecuteSteps, JobOutcome, JobUsage, KeptLog, LoadRequest, LoadResponse, MAX_RESULT,
            Numbered,
        },
    },
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    borrow::Cow,
    convert::Infallible,
    fs::File,
    io,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    slice, thread,
    time::{Duration, Instant},
};

/// The guest's entry point, as Polkadot defines it.
pub(crate) const ENTRY_POINT: &str = "validate_block";

/// Works for the host until it is gone.
pub(crate) fn serve(mut host: Channel, confinement: Confinement) -> Result<(), HostGone> {
    let (Numbered { id, trace, message: request }, descriptors) =
        host.receive::<Numbered<LoadRequest>>()?;
    let numbered = |message: LoadResponse| Numbered { id, trace, message };
    let Ok([artifact, input]) = <[OwnedFd; 2]>::try_from(descriptors) else {
        // The host has sent them, so it was the kernel that had none to give.
        let error = MachineError("no descriptors for the artifact and the input".into());
        return host.send(&numbered(LoadResponse::Failed(error.into())), &[]);
    };
    let failed = |error: io::Error| {
        LoadResponse::Failed(MachineError(format!("can't be confined: {error}")).into())
    };
    if let Err(error) = confinement.limit_memory(process_memory(&request.params)) {
        return host.send(&numbered(failed(error)), &[]);
    }
    let mut host = Some(host);
    let served = on_guest_stack(&request.params, || {
        // It is in this thread's memory from here on: what a worker writes to after a fork is copied, page
        // by page.
        let mut host = host.take().expect("this is called once");
        host.leave_memory_behind();
        let start = Instant::now();
        let loaded = load(&request, artifact, input).and_then(|loaded| {
            confinement.artifact_is_loaded().map_err(failed)?;
            Ok(loaded)
        });
        match loaded {
            Ok((artifact, input, verify)) => {
                let load = start.elapsed();
                host.send(&numbered(LoadResponse::Ready { load, verify }), &[])?;
                let params = &request.params;
                let (spares, dying) = ([const { None }; SPARES], None);
                Worker { host, confinement, params, artifact, input, spares, dying }.serve()
            }
            Err(response) => host.send(&numbered(response), &[]),
        }
    });
    match (served, host) {
        (Err(error), Some(mut host)) => {
            host.send(&numbered(LoadResponse::Failed(error.into())), &[])
        }
        (Err(error), None) => Err(HostGone::Broken(error.to_string())),
        (Ok(served), _) => served,
    }
}

/// Runs `work` in a thread with the native stack that the parameters ask for, while this one waits.
///
/// # Errors
///
/// When this machine has no memory for such a stack.
pub(crate) fn on_guest_stack<T: Send>(
    params: &ExecutorParams,
    work: impl FnOnce() -> T + Send,
) -> Result<T, MachineError> {
    let size = params.stack_native_max() as usize + HOST_STACK;
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("guest".into()).stack_size(size);
        let thread = builder.spawn_scoped(scope, work).map_err(|error| {
            MachineError(format!("can't start a thread with a stack of {size} bytes: {error}"))
        })?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Checks and loads an artifact, and maps the input. Says how long it took to check.
fn load(
    request: &LoadRequest,
    artifact: OwnedFd,
    input: OwnedFd,
) -> Result<(Box<dyn LoadedArtifact>, MmapRaw, Duration), LoadResponse> {
    let refused = |error: io::Error| LoadResponse::Failed(MachineError(error.to_string()).into());
    failpoint::reach(Point::WorkerLoad).map_err(refused)?;
    let descriptor =
        backend::find(&request.backend).map_err(|error| refused(io::Error::other(error)))?;
    let artifact = Artifact::from_sealed(artifact).map_err(refused)?;
    let start = Instant::now();
    // These are the very bytes that the backend will use: nobody can change them any more.
    if request.key.checksum(artifact.bytes()) != request.checksum {
        return Err(LoadResponse::Corrupted);
    }
    let verify = start.elapsed();
    let input = MmapOptions::new().map_raw_read_only(&File::from(input)).map_err(refused)?;
    let mut loaded =
        descriptor.execute.load(&artifact, &request.params).map_err(LoadResponse::Failed)?;
    loaded.prepare_call(ENTRY_POINT);
    Ok((loaded, input, verify))
}

/// What a job waits for.
#[derive(Debug, Encode, Decode)]
struct Start {
    input_len: u64,
    compressed_block: Option<ByteRange>,
    pov_limit: u64,
}

/// What a job answers.
#[derive(Debug, Encode, Decode)]
struct Answer {
    end: End,
    /// The gas that the guest used, if it was metered.
    gas_used: Option<u64>,
    /// The most memory that the job had resident, in bytes. Its own word: the kernel's would come only
    /// after the process has ended.
    peak_memory: u64,
    steps: ExecuteJobSteps,
}

/// How a job's work ended. It can't claim what only its worker can know.
#[derive(Debug, Encode, Decode)]
enum End {
    Result(Vec<u8>),
    MalformedResult(String),
    Failed(ExecuteError),
    PovDecompressionFailure(DecompressError),
    Panicked(String),
}

impl From<End> for JobOutcome {
    fn from(end: End) -> Self {
        match end {
            End::Result(bytes) => Self::Result(bytes),
            End::MalformedResult(error) => Self::MalformedResult(error),
            End::Failed(error) => Self::Failed(error),
            End::PovDecompressionFailure(error) => Self::PovDecompressionFailure(error),
            End::Panicked(message) => Self::Panicked(message),
        }
    }
}

/// How many jobs wait for a candidate. With one alone, a candidate that follows on the heels of another
/// would wait for its job to be forked and confined.
const SPARES: usize = 2;

struct Worker<'a> {
    host: Channel,
    confinement: Confinement,
    params: &'a ExecutorParams,
    artifact: Box<dyn LoadedArtifact>,
    /// Memory that the host writes to between a response and the next request.
    input: MmapRaw,
    /// Jobs that wait for a candidate, who waits longest first.
    spares: [Option<Job>; SPARES],
    /// The last job, which is killed, while its memory is taken down.
    dying: Option<Job>,
}

impl Worker<'_> {
    fn serve(mut self) -> Result<(), HostGone> {
        self.fork_ahead();
        loop {
            let Numbered { id, trace, message: request } = self.wait_for_request()?;
            // One that could not be forked ahead is forked again when it is needed.
            let start = Instant::now();
            let job = self.take_spare().map_or_else(|| self.fork(), Ok);
            let fork = start.elapsed();
            let (message, job) = match job {
                Ok(job) => self.execute(job, fork, &request)?,
                Err(error) => {
                    let error = MachineError(format!("can't fork a job: {error}"));
                    let response = ExecuteResponse {
                        outcome: JobOutcome::Machine(error),
                        usage: JobUsage::default(),
                        gas_used: None,
                        steps: ExecuteSteps { fork, ..ExecuteSteps::default() },
                        log: KeptLog::default(),
                    };
                    (response, None)
                }
            };
            self.host.send(&Numbered { id, trace, message }, &[])?;
            // The one before it has ended long ago, and is reaped here if it was not before.
            self.dying = job;
            self.fork_ahead();
        }
    }

    fn take_spare(&mut self) -> Option<Job> {
        let spare = self.spares.iter_mut().find_map(Option::take);
        self.spares.rotate_left(1);
        spare
    }

    /// Forks a spare job if there are too few, and the machine can. Only one at a time: who asks next
    /// waits for it.
    fn fork_ahead(&mut self) {
        if let Some(place) = self.spares.iter().position(Option::is_none)
            && let Ok(spare) = self.fork()
        {
            self.spares[place] = Some(spare);
        }
    }

    /// Waits for the host, and meanwhile looks after the jobs.
    ///
    /// They are left alone for a moment: if the next request comes soon, the last job has ended by then,
    /// and nobody had to be woken for that.
    fn wait_for_request(&mut self) -> Result<Numbered<ExecuteRequest>, HostGone> {
        const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        let mut host_has_spoken = false;
        let mut moment_is_over = false;
        loop {
            if host_has_spoken || self.host.has_leftovers() {
                match self.host.try_receive()? {
                    Some((ExecuteMessage::Execute(request), _)) => return Ok(request),
                    // It crossed the response on its way.
                    Some((ExecuteMessage::Cancel, _)) => continue,
                    None => {}
                }
            }
            let host = self.host.as_fd();
            // Where there is no job to be watched, the host takes its place.
            let mut watched = [host; 2 + SPARES];
            let jobs = self.dying.iter().chain(self.spares.iter().flatten());
            watched[1..].iter_mut().zip(jobs).for_each(|(fd, job)| *fd = job.pidfd());
            let mut watched = watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            // Those that are not polled have no events.
            let (count, limit) =
                if moment_is_over { (watched.len(), None) } else { (1, Some(&MOMENT)) };
            match poll(&mut watched[..count], limit) {
                Ok(0) => moment_is_over = true,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let mut have_events = watched.map(|fd| !fd.revents().is_empty()).into_iter();
            host_has_spoken = have_events.next().unwrap_or(false);
            let mut has_ended = |_: &mut Job| have_events.next().unwrap_or(false);
            // Reaped by being dropped. Too few spare ones do no harm.
            self.dying.take_if(&mut has_ended);
            for spare in &mut self.spares {
                spare.take_if(&mut has_ended);
            }
        }
    }

    fn fork(&mut self) -> io::Result<Job> {
        let Self { artifact, input, confinement, .. } = self;
        let enter = |worker, socket| confinement.enter_job(worker, socket);
        // SAFETY: the only other thread of this process waits for this one to end, and has done so
        // since it was started.
        unsafe { Job::fork(MAX_RESULT, enter, |socket| run_job(&socket, &mut **artifact, input)) }
    }

    /// What became of a job that says that the machine is to blame, or has died as if it were, when a
    /// guest may have brought that about.
    ///
    /// A job may say anything, and no verdict may be what an attacker wants. So the worker tries for
    /// itself whether the machine has as much memory as a job may need.
    fn unless_machine_failed(&self, outcome: JobOutcome, pov_limit: u64) -> JobOutcome {
        /// What a job needs besides: host functions' buffers, and the result.
        const OTHER: u64 = 64 << 20;
        // A block that has to be decompressed is there twice.
        let bytes = guest_memory(self.params)
            .saturating_add(pov_limit.saturating_mul(2))
            .saturating_add(OTHER);
        match MmapMut::map_anon(bytes as usize) {
            Ok(_) => outcome,
            Err(error) => JobOutcome::Machine(MachineError(format!(
                "no {bytes} bytes of memory for a job: {error}"
            ))),
        }
    }

    /// Has a job execute a candidate that it took so long to come by. Gives it back if it may still have
    /// to be reaped.
    fn execute(
        &mut self,
        mut job: Job,
        fork: Duration,
        request: &ExecuteRequest,
    ) -> Result<(ExecuteResponse, Option<Job>), HostGone> {
        let start = Start {
            input_len: request.input_len,
            compressed_block: request.compressed_block,
            pov_limit: request.pov_limit,
        };
        let begin = Instant::now();
        // One that has died while it waited says nothing about the candidate. If another one can't be
        // had, that is seen below.
        if job.start(&start).is_err()
            && let Ok(fresh) = self.fork()
        {
            job = fresh;
            let _ = job.start(&start);
        }
        // The job runs on another processor. After its answer, others would wait for this.
        self.fork_ahead();
        let Ending { outcome, cpu, log } =
            job.supervise::<Answer>(request.cpu_limit, 1, &mut self.host, |host| {
                match host.try_receive()? {
                    None => Ok(Watch::Continue),
                    Some((ExecuteMessage::Cancel, _)) => Ok(Watch::Kill),
                    Some((ExecuteMessage::Execute(_), _)) => {
                        Err(HostGone::Broken("the host spoke out of turn".into()))
                    }
                }
            })?;
        let run = begin.elapsed();
        let steps = match &outcome {
            Outcome::Answered(answer) => answer.steps,
            _ => ExecuteJobSteps::default(),
        };
        let steps = ExecuteSteps { fork, run, job: steps };
        let (usage, job) = match &outcome {
            Outcome::Answered(answer) => {
                // It can't have had more, whatever it says.
                let peak_memory = answer.peak_memory.min(process_memory(self.params));
                (JobUsage { cpu, peak_memory }, Some(job))
            }
            _ => (job.usage(), None),
        };
        let (outcome, gas_used) = match outcome {
            Outcome::Answered(Answer {
                end: end @ End::Failed(ExecuteError::Machine(_)), ..
            }) => (self.unless_machine_failed(end.into(), request.pov_limit), None),
            Outcome::Answered(Answer { end, gas_used, .. }) => (end.into(), gas_used),
            Outcome::TimedOut => (JobOutcome::TimedOut, None),
            Outcome::NeverReady(how) => {
                let reason = format!("a job could not be confined: {how}");
                (JobOutcome::Machine(MachineError(reason)), None)
            }
            Outcome::Died(how) => {
                (self.unless_machine_failed(JobOutcome::Died(how), request.pov_limit), None)
            }
            Outcome::Killed => (JobOutcome::Cancelled, None),
        };
        Ok((ExecuteResponse { outcome, usage, gas_used, steps, log }, job))
    }
}

fn run_job(socket: &JobSocket, artifact: &mut dyn LoadedArtifact, input: &MmapRaw) -> Infallible {
    let start = socket.wait_for_start::<Start>();
    // SAFETY: the map lasts as long as this process, and as it is, since the host has sealed the
    // file's size. The host has written the input before it sent the request that the start tells
    // of, and writes the next one after the response, before which this process has answered, after
    // which it reads no input, or was killed. Not a moment earlier may there be a slice: a job is
    // forked while the host still writes.
    let input = unsafe { slice::from_raw_parts(input.as_ptr(), input.len()) };
    let log = Box::new(JobLog::new(socket.clone()));
    let mut steps = ExecuteJobSteps::default();
    let call = AssertUnwindSafe(|| {
        let input = input.get(..start.input_len as usize).unwrap_or(input);
        let limit = start.pov_limit as usize;
        let clock = Clock::MONOTONIC;
        let begin = clock.now();
        let input = with_block_decompressed(input, start.compressed_block, limit);
        let decompressed = if start.compressed_block.is_some() { clock.now() } else { begin };
        steps.decompress = decompressed.saturating_sub(begin);
        let input = match input {
            Ok(input) => input,
            Err(error) => return (End::PovDecompressionFailure(error), None),
        };
        let called = failpoint::reach(Point::JobCall)
            .map_err(|error| MachineError(error.to_string()).into())
            .and_then(|()| artifact.call(ENTRY_POINT, &input, log));
        steps.call = clock.now().saturating_sub(decompressed);
        let end = match called {
            // Encoded anew, so that the host decodes nothing that the guest wrote.
            Ok(output) => match ValidationResult::from_guest_output(&output) {
                Ok(result) if result.encoded_size() as u64 > MAX_RESULT => {
                    let message = format!("result of more than {MAX_RESULT} bytes");
                    End::Failed(ExecuteError::InvalidOutput(message))
                }
                Ok(result) => End::Result(result.encode()),
                Err(error) => End::MalformedResult(error.to_string()),
            },
            Err(error) => End::Failed(error),
        };
        (end, artifact.gas_used())
    });
    let (end, gas_used) =
        catch_unwind(call).unwrap_or_else(|panic| (End::Panicked(panic_message(&*panic)), None));
    socket.answer(Answer { end, gas_used, peak_memory: peak_memory(), steps })
}

/// The parameters with their block data decompressed, if `block` says where compressed ones lie.
fn with_block_decompressed(
    input: &[u8],
    block: Option<ByteRange>,
    limit: usize,
) -> Result<Cow<'_, [u8]>, DecompressError> {
    let Some(block) = block else { return Ok(Cow::Borrowed(input)) };
    let block = Range::<usize>::from(block);
    let len = |len: usize| u32::try_from(len).map(Compact).ok();
    let around = || {
        let prefix_len = Compact::<u32>::compact_len(&len(block.len())?.0);
        let before = input.get(..block.start.checked_sub(prefix_len)?)?;
        Some((before, input.get(block.clone())?, input.get(block.end..)?))
    };
    let (before, block, after) = around().ok_or(DecompressError::Invalid)?;
    let data = compression::decompress(block, limit)?;
    let mut output = Vec::with_capacity(before.len() + 5 + data.len() + after.len());
    output.extend_from_slice(before);
    len(data.len()).ok_or(DecompressError::Invalid)?.encode_to(&mut output);
    output.extend_from_slice(&data);
    output.extend_from_slice(after);
    Ok(Cow::Owned(output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::primitives::{Hash, ValidationParams};

    fn params(block_data: Vec<u8>) -> ValidationParams {
        ValidationParams {
            parent_head: vec![1; 100].into(),
            block_data: block_data.into(),
            relay_parent_number: 7,
            relay_parent_storage_root: Hash([9; 32]),
            extension: None,
        }
    }

    #[test]
    fn compressed_block_data_reach_the_guest_as_if_they_had_never_been_compressed() {
        for len in [0, 1, 63, 64, 20_000, 200_000] {
            let block = vec![5; len];
            let compressed = compression::compress(&block, 3).unwrap();
            let place = params(vec![]).context().block_data_range(compressed.len());
            let input = params(compressed).encode();
            let output = with_block_decompressed(&input, Some(place.into()), 200_000).unwrap();
            assert_eq!(output, params(block).encode());
        }
    }

    #[test]
    fn a_bomb_and_a_range_out_of_bounds_are_errors() {
        let compressed = compression::compress(&[5; 1000], 3).unwrap();
        let place = params(vec![]).context().block_data_range(compressed.len());
        let input = params(compressed).encode();
        let bomb = with_block_decompressed(&input, Some(place.into()), 999);
        assert_eq!(bomb, Err(DecompressError::Bomb { limit: 999 }));
        let outside = ByteRange { start: 0, end: u64::MAX };
        let outside = with_block_decompressed(&input, Some(outside), 999);
        assert_eq!(outside, Err(DecompressError::Invalid));
    }
}
