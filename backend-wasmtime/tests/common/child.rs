//! Calling in a forked child, as a worker's jobs do.

use pvf_host_core::backend::{ExecuteError, LoadedArtifact};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{FromRawFd, OwnedFd},
};

/// Forks, calls in the child, and returns what `report` makes of the result there.
pub(crate) fn call_in_child(
    loaded: &mut dyn LoadedArtifact,
    input: &[u8],
    prepare: impl FnOnce(),
    report: impl FnOnce(Result<Vec<u8>, ExecuteError>) -> Vec<u8>,
) -> Vec<u8> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both descriptors were just made, and nobody else owns them.
    let [from, to] = ends.map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    // SAFETY: of what the other threads of this process might hold, the child uses the allocator
    // alone, which the C library keeps usable across a fork. It ends without running any destructor.
    let pid = unsafe { libc::fork() };
    assert_ne!(pid, -1);
    if pid == 0 {
        prepare();
        let output = report(loaded.call("validate_block", input, Box::new(())));
        let written = (&to).write_all(&output).is_ok();
        // SAFETY: ends the process, and touches nothing in it. It is the call for one thread, the only
        // one here, because the strictest filter lets no other through.
        unsafe { libc::syscall(libc::SYS_exit, i32::from(!written)) };
    }
    drop(to);
    let mut output = Vec::new();
    (&from).read_to_end(&mut output).unwrap();
    let mut status = 0;
    // SAFETY: `status` is a valid place for the child's status, and the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
    output
}

/// Lets no more memory of this process become writable than already is.
pub(crate) fn take_all_memory() {
    let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
    // SAFETY: `limit` is a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) }, 0);
}
