//! Starting a process that lacks, from its first instruction on, what only its parent can keep from
//! it.
//!
//! [`Starter`] calls `clone` itself, because nothing in the standard library makes namespaces. The
//! new process shares this one's memory until it executes its program, and the thread that started
//! it waits for that: so it costs the same however much memory the host has. What runs in between,
//! `Prepared::become_program`, allocates nothing, takes no lock, and makes nothing but system calls
//! on what was prepared for it.

#![expect(unsafe_code, reason = "clones this process, and has the clone become another program")]

use crate::sandbox::{Findings, Measure, Measures, State};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
    mm::{MapFlags, MprotectFlags, ProtFlags},
    process::{Pid, Signal, WaitOptions},
};
use std::{
    ffi::{CStr, CString, OsString, c_char, c_int, c_long, c_void},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            process::ExitStatusExt,
        },
    },
    path::Path,
    process::ExitStatus,
    ptr,
    sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A child process. It has a process group of its own, named after it.
///
/// Dropping this does nothing to the process.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    /// None until it has been reaped.
    status: Option<ExitStatus>,
}

impl Child {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Ready to be read once the process has ended. It does not block.
    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Kills the process, and all in its group, unless it was reaped.
    pub(super) fn kill(&self) {
        if self.status.is_none() {
            // By itself too, for it may have left its group. Fails only if it has ended.
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            // Fails only if nobody is left in the group.
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// How the process ended, if it has. It is reaped by this.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(WaitOptions::NOHANG)
    }

    /// Waits until the process has ended, but no longer than `limit`, and reaps it. Whether it has
    /// ended.
    pub(super) fn wait_at_most(&mut self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            if self.try_wait()?.is_some() {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let timeout =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut ended, Some(&timeout)))?;
        }
    }

    /// Waits until the process has ended, and reaps it.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        self.reap(WaitOptions::empty()).map(drop)
    }

    fn reap(&mut self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let wait = || rustix::process::waitpid(Some(self.pid), options);
            let ended = rustix::io::retry_on_intr(wait)?;
            self.status = ended.map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
        }
        Ok(self.status)
    }
}

/// Starts processes, all of them alike.
///
/// The kernel kills a worker when the thread that started it ends: use this in a thread that stays.
#[derive(Debug)]
pub(super) struct Starter {
    measures: Measures,
    /// The namespaces that could be had, and what is said of them. None before the first process.
    settled: Option<(Namespaces, Findings)>,
}

/// Which namespaces a process is started in the first of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Namespaces {
    user: bool,
    pid: bool,
}

impl Starter {
    /// Takes these measures, as far as they are taken at the start of a process.
    pub(super) fn new(measures: Measures) -> Self {
        Self { measures, settled: None }
    }

    /// Starts a program. Its arguments are its path and these; it gets `descriptors` as its
    /// standard input, output and error.
    ///
    /// Says what came of each measure that is taken here. The first process decides which
    /// namespaces the others get: where one of these is refused, they are not started.
    ///
    /// # Errors
    ///
    /// When the program can't be executed, or there is no room for another process.
    pub(super) fn start(
        &mut self,
        program: &Path,
        arguments: &[&str],
        descriptors: [OwnedFd; 3],
    ) -> io::Result<(Child, Findings)> {
        let prepared = Prepared::new(program, arguments, descriptors, self.measures)?;
        let (child, mut findings) = match &self.settled {
            Some((namespaces, findings)) => {
                let child = prepared.start(*namespaces).map_err(NotStarted::into_error)?;
                (child, findings.clone())
            }
            None => self.settle(&prepared)?,
        };
        let taken = |measure| {
            if self.measures.contains(measure) {
                State::Holds(String::new())
            } else {
                State::SwitchedOff
            }
        };
        for measure in [Measure::OwnSession, Measure::EmptyEnvironment] {
            findings.record(measure, taken(measure));
        }
        Ok((child, findings))
    }

