//! How all benches are run.

use criterion::Criterion;
use pvf_host_core::{primitives::ExecutorParams, worker::memory::HOST_STACK};
use std::{env, panic::resume_unwind, thread::Builder};

/// Runs the benches in a thread with the native stack that guests need, while this one waits.
///
/// That is for `cargo bench`. With `cargo test` each of them runs once, and is not measured. If that
/// was told which tests to run, no bench is among them.
pub(crate) fn run(benches: fn(&mut Criterion)) {
    if env::args().len() > 1 && env::args().all(|argument| argument != "--bench") {
        return;
    }
    let stack = ExecutorParams::default().stack_native_max() as usize + HOST_STACK;
    let thread = Builder::new().stack_size(stack).spawn(move || {
        let mut criterion = Criterion::default().without_plots().configure_from_args();
        benches(&mut criterion);
        criterion.final_summary();
    });
    thread.expect("there is room for a stack").join().unwrap_or_else(|panic| resume_unwind(panic));
}
