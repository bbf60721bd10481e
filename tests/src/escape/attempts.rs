//! What is tried.

use super::{
    Report, Target,
    system::{
        FUNCTION, Refusal, Tried, by_number, call, call_32_bit, list, look, multiply, on_x86_64,
        one_line, open, path, read, read_file, run_function, write_function, write_mark,
    },
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::worker::protocol::{ExecuteJobSteps, PrepareJobSteps};
use std::{ptr, sync::OnceLock};

macro_rules! attempts {
    ($($attempt:ident = $name:literal, $run:expr;)*) => {
        /// One way to get out, or to get more than is due.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub enum Attempt {
            $(#[doc = $name] $attempt,)*
        }

        impl Attempt {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$attempt,)*];

            /// What is tried, in words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$attempt => $name,)* }
            }

            /// Tries it.
            pub(super) fn run(self, target: &Target) -> Report {
                let tried: Tried = match self {
                    $(Self::$attempt => { let run: fn(&Target) -> Tried = $run; run(target) })*
                };
                match tried {
                    Ok(evidence) => Report::GotThrough(evidence),
                    Err(Refusal { call, errno }) => {
                        Report::Refused { call: call.to_owned(), errno }
                    }
                }
            }
        }
    };
}

attempts! {
    // Files.
    ReadPasswd = "read /etc/passwd by openat", |_| read_file("/etc/passwd");
    ReadPasswdByOpen = "read /etc/passwd by open", |_| {
        const OPEN: i64 = on_x86_64(2);
        let opened = by_number("open", OPEN, &[c"/etc/passwd".as_ptr() as i64, 0]);
        read(opened? as i32)
    };
    ReadPasswdByOpenat2 = "read /etc/passwd by openat2", |_| {
        let how = [0_u64; 3];
        let place = c"/etc/passwd".as_ptr();
        read(call!(SYS_openat2, libc::AT_FDCWD, place, how.as_ptr(), size_of_val(&how))? as i32)
    };
    ReadCache = "read a file of the cache", |target| read_file(&target.cache_file);
    ReadPublicFile = "read a file that anybody may read", |target| read_file(&target.public_file);
    ReadPrivateFile = "read a file of the host's user", |target| read_file(&target.private_file);
    ListRoot = "list the root directory", |_| list("/");
    ListProcesses = "list /proc", |_| list("/proc");
    ReadControlGroup = "read /proc/self/cgroup", |_| {
        let descriptor = open("/proc/self/cgroup", libc::O_RDONLY)?;
        let mut buffer = [0_u8; 2048];
        let len = call!(SYS_read, descriptor, buffer.as_mut_ptr(), buffer.len())?;
        Ok(one_line(&buffer[..len as usize]))
    };
    ReadHostEnvironment = "read /proc/HOST/environ",
        |target| read_file(&format!("/proc/{}/environ", target.host));
    ReadHostMemory = "open /proc/HOST/mem",
        |target| done(open(&format!("/proc/{}/mem", target.host), libc::O_RDONLY));
    WriteOwnMemory = "open /proc/self/mem to write", |_| done(open("/proc/self/mem", libc::O_RDWR));
    FindPasswd = "look for /etc/passwd by statx", |_| {
        let mut status = [0_u8; 256];
        done(call!(
            SYS_statx, libc::AT_FDCWD, c"/etc/passwd".as_ptr(), 0, libc::STATX_SIZE,
            status.as_mut_ptr(),
        ))
    };
    FindPasswdByAccess = "look for /etc/passwd by faccessat",
        |_| done(call!(SYS_faccessat, libc::AT_FDCWD, c"/etc/passwd".as_ptr(), libc::R_OK));
    ReadLink = "read the link /proc/self/exe", |_| {
        let mut buffer = [0_u8; 64];
        done(call!(
            SYS_readlinkat, libc::AT_FDCWD, c"/proc/self/exe".as_ptr(), buffer.as_mut_ptr(),
            buffer.len(),
        ))
    };
    WriteFile = "write to a file that anybody may write", |target| {
        let descriptor = open(&target.public_file, libc::O_WRONLY | libc::O_APPEND)?;
        done(call!(SYS_write, descriptor, MARK.as_ptr(), MARK.len()))
    };
    CreateFile = "create a file",
        |target| done(open(&place(target, "created"), libc::O_CREAT | libc::O_WRONLY));
    CreateFileInRoot = "create a file in the root directory",
        |_| done(open("/pvf-escaped", libc::O_CREAT | libc::O_WRONLY));
    CreateTemporaryFile = "create a file without a name",
        |target| done(open(&target.directory, libc::O_TMPFILE | libc::O_RDWR));
    MakeDirectory = "make a directory", |target| {
        let name = path(&place(target, "directory"));
        done(call!(SYS_mkdirat, libc::AT_FDCWD, name.as_ptr(), 0o700))
    };
    MakeNode = "make a named pipe", |target| {
        let name = path(&place(target, "node"));
        done(call!(SYS_mknodat, libc::AT_FDCWD, name.as_ptr(), libc::S_IFIFO | 0o600, 0))
    };
    Link = "link a file", |target| {
        let (old, new) = (path(&target.public_file), path(&place(target, "link")));
        done(call!(
            SYS_linkat, libc::AT_FDCWD, old.as_ptr(), libc::AT_FDCWD, new.as_ptr(), 0,
        ))
    };
    LinkSymbolically = "make a symbolic link", |target| {
        let new = path(&place(target, "symlink"));
        done(call!(SYS_symlinkat, c"/".as_ptr(), libc::AT_FDCWD, new.as_ptr()))
    };
    Rename = "rename a file", |target| {
        let (old, new) = (path(&target.public_file), path(&place(target, "renamed")));
        done(call!(
            SYS_renameat2, libc::AT_FDCWD, old.as_ptr(), libc::AT_FDCWD, new.as_ptr(), 0,
        ))
    };
    Unlink = "remove a file", |target| {
        let name = path(&target.public_file);
        done(call!(SYS_unlinkat, libc::AT_FDCWD, name.as_ptr(), 0))
    };
    ChangeMode = "change a file's mode", |target| {
        let name = path(&target.public_file);
        done(call!(SYS_fchmodat, libc::AT_FDCWD, name.as_ptr(), 0o666))
    };
    ChangeModeOfDescriptor = "change the mode of descriptor 0", |_| done(call!(SYS_fchmod, 0, 0o777));
    ChangeOwner = "change a file's owner", |target| {
        let name = path(&target.public_file);
        done(call!(SYS_fchownat, libc::AT_FDCWD, name.as_ptr(), 0, 0, 0))
    };
    Truncate = "truncate a file", |target| {
        let name = path(&target.public_file);
        done(call!(SYS_truncate, name.as_ptr(), 1))
    };
    SetAttribute = "set an extended attribute", |target| {
        let name = path(&target.public_file);
        done(call!(SYS_setxattr, name.as_ptr(), c"user.pvf".as_ptr(), c"x".as_ptr(), 1, 0))
    };
    ChangeDirectory = "change to /etc", |_| done(call!(SYS_chdir, c"/etc".as_ptr()));
    ChangeRoot = "change the root directory", |_| done(call!(SYS_chroot, c"/".as_ptr()));
    HandleOfFile = "get a file's handle", |_| {
        let (mut handle, mut mount) = ([128_u32, 0].into_iter().chain([0; 32]).collect::<Vec<_>>(), 0);
        done(call!(
            SYS_name_to_handle_at, libc::AT_FDCWD, c"/etc/passwd".as_ptr(), handle.as_mut_ptr(),
            &raw mut mount, 0,
        ))
    };
    OpenByHandle = "open a file by a handle", |_| {
        let mut handle = [0_u32; 34];
        done(past_rights(
            call!(SYS_open_by_handle_at, libc::AT_FDCWD, handle.as_mut_ptr(), libc::O_RDONLY),
            &[libc::EINVAL, libc::ESTALE],
        ))
    };
    WatchFiles = "watch files by inotify", |_| done(call!(SYS_inotify_init1, 0));
    WatchFileSystem = "watch files by fanotify", |_| done(call!(SYS_fanotify_init, 0, 0));

    // Descriptors.
    WriteEverywhere = "write to every descriptor but its own", |target| {
        const OUTPUTS: [i32; 2] = [1, 3];
        let is_its_own = |descriptor: &i32| OUTPUTS.contains(descriptor) && has_output();
        let mut open = vec![];
        let mut refusal = None;
        // Of its own socket, there may be another one, after which it would not live for long.
        let leaked = target.leaked.iter().copied();
        for descriptor in leaked.chain((1..1024).filter(|it| !is_its_own(it))) {
            match call!(SYS_write, descriptor, MARK.as_ptr(), MARK.len()) {
                Ok(_) => open.push(descriptor),
                Err(other) => refusal = Some(other),
            }
        }
        match refusal {
            Some(refusal) if open.is_empty() => Err(refusal),
            _ => Ok(format!("descriptors {open:?}")),
        }
    };
    WriteToSecond = "write to descriptor 2",
        |_| done(call!(SYS_write, 2, MARK.as_ptr(), MARK.len()));
    SendDescriptor = "send a message with a descriptor", |_| {
        let header = [0_u64; 7];
        done(call!(SYS_sendmsg, 0, header.as_ptr(), 0))
    };
    ReceiveDescriptor = "receive a message with a descriptor", |_| {
        let mut header = [0_u64; 7];
        done(call!(SYS_recvmsg, 0, header.as_mut_ptr(), libc::MSG_DONTWAIT))
    };
    Duplicate = "have two hundred descriptors by dup", |_| many(|| call!(SYS_dup, 0));
    ManyMemoryFiles = "have two hundred memory files", |_| many(memory_file);
    ThreeMemoryFiles = "have three memory files", |_| {
        // Each may be as long as an artifact, and their content counts for nothing else.
        for _ in 0..3 {
            memory_file()?;
        }
        Ok("three".into())
    };
    ManyPipes = "have two hundred pipes", |_| {
        many(|| { let mut ends = [0; 2]; call!(SYS_pipe2, ends.as_mut_ptr(), 0) })
    };
    ManyEvents = "have two hundred event counters", |_| many(|| call!(SYS_eventfd2, 0, 0));
    ManyEpolls = "have two hundred epoll instances", |_| many(|| call!(SYS_epoll_create1, 0));
    ManySocketPairs = "have two hundred socket pairs", |_| {
        many(|| {
            let mut ends = [0; 2];
            let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
            call!(SYS_socketpair, libc::AF_UNIX, kind, 0, ends.as_mut_ptr())
        })
    };
    ControlTerminal = "type into a terminal by ioctl",
        |_| done(past_rights(call!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr()), &[libc::ENOTTY]));
    ReadEnvironment = "read the environment", |_| {
        // The tests' programs are started by cargo, or by a shell.
        match std::env::vars_os().next() {
            Some((name, _)) => Ok(name.to_string_lossy().into_owned()),
            None => Err(Refusal::new("none", libc::ENOENT)),
        }
    };

    // Network.
    ConnectTcp = "connect by TCP to the host", |target| {
        let socket = call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let address = internet(target.tcp);
        call!(SYS_connect, socket, address.as_ptr(), address.len())?;
        done(call!(SYS_write, socket, MARK.as_ptr(), MARK.len()))
    };
    SendUdp = "send a UDP packet to the host", |target| {
        let socket = call!(SYS_socket, libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        let address = internet(target.udp);
        done(call!(
            SYS_sendto, socket, MARK.as_ptr(), MARK.len(), 0, address.as_ptr(), address.len(),
        ))
    };
    ListenTcp = "listen for TCP connections", |_| {
        let socket = call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let address = internet(0);
        call!(SYS_bind, socket, address.as_ptr(), address.len())?;
        done(call!(SYS_listen, socket, 1))
    };
    ConnectAbstract = "connect to an abstract Unix socket", |target| {
        let name = [b"\0", target.abstract_socket.as_bytes()].concat();
        connect_unix(&name)
    };
    ConnectPath = "connect to a Unix socket by its path",
        |target| connect_unix(path(&target.socket).as_bytes_with_nul());
    Sockets = "open a socket of each family and kind", |target| {
        const KINDS: [i32; 6] = [
            libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_RDM,
            libc::SOCK_SEQPACKET, 10,
        ];
        let mut last = Refusal::new("none", 0);
        for family in target.variants.0..target.variants.1 {
            for kind in KINDS {
                match call!(SYS_socket, family, kind, 0) {
                    Ok(_) => return Ok(format!("family {family}, kind {kind}")),
                    Err(refusal) => last = refusal,
                }
            }
        }
        Err(last)
    };

    // Executing.
    Execute = "execute a program", |target| {
        execute("/usr/bin/touch", &place(target, "executed"))
    };
    ExecuteMemory = "execute a program in memory", |_| {
        let descriptor = memory_file()?;
        call!(SYS_write, descriptor, PROGRAM.as_ptr(), PROGRAM.len())?;
        let none: [*const i8; 1] = [ptr::null()];
        done(call!(
            SYS_execveat, descriptor, c"".as_ptr(), none.as_ptr(), none.as_ptr(),
            libc::AT_EMPTY_PATH,
        ))
    };
    ExecuteSetUserId = "execute a set-user-id program",
        |target| execute(&target.set_user_id, &target.private_place);
    MakeExecutable = "make memory executable that it wrote", |_| {
        let memory = map(libc::PROT_READ | libc::PROT_WRITE)?;
        write_function(memory);
        call!(SYS_mprotect, memory, PAGE, libc::PROT_READ | libc::PROT_EXEC)?;
        Ok(run_function(memory))
    };
    MapExecutable = "map memory to write and to execute", |_| {
        let memory = map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)?;
        write_function(memory);
        Ok(run_function(memory))
    };
    MapFileExecutable = "execute what it wrote to a memory file", |_| {
        let descriptor = memory_file()?;
        call!(SYS_write, descriptor, FUNCTION.as_ptr(), FUNCTION.len())?;
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        let memory = call!(SYS_mmap, 0, PAGE, protection, libc::MAP_PRIVATE, descriptor, 0)?;
        Ok(run_function(memory))
    };

    // Other processes.
    TraceWorker = "trace the worker",
        |_| done(call!(SYS_ptrace, libc::PTRACE_SEIZE, parent(), 0, 0));
    BeTraced = "be traced by the worker", |_| done(call!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0));
    ReadWorkerMemory = "read the worker's memory", |_| memory_of(parent(), false);
    WriteWorkerMemory = "write the worker's memory", |_| memory_of(parent(), true);
    ReadHostMemoryDirectly = "read the host's memory", |target| memory_of(target.host.into(), false);
    SignalWorker = "send the worker a signal", |_| done(call!(SYS_kill, parent(), libc::SIGURG));
    KillVictim = "kill a process of the host's user",
        |target| done(call!(SYS_kill, target.victim, libc::SIGKILL));
    SignalHost = "send the host a signal", |target| done(call!(SYS_kill, target.host, 0));
    KillSibling = "kill a process of the worker's user",
        |target| done(call!(SYS_kill, target.sibling, libc::SIGKILL));
    SignalAll = "send everybody a signal", |_| done(call!(SYS_kill, -1, libc::SIGURG));
    SignalGroup = "send the process group a signal", |_| done(call!(SYS_kill, 0, libc::SIGURG));
    SignalThread = "send a thread of the worker a signal",
        |_| { let worker = parent(); done(call!(SYS_tgkill, worker, worker, libc::SIGURG)) };
    SignalAnyThread = "send any thread a signal",
        |target| done(call!(SYS_tkill, target.host, libc::SIGURG));
    QueueSignal = "queue a signal for the worker", |_| {
        let mut info = [0_i32; 32];
        info[0] = libc::SIGURG;
        info[2] = -1; // SI_QUEUE
        done(call!(SYS_rt_sigqueueinfo, parent(), libc::SIGURG, info.as_ptr()))
    };
    SignalOwnThread = "send itself a signal", |_| {
        let own = call!(SYS_getpid)?;
        let thread = call!(SYS_gettid)?;
        done(call!(SYS_tgkill, own, thread, libc::SIGURG))
    };
    OpenProcess = "get a descriptor of the first process", |_| done(call!(SYS_pidfd_open, 1, 0));
    TakeDescriptor = "take a descriptor of the worker", |_| {
        let worker = call!(SYS_pidfd_open, parent(), 0)?;
        done(call!(SYS_pidfd_getfd, worker, 0, 0))
    };
    SignalByDescriptor = "send a signal by a descriptor", |_| {
        let worker = call!(SYS_pidfd_open, parent(), 0)?;
        done(call!(SYS_pidfd_send_signal, worker, libc::SIGURG, 0, 0))
    };
    ChangeGroup = "change the process group", |_| done(call!(SYS_setpgid, 0, 0));
    LeaveSession = "leave the session", |_| done(call!(SYS_setsid));
    AskSession = "ask for the session", |_| match call!(SYS_getsid, 0)? {
        // It has no name here.
        0 => Err(Refusal::new("getsid", libc::ESRCH)),
        session => Ok(session.to_string()),
    };
    LeaveSessionAndSpin = "leave the session and run on", |_| {
        call!(SYS_setsid)?;
        loop {
            std::hint::spin_loop();
        }
    };
    Stop = "stop itself", |_| done(call!(SYS_kill, call!(SYS_getpid)?, libc::SIGSTOP));
    Compare = "compare with another process",
        |_| done(call!(SYS_kcmp, call!(SYS_getpid)?, parent(), 0, 0, 0));

    // More processes and threads.
    Fork = "fork", |_| done(multiply("fork", on_x86_64(57), [0; 2], false));
    ForkAndShare = "fork by vfork", |_| done(multiply("vfork", on_x86_64(58), [0; 2], false));
    Clone = "fork by clone",
        |_| done(multiply("clone", libc::SYS_clone, [libc::SIGCHLD.into(), 0], false));
    CloneThree = "fork by clone3", |_| {
        let mut arguments = [0_u64; 11];
        arguments[4] = libc::SIGCHLD as u64;
        let arguments = [arguments.as_ptr() as i64, size_of_val(&arguments) as i64];
        done(multiply("clone3", libc::SYS_clone3, arguments, false))
    };
    CloneIntoNamespaces = "fork into namespaces of its own", |_| {
        let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::SIGCHLD;
        done(multiply("clone", libc::SYS_clone, [flags.into(), 0], false))
    };
    StartThread = "start a thread", |_| done(thread(false));
    ForkBomb = "have sixty-four processes", |_| {
        let mut children: Vec<i64> = vec![];
        let mut forked = Ok(0_i64);
        while children.len() < BOMB && forked.is_ok() {
            forked = multiply("clone", libc::SYS_clone, [libc::SIGCHLD.into(), 0], true);
            children.extend(&forked);
        }
        for child in &children {
            call!(SYS_kill, *child, libc::SIGKILL)?;
            call!(SYS_wait4, *child, 0, 0, 0)?;
        }
        forked.map(|_| format!("{} processes", children.len()))
    };
    ThreadBomb = "have sixty-four threads", |_| {
        for _ in 0..BOMB {
            thread(true)?;
        }
        Ok(format!("{BOMB} threads"))
    };

    // Memory.
    TakeMemory = "have 64 GiB of memory", |_| {
        for gibibytes in 0..64 {
            let memory = map_memory(1 << 30, libc::MAP_PRIVATE | libc::MAP_NORESERVE)?;
            write_mark(memory);
            // The compiler must not see that nobody reads it.
            std::hint::black_box(gibibytes);
        }
        Ok("64 GiB".into())
    };
    TakePageTables = "have page tables for a tebibyte", |_| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        done(call!(SYS_mmap, 0, 1_usize << 40, libc::PROT_READ, flags, -1, 0))
    };
    ProtectMemory = "have memory that it wrote and protected", |_| {
        let memory = map(libc::PROT_READ | libc::PROT_WRITE)?;
        write_mark(memory);
        done(call!(SYS_mprotect, memory, PAGE, libc::PROT_READ))
    };
    HideMemory = "have memory that it wrote and hid", |_| {
        let memory = map(libc::PROT_READ | libc::PROT_WRITE)?;
        write_mark(memory);
        done(call!(SYS_mprotect, memory, PAGE, libc::PROT_NONE))
    };
    ShareMemory = "have memory that does not count as its own", |_| {
        write_mark(map_memory(PAGE, libc::MAP_SHARED)?);
        Ok("shared memory".into())
    };
    FillMemoryFiles = "have 2 GiB in memory files", |_| {
        // One byte at the end of the first of them counts as its length for the limit.
        const PIECE: u64 = 1 << 30;
        for _ in 0..2 {
            let descriptor = memory_file()?;
            call!(SYS_pwrite64, descriptor, MARK.as_ptr(), 1, PIECE - 1)?;
        }
        Ok("two files of 1 GiB".into())
    };
    GrowMemoryFile = "have a memory file of 2 GiB", |_| {
        let descriptor = memory_file()?;
        done(call!(SYS_ftruncate, descriptor, 2_i64 << 30))
    };
    SecretMemory = "have secret memory", |_| done(call!(SYS_memfd_secret, 0));
    HugePages = "have huge pages", |_| {
        let flags = libc::MAP_PRIVATE | libc::MAP_HUGETLB | libc::MAP_NORESERVE;
        done(map_memory(2 << 20, flags))
    };
    LockMemory = "lock memory", |_| {
        let memory = map(libc::PROT_READ | libc::PROT_WRITE)?;
        done(call!(SYS_mlock, memory, PAGE))
    };
    LockAllMemory = "lock all memory", |_| done(call!(SYS_mlockall, libc::MCL_FUTURE));
    AttachSegment = "attach a shared memory segment of the host", |target| {
        let segment = call!(SYS_shmget, target.segment, 0, 0)?;
        let memory = call!(SYS_shmat, segment, 0, libc::SHM_RDONLY)?;
        let content = look(memory);
        Ok(one_line(&content))
    };
    MakeSegment = "make a shared memory segment",
        |_| done(call!(SYS_shmget, libc::IPC_PRIVATE, PAGE, libc::IPC_CREAT | 0o600));
    MakeQueue = "make a message queue",
        |_| done(call!(SYS_msgget, libc::IPC_PRIVATE, libc::IPC_CREAT | 0o600));
    MakeSemaphores = "make semaphores",
        |_| done(call!(SYS_semget, libc::IPC_PRIVATE, 1, libc::IPC_CREAT | 0o600));
    OpenQueue = "open a POSIX message queue", |_| {
        let flags = libc::O_CREAT | libc::O_RDWR;
        done(call!(SYS_mq_open, c"pvf-escape".as_ptr(), flags, 0o600, 0))
    };

    // Signals and timers of its own.
    IgnoreSignal = "ignore SIGTERM", |_| {
        let action = [libc::SIG_IGN as u64, 0, 0, 0];
        done(call!(SYS_rt_sigaction, libc::SIGTERM, action.as_ptr(), 0, 8))
    };
    MakeTimer = "make a timer", |_| {
        let mut timer = 0;
        done(call!(SYS_timer_create, libc::CLOCK_REALTIME, 0, &raw mut timer))
    };
    SetTimer = "set an interval timer", |_| {
        let interval = [0_u64; 4];
        done(call!(SYS_setitimer, libc::ITIMER_REAL, interval.as_ptr(), 0))
    };
    SetAlarm = "set an alarm", |_| done(by_number("alarm", on_x86_64(37), &[0]));
    TimerDescriptor = "make a timer with a descriptor",
        |_| done(call!(SYS_timerfd_create, libc::CLOCK_MONOTONIC, 0));
    SignalDescriptor = "receive signals by a descriptor", |_| {
        let set = 0_u64;
        done(call!(SYS_signalfd4, -1, &raw const set, 8, 0))
    };

    // What the kernel runs or keeps for others.
    UseRing = "set up io_uring", |_| {
        let mut parameters = [0_u8; 120];
        done(call!(SYS_io_uring_setup, 1, parameters.as_mut_ptr()))
    };
    UseAsynchronousIo = "set up asynchronous input and output", |_| {
        let mut context = 0_u64;
        done(call!(SYS_io_setup, 1, &raw mut context))
    };
    LoadBpf = "make a BPF map", |_| {
        // BPF_MAP_CREATE of an array of one value.
        let map = [2_u32, 4, 4, 1, 0, 0, 0, 0];
        done(call!(SYS_bpf, 0, map.as_ptr(), size_of_val(&map)))
    };
    CountEvents = "count events by perf", |_| {
        let mut event = [0_u8; 128];
        event[0] = 1; // PERF_TYPE_SOFTWARE
        event[4] = 128;
        done(call!(SYS_perf_event_open, event.as_ptr(), 0, -1, -1, 0))
    };
    HandlePageFaults = "handle page faults", |_| {
        const UFFD_USER_MODE_ONLY: i32 = 1;
        done(call!(SYS_userfaultfd, UFFD_USER_MODE_ONLY))
    };
    ReadKeys = "look into the user's keyring", |_| {
        const KEYCTL_GET_KEYRING_ID: i32 = 0;
        const KEY_SPEC_USER_KEYRING: i32 = -4;
        done(call!(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1))
    };
    AddKey = "add a key to its keyring", |_| {
        const KEY_SPEC_PROCESS_KEYRING: i32 = -2;
        done(call!(
            SYS_add_key, c"user".as_ptr(), c"pvf".as_ptr(), c"x".as_ptr(), 1,
            KEY_SPEC_PROCESS_KEYRING,
        ))
    };
    RequestKey = "request a key", |_| {
        let asked = call!(SYS_request_key, c"user".as_ptr(), c"pvf".as_ptr(), 0, 0);
        done(past_rights(asked, &[libc::ENOKEY]))
    };
    LoadModule = "load a module", |_| {
        let loaded = call!(SYS_init_module, MARK.as_ptr(), MARK.len(), c"".as_ptr());
        done(past_rights(loaded, &[libc::ENOEXEC, libc::EFAULT]))
    };
    LoadModuleFile = "load a module from a file",
        |_| done(past_rights(call!(SYS_finit_module, -1, c"".as_ptr(), 0), &[libc::EBADF]));
    UnloadModule = "unload a module", |_| {
        let unloaded = call!(SYS_delete_module, c"pvf_no_such".as_ptr(), libc::O_NONBLOCK);
        done(past_rights(unloaded, &[libc::ENOENT]))
    };
    LoadKernel = "load another kernel",
        |_| done(past_rights(call!(SYS_kexec_load, 0, 17, 0, 0), &[libc::EINVAL, libc::EBUSY]));
    Reboot = "reboot", |_| done(past_rights(call!(SYS_reboot, 0, 0, 0, 0), &[libc::EINVAL]));
    SwapOn = "swap to a file",
        |_| done(past_rights(call!(SYS_swapon, c"/none".as_ptr(), 0), &[libc::ENOENT, libc::ENOSYS]));
    SwapOff = "stop swapping to a file",
        |_| done(past_rights(call!(SYS_swapoff, c"/none".as_ptr()), &[libc::ENOENT, libc::ENOSYS]));
    SetTime = "set the clock's time zone", |_| {
        let zone = [0_i32; 2];
        done(call!(SYS_settimeofday, 0, zone.as_ptr()))
    };
    AdjustClock = "adjust the clock", |_| {
        const ADJ_TICK: u32 = 0x4000;
        let mut adjustment = [0_u32; 64];
        adjustment[0] = ADJ_TICK;
        let adjusted = call!(SYS_adjtimex, adjustment.as_mut_ptr());
        done(past_rights(adjusted, &[libc::EINVAL]))
    };
    SetDomain = "change the machine's domain name",
        |target| done(call!(SYS_setdomainname, target.domain.as_ptr(), target.domain.len()));
    ReadKernelLog = "read the kernel's log", |_| {
        const SYSLOG_ACTION_READ_ALL: i32 = 3;
        let mut buffer = [0_u8; 64];
        done(call!(SYS_syslog, SYSLOG_ACTION_READ_ALL, buffer.as_mut_ptr(), buffer.len()))
    };
    UseQuota = "manage quotas", |_| {
        const Q_SYNC: i32 = 0x80_0001 << 8;
        done(call!(SYS_quotactl, Q_SYNC, 0, 0, 0))
    };
    UseAccounting = "stop process accounting", |_| done(call!(SYS_acct, 0));
    PivotRoot = "exchange the root directory", |_| {
        let pivoted = call!(SYS_pivot_root, c"/none".as_ptr(), c"/none".as_ptr());
        done(past_rights(pivoted, &[libc::ENOENT]))
    };
    Mount = "mount a file system", |_| {
        let place = c"/none".as_ptr();
        let mounted = call!(SYS_mount, c"none".as_ptr(), place, c"tmpfs".as_ptr(), 0, 0);
        done(past_rights(mounted, &[libc::ENOENT]))
    };
    Unmount = "unmount a file system",
        |_| done(past_rights(call!(SYS_umount2, c"/none".as_ptr(), 0), &[libc::ENOENT]));
    OpenFileSystem = "open a file system", |_| done(call!(SYS_fsopen, c"tmpfs".as_ptr(), 0));
    OpenTree = "open a tree of mounts", |_| {
        const OPEN_TREE_CLONE: i32 = 1;
        done(call!(SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), OPEN_TREE_CLONE))
    };
    MoveMount = "move a mount", |_| {
        let none = c"/none".as_ptr();
        let moved = call!(SYS_move_mount, libc::AT_FDCWD, none, libc::AT_FDCWD, none, 0);
        done(past_rights(moved, &[libc::ENOENT]))
    };

    // More rights.
    LeaveUserNamespace = "have a user namespace of its own",
        |_| done(call!(SYS_unshare, libc::CLONE_NEWUSER));
    LeaveMounts = "have mounts of its own", |_| done(call!(SYS_unshare, libc::CLONE_NEWNS));
    EnterNamespace = "enter the host's namespaces", |target| {
        let host = call!(SYS_pidfd_open, target.host, 0)?;
        done(call!(SYS_setns, host, libc::CLONE_NEWNET))
    };
    RestrictFiles = "make a Landlock domain", |_| {
        const LANDLOCK_CREATE_RULESET_VERSION: i32 = 1;
        done(call!(SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION))
    };
    AllowAll = "put a filter that allows all upon its own", |_| {
        const RETURN: u16 = 6;
        let allow = libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
        let program = libc::sock_fprog { len: 1, filter: (&raw const allow).cast_mut() };
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        done(call!(SYS_seccomp, mode, 0, &raw const program))
    };
    BeDumpable = "let others trace it",
        |_| done(call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0));
    SurviveParent = "outlive its worker",
        |_| done(call!(SYS_prctl, libc::PR_SET_PDEATHSIG, 0, 0, 0, 0));
    ChangeName = "change its name",
        |_| done(call!(SYS_prctl, libc::PR_SET_NAME, c"kworker".as_ptr(), 0, 0, 0));
    StrictMode = "enter another seccomp mode",
        |_| done(call!(SYS_prctl, libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT, 0, 0, 0));
    ChangePersonality = "change its personality", |_| done(call!(SYS_personality, 0x004_0000));
    ChangeSegments = "change its table of segments", |_| {
        let mut table = [0_u8; 16];
        done(by_number("modify_ldt", on_x86_64(154), &[0, table.as_mut_ptr() as i64, 16]))
    };
    UsePorts = "use the processor's ports", |_| done(by_number("iopl", on_x86_64(172), &[3]));
    UsePort = "use a port of the processor", |_| done(by_number("ioperm", on_x86_64(173), &[0x80, 1, 1]));
    RaiseLimit = "raise its limit of memory", |_| {
        let most = [u64::MAX; 2];
        done(call!(SYS_prlimit64, 0, libc::RLIMIT_DATA, most.as_ptr(), 0))
    };
    ChangeLimitOfWorker = "change a limit of the worker", |_| {
        let most = [0_u64; 2];
        done(call!(SYS_prlimit64, parent(), libc::RLIMIT_CORE, most.as_ptr(), 0))
    };
    SetUser = "become root", |_| done(call!(SYS_setuid, 0));
    SetGroup = "join root's group", |_| done(call!(SYS_setgid, 0));
    SetGroups = "join groups", |_| { let group = 0; done(call!(SYS_setgroups, 1, &raw const group)) };
    SetCapabilities = "take a capability", |_| {
        let header = [0x2008_0522_u32, 0];
        let all = [u32::MAX; 6];
        done(call!(SYS_capset, header.as_ptr(), all.as_ptr()))
    };
    SetScheduler = "be scheduled in real time", |_| {
        let priority = 1;
        done(call!(SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &raw const priority))
    };
    SetPriority = "be scheduled before others",
        |_| done(call!(SYS_setpriority, libc::PRIO_PROCESS, 0, -10));
    SetProcessors = "choose its processors", |_| {
        let set = 1_u64;
        done(call!(SYS_sched_setaffinity, 0, 8, &raw const set))
    };

    // Calls by another door.
    CallX32 = "call by the x32 interface", |_| {
        const X32: i64 = 0x4000_0000;
        done(by_number("getpid of x32", on_x86_64(X32 | 39), &[]))
    };
    Call32Bit = "call by the 32-bit interface", |_| done(call_32_bit("getpid of i386", 20));
    Call32BitSocket = "open a socket by the 32-bit interface",
        |_| done(past_refusal(call_32_bit("socketcall of i386", 102), libc::EINVAL));
    EachCall = "call by a number", |target| {
        done(by_number("call", target.variants.0.into(), &[]))
    };

    // Its own socket.
    Garbage = "answer with nonsense", |_| { send(&[0xff; 100])?; wait_for_end() };
    HugeFrame = "announce an answer of 2^63 bytes",
        |_| { send(&(1_u64 << 63).to_le_bytes())?; wait_for_end() };
    HalfFrame = "answer by half and end", |_| {
        send(&[100, 0, 0, 0, 0, 0, 0, 0, 1])?;
        end()
    };
    TrapThenSuccess = "trap, and say that all went well", |_| {
        send(&frame(&trap()))?;
        send(&frame(&valid()))?;
        wait_for_end()
    };
    SuccessThenTrap = "say that all went well, and trap", |_| {
        send(&frame(&valid()))?;
        send(&frame(&trap()))?;
        wait_for_end()
    };
    SuccessTwice = "answer two thousand times", |_| {
        for _ in 0..2000 {
            send(&frame(&valid()))?;
        }
        wait_for_end()
    };
    ForgeTimeout = "give an answer that no job can give",
        |_| { send(&frame(&[1, 9, 9, 9]))?; wait_for_end() };
    LogFlood = "log until it is cut off", |_| {
        let line = (0_u8, (pvf_host_core::backend::LogLevel::Info, "x", "y".repeat(1000)));
        let line = frame(&line.encode());
        loop {
            send(&line)?;
        }
    };
    LogMuchThenSuccess = "log ten megabytes, and answer", |_| {
        let line = (0_u8, (pvf_host_core::backend::LogLevel::Info, "x", "y".repeat(1000)));
        let line = frame(&line.encode());
        for _ in 0..10_000 {
            send(&line)?;
        }
        send(&frame(&valid()))?;
        end()
    };
    OutliveAnswer = "answer, and run on", |_| { send(&frame(&valid()))?; wait_for_end() };
    ForkAfterAnswer = "answer, and fork", |_| {
        send(&frame(&valid()))?;
        multiply("fork", on_x86_64(57), [0; 2], true)?;
        wait_for_end()
    };
    BlockSignals = "block all signals, and run on", |_| {
        let all = u64::MAX;
        call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, 0, 8)?;
        wait_for_end()
    };
    PromiseArtifact = "say that there is an artifact, and make none", |_| {
        send(&frame(&prepared()))?;
        wait_for_end()
    };
    ForgeArtifact = "make an artifact that is none", |_| {
        const OUTPUT: i32 = 1;
        call!(SYS_write, OUTPUT, MARK.as_ptr(), MARK.len())?;
        let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK;
        call!(SYS_fcntl, OUTPUT, libc::F_ADD_SEALS, seals)?;
        send(&frame(&prepared()))?;
        wait_for_end()
    };
    RefuseThenArtifact = "refuse the code, and say that there is an artifact", |_| {
        use pvf_host_core::{
            backend::BackendPrepareError::Compilation, worker::protocol::PrepareJobError,
        };
        let refusal = PrepareJobError::Backend(Compilation("forged".into()));
        let answer = (1_u8, Err::<(), _>(refusal), PrepareJobSteps::default(), NO_MORE_LINES);
        send(&frame(&answer.encode()))?;
        send(&frame(&prepared()))?;
        wait_for_end()
    };
    EndAsIfWell = "end without an answer", |_| end();
}