    /// Starts a process in as many namespaces as can be had.
    fn settle(&mut self, prepared: &Prepared) -> io::Result<(Child, Findings)> {
        let is_root = rustix::process::geteuid().is_root();
        let mut refusals = vec![];
        for namespaces in Namespaces::to_try(self.measures, is_root) {
            match prepared.start(namespaces) {
                Ok(child) => {
                    let findings = namespaces.findings(self.measures, is_root, &refusals);
                    self.settled = Some((namespaces, findings.clone()));
                    return Ok((child, findings));
                }
                Err(NotStarted::Refused(_, reason)) => refusals.push((namespaces, reason)),
                Err(error) => return Err(error.into_error()),
            }
        }
        // Without a namespace, none can be refused.
        Err(Errno::PERM.into())
    }
}

impl Namespaces {
    const NONE: Self = Self { user: false, pid: false };

    /// From what is best to none at all.
    fn to_try(measures: Measures, is_root: bool) -> Vec<Self> {
        let user = measures.contains(Measure::UserNamespace);
        let pid = measures.contains(Measure::PidNamespace);
        let both = Self { user, pid };
        let pid_alone = Self { user: false, pid };
        let best_first = match (is_root, pid) {
            // The user namespace is made by the worker, which first changes its user. But a root
            // that lacks the right to make other namespaces has it within one.
            (true, true) => vec![pid_alone, both],
            (true, false) => vec![],
            (false, _) => vec![both, Self { user, pid: false }, pid_alone],
        };
        let mut all = vec![];
        for namespaces in best_first {
            if namespaces != Self::NONE && !all.contains(&namespaces) {
                all.push(namespaces);
            }
        }
        all.push(Self::NONE);
        all
    }

    /// What to say when these could be had, and others were refused before.
    fn findings(self, measures: Measures, is_root: bool, refusals: &[(Self, String)]) -> Findings {
        let state = |measure, holds: bool, is_of: fn(&Self) -> bool| {
            if holds {
                return State::Holds(String::new());
            }
            if !measures.contains(measure) {
                return State::SwitchedOff;
            }
            let reasons = refusals.iter().filter(|(refused, _)| is_of(refused));
            let mut reasons: Vec<_> = reasons.map(|(_, reason)| reason.as_str()).collect();
            if !is_root && !measures.contains(Measure::UserNamespace) {
                reasons.push("the host is not root, and user namespaces are switched off");
            }
            State::Missing(reasons.join("; "))
        };
        let mut findings = Findings::default();
        findings.record(
            Measure::PidNamespace,
            state(Measure::PidNamespace, self.pid, |refused| refused.pid),
        );
        if !is_root {
            findings.record(Measure::OwnUser, State::NotNeeded("the host is not root".into()));
        } else if self.user && measures.contains(Measure::OwnUser) {
            let reason =
                "a root that lacks the right to make namespaces can't be another user in one";
            findings.record(Measure::OwnUser, State::Missing(reason.into()));
        }
        if self.user || !is_root {
            findings.record(
                Measure::UserNamespace,
                state(Measure::UserNamespace, self.user, |refused| refused.user),
            );
        }
        findings
    }

    fn flags(self) -> c_int {
        (if self.user { libc::CLONE_NEWUSER } else { 0 })
            | (if self.pid { libc::CLONE_NEWPID } else { 0 })
    }

    /// Why the kernel does not make them, in words.
    fn refusal(self, step: Option<Step>, errno: i32) -> String {
        let what = match self {
            Self { user: true, pid: true } => "a user namespace with a PID namespace",
            Self { user: true, pid: false } => "a user namespace",
            Self { user: false, .. } => "a PID namespace",
        };
        let why = match (step, errno) {
            (Some(_), _) => "its map of users can't be written",
            (None, libc::EPERM) => "the host may not make one",
            (None, libc::ENOSPC | libc::EUSERS) => "there may be no more of them",
            (None, _) => "the kernel does not have them",
        };
        format!("{what}: {why}: {}", io::Error::from_raw_os_error(errno))
    }
}

