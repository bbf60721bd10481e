//! The backend whose code is a [`Script`], in two copies: [`ID`], and [`TWIN_ID`], which accepts only
//! code that the first accepts too.
//!
//! It does nothing to files or to other processes that its script does not name.

#![expect(unsafe_code, reason = "misbehaves")]

use crate::{
    processes, refusals,
    script::{MAGIC, OnCall, OnLoad, OnPrepare, SHARED_MAGIC, Script},
};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_host_core::{
    backend::{
        Artifact, BackendDescriptor, BackendId, BackendPrepareError, Bytes, Execute, ExecuteError,
        Fingerprint, FunctionCounts, GuestLog, LoadError, LoadedArtifact, LogLevel, MachineError,
        Preparation, Prepare, RuntimeConstructionError,
    },
    primitives::{ExecutorParams, ValidationParams, ValidationResult, blake2_256},
    worker::protocol::LogLine,
};
use rustix::process::Signal;
use std::{
    hint::black_box,
    io::{self, Write},
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// The name of the scripted backend.
pub const ID: BackendId = BackendId::from_static("scripted");
/// The name of its twin.
pub const TWIN_ID: BackendId = BackendId::from_static("scripted-twin");

inventory::submit! {
    BackendDescriptor::new(
        ID,
        "1",
        |prefix| prefix.starts_with(MAGIC) || prefix.starts_with(SHARED_MAGIC),
        |_| Ok(Fingerprint::of(&[b"scripted"])),
        &Scripted,
        &Scripted,
    )
}

inventory::submit! {
    BackendDescriptor::new(
        TWIN_ID,
        "1",
        |prefix| prefix.starts_with(SHARED_MAGIC),
        |_| Ok(Fingerprint::of(&[b"scripted"])),
        &Scripted,
        &Scripted,
    )
}

struct Scripted;

/// The worker that this process is, or whose job it is.
static WORKER: OnceLock<u32> = OnceLock::new();

/// Takes note of what worker this process is. To be called first thing in a worker's `main`.
pub fn note_worker() {
    let _ = WORKER.set(processes::own_pid());
}

/// What an artifact consists of.
#[derive(Encode, Decode)]
struct Content {
    script: Script,
    /// The worker whose job prepared it.
    prepared_by: u32,
    padding: Vec<u8>,
}

/// What kept functions consist of.
const FUNCTION: u8 = 0x5b;

/// What is sent to a thread: how long it is to spin, and whom to tell that it has.
type Task = (Duration, mpsc::Sender<()>);

/// The threads of a prepare job.
static THREADS: Mutex<Vec<mpsc::Sender<Task>>> = Mutex::new(vec![]);

impl Prepare for Scripted {
    fn start_threads(&self, _: usize) -> io::Result<()> {
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..4 {
            let (sender, tasks) = mpsc::channel::<Task>();
            thread::Builder::new().spawn(move || {
                for (time, done) in tasks {
                    spin(time);
                    let _ = done.send(());
                }
            })?;
            threads.push(sender);
        }
        Ok(())
    }

    fn prevalidate(&self, code: &[u8], _: &ExecutorParams) -> Result<(), BackendPrepareError> {
        match script(code) {
            Some(Script { prepare: OnPrepare::RejectInPrevalidation, .. }) => {
                Err(BackendPrepareError::Prevalidation("as scripted".into()))
            }
            Some(_) => Ok(()),
            None => Err(BackendPrepareError::Prevalidation("not a script".into())),
        }
    }

    fn prepare(&self, code: &[u8], _: &ExecutorParams) -> Result<Vec<u8>, BackendPrepareError> {
        let script = script(code).expect("only prevalidated code is prepared");
        let mut padding = vec![];
        match script.prepare {
            OnPrepare::Succeed
            | OnPrepare::RejectInPrevalidation
            | OnPrepare::KeepFunctions(_)
            | OnPrepare::PanicIfReusing
            | OnPrepare::SayItWasLoaded => {}
            OnPrepare::SucceedWithPadding(bytes) => padding = vec![0x5a; bytes as usize],
            OnPrepare::FailToCompile => {
                return Err(BackendPrepareError::Compilation("as scripted".into()));
            }
            OnPrepare::Panic => panic!("as scripted"),
            OnPrepare::Abort => std::process::abort(),
            OnPrepare::ExitWithoutAnswer => exit(),
            OnPrepare::Spin { threads, millis } => {
                let time = Duration::from_millis(millis.into());
                let threads =
                    &THREADS.lock().unwrap_or_else(PoisonError::into_inner)[..threads as usize];
                let (done, all_done) = mpsc::channel();
                for thread in threads {
                    thread.send((time, done.clone())).expect("the thread waits for that");
                }
                drop(done);
                assert_eq!(all_done.iter().count(), threads.len());
            }
            OnPrepare::SpinForever => spin(Duration::MAX),
            OnPrepare::SleepForever => sleep_forever(),
            OnPrepare::Allocate(mebibytes) => allocate(mebibytes),
            OnPrepare::AllocateAndProtect(mebibytes) => allocate_and_protect(mebibytes),
            OnPrepare::Escape(escape) => {
                let report = escape.run().to_string();
                return Err(BackendPrepareError::Compilation(report));
            }
        }
        Ok(Content { script, prepared_by: WORKER.get().copied().unwrap_or(0), padding }.encode())
    }

    fn prepare_reusing(
        &self,
        code: &[u8],
        params: &ExecutorParams,
        earlier: Option<Bytes>,
        mut kept: Box<dyn Write + Send>,
    ) -> Result<Preparation, BackendPrepareError> {
        self.prevalidate(code, params)?;
        let preparation = Preparation::from(self.prepare(code, params)?);
        let count = match script(code).map(|script| script.prepare) {
            Some(OnPrepare::KeepFunctions(bytes)) => bytes,
            Some(OnPrepare::PanicIfReusing) if earlier.is_some() => panic!("as scripted"),
            Some(OnPrepare::PanicIfReusing) => 100,
            Some(OnPrepare::SayItWasLoaded) => return Ok(preparation.with_construction(true)),
            _ => return Ok(preparation),
        };
        let earlier = earlier.unwrap_or_default();
        assert!(earlier.iter().all(|byte| *byte == FUNCTION), "not what was kept");
        let counts = FunctionCounts { reused: earlier.len() as u32, compiled: 1 };
        kept.write_all(&vec![FUNCTION; count as usize]).map_err(|error| {
            BackendPrepareError::Compilation(format!("can't keep functions: {error}"))
        })?;
        Ok(preparation.with_counts(counts))
    }

    fn check_runtime_construction(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<(), LoadError> {
        self.load(artifact, params).map(drop)
    }
}

impl Execute for Scripted {
    fn load(
        &self,
        artifact: &Artifact,
        params: &ExecutorParams,
    ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
        let Content { script, prepared_by, .. } = Content::decode_all(&mut artifact.bytes())
            .map_err(|error| RuntimeConstructionError(error.to_string()))?;
        match script.load {
            OnLoad::Succeed => {}
            OnLoad::FailIfRefused => {
                if refusals::are_due() {
                    return Err(RuntimeConstructionError("refused".into()).into());
                }
            }
            OnLoad::Fail => return Err(RuntimeConstructionError("as scripted".into()).into()),
            OnLoad::MachineFails => return Err(MachineError("as scripted".into()).into()),
            OnLoad::FailIfPreparedBy(worker) if worker == prepared_by => {
                return Err(RuntimeConstructionError("as scripted".into()).into());
            }
            OnLoad::FailIfPreparedBy(_) => {}
            OnLoad::Panic => panic!("as scripted"),
            OnLoad::Abort => std::process::abort(),
            OnLoad::SleepForever => sleep_forever(),
            OnLoad::Escape(escape) => {
                return Err(RuntimeConstructionError(escape.run().to_string()).into());
            }
        }
        Ok(Box::new(Loaded { call: script.call, max_gas: params.max_gas(), gas_used: None }))
    }
}

struct Loaded {
    call: OnCall,
    max_gas: Option<u64>,
    gas_used: Option<u64>,
}

impl LoadedArtifact for Loaded {
    fn call(
        &mut self,
        entry_point: &str,
        input: &[u8],
        mut log: Box<dyn GuestLog>,
    ) -> Result<Vec<u8>, ExecuteError> {
        // What is metered uses half of its gas, but for what runs out of it.
        self.gas_used = self.max_gas.map(|limit| limit / 2);
        if entry_point != "validate_block" {
            return Err(ExecuteError::InvalidOutput(format!("no function {entry_point}")));
        }
        let call = match &self.call {
            OnCall::AsTheBlockSays => said_by_block(input)?,
            call => call.clone(),
        };
        let mut head = blake2_256(input).0.to_vec();
        match call {
            OnCall::HashInput => {}
            OnCall::Return(bytes) => head = bytes,
            OnCall::ReturnBig(bytes) => head = vec![0x5a; bytes as usize],
            OnCall::AsTheBlockSays | OnCall::Trap => {
                return Err(ExecuteError::Trap("as scripted".into()));
            }
            OnCall::GuestPanic => return Err(ExecuteError::Panic("as scripted".into())),
            OnCall::InvalidOutput => return Err(ExecuteError::InvalidOutput("as scripted".into())),
            OnCall::OutOfMemory => return Err(ExecuteError::OutOfMemory("as scripted".into())),
            OnCall::OutOfGas => {
                self.gas_used = self.max_gas;
                return Err(ExecuteError::OutOfGas);
            }
            OnCall::Garbage => return Ok(vec![0xff; 100]),
            OnCall::FailToInstantiate => {
                return Err(RuntimeConstructionError("as scripted".into()).into());
            }
            OnCall::MachineFails => return Err(MachineError("as scripted".into()).into()),
            OnCall::BackendPanic => panic!("as scripted"),
            OnCall::Abort => std::process::abort(),
            OnCall::ExitWithoutAnswer => exit(),
            OnCall::Babble => babble(),
            OnCall::KillWorker => {
                let worker = rustix::process::getppid().expect("a job has a parent");
                rustix::process::kill_process(worker, Signal::KILL).expect("it can be killed");
                sleep_forever();
            }
            OnCall::Spin(millis) => spin(Duration::from_millis(millis.into())),
            OnCall::SpinForever => spin(Duration::MAX),
            OnCall::SleepForever => sleep_forever(),
            OnCall::Allocate(mebibytes) => allocate(mebibytes),
            OnCall::Log(lines) => {
                for line in 0..lines {
                    log.log(LogLevel::Info, "script", &format!("line {line}"));
                }
            }
            OnCall::LogLong { lines, bytes } => {
                let line = "x".repeat(bytes as usize);
                for _ in 0..lines {
                    log.log(LogLevel::Info, "script", &line);
                }
            }
            OnCall::TrapWith(text) => return Err(ExecuteError::Trap(text)),
            OnCall::FloodLog(bytes) => loop {
                /// Of a job's messages, in SCALE.
                const LOG: u8 = 0;
                let message = "x".repeat(bytes as usize);
                let line = LogLine { level: LogLevel::Info, target: String::new(), message };
                let message = (LOG, line).encode();
                tell_worker(&(message.len() as u64).to_le_bytes());
                tell_worker(&message);
            },
            OnCall::SendAnswer(bytes) => {
                tell_worker(&bytes.to_le_bytes());
                tell_worker(&vec![1; bytes as usize]);
                sleep_forever();
            }
            OnCall::Escape(escape) => head = escape.run().to_string().into_bytes(),
        }
        Ok(ValidationResult { head_data: head.into(), ..Default::default() }.encode())
    }

    fn gas_used(&self) -> Option<u64> {
        self.gas_used
    }
}

fn script(code: &[u8]) -> Option<Script> {
    let script = code.strip_prefix(MAGIC).or_else(|| code.strip_prefix(SHARED_MAGIC))?;
    Script::decode_all(&mut &*script).ok()
}

fn said_by_block(input: &[u8]) -> Result<OnCall, ExecuteError> {
    let trap = |error: parity_scale_codec::Error| ExecuteError::Trap(error.to_string());
    let params = ValidationParams::decode_all(&mut &*input).map_err(trap)?;
    OnCall::decode_all(&mut &params.block_data.0[..]).map_err(trap)
}

/// Uses CPU time in this thread.
fn spin(time: Duration) {
    let used = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to memory of the right type.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let start = used();
    while used() - start < time {}
}

fn sleep_forever() {
    spin(processes::VISIBLE_CPU_TIME * 2);
    loop {
        // In a job, there is no call for sleeping.
        thread::park();
    }
}

fn allocate(mebibytes: u32) {
    drop(black_box(vec![1_u8; (mebibytes as usize) << 20]));
}

/// Fills memory that can only be read afterwards, and is never given back.
fn allocate_and_protect(mebibytes: u32) {
    const PIECE: usize = 16 << 20;
    for _ in 0..((mebibytes as usize) << 20).div_ceil(PIECE) {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the kernel chooses where, so that nothing else is there; what is written to is what
        // was just mapped, and nobody refers to it when it is protected.
        unsafe {
            let piece = libc::mmap(std::ptr::null_mut(), PIECE, rights, flags, -1, 0);
            assert_ne!(piece, libc::MAP_FAILED, "{}", io::Error::last_os_error());
            piece.cast::<u8>().write_bytes(1, PIECE);
            assert_eq!(libc::mprotect(piece, PIECE, libc::PROT_READ), 0);
        }
    }
}

fn exit() -> ! {
    // SAFETY: always sound; nothing of this process is used afterwards.
    unsafe { libc::_exit(0) }
}

/// Sends bytes through the first socket that this process has.
fn tell_worker(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let piece =
            libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: one piece is given, of as many bytes as it says. A job's socket is descriptor 0.
        let sent = unsafe { libc::writev(0, &raw const piece, 1) };
        let Ok(sent) = usize::try_from(sent) else { break };
        bytes = &bytes[sent..];
    }
}

fn babble() {
    let nonsense = [0xff; 64];
    for descriptor in 0..100 {
        // SAFETY: the pointer is to as many bytes as it says. Whatever else the descriptor is for is
        // disturbed on purpose, and all of it belongs to this process.
        unsafe { libc::write(descriptor, nonsense.as_ptr().cast(), nonsense.len()) };
    }
}
