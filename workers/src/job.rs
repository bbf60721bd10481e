//! Jobs: forked processes that do one thing, answer once, and end.
//!
//! A worker forks a [`Job`] and [supervises](Job::supervise) it: it takes the job's messages, watches
//! its CPU time from outside, listens to the host meanwhile, and reaps the process. The job's first
//! answer is its only one; whatever it does after that, it is killed.

#![expect(unsafe_code, reason = "forks, reaps and reads clocks")]

use crate::channel::{Channel, HostGone};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_host_core::{
    backend::{GuestLog, LogLevel},
    failpoint::{self, Point},
    worker::{
        frame::{FrameError, FrameReader, FrameWriter, read_short},
        protocol::{JobUsage, KeptLog, LogLine, MAX_LOG},
    },
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    process::{Pid, Signal, pidfd_send_signal},
};
use std::{
    convert::Infallible,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitStatus,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a job says.
#[derive(Debug, Encode, Decode)]
enum Message<T> {
    Log(LogLine),
    Answer {
        answer: T,
        /// How many lines were logged that are not sent.
        log_lines_dropped: u64,
    },
    /// It has given up what it had to, before anything of an attacker's ran in it.
    Ready,
}

/// No message that starts a job is longer, with its length, in bytes.
const MAX_START: usize = 64;
/// The most of a log line's text that is sent, and the same of its target, in bytes.
const MAX_LOG_TEXT: usize = 16 << 10;
/// No log message is longer, in bytes.
const MAX_LOG_FRAME: usize = 2 * MAX_LOG_TEXT + 64;

/// A job, as its worker sees it. Dropping it kills and reaps the process.
#[derive(Debug)]
pub(crate) struct Job {
    pid: Pid,
    pidfd: OwnedFd,
    socket: OwnedFd,
    reader: FrameReader,
    is_ready: bool,
    is_killed: bool,
    /// How the process ended and what it used, once it is reaped.
    reaped: Option<(String, JobUsage)>,
}

/// How a job's work ended, and what it said before.
#[derive(Debug)]
pub(crate) struct Ending<T> {
    pub(crate) outcome: Outcome<T>,
    /// The CPU time that it used up to then.
    pub(crate) cpu: Duration,
    pub(crate) log: KeptLog,
}

#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// It answered.
    Answered(T),
    /// It used more CPU time than it may, whether or not it answered.
    TimedOut,
    /// It ended without an answer, or said something that is none.
    Died(String),
    /// It ended before it was confined: nothing of an attacker's has run in it.
    NeverReady(String),
    /// [`Watch::Kill`] was said.
    Killed,
}

/// What the worker's own descriptor calls for while a job runs.
pub(crate) enum Watch {
    Continue,
    Kill,
}

impl Job {
    /// Forks. The new process gives up what it has to in `enter`, which is called with its worker and
    /// its end of the connection, then calls `run` with the latter, and never returns.
    ///
    /// An answer of more than `max_answer` bytes is none.
    ///
    /// # Safety
    ///
    /// No other thread of this process may run, or hold a lock that `enter` or `run` needs.
    pub(crate) unsafe fn fork(
        max_answer: u64,
        enter: impl FnOnce(Pid, OwnedFd) -> io::Result<OwnedFd>,
        run: impl FnOnce(JobSocket) -> Infallible,
    ) -> io::Result<Self> {
        failpoint::reach(Point::WorkerFork)?;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let worker = rustix::process::getpid();
        // SAFETY: the caller vouches for this process having no other thread that matters, so the
        // child may go on as an ordinary process.
        match unsafe { fork()? } {
            None => {
                // SAFETY: it was made above, and nothing else has it. The C library's function, which
                // dropping it would call, is in pages that a job needs for nothing else.
                unsafe { rustix::io::close(ours.into_raw_fd()) };
                // A panic must not unwind into the worker's code, of which this process is a copy.
                let _ = catch_unwind(AssertUnwindSafe(|| match enter(worker, theirs) {
                    Ok(socket) => {
                        let socket = JobSocket::new(socket);
                        socket.say_ready();
                        run(socket)
                    }
                    Err(_) => exit(1),
                }));
                exit(101)
            }
            Some((pid, pidfd)) => Ok(Self {
                pid,
                pidfd,
                socket: ours,
                reader: FrameReader::new(max_answer + 64),
                is_ready: false,
                is_killed: false,
                reaped: None,
            }),
        }
    }