/// Why a process was not started.
enum NotStarted {
    /// It can't have these namespaces.
    Refused(io::ErrorKind, String),
    Failed(io::Error),
}

impl NotStarted {
    fn into_error(self) -> io::Error {
        match self {
            Self::Refused(kind, reason) => io::Error::new(kind, reason),
            Self::Failed(error) => error,
        }
    }
}

/// What a new process does before it executes its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Step {
    MapUsers = 1,
    LeaveSession,
    TakeDescriptors,
    ResetSignals,
    Execute,
}

impl Step {
    const ALL: [Self; 5] = [
        Self::MapUsers,
        Self::LeaveSession,
        Self::TakeDescriptors,
        Self::ResetSignals,
        Self::Execute,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::MapUsers => "can't map the users of its namespace",
            Self::LeaveSession => "can't leave the host's session",
            Self::TakeDescriptors => "can't take its descriptors",
            Self::ResetSignals => "can't reset its signals",
            Self::Execute => "can't execute the program",
        }
    }
}

/// Everything that a new process uses until it executes its program, in the memory of its parent.
struct Prepared {
    program: CString,
    arguments: CStrings,
    environment: CStrings,
    /// None of them is one of the first three, so that none is replaced before it is used.
    descriptors: [OwnedFd; 3],
    /// What is written to which file when there is a user namespace.
    maps: [(&'static CStr, String); 3],
    has_own_session: bool,
    closes_descriptors: bool,
}

/// Strings with the null-terminated array of pointers to them that `execve` takes.
struct CStrings {
    /// The pointers are into these, which stay where they are as long as nobody changes this.
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl CStrings {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr());
        let pointers = pointers.chain([ptr::null()]).collect();
        Self { _strings: strings, pointers }
    }
}

/// What the two processes share.
struct Shared<'a> {
    prepared: &'a Prepared,
    maps_users: bool,
    /// The [`Step`] that failed, or 0.
    failed: AtomicU32,
    errno: AtomicI32,
}

impl Prepared {
    fn new(
        program: &Path,
        arguments: &[&str],
        descriptors: [OwnedFd; 3],
        measures: Measures,
    ) -> io::Result<Self> {
        let program = CString::new(program.as_os_str().as_bytes())?;
        let mut all = vec![program.clone()];
        for argument in arguments {
            all.push(CString::new(*argument)?);
        }
        let environment = if measures.contains(Measure::EmptyEnvironment) {
            vec![]
        } else {
            std::env::vars_os().map(environment_entry).collect::<Result<_, _>>()?
        };
        let [stdin, stdout, stderr] = descriptors;
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        Ok(Self {
            program,
            arguments: CStrings::new(all),
            environment: CStrings::new(environment),
            descriptors: [
                above_the_first(stdin)?,
                above_the_first(stdout)?,
                above_the_first(stderr)?,
            ],
            // In this order: an unprivileged process may map its group once it can't change its
            // groups.
            maps: [
                (c"/proc/self/setgroups", "deny".into()),
                (c"/proc/self/gid_map", format!("0 {} 1", group.as_raw())),
                (c"/proc/self/uid_map", format!("0 {} 1", user.as_raw())),
            ],
            has_own_session: measures.contains(Measure::OwnSession),
            closes_descriptors: measures.contains(Measure::ClosedDescriptors),
        })
    }

