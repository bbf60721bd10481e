//! Workers that break the protocol.
//!
//! A worker that greets as it should may still be up to anything, once somebody has got hold of it.
//! The tests' worker program has bad [`Manners`] if a file beside it says so.

use crate::processes;
use parity_scale_codec::{Compact, Decode, DecodeAll, Encode};
use pvf_host_core::{
    TraceId,
    backend::{self, memory_file},
    primitives::ValidationResult,
    sandbox::{Measure, State},
    worker::{
        WORKER_ARGUMENT,
        frame::{FrameReader, FrameWriter, MAX_DESCRIPTORS},
        protocol::{
            ExecuteMessage, ExecuteResponse, ExecuteSteps, HostHello, JobOutcome, JobUsage,
            KeptLog, LoadRequest, LoadResponse, LogLine, MAX_FRAME, MAX_LOG, MAX_RESULT, Numbered,
            PrepareRequest, PrepareResponse, PrepareSteps, WorkerKind,
        },
    },
};
use rustix::{
    fs::SealFlags,
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{IoSlice, Write},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest frame that an execute worker may answer with, in bytes.
pub const LONGEST_RESPONSE: u64 = MAX_RESULT + MAX_FRAME + MAX_LOG as u64;

/// What a worker does wrong, after it has greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Manners {
    /// It says something when nobody has asked.
    Interrupt,
    /// It hangs up when it is asked for something.
    HangUp,
    /// It answers with nonsense.
    Mumble,
    /// It announces an answer of a length that nobody has memory for.
    Boast,
    /// It begins its answer and does not end it.
    TrailOff,
    /// It passes more descriptors than anybody asked for.
    Overload,
    /// It answers twice.
    Repeat,
    /// It says that an artifact was made, and hands none over.
    PromiseArtifact,
    /// It hands over an artifact that it can still change.
    KeepArtifact,
    /// It hands over an artifact of no length.
    EmptyArtifact,
    /// It gives as a result what is none.
    ForgeResult,
    /// It sends more log than a worker keeps, and a longer frame than it may.
    Chatter,
    /// It sends as many empty log lines as one frame takes.
    Twitter,
    /// It answers with the number of another request.
    WrongId,
    /// It answers on behalf of another request to the host.
    WrongTrace,
    /// It answers before it is asked, with a number that no request has.
    AnswerEarly,
    /// It answers before it is asked, with the number that the request will have.
    GuessId,
    /// It sends the longest answer that it may, a byte at a time, and is not done in any test's time.
    Drip,
    /// It takes what it is asked, and never answers.
    Silent,
    /// It sends half of the longest answer that it may, and falls silent.
    HalfFrame,
    /// It answers, and answers again, for as long as anybody listens.
    Flood,
    /// It says that the job used more time and memory than there is.
    Exaggerate,
    /// It hands over an artifact that is longer than any may be, without having any of its bytes.
    SparseArtifact,
    /// It hands over a pipe that nobody will ever write to.
    PipeArtifact,
    /// It hands over its own socket.
    SocketArtifact,
    /// It hands over a directory.
    DirectoryArtifact,
    /// It hands over a device that can be read for ever.
    DeviceArtifact,
}

/// When it does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Place {
    /// When it is greeted.
    Greeting(WorkerKind),
    /// When it is to load an artifact.
    Load,
    /// When it is to execute a candidate.
    Execute,
    /// When it is to prepare an artifact.
    Prepare,
    /// When it has nothing to do. An execute worker answers its first request before that.
    Idle(WorkerKind),
}

impl Place {
    fn kind(self) -> WorkerKind {
        match self {
            Self::Load | Self::Execute => WorkerKind::Execute,
            Self::Prepare => WorkerKind::Prepare,
            Self::Greeting(kind) | Self::Idle(kind) => kind,
        }
    }
}

/// Which workers have bad manners, and which.
#[derive(Encode, Decode)]
struct Lesson {
    manners: Manners,
    /// None: when they are asked for something, whatever their kind.
    place: Option<Place>,
    /// Only the first one that is started.
    only_one: bool,
}

impl Manners {
    fn path(worker: &Path) -> PathBuf {
        worker.with_extension("manners")
    }

    /// Gives these to the workers that are started by this path from now on.
    pub(crate) fn teach(self, worker: &Path) {
        Lesson { manners: self, place: None, only_one: false }.write(worker);
    }

    /// Gives these to the next worker that is started by this path and comes by this place.
    pub(crate) fn teach_one(self, place: Place, worker: &Path) {
        let _ = fs::remove_file(Self::witness(worker));
        Lesson { manners: self, place: Some(place), only_one: true }.write(worker);
    }

