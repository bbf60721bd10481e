//! Kernels with an old Landlock.
//!
//! A parent answers what an old kernel would answer otherwise, and leaves the rest to the kernel.

#![expect(unsafe_code, reason = "forks, and listens for system calls")]

use super::{
    done,
    filter::{Filter, listen},
};
use libc::{c_int, c_ulong, seccomp_notif, seccomp_notif_resp};
use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{fs::FileExt, process::ExitStatusExt},
    },
    process::ExitStatus,
    ptr,
};

/// What a version of Landlock knows of `landlock_ruleset_attr`: bits for files, for the network, and
/// for scopes.
fn known(abi: i64) -> [u64; 3] {
    let files = match abi {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    let bits = |count: u32| (1 << count) - 1;
    [bits(files), bits(if abi < 4 { 0 } else { 2 }), bits(if abi < 6 { 0 } else { 2 })]
}

/// How many of these there are in a version.
fn known_fields(abi: i64) -> usize {
    known(abi).iter().filter(|bits| **bits != 0).count()
}

/// Goes on in a child, for which the kernel's Landlock has version `abi`. The parent ends as the child
/// does.
pub(super) fn play(abi: i64) -> io::Result<()> {
    let (mut child_says, mut say) = io::pipe()?;
    // The child shares the table of descriptors, until it executes a program.
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: there is no other thread, and without a stack of its own, and without CLONE_VM, this is
    // `fork`.
    let child = done(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    if child == 0 {
        let listener = listen(&Filter::none().ask(libc::SYS_landlock_create_ruleset))?;
        io::Write::write_all(&mut say, &listener.to_ne_bytes())?;
        // They are the parent's too until then.
        std::mem::forget((child_says, say));
        return Ok(());
    }
    let mut listener = [0; size_of::<c_int>()];
    io::Read::read_exact(&mut child_says, &mut listener)?;
    // SAFETY: the child has made it, and uses it for nothing; it closes when that executes a program.
    let listener = unsafe { OwnedFd::from_raw_fd(c_int::from_ne_bytes(listener)) };
    let status = serve(&listener, abi, child as libc::pid_t)?;
    std::process::exit(status.code().unwrap_or(255));
}

fn serve(listener: &OwnedFd, abi: i64, child: libc::pid_t) -> io::Result<ExitStatus> {
    // SAFETY: takes numbers.
    let pidfd = done(unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) })?;
    // SAFETY: it was made just now.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as c_int) };
    loop {
        let wait =
            |fd: &OwnedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut ready = [wait(listener), wait(&pidfd)];
        // SAFETY: the pointer is to two of these.
        done(unsafe { libc::poll(ready.as_mut_ptr(), 2, -1) }.into())?;
        if ready[0].revents & libc::POLLIN != 0 {
            answer(listener, abi)?;
        } else if ready[1].revents != 0 {
            let mut status = 0;
            // SAFETY: the pointer is to a status.
            done(unsafe { libc::waitpid(child, &raw mut status, 0) }.into())?;
            return Ok(ExitStatus::from_raw(status));
        }
    }
}

fn answer(listener: &OwnedFd, abi: i64) -> io::Result<()> {
    // SAFETY: all zero is what the kernel wants to be given.
    let mut call: seccomp_notif = unsafe { std::mem::zeroed() };
    const RECEIVE: c_ulong = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the pointer is to what the kernel fills.
    if unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, ptr::from_mut(&mut call)) } == -1 {
        // The caller was killed meanwhile.
        return Ok(());
    }
    let mut response = seccomp_notif_resp { id: call.id, val: 0, error: 0, flags: 0 };
    match as_old_kernel(&call, abi) {
        Ok(Some(version)) => response.val = version,
        Ok(None) => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Err(errno) => response.error = -errno,
    }
    const SEND: c_ulong = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // SAFETY: the pointer is to an answer. It fails if the caller is gone.
    unsafe { libc::ioctl(listener.as_raw_fd(), SEND, ptr::from_ref(&response)) };
    Ok(())
}

/// The answer to `landlock_create_ruleset`, or nothing if an old kernel would do what this one does.
fn as_old_kernel(call: &seccomp_notif, abi: i64) -> Result<Option<i64>, c_int> {
    const VERSION: u64 = 1;
    let [pointer, size, flags, ..] = call.data.args;
    match flags {
        VERSION if pointer == 0 && size == 0 => return Ok(Some(abi)),
        0 => {}
        _ => return Err(libc::EINVAL),
    }
    let mut fields = [0_u64; 3];
    for (field, at) in fields.iter_mut().zip((0..size).step_by(8)) {
        let mut bytes = [0; 8];
        let memory = File::open(format!("/proc/{}/mem", call.pid)).map_err(|_| libc::EFAULT)?;
        memory.read_exact_at(&mut bytes, pointer + at).map_err(|_| libc::EFAULT)?;
        *field = u64::from_ne_bytes(bytes);
    }
    if fields[known_fields(abi)..].iter().any(|unknown| *unknown != 0) {
        return Err(libc::E2BIG);
    }
    if fields.iter().zip(known(abi)).any(|(asked, known)| asked & !known != 0) {
        return Err(libc::EINVAL);
    }
    Ok(None)
}
