//! Which system calls a process may make.
//!
//! Four filters come from one [table](calls::CALLS), which says for each call what it is needed for. A
//! call that is not in the table ends the process, and so does one with arguments that nobody needs.
//! Some calls that the C library or the standard library try by themselves, and can do without, are
//! answered with an error instead.
//!
//! A filter can't be taken back, only be followed by another one: then a call has to be allowed by
//! both. So what a later [`Stage`] of a process allows, its earlier ones do too; and the filter of a job
//! says nothing of what its worker's says already: it looks at no argument in the same way, at no call
//! that ends the worker, and not at the architecture.
//!
//! * `rules` has the terms in which the table is written,
//! * `calls` is the table,
//! * `assemble` makes the kernel's programs of it, while this crate is compiled.

#![expect(unsafe_code, reason = "installs filters")]

mod assemble;
mod calls;
mod rules;
#[cfg(test)]
mod tests;

use assemble::{Assembly, Program, program};
use calls::CALLS;
use libc::sock_filter;
use rules::Machine;
use std::io;

/// What a process has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A worker that has confined itself, and has read nothing that an attacker made.
    Worker,
    /// An execute worker that has loaded its artifact, and forks jobs.
    Loaded,
    /// A job of an execute worker. It was forked by a process in the stage [`Loaded`](Self::Loaded).
    Job,
    /// A job of a prepare worker, all of whose threads were started. It was forked by a process in the
    /// stage [`Worker`](Self::Worker).
    PrepareJob,
}

impl Stage {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Self; 4] = [Self::Worker, Self::Loaded, Self::Job, Self::PrepareJob];

    /// The stage before, if the program for this one leaves to that one's what both say alike, and what that
    /// one forbids. The kernel takes as long as a whole small execution to install a long program, and a
    /// job installs its own.
    const fn leaves_to(self) -> Option<Self> {
        match self {
            Self::Job => Some(Self::Loaded),
            Self::Worker | Self::Loaded | Self::PrepareJob => None,
        }
    }
}

/// The programs for the stages, in the order of their declaration.
const X86_64: [Program; Stage::ALL.len()] = [
    program!(CALLS, Machine::X86_64, Stage::Worker),
    program!(CALLS, Machine::X86_64, Stage::Loaded),
    program!(CALLS, Machine::X86_64, Stage::Job),
    program!(CALLS, Machine::X86_64, Stage::PrepareJob),
];
const AARCH64: [Program; Stage::ALL.len()] = [
    program!(CALLS, Machine::Aarch64, Stage::Worker),
    program!(CALLS, Machine::Aarch64, Stage::Loaded),
    program!(CALLS, Machine::Aarch64, Stage::Job),
    program!(CALLS, Machine::Aarch64, Stage::PrepareJob),
];

static PROGRAMS: Option<[Program; Stage::ALL.len()]> = if cfg!(target_arch = "x86_64") {
    Some(X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(AARCH64)
} else {
    None
};

/// The longest program that names its process, in instructions.
const LONGEST: usize = {
    let mut longest = 0;
    let mut at = 0;
    while at < Stage::ALL.len() {
        let programs = [&X86_64[at], &AARCH64[at]];
        let mut machine = 0;
        while machine < programs.len() {
            let Program { code, own_process } = *programs[machine];
            if own_process.is_some() && code.len() > longest {
                longest = code.len();
            }
            machine += 1;
        }
        at += 1;
    }
    longest
};

/// Room for the program of an execute job, in instructions.
const SHORT: usize = 48;

/// Leaves this thread, or `all_threads` of this process, no system calls but those of a stage.
///
/// Besides [`getpid`](rustix::process::getpid) and the one that does it, makes no system call, and reserves
/// no memory: a job calls it when it was just forked.
///
/// # Errors
///
/// When the kernel refuses, when `all_threads` do not have the same filters up to now, or on a
/// processor for which there is no table. The process must have been denied new privileges before.
pub(crate) fn install(stage: Stage, all_threads: bool) -> io::Result<()> {
    let Some(programs) = &PROGRAMS else { return Err(io::ErrorKind::Unsupported.into()) };
    let Program { code, own_process } = programs[stage as usize];
    match own_process {
        // In a job that was just forked, a longer copy would be one more page.
        Some(at) if code.len() <= SHORT => install_copy::<SHORT>(code, at, all_threads),
        Some(at) => install_copy::<LONGEST>(code, at, all_threads),
        None => install_program(code, all_threads),
    }
}

/// Installs a program that names this process, at the instruction `at`.
fn install_copy<const LEN: usize>(
    code: &[sock_filter],
    at: usize,
    all_threads: bool,
) -> io::Result<()> {
    let mut copy = [sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; LEN];
    let copy = &mut copy[..code.len()];
    copy.copy_from_slice(code);
    copy[at].k = rustix::process::getpid().as_raw_pid().cast_unsigned();
    install_program(copy, all_threads)
}

fn install_program(code: &[sock_filter], all_threads: bool) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: code.len() as u16,
        // The kernel does not write to it.
        filter: code.as_ptr().cast_mut(),
    };
    let flags = if all_threads { libc::SECCOMP_FILTER_FLAG_TSYNC } else { 0 };
    // SAFETY: `program` and the instructions that it points to are valid and live until the call is
    // over. What follows for the process is that some of its calls fail or end it.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} has other filters"))),
    }
}