    fn start(&self, namespaces: Namespaces) -> Result<Child, NotStarted> {
        let stack = Stack::new().map_err(NotStarted::Failed)?;
        let shared = Shared {
            prepared: self,
            maps_users: namespaces.user,
            failed: AtomicU32::new(0),
            errno: AtomicI32::new(0),
        };
        let flags = libc::CLONE_VM
            | libc::CLONE_VFORK
            | libc::CLONE_PIDFD
            | libc::SIGCHLD
            | namespaces.flags();
        let mut pidfd: c_int = -1;
        let cloned = {
            // Until it has reset its signals, the new process must run none of this one's handlers.
            let _blocked = SignalsBlocked::new();
            // SAFETY: `begin` gets a pointer to a `Shared`, as it demands. This thread does not go
            // on before the new process has ended or executed its program, so that all that it uses
            // here, its stack included, outlives its use; and the stack is used by it alone.
            // `pidfd` is a number to which the kernel writes a descriptor, as CLONE_PIDFD has it.
            let pid = unsafe {
                libc::clone(
                    begin,
                    stack.top(),
                    flags,
                    (&raw const shared).cast_mut().cast(),
                    &raw mut pidfd,
                )
            };
            if pid == -1 { Err(io::Error::last_os_error()) } else { Ok(pid) }
        };
        let pid = cloned.map_err(|error| match error.raw_os_error() {
            Some(errno @ (libc::EPERM | libc::ENOSPC | libc::EINVAL | libc::EUSERS))
                if namespaces != Namespaces::NONE =>
            {
                NotStarted::Refused(error.kind(), namespaces.refusal(None, errno))
            }
            _ => NotStarted::Failed(error),
        })?;
        // SAFETY: the kernel has just made this descriptor for this process, which owns it. It is
        // closed on execution.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let pid = Pid::from_raw(pid).expect("clone gives the parent a process");
        let mut child = Child { pid, pidfd, status: None };
        let failed = shared.failed.load(Relaxed);
        if let Some(step) = Step::ALL.into_iter().find(|step| *step as u32 == failed) {
            // It has ended, or is about to.
            let _ = child.wait();
            let errno = shared.errno.load(Relaxed);
            let error = io::Error::from_raw_os_error(errno);
            return Err(match step {
                Step::MapUsers => {
                    NotStarted::Refused(error.kind(), namespaces.refusal(Some(step), errno))
                }
                // It says enough by itself.
                Step::Execute => NotStarted::Failed(error),
                _ => {
                    let text = format!("{}: {error}", step.name());
                    NotStarted::Failed(io::Error::new(error.kind(), text))
                }
            });
        }
        if let Err(errno) = rustix::fs::fcntl_setfl(&child.pidfd, OFlags::NONBLOCK) {
            child.kill();
            let _ = child.wait();
            return Err(NotStarted::Failed(errno.into()));
        }
        Ok(child)
    }

    /// Executes the program. Returns only if a step fails, whose error is in `errno` then.
    ///
    /// # Safety
    ///
    /// For a process that was cloned from this one, shares its memory and has nothing else in
    /// common with it, while the thread that cloned it waits.
    unsafe fn become_program(&self, maps_users: bool) -> Step {
        let is_error = |result: c_int| result == -1;
        if maps_users {
            for (path, content) in &self.maps {
                // SAFETY: the path is null-terminated, and the buffer as long as is said.
                unsafe {
                    let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                    // The kernel takes all of it or nothing.
                    let is_written = !is_error(file)
                        && libc::write(file, content.as_ptr().cast(), content.len()) != -1;
                    if !is_written {
                        return Step::MapUsers;
                    }
                    libc::close(file);
                }
            }
        }
        // SAFETY: neither takes a pointer, and both are about the calling process alone.
        let left =
            unsafe { if self.has_own_session { libc::setsid() } else { libc::setpgid(0, 0) } };
        if is_error(left) {
            return Step::LeaveSession;
        }
        for (number, descriptor) in (0..).zip(&self.descriptors) {
            // SAFETY: the table of descriptors is this process's own copy, and nobody else in it
            // uses what may have had this number.
            if is_error(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }) {
                return Step::TakeDescriptors;
            }
        }
        if self.closes_descriptors {
            // SAFETY: as above; what else is open in this copy is used by nobody.
            // If the kernel refuses, the worker says so, which closes them once more.
            unsafe { libc::close_range(3, u32::MAX, 0) };
        }
        /// A `sigaction` as the kernel knows it: the default handler, no flags, an empty mask.
        static DEFAULT: [u64; 4] = [0; 4];
        for signal in 1..=SIGNALS {
            // SAFETY: the action is at least as long as the kernel reads. Handlers are not shared
            // with the parent.
            let reset = unsafe {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    signal as c_long,
                    &raw const DEFAULT,
                    ptr::null_mut::<c_void>(),
                    size_of::<u64>(),
                )
            };
            // Some can't be handled at all.
            if reset == -1 && !matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
                return Step::ResetSignals;
            }
        }
        if set_blocked_signals(0).is_none() {
            return Step::ResetSignals;
        }
        // SAFETY: the path is null-terminated, the others are null-terminated arrays of such
        // strings.
        unsafe {
            libc::execve(
                self.program.as_ptr(),
                self.arguments.pointers.as_ptr(),
                self.environment.pointers.as_ptr(),
            );
        }
        Step::Execute
    }
}