/// What is written where it should not arrive.
pub(super) const MARK: &[u8] = b"pvf-escaped";
const PAGE: usize = 4096;
/// More processes or threads than any worker may have.
const BOMB: usize = 64;

fn done<T: std::fmt::Display>(result: Result<T, Refusal>) -> Tried {
    result.map(|value| format!("{value}"))
}

/// The kernel looks at the caller's rights before it finds these errors with the arguments.
fn past_rights(result: Result<i64, Refusal>, errors: &[i32]) -> Result<i64, Refusal> {
    match result {
        Err(refusal) if errors.contains(&refusal.errno) => Ok(0),
        result => result,
    }
}

fn past_refusal(result: Result<i64, Refusal>, error: i32) -> Result<i64, Refusal> {
    past_rights(result, &[error])
}

fn place(target: &Target, name: &str) -> String {
    format!("{}/{name}", target.directory)
}

/// Whether this is a prepare job, which has an output. In a job, the filter does not let anybody ask.
fn has_output() -> bool {
    std::env::args_os().nth(2).is_some_and(|kind| kind == "prepare")
}

/// The number by which the worker knows itself.
static WORKER: OnceLock<u32> = OnceLock::new();

/// Takes note of the worker, so that its jobs need not ask. To be called first thing in a worker's `main`.
pub fn note_worker() {
    let _ = WORKER.set(std::process::id());
}

