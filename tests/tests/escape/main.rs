//! What native code can do that has taken over a job, a prepare job, or a worker that loads an
//! artifact: nothing but use up its own time and memory, and give a verdict on its own code.
//!
//! Each test prints what it has found; see `--nocapture`.

mod answers;
mod attempts;
mod calls;
mod limits;
mod listed;
mod log;
mod necessity;
mod outside;
mod trace;
mod trial;

use pvf_host_core::sandbox::{Measures, Sandbox};

/// The sandbox with all measures but these.
fn all_but(switched_off: Measures) -> Sandbox {
    let sandbox = switched_off.iter().fold(Sandbox::default(), Sandbox::without);
    sandbox.accept_insecure()
}
