//! The table, and the programs made of it, run by an interpreter.

use super::{
    super::{
        CALLS, Program, Stage,
        rules::{Action, Call, Machine, Value},
    },
    MACHINES, PROCESS,
    interpreter::Request,
    look_up, program, run,
};
use std::collections::BTreeSet;

/// Past all numbers that a kernel has.
const NUMBERS: u32 = 600;

/// Numbers that are found by chance: the same ones in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Arguments on both sides of every condition of the call with this number, and some for a call
/// without.
fn arguments(machine: Machine, number: u32) -> Vec<[u64; 6]> {
    let call = CALLS.iter().find(|call| call.number(machine) == Some(number));
    let cases = call.iter().flat_map(|call| call.rules.iter().flat_map(|rule| rule.cases));
    let mut bases = vec![[0; 6], [u64::MAX; 6]];
    for case in cases {
        for mut base in [[0; 6], [u64::MAX; 6]] {
            for condition in case.when {
                let value = match condition.value {
                    Value::Number(value) => value,
                    Value::OwnProcess => PROCESS.into(),
                };
                let argument = &mut base[usize::from(condition.argument)];
                *argument = *argument & !condition.mask | value;
            }
            bases.push(base);
        }
    }
    let mut all = BTreeSet::new();
    let mut random = Random(u64::from(number) + 1);
    for base in bases {
        all.insert(base);
        for argument in 0..6 {
            for bit in 0..64 {
                let mut other = base;
                other[argument] ^= 1 << bit;
                all.insert(other);
            }
            for value in (0..64).chain([u64::MAX, u64::from(PROCESS), u64::from(PROCESS) + 1]) {
                let mut other = base;
                other[argument] = value;
                all.insert(other);
            }
        }
        for _ in 0..64 {
            all.insert(base.map(|argument| argument ^ random.next() & random.next()));
        }
    }
    all.into_iter().collect()
}

/// All requests that are worth making on a machine.
fn for_each_request(machine: Machine, mut make: impl FnMut(&Request)) {
    let architecture = machine.audit_architecture();
    for number in 0..=NUMBERS {
        for arguments in arguments(machine, number) {
            make(&Request { number, architecture, arguments });
        }
    }
}

/// What a program answers, from the mildest to the strictest.
fn strictness(action: Action) -> u8 {
    match action {
        Action::Allow => 0,
        Action::Fail(_) => 1,
        Action::Kill => 2,
    }
}

#[test]
fn the_programs_do_what_the_table_says() {
    for machine in MACHINES {
        for_each_request(machine, |request| {
            for stage in Stage::ALL {
                let expected = look_up(machine, stage, request);
                let actual = run(machine, stage, request);
                assert_eq!(actual, expected.encode(), "{machine:?} {stage:?} {request:?}");
            }
        });
    }
}

#[test]
fn what_is_not_in_the_table_ends_the_process() {
    /// What the kernel adds to the numbers of the x32 interface.
    const X32: u32 = 0x4000_0000;
    let mut random = Random(1);
    let others: Vec<_> = (0..100_000).map(|_| random.next() as u32).collect();
    for machine in MACHINES {
        let known: BTreeSet<_> = CALLS.iter().filter_map(|call| call.number(machine)).collect();
        let architecture = machine.audit_architecture();
        let numbers = (0..=NUMBERS).chain((0..=NUMBERS).map(|number| X32 | number));
        for number in numbers.chain(others.iter().copied()).chain([u32::MAX]) {
            if known.contains(&number) {
                continue;
            }
            for stage in Stage::ALL {
                let request = Request { number, architecture, arguments: [0; 6] };
                let answer = run(machine, stage, &request);
                assert_eq!(answer, libc::SECCOMP_RET_KILL_PROCESS, "{stage:?} {number}");
            }
        }
    }
}

