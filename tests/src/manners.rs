//! Workers that break the protocol.
//!
//! A worker that greets as it should may still be up to anything, once somebody has got hold of it.
//! The tests' worker program has bad [`Manners`] if a file beside it says so.

use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_host_core::{
    backend::{self, memory_file},
    sandbox::{Measure, State},
    worker::{
        WORKER_ARGUMENT,
        frame::{FrameReader, FrameWriter, MAX_DESCRIPTORS},
        protocol::{
            ExecuteResponse, HostHello, JobOutcome, JobUsage, LoadResponse, LogLine, MAX_FRAME,
            PrepareResponse, WorkerKind,
        },
    },
};
use rustix::{
    fs::SealFlags,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use std::{
    ffi::OsString,
    fs,
    io::{IoSlice, Write},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

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
    /// It sends more log than a worker keeps.
    Chatter,
}

impl Manners {
    fn path(worker: &Path) -> PathBuf {
        worker.with_extension("manners")
    }

    /// Gives these to the workers that are started by this path from now on.
    pub(crate) fn teach(self, worker: &Path) {
        // At once, for a worker that reads half of it would be a good one.
        let path = Self::path(worker);
        let new = path.with_extension("new");
        fs::write(&new, self.encode()).expect("the file can be written");
        fs::rename(new, path).expect("the file can be renamed");
    }

    /// Makes those good again.
    pub(crate) fn forget(worker: &Path) {
        fs::remove_file(Self::path(worker)).expect("the file is there");
    }
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
    let Ok(manners) = fs::read(Manners::path(&program)) else { return };
    let manners = Manners::decode_all(&mut &manners[..]).expect("the tests wrote that");
    let is_prepare = kind == WorkerKind::Prepare.as_str();
    let mut host = Host::new();
    host.greet();
    if manners == Manners::Interrupt {
        host.say(&(), &[]);
    }
    if is_prepare {
        host.hear();
        host.answer_prepare(manners);
    } else {
        host.hear();
        if let Manners::ForgeResult | Manners::Chatter = manners {
            host.say(&LoadResponse::Ready { load: Duration::ZERO }, &[]);
            host.hear();
            host.answer_execute(manners);
        } else {
            host.answer(manners, &LoadResponse::Ready { load: Duration::ZERO }, &[]);
        }
    }
    // Until the host has had enough.
    loop {
        host.hear();
    }
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

    fn say(&self, message: &impl Encode, descriptors: &[BorrowedFd<'_>]) {
        let bytes = message.encode();
        let mut writer = FrameWriter::new(&bytes, descriptors);
        while !writer.send(self.socket.as_fd()).unwrap_or_else(|_| std::process::exit(0)) {
            std::thread::sleep(Duration::from_millis(1));
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

    fn greet(&mut self) {
        let hello = HostHello::decode_all(&mut &self.hear()[..]).expect("the host greets first");
        let mut hello = pvf_workers::hello_to(&hello).expect("a program that runs can be read");
        // It says so, that is all.
        for measure in Measure::ALL {
            hello.findings.record(*measure, State::Holds(String::new()));
        }
        self.say(&hello, &[]);
    }

    fn answer_prepare(&self, manners: Manners) {
        let response = PrepareResponse { result: Ok(()), usage: JobUsage::default() };
        let mut file = memory_file("pvf-artifact").expect("there is memory");
        match manners {
            Manners::PromiseArtifact => self.say(&response, &[]),
            Manners::KeepArtifact => {
                file.write_all(b"artifact").expect("there is memory");
                self.say(&response, &[file.as_fd()]);
            }
            other => {
                if manners != Manners::EmptyArtifact {
                    file.write_all(b"artifact").expect("there is memory");
                }
                let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
                rustix::fs::fcntl_add_seals(&file, seals).expect("it can be sealed");
                self.answer(other, &response, &[file.as_fd()]);
            }
        }
    }

    fn answer_execute(&self, manners: Manners) {
        let line = LogLine {
            level: backend::LogLevel::Info,
            target: String::new(),
            message: "x".repeat(MAX_FRAME as usize),
        };
        let log = if manners == Manners::Chatter { vec![line; 1000] } else { vec![] };
        let response = ExecuteResponse {
            outcome: JobOutcome::Result(b"no result".to_vec()),
            usage: JobUsage::default(),
            gas_used: None,
            log,
            log_lines_dropped: 0,
        };
        self.say(&response, &[]);
    }

    fn answer(&self, manners: Manners, response: &impl Encode, descriptors: &[BorrowedFd<'_>]) {
        match manners {
            Manners::HangUp => std::process::exit(0),
            Manners::Mumble => self.say(&[0xff_u8; 100], &[]),
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
                self.say(response, descriptors);
                self.say(response, descriptors);
            }
            _ => self.say(response, descriptors),
        }
    }
}