fn parent() -> i64 {
    WORKER.get().copied().unwrap_or(0).into()
}

fn many(mut make: impl FnMut() -> Result<i64, Refusal>) -> Tried {
    const ENOUGH: usize = 200;
    for _ in 0..ENOUGH {
        make()?;
    }
    Ok(format!("{ENOUGH} times"))
}

fn memory_file() -> Result<i64, Refusal> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    call!(SYS_memfd_create, c"escape".as_ptr(), flags)
}

fn internet(port: u16) -> [u8; 16] {
    let mut address = [0; 16];
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    address
}

fn connect_unix(name: &[u8]) -> Tried {
    let socket = call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    let address = [&(libc::AF_UNIX as u16).to_ne_bytes(), name].concat();
    done(call!(SYS_connect, socket, address.as_ptr(), address.len()))
}

/// Becomes a program with one argument.
fn execute(program: &str, argument: &str) -> Tried {
    let (program, argument) = (path(program), path(argument));
    let arguments = [program.as_ptr(), argument.as_ptr(), ptr::null()];
    let environment: [*const i8; 1] = [ptr::null()];
    let environment = environment.as_ptr();
    done(call!(SYS_execve, program.as_ptr(), arguments.as_ptr(), environment))
}

/// An ELF program that exits with status 42.
const PROGRAM: &[u8] = &{
    let mut file = [0_u8; 132];
    let header = [0x7f, b'E', b'L', b'F', 2, 1, 1];
    let mut at = 0;
    while at < header.len() {
        file[at] = header[at];
        at += 1;
    }
    file[16] = 2; // an executable
    file[18] = 62; // for x86-64
    file[20] = 1;
    file[26] = 0x40; // entry at 0x400078
    file[24] = 0x78;
    file[32] = 64; // where the program header is
    file[52] = 64;
    file[54] = 56;
    file[56] = 1;
    file[64] = 1; // load, to read and execute
    file[68] = 5;
    file[82] = 0x40; // at 0x400000
    file[90] = 0x40;
    file[96] = 132; // all of it
    file[104] = 132;
    file[113] = 0x10;
    let code = [0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let mut at = 0;
    while at < code.len() {
        file[0x78 + at] = code[at];
        at += 1;
    }
    file
};

fn map(protection: i32) -> Result<i64, Refusal> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    call!(SYS_mmap, 0, PAGE, protection, flags, -1, 0)
}