    /// The process that has misbehaved, once one of those taught last has begun to.
    pub(crate) fn culprit(worker: &Path) -> Option<i32> {
        fs::read_to_string(Self::witness(worker)).ok()?.parse().ok()
    }

    fn witness(worker: &Path) -> PathBuf {
        worker.with_extension("culprit")
    }

    /// Makes those good again.
    pub(crate) fn forget(worker: &Path) {
        fs::remove_file(Self::path(worker)).expect("the file is there");
    }
}

impl Lesson {
    fn write(&self, worker: &Path) {
        write_at_once(&Manners::path(worker), &self.encode());
    }

    /// What this process has been taught, if anything.
    fn learn(worker: &Path, kind: WorkerKind) -> Option<Self> {
        let path = Manners::path(worker);
        let lesson = fs::read(&path).ok()?;
        let lesson = Self::decode_all(&mut &lesson[..]).expect("the tests wrote that");
        let is_meant = lesson.place.is_none_or(|place| place.kind() == kind);
        // Whoever removes it is the one.
        (is_meant && (!lesson.only_one || fs::remove_file(path).is_ok())).then_some(lesson)
    }
}

/// Whoever reads half of it would be misled.
fn write_at_once(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).expect("the file can be written");
    fs::rename(new, path).expect("the file can be renamed");
}

/// The program and the kind as which this process was started, if that is as a worker.
pub(crate) fn as_worker() -> Option<(PathBuf, OsString)> {
    let mut arguments = std::env::args_os();
    let program = arguments.next()?.into();
    arguments.next().filter(|argument| argument == WORKER_ARGUMENT)?;
    Some((program, arguments.next()?))
}

/// Becomes a worker with bad manners, if there is a file that says so.
pub fn run_if_rude() {
    let Some((program, kind)) = as_worker() else { return };
    let kinds = [WorkerKind::Prepare, WorkerKind::Execute];
    let kind = kinds.into_iter().find(|k| kind == k.as_str()).expect("a host knows the kinds");
    let Some(Lesson { manners, place, .. }) = Lesson::learn(&program, kind) else { return };
    let place = place.unwrap_or(match (kind, manners) {
        (WorkerKind::Prepare, _) => Place::Prepare,
        (_, Manners::ForgeResult | Manners::Chatter) => Place::Execute,
        (WorkerKind::Execute, _) => Place::Load,
    });
    let trace = TraceId::from_u64(0);
    Rude { host: Host::new(), manners, place, kind, program, trace }.serve();
}

/// A worker on its way to the place where it misbehaves.
struct Rude {
    host: Host,
    manners: Manners,
    place: Place,
    kind: WorkerKind,
    program: PathBuf,
    /// What the last request was about.
    trace: TraceId,
}

/// An answer: a frame's content, and what goes beside it.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl<M: Encode> From<M> for Answer {
    fn from(message: M) -> Self {
        Self { bytes: message.encode(), descriptors: vec![] }
    }
}

/// What a worker has just done as it should.
#[derive(Clone, Copy)]
enum After {
    Greeting,
    Loading,
    Executing,
}

impl Rude {
    fn serve(mut self) -> ! {
        let hello = self.host.hear();
        let hello = HostHello::decode_all(&mut &hello[..]).expect("the host greets first");
        let mut hello = pvf_workers::hello_to(&hello).expect("a program that runs can be read");
        // It says so, that is all.
        for measure in Measure::ALL {
            hello.findings.record(*measure, State::Holds(String::new()));
        }
        let hello = hello.into();
        if let Place::Greeting(_) = self.place {
            self.misbehave(hello);
        }
        self.go_on(&hello, After::Greeting, 1);
        let request = self.host.hear();
        if self.kind == WorkerKind::Prepare {
            let request = Numbered::<PrepareRequest>::decode_all(&mut &request[..]);
            let request = request.expect("the host wants an artifact");
            self.trace = request.trace;
            self.misbehave(self.prepared(request.id));
        }
        let request = Numbered::<LoadRequest>::decode_all(&mut &request[..]);
        let Numbered { id, trace, .. } = request.expect("the host has an artifact");
        self.trace = trace;
        if self.place == Place::Load {
            self.misbehave(self.loaded(id));
        }
        self.go_on(&self.loaded(id), After::Loading, id + 1);
        let request = ExecuteMessage::decode_all(&mut &self.host.hear()[..]);
        let Ok(ExecuteMessage::Execute(Numbered { id, trace, .. })) = request else {
            panic!("the host has a candidate, not {request:?}");
        };
        self.trace = trace;
        if self.place == Place::Execute {
            self.misbehave(self.executed(id));
        }
        self.go_on(&self.executed(id), After::Executing, id + 1);
        self.host.wait_for_the_end();
    }

