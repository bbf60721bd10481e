//! The programs in the kernel: each call in a process of its own.

#![expect(unsafe_code, reason = "tries system calls")]
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use super::super::{Stage, install};
use std::io;
use std::io::Write as _;

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The call was made.
    Made,
    /// It failed with this error.
    Failed(i32),
    /// A signal ended the child.
    Signal(i32),
}

const KILLED: End = End::Signal(libc::SIGSYS);

/// Forks, goes through the stages there, and makes a call.
///
/// The call may use what the C library keeps usable after a fork of a process with threads: its
/// memory.
fn end_of(stages: &[Stage], call: impl FnOnce() -> libc::c_long) -> End {
    /// What no error is.
    const NO_FILTER: i32 = 250;
    // SAFETY: the child uses nothing that another thread may have left locked, and ends without
    // running a destructor.
    let child = unsafe { libc::fork() };
    assert_ne!(child, -1);
    if child == 0 {
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `no_core` is a valid limit, and the other call changes nothing in this process's
        // memory.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        }
        let is_installed = stages.iter().all(|stage| install(*stage, false).is_ok());
        let code = match is_installed {
            false => NO_FILTER,
            true if call() == -1 => io::Error::last_os_error().raw_os_error().unwrap_or(NO_FILTER),
            true => 0,
        };
        // SAFETY: ends the process, and touches nothing in it.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status, and the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFSIGNALED(status) {
        return End::Signal(libc::WTERMSIG(status));
    }
    match libc::WEXITSTATUS(status) {
        0 => End::Made,
        NO_FILTER => panic!("no filter could be installed"),
        error => End::Failed(error),
    }
}

/// As a job goes through them.
const JOB: &[Stage] = &[Stage::Worker, Stage::Loaded, Stage::Job];
const PREPARE_JOB: &[Stage] = &[Stage::Worker, Stage::PrepareJob];

/// A system call without the C library's part.
macro_rules! call {
    ($name:ident $(, $argument:expr)*) => {
        // SAFETY: it is either refused, or given arguments that are valid or that the kernel checks.
        || unsafe { libc::syscall(libc::$name $(, $argument)*) }
    };
}

const NOTHING: *const u8 = std::ptr::null();
const PAGE: usize = 4096;

fn map(protection: i32, flags: i32) -> libc::c_long {
    // SAFETY: at an address that the kernel chooses.
    unsafe { libc::syscall(libc::SYS_mmap, NOTHING, PAGE, protection, flags, -1, 0) }
}

#[test]
fn a_job_may_do_what_it_is_there_for() {
    const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    assert_eq!(end_of(JOB, || map(libc::PROT_READ | libc::PROT_WRITE, ANONYMOUS)), End::Made);
    assert_eq!(end_of(JOB, call!(SYS_getpid)), End::Made);
    assert_eq!(end_of(JOB, call!(SYS_read, 0, NOTHING, 0)), End::Made);
    let grown = || {
        let mut blocks = vec![vec![1_u8; 1 << 20]; 4];
        blocks[2].resize(40 << 20, 2);
        blocks.truncate(3);
        blocks[2].shrink_to(1 << 20);
        libc::c_long::from(blocks[2][30 << 20]) - 2
    };
    assert_eq!(end_of(JOB, grown), End::Made);
}

#[test]
fn some_calls_of_a_job_fail() {
    let path = c"/proc/sys/vm/overcommit_memory".as_ptr();
    let open = call!(SYS_openat, libc::AT_FDCWD, path, libc::O_RDONLY | libc::O_CLOEXEC);
    assert_eq!(end_of(JOB, open), End::Failed(libc::EACCES));
    assert_eq!(end_of(JOB, call!(SYS_write, 2, c"words".as_ptr(), 5)), End::Failed(libc::EBADF));
    assert_eq!(
        end_of(JOB, call!(SYS_madvise, NOTHING, PAGE, libc::MADV_MERGEABLE)),
        End::Failed(libc::EINVAL)
    );
    assert_eq!(end_of(&[Stage::Worker], call!(SYS_clone3, NOTHING, 0)), End::Failed(libc::ENOSYS));
}

#[test]
fn anything_else_ends_a_job() {
    const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: has no preconditions.
    let parent = unsafe { libc::getpid() };
    assert_eq!(end_of(JOB, || map(libc::PROT_READ | libc::PROT_EXEC, ANONYMOUS)), KILLED);
    assert_eq!(
        end_of(JOB, || map(libc::PROT_READ, libc::MAP_SHARED | libc::MAP_ANONYMOUS)),
        KILLED
    );
    assert_eq!(end_of(JOB, call!(SYS_mprotect, NOTHING, PAGE, libc::PROT_EXEC)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_read, 3, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_write, 0, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_write, 1, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_writev, 1, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_sendmsg, 0, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_clone3, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_execve, c"/bin/true".as_ptr(), NOTHING, NOTHING)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_prctl, libc::PR_SET_PDEATHSIG, 0, 0, 0, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr())), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_seccomp, 1, 0, NOTHING)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_prlimit64, 0, 2, NOTHING, NOTHING)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_ptrace, 0, 0, 0, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_kill, parent, libc::SIGWINCH)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_tgkill, parent, parent, libc::SIGWINCH)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_io_uring_setup, 1, NOTHING)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_bpf, 0, NOTHING, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_memfd_create, c"name".as_ptr(), 3)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_userfaultfd, 0)), KILLED);
    assert_eq!(end_of(JOB, call!(SYS_rt_sigaction, libc::SIGSYS, NOTHING, NOTHING, 8)), KILLED);
}

