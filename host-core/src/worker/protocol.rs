//! What host and worker say to each other.
//!
//! The worker's end of the connection is its standard input. Host and worker greet each other
//! first; then the host of a prepare worker sends one [`PrepareRequest`] at a time, and that of an
//! execute worker one [`LoadRequest`] and then [`ExecuteMessage`]s. Every request is [`Numbered`] and
//! has one response, with the same number. All messages are SCALE, in [frames](super::frame); what is
//! large travels in memory files beside them.

use crate::{
    TraceId,
    artifact::format::{Checksum, ChecksumKey},
    backend::{
        BackendId, BackendPrepareError, ExecuteError, Fingerprint, FunctionCounts, LoadError,
        LogLevel, MachineError,
    },
    primitives::{ExecutorParams, compression::DecompressError},
    sandbox::{Findings, Measures},
};
use parity_scale_codec::{Compact, Decode, Encode, Error, Input, Output};
use std::{io, ops::Range, os::unix::fs::MetadataExt, path::Path, time::Duration};

/// The version of everything in this module.
pub const PROTOCOL_VERSION: u32 = 6;

/// The version of this library; host and worker must have the same.
pub const PACKAGE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest frame either side sends, results apart, in bytes.
pub const MAX_FRAME: u64 = 256 << 10;

/// The longest `ValidationResult` that a job may give, in bytes. What a relay chain would include is
/// far below: heads, code and messages have limits of their own.
pub const MAX_RESULT: u64 = 64 << 20;

/// The longest input of a job, in bytes. No guest's allocator gives more than 32 MiB at once.
pub const MAX_INPUT: usize = 64 << 20;

/// The most log text of one job that is kept, in bytes.
pub const MAX_LOG: usize = 64 << 10;

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WorkerKind {
    /// Prepares artifacts.
    Prepare,
    /// Executes candidates.
    Execute,
}

impl WorkerKind {
    /// The word on the worker's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Execute => "execute",
        }
    }
}

/// The host's first frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HostHello {
    /// Always [`HostHello::MAGIC`].
    pub magic: [u8; 8],
    /// The host's [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The file of the program that this host's other workers run. The first one, for which there is
    /// none, works out its backends' fingerprints.
    pub expected_program: Option<FileIdentity>,
    /// The measures that the worker is to take, as far as the host has not taken them.
    pub measures: Measures,
    /// What came of those that the host has taken.
    pub findings: Findings,
}

impl HostHello {
    /// What the frame begins with.
    pub const MAGIC: [u8; 8] = *b"PVFHOST\0";
}

/// The worker's first frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WorkerHello {
    /// Always [`WorkerHello::MAGIC`].
    pub magic: [u8; 8],
    /// The worker's [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The worker's [`PACKAGE_VERSION`].
    pub package: String,
    /// The file of the program that the worker runs.
    pub program: FileIdentity,
    /// The BLAKE3 hash of that file, the *build digest*, unless it is the one that the host expects.
    pub build: Option<[u8; 32]>,
    /// The backends that the worker program has.
    pub backends: Vec<LinkedBackend>,
    /// What came of every measure. It holds from this frame on.
    pub findings: Findings,
}

impl WorkerHello {
    /// What the frame begins with.
    pub const MAGIC: [u8; 8] = *b"PVFWORK\0";
}

/// Tells a file from any other, and from itself after it was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct FileIdentity {
    /// The device that it is on.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// Its length, in bytes.
    pub size: u64,
    /// When it was last written to: seconds, and nanoseconds.
    pub modified: (i64, i64),
}

impl FileIdentity {
    /// Looks at a file.
    ///
    /// # Errors
    ///
    /// When it is not there, or can't be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let data = std::fs::metadata(path)?;
        Ok(Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
        })
    }
}

/// A backend in a worker program.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LinkedBackend {
    /// Its name.
    pub id: BackendId,
    /// Its version.
    pub version: String,
    /// Its fingerprint with default parameters, from a host's first worker.
    pub fingerprint: Option<Result<Fingerprint, LoadError>>,
}

/// A request, or the response to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Numbered<M> {
    /// How many requests the host has sent to this worker, this one included. The response repeats
    /// it, so that an answer is never taken for one to another request.
    pub id: u64,
    /// The request to the host that this is about. The response repeats it, and with it comes what the
    /// worker and its job did for that request.
    pub trace: TraceId,
    /// What is said.
    pub message: M,
}

/// Prepare an artifact. The code comes beside it, in a sealed memory file, and behind that perhaps
/// another one, with what an earlier preparation has kept of its functions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PrepareRequest {
    /// The backend to use.
    pub backend: BackendId,
    /// The parameters to prepare under.
    pub params: ExecutorParams,
    /// Whether to prove that the artifact can be loaded.
    pub check_runtime_construction: bool,
    /// The most that the code may decompress to, in bytes.
    pub code_limit: u64,
    /// The most CPU time the job may take.
    pub cpu_limit: Duration,
    /// The most memory the job may have resident, in bytes.
    pub memory_limit: Option<u64>,
}