    /// Sends the job what it waits for.
    pub(crate) fn start(&self, message: &impl Encode) -> Result<(), FrameError> {
        let bytes = message.encode();
        debug_assert!(bytes.len() + 8 <= MAX_START, "a message to a job is short");
        let is_sent = FrameWriter::new(&bytes, &[]).send(self.socket.as_fd())?;
        debug_assert!(is_sent, "a message to a job fits into its socket");
        Ok(())
    }

    /// Sees the job's work through to its end. It may use `cpu_limit` of CPU time, in at most `threads`
    /// threads at once. Whenever the host says something, `on_host` is asked what that means for the
    /// job.
    ///
    /// Afterwards the process is killed, and may not have ended yet: taking down its memory can take
    /// longer than the work, and nobody has to wait for it. See [`usage`](Self::usage).
    ///
    /// # Errors
    ///
    /// When the host is gone, or the kernel fails.
    pub(crate) fn supervise<T: Decode>(
        &mut self,
        cpu_limit: Duration,
        threads: usize,
        host: &mut Channel,
        mut on_host: impl FnMut(&mut Channel) -> Result<Watch, HostGone>,
    ) -> Result<Ending<T>, HostGone> {
        let clock = Clock::of(self.pid);
        let mut log = KeptLog::default();
        let mut outcome = None;
        // The host may have said something in one breath with what this job was started for.
        if host.has_leftovers()
            && let Watch::Kill = on_host(host)?
        {
            outcome = Some(Outcome::Killed);
        }
        // What it has used to get ready is counted from the first look at its clock on.
        let mut left = cpu_limit;
        while outcome.is_none() {
            let mut watched = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::new(&self.pidfd, PollFlags::IN),
                PollFd::from_borrowed_fd(host.as_fd(), PollFlags::IN),
            ];
            match poll(&mut watched, Some(&until_it_may_be_over(left, threads))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [has_spoken, has_ended, host_has_spoken] =
                watched.map(|fd| !fd.revents().is_empty());
            if has_spoken || has_ended {
                outcome = self.listen(&mut log, has_ended);
            }
            if outcome.is_none()
                && host_has_spoken
                && let Watch::Kill = on_host(host)?
            {
                outcome = Some(Outcome::Killed);
            }
            if outcome.is_none() {
                left = cpu_limit.saturating_sub(clock.now());
                if left.is_zero() {
                    outcome = Some(Outcome::TimedOut);
                }
            }
        }
        self.kill();
        let cpu = clock.now();
        let outcome = match outcome {
            Some(Outcome::Answered(_)) if cpu > cpu_limit => Outcome::TimedOut,
            // Everything that it said was heard before it is reaped.
            Some(Outcome::Died(reason)) if reason.is_empty() => Outcome::Died(self.end().0.clone()),
            Some(outcome) => outcome,
            None => Outcome::Died(self.end().0.clone()),
        };
        let outcome = match outcome {
            Outcome::Died(how) if !self.is_ready => Outcome::NeverReady(how),
            outcome => outcome,
        };
        Ok(Ending { outcome, cpu, log })
    }

    /// What the process used in all, once it has ended. Kills it if it still runs.
    pub(crate) fn usage(mut self) -> JobUsage {
        self.end().1
    }

