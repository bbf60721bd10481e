//! Users, capabilities, and namespaces for them.

#![expect(unsafe_code, reason = "changes user, capabilities and namespaces")]

use super::{NOBODY, done};
use libc::{c_int, c_long};
use std::{fs, io, ptr};

/// What container runtimes leave to root, by the numbers of the kernel.
const OF_CONTAINERS: [u32; 14] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    3,  // CAP_FOWNER
    4,  // CAP_FSETID
    5,  // CAP_KILL
    6,  // CAP_SETGID
    7,  // CAP_SETUID
    8,  // CAP_SETPCAP
    10, // CAP_NET_BIND_SERVICE
    13, // CAP_NET_RAW
    18, // CAP_SYS_CHROOT
    27, // CAP_MKNOD
    29, // CAP_AUDIT_WRITE
    31, // CAP_SETFCAP
];

/// Gives up all capabilities that containers don't have, for good.
pub(super) fn keep_those_of_containers() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    /// There are fewer.
    const MANY: u32 = 64;
    for capability in (0..MANY).filter(|number| !OF_CONTAINERS.contains(number)) {
        let capability = libc::c_ulong::from(capability);
        // SAFETY: takes numbers. It fails for those that the kernel does not have.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    let kept = OF_CONTAINERS.iter().fold(0, |bits, number| bits | 1_u32 << number);
    /// `_LINUX_CAPABILITY_VERSION_3`
    const VERSION: u32 = 0x2008_0522;
    let header = Header { version: VERSION, pid: 0 };
    let sets = [Set { effective: kept, permitted: kept, inheritable: 0 }, Set::default()];
    // SAFETY: both pointers are to what the kernel expects in this version.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}

pub(super) fn become_nobody() -> io::Result<()> {
    // SAFETY: no group is given. These calls take numbers.
    unsafe {
        done(libc::setgroups(0, ptr::null()).into())?;
        done(libc::setresgid(NOBODY, NOBODY, NOBODY).into())?;
        done(libc::setresuid(NOBODY, NOBODY, NOBODY).into())?;
    }
    Ok(())
}

/// Becomes root of a user namespace in which all users are who they were, and which can't have another
/// one in it.
pub(super) fn enter_last_user_namespace() -> io::Result<()> {
    let parent = std::process::id();
    let (wait, tell) = io::pipe()?;
    // SAFETY: there is no other thread.
    let child = done(unsafe { libc::fork() }.into())?;
    if child == 0 {
        drop(tell);
        // The parent has its namespace once it lets go of the pipe.
        let written = io::read_to_string(wait).and_then(|_| {
            let everybody = "0 0 4294967295";
            fs::write(format!("/proc/{parent}/uid_map"), everybody)?;
            fs::write(format!("/proc/{parent}/gid_map"), everybody)
        });
        // SAFETY: ends this process, which owes nobody anything.
        unsafe { libc::_exit(i32::from(written.is_err())) }
    }
    drop(wait);
    // SAFETY: shares less with nobody: there is no other thread.
    done(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())?;
    drop(tell);
    let mut status: c_int = 0;
    // SAFETY: the pointer is to a status.
    done(c_long::from(unsafe { libc::waitpid(child as libc::pid_t, &raw mut status, 0) }))?;
    if status != 0 {
        return Err(io::Error::other("the users can't be mapped"));
    }
    // SAFETY: these calls take numbers.
    unsafe {
        done(libc::setresgid(0, 0, 0).into())?;
        done(libc::setresuid(0, 0, 0).into())?;
    }
    fs::write("/proc/sys/user/max_user_namespaces", "0")
}