fn map_memory(len: usize, flags: i32) -> Result<i64, Refusal> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    call!(SYS_mmap, 0, len, protection, flags | libc::MAP_ANONYMOUS, -1, 0)
}

/// Reads or writes, with its own value, a variable that is in this process where it is in its worker.
fn memory_of(process: i64, writes: bool) -> Tried {
    static VARIABLE: [u8; 8] = *b"variable";
    let mut here = VARIABLE;
    let local = [here.as_mut_ptr() as usize, here.len()];
    let remote = [VARIABLE.as_ptr() as usize, VARIABLE.len()];
    // Nobody may write to where that lies; its stack is another matter.
    let in_stack = [(&raw const here) as usize, here.len()];
    done(if writes {
        let (local, remote) = (local.as_ptr(), in_stack.as_ptr());
        call!(SYS_process_vm_writev, process, local, 1, remote, 1, 0)
    } else {
        call!(SYS_process_vm_readv, process, local.as_ptr(), 1, remote.as_ptr(), 1, 0)
    })
}

fn thread(is_kept: bool) -> Result<i64, Refusal> {
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM;
    multiply("clone", libc::SYS_clone, [flags.into(), 0], is_kept)
}

/// Sends bytes to the worker as the job's own code does.
fn send(bytes: &[u8]) -> Result<(), Refusal> {
    let mut sent = 0;
    while sent < bytes.len() {
        let vector = [bytes[sent..].as_ptr() as usize, bytes.len() - sent];
        sent += call!(SYS_writev, 0, vector.as_ptr(), 1)? as usize;
    }
    Ok(())
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u64).to_le_bytes(), message].concat()
}

