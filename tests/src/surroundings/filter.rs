//! Filters that answer system calls in the kernel's place.

#![expect(unsafe_code, reason = "installs filters for system calls")]

use super::done;
use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_JUMP, BPF_K, BPF_LD, BPF_RET, BPF_STMT, BPF_W,
    SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, c_int, c_long, sock_filter, sock_fprog,
};
use std::io;

/// The program of a filter. What it does not answer, the kernel does.
pub(super) struct Filter(Vec<sock_filter>);

/// Of `seccomp_data`: the number of the call.
const NUMBER: u32 = 0;

/// Of `seccomp_data`: the lower half of an argument.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

fn load(offset: u32) -> sock_filter {
    // SAFETY: puts numbers together.
    unsafe { BPF_STMT((BPF_LD | BPF_W | BPF_ABS) as u16, offset) }
}

/// Goes on if what was loaded is `value`, else skips so many instructions.
fn expect(value: u32, or_skip: u8) -> sock_filter {
    // SAFETY: puts numbers together.
    unsafe { BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, value, 0, or_skip) }
}

/// Skips so many instructions if what was loaded is `value`.
fn skip_if(value: u32, skip: u8) -> sock_filter {
    // SAFETY: puts numbers together.
    unsafe { BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, value, skip, 0) }
}

fn mask(bits: u32) -> sock_filter {
    // SAFETY: puts numbers together.
    unsafe { BPF_STMT((BPF_ALU | BPF_AND | BPF_K) as u16, bits) }
}

fn end(action: u32) -> sock_filter {
    // SAFETY: puts numbers together.
    unsafe { BPF_STMT((BPF_RET | BPF_K) as u16, action) }
}

fn error(errno: c_int) -> sock_filter {
    end(SECCOMP_RET_ERRNO | errno as u32)
}

impl Filter {
    fn new() -> Self {
        Self(vec![])
    }

    /// Has a call end so.
    fn answer(mut self, call: c_long, answer: sock_filter) -> Self {
        self.0.extend([load(NUMBER), expect(call as u32, 1), answer]);
        self
    }

    /// Has a call fail.
    fn refuse(self, call: c_long, errno: c_int) -> Self {
        self.answer(call, error(errno))
    }

    /// Has a call fail if an argument is `value`.
    fn refuse_value(mut self, call: c_long, index: u32, value: u32, errno: c_int) -> Self {
        let argument = load(argument(index));
        let call = call as u32;
        self.0.extend([load(NUMBER), expect(call, 3), argument, expect(value, 1), error(errno)]);
        self
    }

    /// Has a call fail if an argument has one of these bits.
    fn refuse_bits(mut self, call: c_long, index: u32, bits: u32, errno: c_int) -> Self {
        let argument = load(argument(index));
        let call = call as u32;
        self.0.extend([
            load(NUMBER),
            expect(call, 4),
            argument,
            mask(bits),
            skip_if(0, 1),
            error(errno),
        ]);
        self
    }

    /// Has a call wait for the answer of whoever [listens](listen).
    pub(super) fn ask(self, call: c_long) -> Self {
        self.answer(call, end(libc::SECCOMP_RET_USER_NOTIF))
    }

    pub(super) fn none() -> Self {
        Self::new()
    }
}

/// What the default profile of container runtimes refuses, as far as it matters here.
pub(super) fn container() -> Filter {
    const NAMESPACES: c_int = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let mut filter = Filter::new()
        .refuse_bits(libc::SYS_clone, 0, NAMESPACES as u32, libc::EPERM)
        // Its flags are in memory, where no filter can see them.
        .refuse(libc::SYS_clone3, libc::ENOSYS);
    for call in [
        libc::SYS_add_key,
        libc::SYS_bpf,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fsopen,
        libc::SYS_init_module,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_mount,
        libc::SYS_mount_setattr,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_pivot_root,
        libc::SYS_request_key,
        libc::SYS_setns,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
    ] {
        filter = filter.refuse(call, libc::EPERM);
    }
    filter
}

pub(super) fn without_landlock(errno: c_int) -> Filter {
    Filter::new()
        .refuse(libc::SYS_landlock_create_ruleset, errno)
        .refuse(libc::SYS_landlock_add_rule, errno)
        .refuse(libc::SYS_landlock_restrict_self, errno)
}

pub(super) fn without_filters() -> Filter {
    Filter::new().refuse(libc::SYS_seccomp, libc::ENOSYS).refuse_value(
        libc::SYS_prctl,
        0,
        libc::PR_SET_SECCOMP as u32,
        libc::EINVAL,
    )
}

/// Installs a filter for this thread and all that it starts.
pub(super) fn install(filter: &Filter) -> io::Result<()> {
    seccomp(filter, 0).map(drop)
}

/// The same, and gives the descriptor of the one who listens.
pub(super) fn listen(filter: &Filter) -> io::Result<c_int> {
    Ok(seccomp(filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)? as c_int)
}

fn seccomp(filter: &Filter, flags: libc::c_ulong) -> io::Result<i64> {
    let mut program = filter.0.clone();
    program.push(end(SECCOMP_RET_ALLOW));
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    if !rustix::process::geteuid().is_root() {
        rustix::thread::set_no_new_privs(true)?;
    }
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program is as long as it says. What it refuses fails, as any call may.
    done(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })
}