#[test]
fn the_calls_of_another_architecture_end_the_process() {
    /// 32-bit x86, 32-bit ARM, and RISC-V with 64 bits.
    const OTHERS: [u32; 3] = [0x4000_0003, 0x4000_0028, 0xc000_00f3];
    for machine in MACHINES {
        let wrong = MACHINES.map(Machine::audit_architecture).into_iter().chain(OTHERS);
        for architecture in wrong.filter(|it| *it != machine.audit_architecture()) {
            for number in 0..=NUMBERS {
                for stage in Stage::ALL {
                    let request = Request { number, architecture, arguments: [0; 6] };
                    let answer = run(machine, stage, &request);
                    assert_eq!(answer, libc::SECCOMP_RET_KILL_PROCESS);
                }
            }
        }
    }
}

/// What a process is left in a later stage, it had before; and what fails there does not end it
/// already in an earlier one.
#[test]
fn a_later_stage_is_never_milder() {
    const ORDER: [(Stage, Stage); 3] = [
        (Stage::Worker, Stage::Loaded),
        (Stage::Loaded, Stage::Job),
        (Stage::Worker, Stage::PrepareJob),
    ];
    for machine in MACHINES {
        for_each_request(machine, |request| {
            for (before, after) in ORDER {
                let [before_it, after_it] =
                    [before, after].map(|stage| strictness(look_up(machine, stage, request)));
                assert!(before_it <= after_it, "{machine:?} {before:?} {after:?} {request:?}");
            }
        });
    }
}

#[test]
fn each_call_is_there_once_with_a_reason_and_a_stage() {
    let names: BTreeSet<_> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(names.len(), CALLS.len());
    for call in CALLS {
        assert!(call.reason.len() > 5, "{}", call.name);
        assert!(MACHINES.iter().any(|machine| call.number(*machine).is_some()), "{}", call.name);
        assert!(call.rules.iter().any(|rule| !rule.is_kill()), "{}", call.name);
    }
}