    /// Takes what the job has said up to its answer. If it `has_ended`, there is nothing to come.
    fn listen<T: Decode>(&mut self, log: &mut KeptLog, has_ended: bool) -> Option<Outcome<T>> {
        /// A job that never stops talking must not keep its worker from looking at the clock.
        const MESSAGES_AT_ONCE: usize = 64;
        for _ in 0..MESSAGES_AT_ONCE {
            let frame = match self.reader.receive(self.socket.as_fd()) {
                Ok(Some(frame)) => frame,
                // It may be in the middle of something long.
                Ok(None) if self.reader.may_have_more() => return None,
                // With an empty reason, how it ended becomes the reason.
                Ok(None) => return has_ended.then(|| Outcome::Died(String::new())),
                Err(FrameError::Closed) => return Some(Outcome::Died(String::new())),
                Err(error) => return Some(Outcome::Died(format!("its answer: {error}"))),
            };
            match Message::decode_all(&mut &frame.bytes[..]) {
                Ok(Message::Ready) => self.is_ready = true,
                Ok(Message::Log(_)) if frame.bytes.len() > MAX_LOG_FRAME => {
                    return Some(Outcome::Died("its log: a line that is too long".into()));
                }
                Ok(Message::Log(line)) => log.push(line),
                Ok(Message::Answer { answer, log_lines_dropped }) => {
                    log.count_dropped(log_lines_dropped);
                    return Some(Outcome::Answered(answer));
                }
                Err(error) => return Some(Outcome::Died(format!("its answer: {error}"))),
            }
        }
        None
    }

    /// Waits for the job's answer, without a limit and without a host.
    pub(crate) fn answer<T: Decode>(mut self) -> Result<T, String> {
        let mut log = KeptLog::default();
        loop {
            let mut watched = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut watched, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.to_string()),
            }
            match self.listen(&mut log, false) {
                None => {}
                Some(Outcome::Answered(answer)) => {
                    self.end();
                    return Ok(answer);
                }
                Some(_) => return Err(self.end().0.clone()),
            }
        }
    }

    /// Ready to be read once the job has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Ends the process, if it still runs. It runs no instruction of its own from here on, but those
    /// that are under way on another processor.
    fn kill(&mut self) {
        if !self.is_killed {
            // Fails only if it has ended.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            self.is_killed = true;
        }
    }

    /// Kills the job if it still runs, and says how it ended and what it used.
    fn end(&mut self) -> &(String, JobUsage) {
        if self.reaped.is_none() {
            self.kill();
        }
        self.reaped.get_or_insert_with(|| reap(self.pid))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.end();
    }
}

/// The new process's number and a descriptor of it, or nothing in the new process.
///
/// What the C library's `fork` does beside the system call is left out: it takes and resets locks that
/// no other thread can hold, each in a page of its own that either process then has to copy.
///
/// # Safety
///
/// No other thread of this process may run, or hold a lock that the new process needs. What the C
/// library has noted about this thread goes for its copy too, but for its number, by which nothing
/// here goes.
pub(crate) unsafe fn fork() -> io::Result<Option<(Pid, OwnedFd)>> {
    const FLAGS: libc::c_int = libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: without a stack, and with no flag that shares memory, the new process has a copy of all
    // memory and goes on from here, which the caller vouches for. The kernel writes the descriptor to
    // the third argument, which is a pointer to memory of the right type.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone, libc::c_long::from(FLAGS), 0, &raw mut pidfd, 0, 0)
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => {
            let pid = Pid::from_raw(pid as i32).expect("the kernel numbers a process");
            // SAFETY: the kernel has just made it, for this process.
            Ok(Some((pid, unsafe { OwnedFd::from_raw_fd(pidfd) })))
        }
    }
}

/// Waits for a child's end, which must be near.
fn reap(pid: Pid) -> (String, JobUsage) {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to memory of the right type, which the kernel fills.
    while unsafe { libc::wait4(pid.as_raw_pid(), &raw mut status, 0, usage.as_mut_ptr()) } == -1 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return ("unknown status".into(), JobUsage::default());
        }
    }
    // SAFETY: all zeroes are a valid `rusage`, whether the kernel has filled it or not.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec as u64, (time.tv_usec as u32).saturating_mul(1000))
    };
    let usage = JobUsage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_memory: (usage.ru_maxrss as u64).saturating_mul(1024),
    };
    (ExitStatus::from_raw(status).to_string(), usage)
}

