//! The table: each system call that a worker or a job may make, and what it is needed for.
//!
//! A row is `name NUMBER-ON-X86-64 NUMBER-ON-AARCH64`, the reason, and a rule for each stage in which
//! the call does not simply end the process. A `-` is a call that a processor does not have, or that
//! is not needed there. The values of flags are the same on both.
//!
//! What is left out on purpose: everything that makes another process or a thread in a job, that opens
//! a file or a socket, that names another process, that changes a limit, a right, a namespace or a
//! filter of its own but for a narrower one, and all that hands the kernel programs, timers, keys, page
//! faults or queues to work on.

use super::rules::{Call, Case, Condition, Error, INT, Rule};

macro_rules! calls {
    ($(
        $name:ident $x86_64:tt $aarch64:tt {
            $reason:literal,
            $(worker: $worker:expr,)?
            $(loaded: $loaded:expr,)?
            $(job: $job:expr,)?
            $(prepare_job: $prepare_job:expr,)?
        }
    )*) => {
        /// All calls that do not end every process.
        pub(super) const CALLS: &[Call] = &[$(
            Call {
                name: stringify!($name),
                x86_64: number!($x86_64),
                aarch64: number!($aarch64),
                reason: $reason,
                rules: [
                    rule!($($worker)?),
                    rule!($($loaded)?),
                    rule!($($job)?),
                    rule!($($prepare_job)?),
                ],
            },
        )*];
    };
}

macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

macro_rules! rule {
    () => {
        Rule::KILL
    };
    ($rule:expr) => {
        $rule
    };
}

