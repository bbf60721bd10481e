//! Faults at every step of the host, its workers and their jobs, and what they must not lead to.
//!
//! A test starts a process with a [`host`] in it, which does as it is told and keeps a
//! [`journal`](mod@journal) of it, and pins a plan to the [`board`] that all processes look at: which
//! point, reached how often, makes what go wrong. The [`driver`] is the test's side: it talks with the
//! process, kills whoever the plan says, and looks for what is left. The [`workload`] is what is asked
//! meanwhile, with the answers that are right.
//!
//! `tests/matrix.rs` goes through all points and faults, `tests/crash.rs` kills hosts at random.

pub mod board;
pub mod driver;
pub mod host;
pub mod journal;
mod random;
pub mod workload;

pub use random::Random;