/// The interface with pointers of 32 bits, which has its own numbers, and that of 32-bit programs.
#[cfg(target_arch = "x86_64")]
#[test]
fn other_interfaces_end_a_job() {
    // SAFETY: has no arguments.
    let x32 = || unsafe { libc::syscall(0x4000_0000 + libc::SYS_getpid) };
    assert_eq!(end_of(JOB, x32), KILLED);
    let by_interrupt = || {
        let result: u64;
        // SAFETY: it is `getpid` of 32-bit programs, which changes nothing but the result.
        unsafe {
            std::arch::asm!(
                "int 0x80",
                inlateout("rax") 20_u64 => result,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result as libc::c_long
    };
    assert_eq!(end_of(JOB, by_interrupt), KILLED);
}

#[test]
fn a_job_that_aborts_ends_with_sigabrt() {
    for stages in [JOB, PREPARE_JOB] {
        // SAFETY: ends the process, which has no state that matters.
        assert_eq!(end_of(stages, || unsafe { libc::abort() }), End::Signal(libc::SIGABRT));
    }
}

#[test]
fn a_job_can_send_sigabrt_to_nobody_else() {
    // SAFETY: has no preconditions.
    let parent = unsafe { libc::getpid() };
    for stages in [JOB, PREPARE_JOB] {
        let call = call!(SYS_tgkill, parent, parent, libc::SIGABRT);
        assert_eq!(end_of(stages, call), KILLED);
    }
}

#[test]
fn a_prepare_job_may_make_code_executable_that_it_can_not_write_to() {
    const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    assert_eq!(
        end_of(PREPARE_JOB, || map(libc::PROT_READ | libc::PROT_EXEC, ANONYMOUS)),
        End::Made
    );
    let both = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    assert_eq!(end_of(PREPARE_JOB, || map(both, ANONYMOUS)), KILLED);
    assert_eq!(end_of(PREPARE_JOB, call!(SYS_clone3, NOTHING, 0)), KILLED);
    assert_eq!(
        end_of(PREPARE_JOB, call!(SYS_memfd_create, c"name".as_ptr(), libc::MFD_CLOEXEC)),
        KILLED
    );
}

#[test]
fn an_artifact_can_be_sealed_and_mapped_in_a_prepare_job() {
    use pvf_host_core::backend::{Artifact, memory_file};
    let mut file = memory_file("artifact").unwrap();
    file.write_all(b"machine code").unwrap();
    let seal = || match file.try_clone().and_then(Artifact::seal) {
        Ok(artifact) if artifact.bytes() == b"machine code" => 0,
        _ => -1,
    };
    assert_eq!(end_of(PREPARE_JOB, seal), End::Made);
    assert_eq!(end_of(PREPARE_JOB, call!(SYS_write, 1, NOTHING, 0)), End::Made);
    // For the functions that are kept.
    let write = call!(SYS_write, 3, NOTHING, 0);
    assert!(matches!(end_of(PREPARE_JOB, write), End::Made | End::Failed(libc::EBADF)));
    assert_eq!(end_of(PREPARE_JOB, call!(SYS_write, 4, NOTHING, 0)), KILLED);
}

#[test]
fn all_threads_are_filtered_at_once() {
    let call = || {
        let (to, from) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            // Until the filter is there.
            let _ = from.recv();
            // SAFETY: has no arguments that matter.
            unsafe { libc::syscall(libc::SYS_getppid) };
        });
        if install(Stage::PrepareJob, true).is_err() {
            return 0;
        }
        drop(to);
        let _ = other.join();
        0
    };
    assert_eq!(end_of(&[Stage::Worker], call), KILLED);
}

#[test]
fn an_execute_worker_can_fork_a_job_and_start_no_thread() {
    let fork = || {
        // SAFETY: the child ends at once.
        match unsafe { crate::job::fork() } {
            Err(_) => -1,
            Ok(None) => crate::job::exit(0),
            Ok(Some((child, _))) => {
                let child = child.as_raw_pid();
                // SAFETY: asks for no status.
                (unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) } == child) as libc::c_long
                    - 1
            }
        }
    };
    let loaded = &[Stage::Worker, Stage::Loaded];
    assert_eq!(end_of(loaded, fork), End::Made);
    let thread = || std::thread::Builder::new().spawn(|| ()).map_or(-1, |_| 0);
    assert_eq!(end_of(loaded, thread), KILLED);
    assert_eq!(end_of(&[Stage::Worker], thread), End::Made);
}