/// Where a new process begins, with a pointer to a [`Shared`] that outlives what it does here.
extern "C" fn begin(shared: *mut c_void) -> c_int {
    // SAFETY: it is one, which nobody has exclusively: the parent waits.
    let shared = unsafe { &*shared.cast::<Shared<'_>>() };
    // SAFETY: this function runs in no other process.
    let step = unsafe { shared.prepared.become_program(shared.maps_users) };
    shared.errno.store(last_errno(), Relaxed);
    shared.failed.store(step as u32, Relaxed);
    // SAFETY: ends this process and runs nothing of its parent's.
    unsafe { libc::_exit(127) }
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn environment_entry((name, value): (OsString, OsString)) -> io::Result<CString> {
    let mut entry = name.into_vec();
    entry.push(b'=');
    entry.extend(value.into_vec());
    Ok(CString::new(entry)?)
}

/// The same file by a number that is not one of the first three.
fn above_the_first(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, 3)?)
}

/// How many signals there are.
const SIGNALS: c_int = 64;

/// Blocks exactly these signals in this thread, and says which were before. None if it can't.
///
/// Those that the C library keeps for itself are among them, which its own functions leave out.
fn set_blocked_signals(signals: u64) -> Option<u64> {
    let mut before = 0_u64;
    // SAFETY: both pointers are to as many bits as there are signals.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK as c_long,
            &raw const signals,
            &raw mut before,
            size_of::<u64>(),
        )
    };
    (result == 0).then_some(before)
}

/// Blocks all signals in this thread until it is dropped.
struct SignalsBlocked(Option<u64>);

impl SignalsBlocked {
    fn new() -> Self {
        Self(set_blocked_signals(u64::MAX))
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            set_blocked_signals(before);
        }
    }
}

/// Memory for the stack of a new process. Whoever grows out of it is killed.
struct Stack(*mut c_void);

impl Stack {
    /// Far more than is used.
    const SIZE: usize = 64 << 10;
    /// As large as pages get.
    const GUARD: usize = 64 << 10;

    fn new() -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::STACK;
        // SAFETY: the kernel chooses where, so that nothing else is there.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                Self::GUARD + Self::SIZE,
                ProtFlags::empty(),
                flags,
            )
        }?;
        let stack = Self(start);
        let rights = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: this is the upper part of what was just mapped.
        unsafe { rustix::mm::mprotect(stack.0.byte_add(Self::GUARD), Self::SIZE, rights) }?;
        Ok(stack)
    }

    /// Stacks grow down from here.
    fn top(&self) -> *mut c_void {
        self.0.wrapping_byte_add(Self::GUARD + Self::SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and whoever used it has ended or has other memory now. It fails
        // for no mapping that is there.
        let _ = unsafe { rustix::mm::munmap(self.0, Self::GUARD + Self::SIZE) };
    }
}

#[cfg(test)]
mod tests;
