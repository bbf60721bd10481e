//! Namespaces that a worker makes for itself, and the empty root directory.

#![expect(unsafe_code, reason = "unshares and pivots")]

use pvf_host_core::sandbox::{Findings, Measure, Measures, State};
use rustix::thread::UnshareFlags;
use std::{ffi::CStr, io, ptr};

/// Enters all namespaces but those for processes and users, and an empty root directory.
pub(super) fn enter(wanted: Measures, findings: &mut Findings) {
    let separate = [
        (Measure::NetworkNamespace, UnshareFlags::NEWNET),
        (Measure::IpcNamespace, UnshareFlags::NEWIPC),
        (Measure::UtsNamespace, UnshareFlags::NEWUTS),
        (Measure::CgroupNamespace, UnshareFlags::NEWCGROUP),
    ];
    for (measure, namespace) in separate {
        findings.attempt(wanted, measure, || {
            unshare(namespace)?;
            Ok(State::Holds(String::new()))
        });
    }
    findings.attempt(wanted, Measure::EmptyRoot, || {
        unshare(UnshareFlags::NEWNS)?;
        empty_root()?;
        Ok(State::Holds(String::new()))
    });
}

/// Enters a user namespace, unless the host has put this process into one.
pub(super) fn enter_user(wanted: Measures, findings: &mut Findings) {
    if findings.state(Measure::UserNamespace).is_none() {
        findings.attempt(wanted, Measure::UserNamespace, || {
            unshare(UnshareFlags::NEWUSER)?;
            Ok(State::Holds(String::new()))
        });
    }
}

fn unshare(namespace: UnshareFlags) -> Result<(), String> {
    // SAFETY: none of these flags has this thread share less with others of its process: it has none.
    unsafe { rustix::thread::unshare_unsafe(namespace) }
        .map_err(|error| format!("unshare: {}", io::Error::from(error)))
}

/// Makes an empty directory the root, and leaves nothing of the old one.
fn empty_root() -> Result<(), String> {
    /// A directory that every system has. What is mounted over it is seen in this namespace alone.
    const PLACE: &CStr = c"/proc";
    const UNCHANGEABLE: libc::c_ulong =
        libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // Nothing that is done here is to be seen in the namespace that this one was copied from.
    mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    mount(Some(c"none"), PLACE, Some(c"tmpfs"), 0, Some(c"size=4k,nr_inodes=2,mode=555"))?;
    change_directory(PLACE)?;
    // With both names the same, the old root ends up on top of the new one.
    // SAFETY: both pointers are to strings that end with a zero byte.
    let pivoted = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
    done(pivoted == 0, "pivot_root")?;
    // SAFETY: as above.
    done(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) } == 0, "umount2")?;
    change_directory(c"/")?;
    mount(None, c"/", None, libc::MS_REMOUNT | libc::MS_BIND | UNCHANGEABLE, None)
}

fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> Result<(), String> {
    let pointer = |string: Option<&CStr>| string.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null, where that is allowed, or to strings that end with a zero byte.
    let result = unsafe {
        libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, pointer(options).cast())
    };
    done(result == 0, "mount")
}

fn change_directory(path: &CStr) -> Result<(), String> {
    rustix::process::chdir(path).map_err(|error| format!("chdir: {}", io::Error::from(error)))
}

fn done(succeeded: bool, call: &str) -> Result<(), String> {
    if succeeded { Ok(()) } else { Err(format!("{call}: {}", io::Error::last_os_error())) }
}