/// With its answer, a job says how many lines of its log it has not sent.
const NO_MORE_LINES: u64 = 0;

/// It also says the most memory that it had.
const PEAK_MEMORY: u64 = 1 << 20;

/// What a job sends when its guest has trapped: its second kind of message, with the third way that its
/// work ends, and no gas.
fn trap() -> Vec<u8> {
    let error = pvf_host_core::backend::ExecuteError::Trap("forged".into());
    let steps = ExecuteJobSteps::default();
    (1_u8, 2_u8, error, None::<u64>, PEAK_MEMORY, steps, NO_MORE_LINES).encode()
}

/// What it sends when all went well.
fn valid() -> Vec<u8> {
    let result = pvf_host_core::primitives::ValidationResult {
        head_data: b"forged".to_vec().into(),
        ..Default::default()
    };
    let steps = ExecuteJobSteps::default();
    (1_u8, 0_u8, result.encode(), None::<u64>, PEAK_MEMORY, steps, NO_MORE_LINES).encode()
}

/// What a prepare job sends when there is an artifact.
fn prepared() -> Vec<u8> {
    (1_u8, Ok::<Option<()>, ()>(None), PrepareJobSteps::default(), NO_MORE_LINES).encode()
}

fn wait_for_end() -> Tried {
    loop {
        std::hint::spin_loop();
    }
}

fn end() -> Tried {
    call!(SYS_exit_group, 0).map(|_| String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_attempts_have_the_same_name() {
        let names: BTreeSet<_> = Attempt::ALL.iter().map(|attempt| attempt.name()).collect();
        assert_eq!(names.len(), Attempt::ALL.len());
    }
}
