//! What the integration tests of the validation host stand on.
//!
//! The tests run real hosts with real worker processes. What makes these do, at the right place,
//! anything that an attacker or a bad machine could do is the scripted backend ([`scripted`]): its
//! code is a [`Script`], which says how preparing, loading and calling it go. What the tests do from
//! outside, they do to [processes] that they find, as an operator's tools or the kernel would.
//!
//! What a worker itself could do, if somebody has got hold of it, the tests' worker program does when it
//! has bad [manners]. What an attacker could do who has native code run in a job is in [escape].
//!
//! * A [`Scratch`] is a directory with a cache and a worker program of its own, so that a test can
//!   tell its processes from those of others.
//! * A [`TestHost`] is a host in such a directory. When it is shut down, and that happens at the
//!   latest when it is dropped, it checks that nothing of it is left: no process, no temporary file,
//!   no lock.
//! * [`guests`] are programs that were built for every engine, with candidates whose verdict is known.
//! * [`request`] makes candidates, [`eventually`] waits for what is bound to happen.
//!
//! No test waits for time to pass in the hope of something. What has to be slow is stopped with a
//! signal, what has to happen first is waited for.

pub mod allocation;
mod control_groups;
pub mod escape;
pub mod exposition;
mod fixture;
pub mod manners;
pub mod mounts;
pub mod refusals;
mod script;
pub mod scripted;
pub mod strace;
pub mod surroundings;
pub mod verdict;

// For the backends that it brings along: host and worker must have the same.
use pvf_workers as _;

pub use control_groups::ControlGroupDirectory;
pub use fixture::{Programs, Scratch, Submitted, TestHost, no_sandbox, valid_head};
use pvf_conformance::DEADLINE;
pub use pvf_conformance::{eventually, eventually_some, guests, host_calls, processes, request};
pub use script::{OnCall, OnLoad, OnPrepare, Script};

/// The [`Programs`] that belong to the integration test in which this is written.
#[macro_export]
macro_rules! programs {
    () => {
        $crate::Programs {
            worker: env!("CARGO_BIN_EXE_pvf-test-worker").as_ref(),
            bare_worker: env!("CARGO_BIN_EXE_pvf-test-worker-bare").as_ref(),
            scratch: env!("CARGO_TARGET_TMPDIR").as_ref(),
        }
    };
}
