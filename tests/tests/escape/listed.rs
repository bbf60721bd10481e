//! Which calls are listed, as the book says, whose page is made of the table of the filters.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/src/system-calls.md");

/// The calls of a stage, by their names.
pub(crate) fn listed(stage: &str) -> BTreeSet<&'static str> {
    let (_, section) = PAGE.split_once(&format!("\n## {stage}\n")).expect("there is a section");
    let section = section.split("\n## ").next().expect("there is a first part");
    let names = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.collect()
}

macro_rules! numbers {
    ($($name:literal $constant:ident,)*) => {
        /// The number of a call that a job may make, or do to be told no.
        pub(crate) fn number(name: &str) -> u32 {
            match name {
                $($name => libc::$constant as u32,)*
                other => panic!("the number of {other} has to be added here"),
            }
        }
    };
}

numbers! {
    "brk" SYS_brk,
    "clock_gettime" SYS_clock_gettime,
    "clock_nanosleep" SYS_clock_nanosleep,
    "close" SYS_close,
    "exit" SYS_exit,
    "exit_group" SYS_exit_group,
    "fcntl" SYS_fcntl,
    "futex" SYS_futex,
    "getpid" SYS_getpid,
    "getrandom" SYS_getrandom,
    "getrusage" SYS_getrusage,
    "gettid" SYS_gettid,
    "madvise" SYS_madvise,
    "membarrier" SYS_membarrier,
    "memfd_create" SYS_memfd_create,
    "mmap" SYS_mmap,
    "mprotect" SYS_mprotect,
    "mremap" SYS_mremap,
    "munmap" SYS_munmap,
    "openat" SYS_openat,
    "prctl" SYS_prctl,
    "read" SYS_read,
    "restart_syscall" SYS_restart_syscall,
    "rseq" SYS_rseq,
    "rt_sigaction" SYS_rt_sigaction,
    "rt_sigprocmask" SYS_rt_sigprocmask,
    "rt_sigreturn" SYS_rt_sigreturn,
    "sched_getaffinity" SYS_sched_getaffinity,
    "sched_yield" SYS_sched_yield,
    "set_robust_list" SYS_set_robust_list,
    "sigaltstack" SYS_sigaltstack,
    "statx" SYS_statx,
    "tgkill" SYS_tgkill,
    "write" SYS_write,
    "writev" SYS_writev,
}