/// How long `threads` threads can't possibly have used up what is `left` of their CPU time; at least
/// long enough not to spin.
fn until_it_may_be_over(left: Duration, threads: usize) -> Timespec {
    const TICK: Duration = Duration::from_millis(1);
    /// Within what the kernel takes, however long the limit.
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let wait = left.min(DAY).div_f64(threads.max(1) as f64).max(TICK);
    Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() }
}

/// A clock, by the kernel's number of it.
pub(crate) struct Clock(libc::clockid_t);

impl Clock {
    /// The time since some moment.
    pub(crate) const MONOTONIC: Self = Self(libc::CLOCK_MONOTONIC);

    /// The CPU time of another process, all its threads together.
    ///
    /// As the kernel numbers these clocks, see `clock_getres(2)`: the C library's function would first
    /// ask it whether there is one of this number.
    const fn of(pid: Pid) -> Self {
        /// Precise, and of all threads: `CPUCLOCK_SCHED`.
        const KIND: libc::clockid_t = 2;
        Self((!pid.as_raw_pid() << 3) | KIND)
    }

    /// By a system call: for the way of the standard library, a job would have to map three more pages.
    /// Nothing for a process that has been reaped.
    pub(crate) fn now(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to memory of the right type.
        unsafe { libc::syscall(libc::SYS_clock_gettime, self.0, &raw mut time) };
        Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
    }
}

/// Ends this process at once, and runs nothing of what was registered for its end.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: always sound; nothing of this process is used afterwards.
    unsafe { libc::_exit(code) }
}

/// A job's end of the connection to its worker. Its clones take turns.
#[derive(Debug, Clone)]
pub(crate) struct JobSocket {
    socket: Arc<Mutex<OwnedFd>>,
    log_lines_dropped: Arc<AtomicU64>,
}

impl JobSocket {
    fn new(socket: OwnedFd) -> Self {
        Self { socket: Arc::new(Mutex::new(socket)), log_lines_dropped: Arc::default() }
    }

    /// Waits for what [`Job::start`] sends. Ends the process if the worker is gone.
    pub(crate) fn wait_for_start<M: Decode>(&self) -> M {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; MAX_START];
        let Ok(bytes) = read_short(socket.as_fd(), &mut buffer) else { exit(1) };
        M::decode_all(&mut &bytes[..]).unwrap_or_else(|_| exit(1))
    }

    /// Gives the job's answer and ends the process.
    pub(crate) fn answer<T: Encode>(&self, answer: T) -> ! {
        if failpoint::reach(Point::JobSend).is_err() {
            exit(1);
        }
        let log_lines_dropped = self.log_lines_dropped.load(Ordering::Relaxed);
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let is_sent = write(&socket, &Message::Answer { answer, log_lines_dropped });
        exit(if is_sent { 0 } else { 1 })
    }

    /// Says that the job is confined.
    fn say_ready(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        write(&socket, &Message::<()>::Ready);
    }

    fn log(&self, line: LogLine) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        write(&socket, &Message::<()>::Log(line));
    }
}

fn write(socket: &OwnedFd, message: &impl Encode) -> bool {
    let bytes = message.encode();
    FrameWriter::new(&bytes, &[]).write(socket.as_fd()).is_ok_and(|is_sent| is_sent)
}

/// Sends the guest's log lines to the worker, up to as many as it keeps, and counts on.
pub(crate) struct JobLog {
    socket: JobSocket,
    sent: usize,
}

impl JobLog {
    pub(crate) fn new(socket: JobSocket) -> Self {
        Self { socket, sent: 0 }
    }
}

impl GuestLog for JobLog {
    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        // Past what is kept, a line costs next to nothing.
        if self.sent >= MAX_LOG {
            self.socket.log_lines_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let cut = |text: &str| text[..text.floor_char_boundary(MAX_LOG_TEXT)].to_owned();
        let line = LogLine { level, target: cut(target), message: cut(message) };
        self.sent = self.sent.saturating_add(line.cost());
        self.socket.log(line);
    }
}