    /// Answers as it should, and misbehaves if nothing has to be asked for that. The beginning of that
    /// comes in the same breath, so that the host can't ask in between.
    fn go_on(&mut self, answer: &Answer, after: After, next_id: u64) {
        let is_early =
            matches!(self.manners, Manners::Interrupt | Manners::AnswerEarly | Manners::GuessId);
        let is_due = match after {
            After::Greeting => {
                self.place == Place::Idle(WorkerKind::Prepare)
                    || is_early && matches!(self.place, Place::Load | Place::Prepare)
            }
            After::Loading => is_early && self.place == Place::Execute,
            After::Executing => self.place == Place::Idle(WorkerKind::Execute),
        };
        let mut wire = frame(&answer.bytes);
        if !is_due {
            return self.host.say_all(&wire);
        }
        self.testify();
        let unasked = match (self.kind, after) {
            (WorkerKind::Prepare, _) => self.prepared(next_id),
            (WorkerKind::Execute, After::Greeting) => self.loaded(next_id),
            (WorkerKind::Execute, _) => self.executed(next_id),
        };
        match self.manners {
            Manners::Interrupt => wire.extend(frame(&[])),
            Manners::AnswerEarly => wire.extend(frame(&with_number(&unasked.bytes, 1000))),
            Manners::GuessId => wire.extend(frame(&unasked.bytes)),
            _ => {}
        }
        self.host.say_all(&wire);
        if !is_early {
            self.host.misbehave(self.manners, &unasked, self.limit());
        }
        self.host.wait_for_the_end();
    }

    /// Answers as it should not.
    fn misbehave(&mut self, mut answer: Answer) -> ! {
        self.testify();
        if self.manners == Manners::WrongId {
            let id = u64::decode(&mut &answer.bytes[..]).expect("an answer begins with a number");
            answer.bytes = with_number(&answer.bytes, id + 1);
        }
        if self.manners == Manners::WrongTrace {
            // It comes behind the number.
            answer.bytes[8] ^= 1;
        }
        self.host.misbehave(self.manners, &answer, self.limit());
        self.host.wait_for_the_end();
    }

    /// The longest answer that it may give, in bytes.
    fn limit(&self) -> u64 {
        match self.place {
            Place::Execute | Place::Idle(WorkerKind::Execute) => LONGEST_RESPONSE,
            _ => MAX_FRAME,
        }
    }

    /// Lets the test know who it is.
    fn testify(&self) {
        let pid = processes::own_pid().to_string();
        write_at_once(&Manners::witness(&self.program), pid.as_bytes());
    }

    fn numbered<M>(&self, id: u64, message: M) -> Numbered<M> {
        Numbered { id, trace: self.trace, message }
    }

    fn loaded(&self, id: u64) -> Answer {
        let message = LoadResponse::Ready { load: Duration::ZERO, verify: Duration::ZERO };
        self.numbered(id, message).into()
    }

    fn usage(&self) -> JobUsage {
        match self.manners {
            Manners::Exaggerate => JobUsage { cpu: Duration::MAX, peak_memory: u64::MAX },
            _ => JobUsage::default(),
        }
    }

    fn executed(&self, id: u64) -> Answer {
        let head_len = if self.manners == Manners::Flood { MAX_RESULT as usize - 100 } else { 4 };
        let result = ValidationResult {
            head_data: vec![b'r'; head_len].into(),
            ..ValidationResult::default()
        };
        let result = match self.manners {
            Manners::ForgeResult => b"no result".to_vec(),
            _ => result.encode(),
        };
        let response = ExecuteResponse {
            outcome: JobOutcome::Result(result),
            usage: self.usage(),
            gas_used: None,
            steps: ExecuteSteps::default(),
            log: KeptLog::default(),
        };
        let mut answer = Answer::from(self.numbered(id, response));
        let line =
            |message| LogLine { level: backend::LogLevel::Info, target: String::new(), message };
        // The log comes last, and no honest worker makes one like this.
        let mut chat = |lines: usize, line: &LogLine| {
            answer.bytes.truncate(answer.bytes.len() - KeptLog::default().encoded_size());
            answer.bytes.extend(Compact(lines as u32).encode());
            answer.bytes.extend(line.encode().repeat(lines));
            answer.bytes.extend(0u64.encode());
        };
        match self.manners {
            Manners::Chatter => chat(1000, &line("x".repeat(MAX_FRAME as usize))),
            Manners::Twitter => chat(MAX_RESULT as usize / 3, &line(String::new())),
            _ => {}
        }
        answer
    }

