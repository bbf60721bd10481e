//! The "programs" of the scripted backend.

use crate::escape::Escape;
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::{Code, Pvf};

/// What the code of a [`Script`] begins with.
pub(crate) const MAGIC: &[u8; 4] = b"SCRP";
/// What its code begins with if two backends are to accept it.
pub(crate) const SHARED_MAGIC: &[u8; 4] = b"SCR2";

/// Code for the scripted backend: says how everything that can be done with it goes.
///
/// By default all goes well, and a call gives the hash of its input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Script {
    /// How preparing goes.
    pub prepare: OnPrepare,
    /// How loading goes, and the check of that when prechecking.
    pub load: OnLoad,
    /// How a call goes.
    pub call: OnCall,
    /// Makes otherwise equal scripts different code.
    pub salt: u64,
}

/// How preparing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub enum OnPrepare {
    /// There is an artifact.
    #[default]
    Succeed,
    /// There is one with this many bytes more than it needs.
    SucceedWithPadding(u32),
    /// The code is no program.
    RejectInPrevalidation,
    /// The engine refuses the code.
    FailToCompile,
    /// The engine panics.
    Panic,
    /// The process aborts.
    Abort,
    /// The process ends as if all were well, without an answer.
    ExitWithoutAnswer,
    /// This many threads use as many milliseconds of CPU time each before it succeeds.
    Spin {
        /// How many threads.
        threads: u32,
        /// How much each of them uses.
        millis: u32,
    },
    /// It never ends, and uses CPU time.
    SpinForever,
    /// It never ends, and uses no CPU time but a little at its start, by which an onlooker can tell
    /// that it has begun.
    SleepForever,
    /// It uses this many mebibytes of memory before it succeeds.
    Allocate(u32),
    /// It fills this many mebibytes of memory, protects them piece by piece, and keeps them.
    AllocateAndProtect(u32),
    /// It tries to get out, and the engine refuses the code with a report of what came of that.
    Escape(Box<Escape>),
    /// It succeeds, and keeps functions of this many bytes. It says that it compiled one function, and
    /// reused as many as it was given bytes of an earlier preparation.
    KeepFunctions(u32),
    /// It keeps a hundred bytes, and panics if it is given any.
    PanicIfReusing,
    /// It succeeds, and says that the artifact was loaded on the way.
    SayItWasLoaded,
}

/// How loading goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub enum OnLoad {
    /// The artifact is ready.
    #[default]
    Succeed,
    /// It can't be loaded.
    Fail,
    /// It can't be loaded by a worker that was told to refuse: see [`refusals`](crate::refusals).
    FailIfRefused,
    /// The machine has no memory to load it.
    MachineFails,
    /// It can't be loaded if it was prepared by this worker process.
    FailIfPreparedBy(u32),
    /// The engine panics.
    Panic,
    /// The process aborts.
    Abort,
    /// It never ends.
    SleepForever,
    /// It tries to get out, and fails with a report of what came of that.
    Escape(Box<Escape>),
}

/// How a call goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub enum OnCall {
    /// The candidate is valid, and its head is the hash of the call's input.
    #[default]
    HashInput,
    /// The candidate is valid and has this head.
    Return(Vec<u8>),
    /// The candidate is valid and has a head of this many bytes.
    ReturnBig(u32),
    /// The block data are an encoded [`OnCall`], which says how the call goes.
    AsTheBlockSays,
    /// The code traps.
    Trap,
    /// The code panics.
    GuestPanic,
    /// The output lies outside of the code's memory.
    InvalidOutput,
    /// The code needs too much memory.
    OutOfMemory,
    /// The code has no gas left.
    OutOfGas,
    /// The code returns what is no `ValidationResult`.
    Garbage,
    /// The instance can't be made.
    FailToInstantiate,
    /// The job says that the machine is to blame.
    MachineFails,
    /// The backend panics.
    BackendPanic,
    /// The process aborts.
    Abort,
    /// The process ends as if all were well, without an answer.
    ExitWithoutAnswer,
    /// The process writes nonsense to every descriptor that it has, and goes on.
    Babble,
    /// The process kills its worker.
    KillWorker,
    /// The call uses this many milliseconds of CPU time, and is valid.
    Spin(u32),
    /// It never ends, and uses CPU time.
    SpinForever,
    /// It never ends, and uses no CPU time but a little at its start, by which an onlooker can tell
    /// that it has begun.
    SleepForever,
    /// It uses this many mebibytes of memory, and is valid.
    Allocate(u32),
    /// The code logs this many lines, each with its number, and the candidate is valid.
    Log(u32),
    /// The code logs as many lines of as many bytes, and the candidate is valid.
    LogLong {
        /// How many lines.
        lines: u32,
        /// How long each of them is.
        bytes: u32,
    },
    /// The code traps, and this is what is said about it.
    TrapWith(String),
    /// The process sends its worker log lines of this many bytes, and never stops.
    FloodLog(u32),
    /// The process announces to its worker an answer of this many bytes, and sends as many.
    SendAnswer(u64),
    /// The job tries to get out, and the candidate is valid with a report of what came of that as its
    /// head.
    Escape(Box<Escape>),
}

impl Script {
    /// A script whose calls go like this.
    pub fn call(call: OnCall) -> Self {
        Self { call, ..Self::default() }
    }

    /// A script whose preparation goes like this.
    pub fn prepare(prepare: OnPrepare) -> Self {
        Self { prepare, ..Self::default() }
    }

    /// A script whose artifact loads like this.
    pub fn load(load: OnLoad) -> Self {
        Self { load, ..Self::default() }
    }

    /// A script where all goes well, different for each `salt`.
    pub fn salted(salt: u64) -> Self {
        Self::default().salt(salt)
    }

    /// The same script as different code.
    pub fn salt(self, salt: u64) -> Self {
        Self { salt, ..self }
    }

    /// The script's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        (MAGIC, self).encode()
    }

    /// The script's bytes, as code that two backends accept.
    pub fn shared_bytes(&self) -> Vec<u8> {
        (SHARED_MAGIC, self).encode()
    }

    /// The script as code.
    pub fn code(&self) -> Code {
        Code::new(self.bytes())
    }

    /// The script as a PVF with default parameters.
    pub fn pvf(&self) -> Pvf {
        Pvf::new(self.code())
    }
}

impl OnCall {
    /// The block that makes a call go like this, if the code is [`OnCall::AsTheBlockSays`].
    pub fn block(&self) -> Vec<u8> {
        self.encode()
    }
}