/// How preparing went. With success, the artifact comes beside it, in a sealed memory file, and perhaps
/// another one, with functions to keep.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PrepareResponse {
    /// The outcome.
    pub result: Result<Option<FunctionCounts>, PrepareJobError>,
    /// What the job used.
    pub usage: JobUsage,
    /// How long the steps took.
    pub steps: PrepareSteps,
}

/// How long the steps of a preparation took, by the worker's clock. For traces: nothing depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareSteps {
    /// Until the job was forked.
    pub fork: Duration,
    /// From then to its answer, or to its end.
    pub run: Duration,
    /// What the job did meanwhile, as it says itself. Nothing if it gave no answer.
    pub job: PrepareJobSteps,
}

/// What a prepare job says about how long its steps took. Those that it has not come to took no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareJobSteps {
    /// Decompressing the code.
    pub decompress: Duration,
    /// The backend's work.
    pub compile: Duration,
    /// Proving that the artifact can be loaded.
    pub check: Duration,
}

/// Why a prepare job gave no artifact.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum PrepareJobError {
    /// The code could not be decompressed.
    Decompression(String),
    /// The backend refused it.
    Backend(BackendPrepareError),
    /// The artifact was made, and can't be loaded.
    Unloadable(LoadError),
    /// The job passed its memory limit.
    OutOfMemory,
    /// The job passed its CPU time.
    TimedOut,
    /// The backend panicked.
    Panicked(String),
    /// The job ended without an answer.
    Died(String),
    /// The job could not be started, or the kernel refused it something.
    Io(String),
}

/// What a job used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct JobUsage {
    /// CPU time, user and system, all threads together.
    pub cpu: Duration,
    /// The most memory that was resident at once, in bytes.
    pub peak_memory: u64,
}

impl JobUsage {
    /// Whether a job can have used that much when its worker was asked for it `elapsed` ago. The bounds
    /// are far from what any machine has, and low enough that sums of many do not overflow.
    pub fn is_possible(&self, elapsed: Duration) -> bool {
        const MAX_CORES: u32 = 1 << 16;
        const MAX_MEMORY: u64 = 1 << 52;
        // A job is started ahead, and has used a little time by then.
        let elapsed = elapsed.saturating_add(Duration::from_secs(1));
        self.cpu <= elapsed.saturating_mul(MAX_CORES) && self.peak_memory <= MAX_MEMORY
    }
}

/// Load an artifact. It comes beside this in a sealed memory file, and so does the memory file in
/// which inputs will be put.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LoadRequest {
    /// The backend that made it.
    pub backend: BackendId,
    /// The parameters to execute under.
    pub params: ExecutorParams,
    /// The key of the artifact's checksum.
    pub key: ChecksumKey,
    /// The checksum of the artifact.
    pub checksum: Checksum,
}

/// How loading went.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum LoadResponse {
    /// The worker is ready.
    Ready {
        /// The time that checking and loading the artifact took.
        load: Duration,
        /// How much of that was for computing the checksum. For traces: nothing depends on it.
        verify: Duration,
    },
    /// The artifact's bytes are not what was stored.
    Corrupted,
    /// The artifact could not be loaded.
    Failed(LoadError),
}

/// What the host says to a worker that is ready.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ExecuteMessage {
    /// Run a job on the input that now lies in the input file.
    Execute(Numbered<ExecuteRequest>),
    /// Kill the job that runs, if there is one. The answer to its request still comes.
    Cancel,
}

/// Run a job.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteRequest {
    /// The length of the input, in bytes.
    pub input_len: u64,
    /// Where in it the block data lie, when they are compressed.
    pub compressed_block: Option<ByteRange>,
    /// The most that the block data may decompress to, in bytes.
    pub pov_limit: u64,
    /// The most CPU time the job may take.
    pub cpu_limit: Duration,
}

/// A range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The first byte after it.
    pub end: u64,
}

impl From<Range<usize>> for ByteRange {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start as u64, end: range.end as u64 }
    }
}

impl From<ByteRange> for Range<usize> {
    fn from(range: ByteRange) -> Self {
        range.start as usize..range.end as usize
    }
}

/// How a job went.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteResponse {
    /// The outcome.
    pub outcome: JobOutcome,
    /// What the job used.
    pub usage: JobUsage,
    /// The gas that the guest used, as the job says: none if it was not metered, or if the job gave no
    /// answer.
    pub gas_used: Option<u64>,
    /// How long the steps took.
    pub steps: ExecuteSteps,
    /// What the guest logged.
    pub log: KeptLog,
}