/// The name as a constant of `libc`, so that a misspelt one does not compile.
#[cfg(target_arch = "x86_64")]
fn number_by_name(call: &Call) -> Option<libc::c_long> {
    macro_rules! numbers {
        ($($name:ident $constant:ident)*) => {
            match call.name {
                $(stringify!($name) => Some(libc::$constant),)*
                _ => None,
            }
        };
    }
    numbers! {
        brk SYS_brk
        clock_gettime SYS_clock_gettime
        clock_nanosleep SYS_clock_nanosleep
        clone SYS_clone
        clone3 SYS_clone3
        close SYS_close
        close_range SYS_close_range
        dup2 SYS_dup2
        dup3 SYS_dup3
        exit SYS_exit
        exit_group SYS_exit_group
        fcntl SYS_fcntl
        futex SYS_futex
        getcwd SYS_getcwd
        getpid SYS_getpid
        getppid SYS_getppid
        getrandom SYS_getrandom
        getrusage SYS_getrusage
        gettid SYS_gettid
        kill SYS_kill
        madvise SYS_madvise
        memfd_create SYS_memfd_create
        mmap SYS_mmap
        mprotect SYS_mprotect
        mremap SYS_mremap
        munmap SYS_munmap
        openat SYS_openat
        pidfd_send_signal SYS_pidfd_send_signal
        ppoll SYS_ppoll
        prctl SYS_prctl
        prlimit64 SYS_prlimit64
        read SYS_read
        readlink SYS_readlink
        recvmsg SYS_recvmsg
        restart_syscall SYS_restart_syscall
        rseq SYS_rseq
        rt_sigaction SYS_rt_sigaction
        rt_sigprocmask SYS_rt_sigprocmask
        rt_sigreturn SYS_rt_sigreturn
        sched_getaffinity SYS_sched_getaffinity
        sched_yield SYS_sched_yield
        seccomp SYS_seccomp
        sendmsg SYS_sendmsg
        set_robust_list SYS_set_robust_list
        sigaltstack SYS_sigaltstack
        socketpair SYS_socketpair
        statx SYS_statx
        tgkill SYS_tgkill
        wait4 SYS_wait4
        write SYS_write
        writev SYS_writev
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_numbers_are_those_of_the_kernel() {
    for call in CALLS {
        if let Some(number) = call.x86_64 {
            assert_eq!(Some(libc::c_long::from(number)), number_by_name(call), "{}", call.name);
        }
    }
}

#[test]
fn the_numbers_on_aarch64_have_the_shape_of_the_generic_table() {
    for call in CALLS {
        match (call.x86_64, call.aarch64) {
            // From here on, numbers are the same everywhere.
            (x86_64, aarch64) if x86_64.max(aarch64) >= Some(424) => {
                assert_eq!(x86_64, aarch64, "{}", call.name);
            }
            // The generic table ends before that with `rseq` and a few more.
            (_, Some(number)) => assert!(number <= 294, "{}", call.name),
            (_, None) => assert_eq!(call.name, "dup2", "the generic table has only dup3"),
        }
    }
    let numbers: Vec<_> = CALLS.iter().filter_map(|call| call.aarch64).collect();
    assert_eq!(numbers.len(), numbers.iter().collect::<BTreeSet<_>>().len());
}

#[test]
fn a_program_looks_at_the_architecture_before_anything_else_or_leaves_that_to_another_one() {
    for machine in MACHINES {
        for stage in Stage::ALL {
            let Program { code, own_process } = *program(machine, stage);
            let is_job = matches!(stage, Stage::Job | Stage::PrepareJob);
            assert_eq!(own_process.is_some(), is_job);
            if let Some(before) = stage.leaves_to() {
                assert_eq!(before.leaves_to(), None);
                continue;
            }
            let first = [code[0], code[1], code[2]].map(|it| (u32::from(it.code), it.k));
            let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
            let compare = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
            let kill = (libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS);
            assert_eq!(first, [(load, 4), (compare, machine.audit_architecture()), kill]);
        }
    }
}

/// The kernel translates it for each job anew.
#[test]
fn the_program_that_each_job_installs_is_short() {
    for machine in MACHINES {
        let len = program(machine, Stage::Job).code.len();
        assert!(len <= 36, "{machine:?}: {len} instructions");
    }
}

#[test]
fn nothing_in_a_job_is_executable_that_was_not_before() {
    let has = |machine, stage, name: &str, arguments| {
        let call = CALLS.iter().find(|call| call.name == name).unwrap();
        let number = call.number(machine).unwrap();
        let architecture = machine.audit_architecture();
        look_up(machine, stage, &Request { number, architecture, arguments }) == Action::Allow
    };
    const ANONYMOUS: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    for machine in MACHINES {
        for protection in 0..1 << 16 {
            let (writable, executable) = (protection & 2 != 0, protection & 4 != 0);
            for (name, flags) in [("mmap", ANONYMOUS), ("mmap", 2), ("mprotect", 0)] {
                let arguments = [0, 4096, protection, flags, 0, 0];
                for stage in [Stage::Loaded, Stage::Job] {
                    assert!(!(executable && has(machine, stage, name, arguments)));
                }
                for stage in [Stage::Worker, Stage::PrepareJob] {
                    assert!(!(executable && writable && has(machine, stage, name, arguments)));
                }
            }
            let shared = [0, 4096, protection, libc::MAP_SHARED as u64, 3, 0];
            for stage in Stage::ALL {
                let is_shared = has(machine, stage, "mmap", shared);
                assert!(!(is_shared && (writable || executable)));
            }
        }
    }
}

#[test]
fn a_job_has_few_calls() {
    let machine = Machine::X86_64;
    let allowed = |call: &&Call| {
        let rule = call.rule(Stage::Job);
        call.number(machine).is_some()
            && (rule.otherwise == Action::Allow
                || rule.cases.iter().any(|case| case.then == Action::Allow))
    };
    assert!(CALLS.iter().filter(allowed).count() < 25);
}
