//! Where tests are done: in processes apart. One that never ends, or ends its process, takes no other
//! test along.

use crate::{
    Guests, processes,
    subject::{Subject, on_guest_stack},
    test::{Test, Verdict, tests},
    wait::until_some,
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::backend::BackendId;
use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// Tells the program that it was started to do tests.
pub(crate) const ARGUMENT: &str = "pvf-conformance-tests";

/// Does a test in this process.
pub(crate) fn run_here(subject: &Subject, test: &Test) -> Verdict {
    on_guest_stack(|| (test.run)(subject))
}

/// Has tests done, as many at once as are asked for at once.
pub(crate) struct Processes {
    id: BackendId,
    guests: Guests,
    /// Where each process gets a directory of its own.
    scratch: PathBuf,
    /// How long a test may take.
    time_limit: Duration,
    idle: Mutex<Vec<Process>>,
}

impl Processes {
    pub(crate) fn new(
        id: BackendId,
        guests: Guests,
        scratch: PathBuf,
        time_limit: Duration,
    ) -> Self {
        Self { id, guests, scratch, time_limit, idle: Mutex::default() }
    }

    /// Has a test done.
    pub(crate) fn run(&self, test: &Test) -> Verdict {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut process = match idle {
            Some(process) => process,
            None => Process::start(self)
                .map_err(|error| format!("can't start this program again: {error}"))?,
        };
        let error = match process.run(test.name) {
            Ok(verdict) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
                return verdict;
            }
            Err(error) => error,
        };
        let is_late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let how = if is_late {
            format!("it has not ended within {:?}: the process was killed", self.time_limit)
        } else {
            match process.wait() {
                Some(status) => format!("the process has ended: {status}"),
                None => format!("the process can't be reached: {error}"),
            }
        };
        process.end().map_err(|error| format!("{how}; {error}"))?;
        Err(how)
    }
}

/// A process that does one test after the other.
struct Process {
    child: Child,
    /// Its standard input, through which it also answers.
    socket: UnixStream,
    /// What it makes is in here, and the processes that it starts have this in their arguments.
    directory: tempfile::TempDir,
}

impl Process {
    fn start(processes: &Processes) -> io::Result<Self> {
        std::fs::create_dir_all(&processes.scratch)?;
        let directory =
            tempfile::Builder::new().prefix("conformance-").tempdir_in(&processes.scratch)?;
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(processes.time_limit))?;
        let child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, processes.id.as_str(), &processes.guests.to_argument()])
            .arg(directory.path())
            .stdin(OwnedFd::from(theirs))
            // What a backend prints is not to be taken for what the tests say.
            .stdout(Stdio::from(io::stderr()))
            .spawn()?;
        Ok(Self { child, socket, directory })
    }

    /// Has a test done, by its name. The outer error is that there is no answer.
    fn run(&mut self, name: &str) -> io::Result<Verdict> {
        send(&mut self.socket, &name)?;
        receive(&mut self.socket)
    }

    /// How the process has ended. None if it does not end.
    fn wait(&mut self) -> Option<ExitStatus> {
        until_some(|| self.child.try_wait().ok().flatten())
    }

    /// Ends the process, with all that it has started, and removes what they have made.
    fn end(&mut self) -> Verdict {
        let _ = self.child.kill();
        let ended = until_some(|| {
            let left = processes::naming(self.directory.path());
            left.iter().for_each(|process| processes::send_kill(process.pid));
            left.is_empty().then_some(())
        });
        self.child.wait().map_err(|error| error.to_string())?;
        ended.ok_or_else(|| {
            format!("processes are left: {:?}", processes::naming(self.directory.path()))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is under way but what a test has left, and that test has failed.
        let _ = self.end();
    }
}

/// What the process that was started does: tests, until nobody wants one any more.
pub(crate) fn serve(subject: Subject) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let mut socket = UnixStream::from(stdin);
    let mut answers = socket.try_clone().map_err(failed)?;
    let (wanted, chosen) = mpsc::channel::<&'static Test>();
    thread::spawn(move || {
        for test in chosen {
            if send(&mut answers, &run_here(&subject, test)).is_err() {
                break;
            }
        }
    });
    // In a thread apart, so that this process ends with the one that wants the tests, even in the midst of
    // one.
    while let Ok(name) = receive::<String>(&mut socket) {
        let test = tests().find(|test| test.name == name);
        let test = test.ok_or_else(|| format!("there is no test {name}"))?;
        wanted.send(test).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Sends a message: its length, and itself.
fn send(socket: &mut UnixStream, message: &impl Encode) -> io::Result<()> {
    let message = message.encode();
    let len = (message.len() as u64).to_le_bytes();
    socket.write_all(&[&len[..], &message].concat())
}

fn receive<T: Decode>(socket: &mut UnixStream) -> io::Result<T> {
    let mut len = [0; 8];
    socket.read_exact(&mut len)?;
    let mut message = Vec::new();
    let len = u64::from_le_bytes(len);
    socket.take(len).read_to_end(&mut message)?;
    T::decode(&mut &message[..]).map_err(io::Error::other)
}