/// How long the steps of an execution took, by the worker's clock. For traces: nothing depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteSteps {
    /// Until there was a job. Next to nothing if one waited.
    pub fork: Duration,
    /// From the job's start to its answer, or to its end.
    pub run: Duration,
    /// What the job did meanwhile, as it says itself. Nothing if it gave no answer.
    pub job: ExecuteJobSteps,
}

/// What an execute job says about how long its steps took. Those that it has not come to took no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteJobSteps {
    /// Decompressing the block data.
    pub decompress: Duration,
    /// The call.
    pub call: Duration,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum JobOutcome {
    /// The call returned this `ValidationResult`, SCALE-encoded.
    Result(Vec<u8>),
    /// The call returned what is none.
    MalformedResult(String),
    /// The call failed.
    Failed(ExecuteError),
    /// The block data could not be decompressed.
    PovDecompressionFailure(DecompressError),
    /// The job panicked outside of the guest.
    Panicked(String),
    /// The job passed its CPU time.
    TimedOut,
    /// The job ended without an answer.
    Died(String),
    /// The job was killed because the host said so.
    Cancelled,
    /// The job could not be started, or it said that the machine has nothing to give, and the worker
    /// has found the same.
    Machine(MachineError),
}

/// A line that the guest logged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogLine {
    /// Its severity.
    pub level: LogLevel,
    /// What it is about.
    pub target: String,
    /// What it says.
    pub message: String,
}

/// What a guest logged, cut off at [`MAX_LOG`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptLog {
    lines: Vec<LogLine>,
    cost: usize,
    dropped: u64,
}

impl KeptLog {
    /// Adds a line, or counts it. What comes after a line that was cut off is cut off too.
    pub fn push(&mut self, line: LogLine) {
        self.cost = self.cost.saturating_add(line.cost());
        if self.cost <= MAX_LOG { self.lines.push(line) } else { self.count_dropped(1) }
    }

    /// Counts lines that were cut off elsewhere.
    pub fn count_dropped(&mut self, lines: u64) {
        self.dropped = self.dropped.saturating_add(lines);
    }

    /// The lines that were kept.
    pub fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    /// How many lines were cut off.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl LogLine {
    /// What the line counts for in [`MAX_LOG`]: its text, and the memory that it takes besides.
    pub fn cost(&self) -> usize {
        self.target.len() + self.message.len() + size_of::<Self>()
    }
}

impl Encode for KeptLog {
    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        self.lines.encode_to(output);
        self.dropped.encode_to(output);
    }

    fn size_hint(&self) -> usize {
        self.lines.size_hint() + self.dropped.size_hint()
    }
}

impl Decode for KeptLog {
    /// Refuses more than is kept: a line takes more memory than it does in a frame.
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let mut log = Self::default();
        for _ in 0..Compact::<u32>::decode(input)?.0 {
            log.push(LogLine::decode(input)?);
            if log.dropped > 0 {
                return Err("more log than is kept".into());
            }
        }
        log.dropped = u64::decode(input)?;
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::DecodeAll;

    fn line(len: usize) -> LogLine {
        LogLine { level: LogLevel::Info, target: String::new(), message: "x".repeat(len) }
    }

    #[test]
    fn a_log_is_cut_off_and_what_is_lost_is_counted() {
        let mut log = KeptLog::default();
        for _ in 0..3 {
            log.push(line(MAX_LOG / 3));
        }
        log.push(line(0));
        log.count_dropped(5);
        assert_eq!((log.lines().len(), log.dropped()), (2, 7));
        let decoded = KeptLog::decode_all(&mut &log.encode()[..]).unwrap();
        assert_eq!((decoded.lines(), decoded.dropped()), (log.lines(), log.dropped()));
    }

    #[test]
    fn more_log_than_is_kept_is_refused_while_it_is_read() {
        let empty = vec![line(0); MAX_LOG];
        assert!(KeptLog::decode_all(&mut &(&empty, 0u64).encode()[..]).is_err());
        let long = vec![line(MAX_LOG)];
        assert!(KeptLog::decode_all(&mut &(&long, 0u64).encode()[..]).is_err());
    }

    #[test]
    fn usage_that_no_machine_has_is_impossible() {
        let usage = |cpu, peak_memory| JobUsage { cpu, peak_memory };
        let second = Duration::from_secs(1);
        assert!(usage(second * 64, 1 << 40).is_possible(second));
        assert!(usage(second, 0).is_possible(Duration::ZERO));
        assert!(!usage(Duration::MAX, 0).is_possible(second));
        assert!(!usage(Duration::ZERO, u64::MAX).is_possible(Duration::MAX));
    }
}
