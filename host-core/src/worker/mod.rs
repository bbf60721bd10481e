//! Worker processes: how they are started, what is said to them, and how they end.
//!
//! A [`WorkerProgram`] is started by one `Spawner` thread, as a process whose
//! standard input is a socket. [`frame`] and [`protocol`] are what both ends speak over it. The
//! host's end of a prepare worker is a `PrepareWorker`, that of an execute
//! worker an `ExecuteWorker`. Each is one process: it is moved into the
//! future that uses it, so that it can't be given two things to do at once, and dropping it kills
//! and reaps the process.

mod connection;
mod control_group;
pub(crate) mod execute;
pub mod frame;
mod hearsay;
pub mod memory;
pub(crate) mod prepare;
mod process;
pub mod protocol;
pub(crate) mod spawn;
mod steps;

pub use spawn::WorkerProgram;

/// The first argument with which a program is started as a worker; the second is
/// [`WorkerKind::as_str`](protocol::WorkerKind::as_str).
pub const WORKER_ARGUMENT: &str = "pvf-worker";