calls! {
    // Talking.

    read 0 63 {
        "a job waits on its socket for the message that starts it",
        worker: ON_SOCKET,
        loaded: ON_SOCKET,
        job: ON_SOCKET,
        prepare_job: ON_SOCKET,
    }

    writev 20 66 {
        "a job answers on its socket, which its worker has made its descriptor 0",
        worker: ON_SOCKET,
        loaded: ON_SOCKET,
        job: ON_SOCKET,
        prepare_job: ON_SOCKET,
    }

    write 1 64 {
        "a worker says on descriptor 2 why it ends; a prepare job writes its artifact to descriptor 1, \
         and compiled functions to keep to descriptor 3; the standard library \
         says on descriptor 2, which a job does not have, that memory is short",
        worker: Rule::only(&[
            Case::allow(&[int(0, 1, "to descriptor 1")]),
            Case::allow(&[int(0, 2, "to descriptor 2")]),
            Case::allow(&[int(0, 3, "to descriptor 3")]),
        ]),
        loaded: Rule::only(&[Case::allow(&[int(0, 2, "to descriptor 2")])]),
        job: Rule::only(&[Case::fail(&[int(0, 2, "to descriptor 2")], Error::Ebadf)]),
        prepare_job: Rule::only(&[
            Case::allow(&[int(0, 1, "to descriptor 1")]),
            Case::allow(&[int(0, 3, "to descriptor 3")]),
            Case::fail(&[int(0, 2, "to descriptor 2")], Error::Ebadf),
        ]),
    }

    recvmsg 47 212 {
        "a worker hears its host and its jobs",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
    }

    sendmsg 46 211 {
        "a worker answers its host, and starts its jobs",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
    }

    ppoll 271 73 {
        "a worker waits for its host and its job at once",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
    }

    restart_syscall 219 128 {
        "the kernel has a wait with a time limit go on that a stop signal has interrupted",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    // Memory.

    mmap 9 222 {
        "memory, the C library's and the guest's; an artifact is mapped as it is loaded. The C library may \
         try a kind of memory for random numbers that the kernel may drop, and can do without",
        worker: MAP_ARTIFACT,
        loaded: MAP_MEMORY,
        job: MAP_MEMORY,
        prepare_job: MAP_ARTIFACT,
    }

    mprotect 10 226 {
        "the C library and the guest's memory grow within what they have reserved; an artifact's code \
         becomes executable as it is loaded",
        worker: PROTECT_CODE,
        loaded: Rule::only(&[Case::allow(&[PROTECTION_THAT_COUNTS])]),
        job: Rule::only(&[Case::allow(&[PROTECTION_THAT_COUNTS])]),
        prepare_job: PROTECT_CODE,
    }

    munmap 11 215 {
        "memory is given back",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    mremap 25 216 {
        "the C library lets a large block grow or shrink",
        worker: GROW_BLOCK,
        loaded: GROW_BLOCK,
        job: GROW_BLOCK,
        prepare_job: GROW_BLOCK,
    }

    brk 12 214 {
        "the C library lets its heap grow or shrink",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    madvise 28 233 {
        "pages are given back to the kernel, made before they are used, or may be huge ones; other \
         advice can be done without",
        worker: ADVISE,
        loaded: ADVISE,
        job: ADVISE,
        prepare_job: ADVISE,
    }

    openat 257 56 {
        "the C library looks at /proc/sys/vm/overcommit_memory before it shrinks a heap, the standard \
         library at the control group before it counts processors; both can do without",
        worker: Rule::fail(Error::Eacces),
        loaded: Rule::fail(Error::Eacces),
        job: Rule::fail(Error::Eacces),
        prepare_job: Rule::fail(Error::Eacces),
    }

    // Files.

    close 3 57 {
        "descriptors that are needed no more: of sockets, of processes, of artifacts",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    statx 332 291 {
        "how long an artifact's file is, of which there is a descriptor. A name can't be told from none \
         here: what keeps files from being looked at by name is the empty root directory",
        worker: FILE_STATUS,
        prepare_job: FILE_STATUS,
    }

    fcntl 72 25 {
        "an artifact's file is checked to be sealed, or sealed; Wasmtime is given a duplicate of it. In \
         a build for debugging, the standard library checks a descriptor before it closes it",
        worker: SEAL,
        loaded: Rule::only(&[IS_OPEN]),
        prepare_job: SEAL,
    }

    memfd_create 319 279 {
        "a file in memory for the artifact",
        worker: MEMORY_FILE,
    }

    // Threads and time.

    futex 202 98 {
        "waiting for another thread, or waking it; a job has locks that only it ever takes, and the C \
         library may still wake nobody",
        worker: WAIT_AND_WAKE,
        loaded: WAIT_AND_WAKE,
        job: WAIT_AND_WAKE,
        prepare_job: WAIT_AND_WAKE,
    }

    sched_yield 24 124 {
        "a compiling thread lets others go first",
        worker: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    sched_getaffinity 204 123 {
        "how many processors there are for compiling, and what a new thread is like; elsewhere the C \
         library asks when it is short of memory, and can do without",
        worker: Rule::ALLOW,
        loaded: Rule::fail(Error::Eperm),
        job: Rule::fail(Error::Eperm),
        prepare_job: Rule::ALLOW,
    }

    clone 56 220 {
        "a worker forks its jobs; an execute worker starts the thread in which guests' code runs, and a \
         prepare job starts threads before it reads anything",
        worker: Rule::only(&[Case::allow(&[FORK]), Case::allow(&[THREAD])]),
        loaded: Rule::only(&[Case::allow(&[FORK])]),
    }

    clone3 435 435 {
        "the C library tries it first to start a thread; its flags can't be seen from here",
        worker: Rule::fail(Error::Enosys),
    }

    set_robust_list 273 99 {
        "the C library sets up a new thread",
        worker: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    rseq 334 293 {
        "the C library sets up a new thread; those of a prepare job may have been started just before",
        worker: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    sigaltstack 131 132 {
        "a thread gets a stack for handling traps, and gives it back at its end",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    exit 60 93 {
        "the end of a thread",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    membarrier - 283 {
        "code that was just written is made visible to all threads, where the processor does not do so",
        worker: SYNC_CODE,
        prepare_job: SYNC_CODE,
    }

    clock_gettime 228 113 {
        "a worker reads its job's CPU time, a job how long its steps take; the time, where it can't be read \
         without a call",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: OWN_CLOCKS,
        prepare_job: OWN_CLOCKS,
    }

    clock_nanosleep 230 115 {
        "a prepare job looks at its memory now and then",
        worker: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    getrusage 98 165 {
        "a job looks at the most memory that it had",
        worker: OWN_USAGE,
        loaded: OWN_USAGE,
        job: OWN_USAGE,
        prepare_job: OWN_USAGE,
    }

    getrandom 318 278 {
        "the standard library's hash tables are seeded with random bytes",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    // Signals.

    rt_sigaction 13 134 {
        "engines handle the signals of traps. A trap that is not the guest's is handed back to the kernel, \
         and so is SIGABRT by abort",
        worker: Rule::only(&[
            ON_ABORT, ON_SEGV, ON_BUS, ON_ILL, ON_FPE,
            Case::allow(&[int(0, 33, "for signal 33, which the C library handles from the second thread on")]),
        ]),
        loaded: ON_TRAP,
        job: ON_TRAP,
        prepare_job: ON_TRAP,
    }

    rt_sigprocmask 14 135 {
        "abort lets SIGABRT through; a new thread starts with no signal let through",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    rt_sigreturn 15 139 {
        "the end of handling a trap",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    tgkill 234 131 {
        "abort sends this process SIGABRT",
        worker: Rule::only(&[Case::allow(&[int(2, libc::SIGABRT, "SIGABRT")])]),
        loaded: Rule::only(&[Case::allow(&[int(2, libc::SIGABRT, "SIGABRT")])]),
        job: ABORT,
        prepare_job: ABORT,
    }

    getpid 39 172 {
        "abort and the filter of a job name this process",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    gettid 186 178 {
        "abort names this thread",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    exit_group 231 94 {
        "the end",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
        job: Rule::ALLOW,
        prepare_job: Rule::ALLOW,
    }

    // Jobs, from outside, and before they have their own filter.

    socketpair 53 199 {
        "a worker makes a socket for a job",
        worker: JOB_SOCKET,
        loaded: JOB_SOCKET,
    }

    pidfd_send_signal 424 424 {
        "a worker kills its job",
        worker: Rule::only(&[Case::allow(&[int(1, libc::SIGKILL, "SIGKILL")])]),
        loaded: Rule::only(&[Case::allow(&[int(1, libc::SIGKILL, "SIGKILL")])]),
    }

    wait4 61 260 {
        "a worker learns how its job has ended, and what it used",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
    }

    getppid 110 173 {
        "a job checks that its worker was still there when it asked to end with it",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
    }

    dup2 33 - {
        "a job's files become its descriptors 0 and 1, and, in a prepare job, 3",
        worker: TO_DESCRIPTORS_OF_JOBS,
        loaded: TO_FIRST_DESCRIPTORS,
    }

    dup3 292 24 {
        "a job's files become its descriptors 0 and 1, and, in a prepare job, 3",
        worker: TO_DESCRIPTORS_OF_JOBS,
        loaded: TO_FIRST_DESCRIPTORS,
    }

    close_range 436 436 {
        "a job closes all other descriptors",
        worker: Rule::ALLOW,
        loaded: Rule::ALLOW,
    }

    prlimit64 302 261 {
        "an execute worker bounds its memory and that of its jobs, a prepare job its own",
        worker: BOUND_MEMORY,
    }

    prctl 157 167 {
        "a job asks to end with its worker; an execute worker denies itself code in memory that it could \
         write to; a new thread sets its name, and can do without",
        worker: Rule::only(&[
            END_WITH_PARENT,
            Case::allow(&[int(0, libc::PR_SET_MDWE, "PR_SET_MDWE")]),
            Case::allow(&[SET_NAME]),
        ]),
        loaded: Rule::only(&[END_WITH_PARENT]),
        prepare_job: Rule::only(&[Case::fail(&[SET_NAME], Error::Eperm)]),
    }

    seccomp 317 277 {
        "the next filter is put upon this one",
        worker: NEXT_FILTER,
        loaded: NEXT_FILTER,
    }
}

const fn int(argument: u8, value: i32, words: &'static str) -> Condition {
    Condition::int(argument, value, words)
}

const ON_SOCKET: Rule = Rule::only(&[Case::allow(&[int(0, 0, "on descriptor 0")])]);

/// Placing it, reserving no memory for it, and saying that it is a stack.
const HARMLESS: u64 =
    (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE | libc::MAP_STACK) as u64;
const ANONYMOUS: u64 = libc::MAP_ANONYMOUS as u64;
const PRIVATE: u64 = libc::MAP_PRIVATE as u64;
const SHARED: u64 = libc::MAP_SHARED as u64;
const READ: u64 = libc::PROT_READ as u64;
const READ_AND_WRITE: u64 = (libc::PROT_READ | libc::PROT_WRITE) as u64;
/// With what 64-bit ARM calls `PROT_BTI`: that jumps to anywhere trap.
const READ_AND_EXECUTE: u64 = (libc::PROT_READ | libc::PROT_EXEC | 0x10) as u64;

/// The same argument of `mmap` and `mprotect`.
const PROTECTION: u8 = 2;
const PROTECTION_OF_DATA: Condition =
    Condition::bits(PROTECTION, !READ_AND_WRITE, 0, "not executable");
/// What can't be written to is not counted against the limit of memory, even if it was written before.
const PROTECTION_THAT_COUNTS: Condition =
    Condition::bits(PROTECTION, u64::MAX, READ_AND_WRITE, "readable and writable");
const NO_ACCESS: Condition = Condition::bits(PROTECTION, u64::MAX, 0, "reserved only");
const PROTECTION_OF_CODE: Condition =
    Condition::bits(PROTECTION, !READ_AND_EXECUTE, 0, "not writable");
const READ_ONLY: Condition =
    Condition::bits(PROTECTION, !READ, 0, "neither writable nor executable");

const ANONYMOUS_MEMORY: Condition =
    Condition::bits(3, !HARMLESS, PRIVATE | ANONYMOUS, "private memory of no file");
const PRIVATE_MEMORY: Condition =
    Condition::bits(3, !(HARMLESS | ANONYMOUS), PRIVATE, "private memory, of a file or not");
const SHARED_FILE: Condition = Condition::bits(3, u64::MAX, SHARED, "shared memory of a file");
const DROPPABLE: Case = Case::fail(
    &[Condition::bits(3, libc::MAP_TYPE as u64, libc::MAP_DROPPABLE as u64, "droppable memory")],
    Error::Einval,
);

const MAP_MEMORY: Rule = Rule::only(&[
    Case::allow(&[PROTECTION_THAT_COUNTS, ANONYMOUS_MEMORY]),
    Case::allow(&[NO_ACCESS, ANONYMOUS_MEMORY]),
    DROPPABLE,
]);
const MAP_ARTIFACT: Rule = Rule::only(&[
    Case::allow(&[PROTECTION_OF_DATA, PRIVATE_MEMORY]),
    Case::allow(&[PROTECTION_OF_CODE, PRIVATE_MEMORY]),
    Case::allow(&[READ_ONLY, SHARED_FILE]),
    DROPPABLE,
]);
const PROTECT_CODE: Rule =
    Rule::only(&[Case::allow(&[PROTECTION_OF_DATA]), Case::allow(&[PROTECTION_OF_CODE])]);
const GROW_BLOCK: Rule = Rule::only(&[Case::allow(&[Condition::bits(
    3,
    !(libc::MREMAP_MAYMOVE as u64),
    0,
    "to where the kernel likes",
)])]);
const ADVISE: Rule = Rule::only(&[
    Case::allow(&[int(2, libc::MADV_DONTNEED, "MADV_DONTNEED")]),
    Case::allow(&[int(2, libc::MADV_FREE, "MADV_FREE")]),
    Case::allow(&[int(2, libc::MADV_HUGEPAGE, "MADV_HUGEPAGE")]),
    Case::allow(&[int(2, libc::MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE")]),
    Case::allow(&[int(2, libc::MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE")]),
])
.or_fail(Error::Einval);

const FILE_STATUS: Rule = Rule::only(&[Case::allow(&[
    Condition::bits(0, 1 << 31, 0, "of a descriptor"),
    Condition::bits(
        2,
        libc::AT_EMPTY_PATH as u64,
        libc::AT_EMPTY_PATH as u64,
        "with AT_EMPTY_PATH",
    ),
])]);
const IS_OPEN: Case = Case::allow(&[int(1, libc::F_GETFD, "F_GETFD")]);
const SEAL: Rule = Rule::only(&[
    IS_OPEN,
    Case::allow(&[int(1, libc::F_GET_SEALS, "F_GET_SEALS")]),
    Case::allow(&[int(1, libc::F_ADD_SEALS, "F_ADD_SEALS")]),
    Case::allow(&[int(1, libc::F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC")]),
]);
const MEMORY_FILE: Rule = Rule::only(&[Case::allow(&[Condition::bits(
    1,
    INT & !(libc::MFD_NOEXEC_SEAL as u64),
    (libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) as u64,
    "that can be sealed, of small pages",
)])]);

/// Whether only threads of this process take part, and which clock measures the time limit.
const FUTEX_FLAGS: i32 = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
const fn futex_operation(operation: i32, words: &'static str) -> Condition {
    Condition::bits(1, INT & !(FUTEX_FLAGS as u64), operation as u64, words)
}
const WAIT_AND_WAKE: Rule = Rule::only(&[
    Case::allow(&[futex_operation(libc::FUTEX_WAIT, "FUTEX_WAIT")]),
    Case::allow(&[futex_operation(libc::FUTEX_WAKE, "FUTEX_WAKE")]),
    Case::allow(&[futex_operation(libc::FUTEX_WAIT_BITSET, "FUTEX_WAIT_BITSET")]),
    Case::allow(&[futex_operation(libc::FUTEX_WAKE_BITSET, "FUTEX_WAKE_BITSET")]),
]);

/// A copy of the process, and a descriptor of it.
const FORK: Condition = Condition::bits(
    0,
    u64::MAX,
    (libc::CLONE_PIDFD | libc::SIGCHLD) as u64,
    "as fork does, with a descriptor",
);
/// As `pthread_create` calls it.
const THREAD: Condition = Condition::bits(
    0,
    u64::MAX,
    (libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID) as u64,
    "with the flags of pthread_create",
);

const SYNC_CODE: Rule = Rule::only(&[
    Case::allow(&[int(
        0,
        libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
        "for this process's code",
    )]),
    Case::allow(&[int(
        0,
        libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
        "to register for that",
    )]),
    Case::allow(&[int(0, libc::MEMBARRIER_CMD_GLOBAL, "for all processes")]),
]);
const OWN_CLOCKS: Rule = Rule::only(&[Case::allow(&[Condition::within(
    0,
    // From CLOCK_REALTIME to CLOCK_BOOTTIME.
    7,
    "the machine's clocks and this process's",
)])]);
const OWN_USAGE: Rule = Rule::only(&[Case::allow(&[int(0, libc::RUSAGE_SELF, "of this process")])]);

const ON_ABORT: Case = Case::allow(&[int(0, libc::SIGABRT, "for SIGABRT")]);
const ON_SEGV: Case = Case::allow(&[int(0, libc::SIGSEGV, "for SIGSEGV")]);
const ON_BUS: Case = Case::allow(&[int(0, libc::SIGBUS, "for SIGBUS")]);
const ON_ILL: Case = Case::allow(&[int(0, libc::SIGILL, "for SIGILL")]);
const ON_FPE: Case = Case::allow(&[int(0, libc::SIGFPE, "for SIGFPE")]);
const ON_TRAP: Rule = Rule::only(&[ON_ABORT, ON_SEGV, ON_BUS, ON_ILL, ON_FPE]);
const ABORT: Rule = Rule::only(&[Case::allow(&[
    Condition::own_process(0, "to this process"),
    int(2, libc::SIGABRT, "SIGABRT"),
])]);

const JOB_SOCKET: Rule = Rule::only(&[Case::allow(&[
    int(0, libc::AF_UNIX, "AF_UNIX"),
    int(1, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, "SOCK_STREAM, closed on exec"),
])]);
const TO_FIRST_DESCRIPTORS: Rule =
    Rule::only(&[Case::allow(&[Condition::within(1, 1, "as descriptor 0 or 1")])]);
const TO_DESCRIPTORS_OF_JOBS: Rule = Rule::only(&[
    Case::allow(&[Condition::within(1, 1, "as descriptor 0 or 1")]),
    Case::allow(&[int(1, 3, "as descriptor 3")]),
]);
const BOUND_MEMORY: Rule = Rule::only(&[
    Case::allow(&[OWN_LIMIT, int(1, libc::RLIMIT_DATA as i32, "RLIMIT_DATA")]),
    Case::allow(&[OWN_LIMIT, int(1, libc::RLIMIT_AS as i32, "RLIMIT_AS")]),
]);
const OWN_LIMIT: Condition = int(0, 0, "of this process");
const END_WITH_PARENT: Case = Case::allow(&[
    int(0, libc::PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"),
    Condition::bits(1, u64::MAX, libc::SIGKILL as u64, "SIGKILL"),
]);
const SET_NAME: Condition = int(0, libc::PR_SET_NAME, "PR_SET_NAME");
const NEXT_FILTER: Rule = Rule::only(&[Case::allow(&[
    int(0, libc::SECCOMP_SET_MODE_FILTER as i32, "SECCOMP_SET_MODE_FILTER"),
    Condition::within(
        1,
        libc::SECCOMP_FILTER_FLAG_TSYNC as i32,
        "for this thread or all of the process",
    ),
])]);