    fn prepared(&self, id: u64) -> Answer {
        let message = PrepareResponse {
            result: Ok(None),
            usage: self.usage(),
            steps: PrepareSteps::default(),
        };
        let mut answer = Answer::from(self.numbered(id, message));
        answer.descriptors.extend(self.artifact());
        answer
    }

    fn artifact(&self) -> Option<OwnedFd> {
        let open = |path| File::open(path).expect("it is on every machine").into();
        let mut file = memory_file("pvf-artifact").expect("there is memory");
        match self.manners {
            Manners::PromiseArtifact => return None,
            Manners::PipeArtifact => {
                let (reader, writer) = rustix::pipe::pipe().expect("there are descriptors");
                // Kept open for ever, or reading it would end.
                std::mem::forget(writer);
                return Some(reader);
            }
            Manners::SocketArtifact => {
                return Some(self.host.socket.try_clone().expect("there are descriptors"));
            }
            Manners::DirectoryArtifact => return Some(open("/")),
            Manners::DeviceArtifact => return Some(open("/dev/zero")),
            Manners::SparseArtifact => file.set_len(1 << 40).expect("it takes no memory"),
            Manners::EmptyArtifact => {}
            _ => file.write_all(b"artifact").expect("there is memory"),
        }
        if self.manners != Manners::KeepArtifact {
            let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
            rustix::fs::fcntl_add_seals(&file, seals).expect("it can be sealed");
        }
        Some(file.into())
    }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

/// An answer with another number.
fn with_number(answer: &[u8], id: u64) -> Vec<u8> {
    [&id.to_le_bytes(), &answer[8..]].concat()
}

struct Host {
    socket: OwnedFd,
    reader: FrameReader,
}

impl Host {
    fn new() -> Self {
        let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("there is a socket");
        Self { socket, reader: FrameReader::new(u64::MAX) }
    }

    fn hear(&mut self) -> Vec<u8> {
        loop {
            match self.reader.receive(self.socket.as_fd()) {
                Ok(Some(frame)) => return frame.bytes,
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => std::process::exit(0),
            }
        }
    }

    fn say(&self, answer: &Answer) {
        let descriptors: Vec<_> = answer.descriptors.iter().map(AsFd::as_fd).collect();
        let mut writer = FrameWriter::new(&answer.bytes, &descriptors);
        while !writer.send(self.socket.as_fd()).unwrap_or_else(|_| std::process::exit(0)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends bytes that need not be a frame, however many there are.
    fn say_all(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN | Errno::INTR) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => std::process::exit(0),
            }
        }
    }

    fn wait_for_the_end(&mut self) -> ! {
        loop {
            self.hear();
        }
    }

    /// Sends bytes that need not be a frame.
    fn say_piece(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let bytes = [IoSlice::new(bytes)];
        let sent = sendmsg(&self.socket, &bytes, &mut control, SendFlags::NOSIGNAL);
        sent.unwrap_or_else(|_| std::process::exit(0));
    }

    /// Does what is not done, with an answer that would be right, where answers of `limit` bytes are
    /// taken.
    fn misbehave(&self, manners: Manners, answer: &Answer, limit: u64) {
        match manners {
            Manners::HangUp => std::process::exit(0),
            Manners::Mumble => self.say(&[0xff_u8; 100].into()),
            Manners::Boast => self.say_piece(&(u64::MAX >> 1).to_le_bytes(), &[]),
            Manners::TrailOff => {
                self.say_piece(&[100, 0, 0, 0, 0, 0, 0, 0, 1], &[]);
                std::process::exit(0);
            }
            Manners::Overload => {
                // A frame of a hundred bytes, of which each comes with more descriptors.
                self.say_piece(&[100, 0, 0, 0, 0, 0, 0, 0], &[]);
                for _ in 0..100 {
                    self.say_piece(&[0], &[self.socket.as_fd(); MAX_DESCRIPTORS]);
                }
            }
            Manners::Repeat => {
                self.say(answer);
                self.say(answer);
            }
            Manners::Drip => {
                for byte in
                    limit.to_le_bytes().into_iter().chain(std::iter::repeat_n(0, limit as usize))
                {
                    self.say_all(&[byte]);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Manners::HalfFrame => {
                self.say_all(&limit.to_le_bytes());
                self.say_all(&vec![0; limit as usize / 2]);
            }
            Manners::Flood => loop {
                self.say(answer);
            },
            Manners::Silent => {}
            _ => self.say(answer),
        }
    }
}
