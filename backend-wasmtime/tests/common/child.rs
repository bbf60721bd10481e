//! Calling in a forked child, as a worker's jobs do.

#![expect(unsafe_code, reason = "forks")]

use pvf_host_core::backend::{ExecuteError, LoadedArtifact};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, setrlimit, waitpid};
use std::io::{Read, Write};

/// Forks, calls in the child, and returns what `report` makes of the result there.
pub(crate) fn call_in_child(
    loaded: &mut dyn LoadedArtifact,
    input: &[u8],
    prepare: impl FnOnce(),
    report: impl FnOnce(Result<Vec<u8>, ExecuteError>) -> Vec<u8>,
) -> Vec<u8> {
    let (mut from, mut to) = std::io::pipe().unwrap();
    // SAFETY: of what the other threads of this process might hold, the child uses the allocator
    // alone, which the C library keeps usable across a fork. It ends without running any destructor.
    let pid = unsafe { libc::fork() };
    assert_ne!(pid, -1);
    if pid == 0 {
        prepare();
        let output = report(loaded.call("validate_block", input, Box::new(())));
        let written = to.write_all(&output).is_ok();
        // SAFETY: ends the process, and touches nothing in it. It is the call for one thread, the only
        // one here, because the strictest filter lets no other through.
        unsafe { libc::syscall(libc::SYS_exit, i32::from(!written)) };
    }
    drop(to);
    let mut output = Vec::new();
    from.read_to_end(&mut output).unwrap();
    let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    output
}

/// Lets no more memory of this process become writable than already is.
pub(crate) fn take_all_memory() {
    let limit = Some(1 << 20);
    setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit }).unwrap();
}
