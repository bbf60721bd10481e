//! The conformance suite: some hundred tests that say whether a backend is right.
//!
//! It is for whoever writes a backend for the PVF host, in a crate of their own. It needs no backend
//! itself, and no source of this repository but this crate. In the backend's crate, `Cargo.toml` has
//!
//! ```toml
//! [dev-dependencies]
//! pvf-conformance = { path = "…/pvf-host/tests/conformance" }
//!
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! and `tests/conformance.rs` has
//!
//! ```ignore
//! pvf_conformance::conformance_tests! {
//!     backend = my_backend::ID,
//!     guests = pvf_conformance::Guests::webassembly(),
//! }
//! ```
//!
//! Then `cargo test --test conformance` runs the suite. It looks like any other test program: names as
//! filters, `--list`, `--exact`, `cargo nextest` and so on. A test that fails says what it demands, and
//! what came instead. [`tests`] lists all demands.
//!
//! # What is tested
//!
//! The backend is called [in this process](pvf_host_core::backend) as the traits say, and through a
//! real host with real workers, sandboxed as on a validator. What is run are *guests*, programs with
//! known answers: for WebAssembly and PolkaVM they are [there](Guests); for another format they are built
//! from the same sources, see [`Guests::folder`].
//!
//! Only what a backend promises is demanded. Where a backend may lawfully lack something, there is a
//! demand for that case too: one that can't meter gas refuses to prepare code with
//! [`MaxGas`](pvf_host_core::primitives::ExecutorParam::MaxGas), and then nothing else about gas is asked
//! of it. No test is skipped silently.
//!
//! # How it runs
//!
//! The program of the tests is its own worker: the host starts it again, and [`conformance_tests!`]
//! sees to it that it then becomes one. The tests are done by the same program too, started again with an
//! argument that only the suite knows, as often as tests run at once; and so is what needs a process of
//! its own, for it counts threads or forks.
//!
//! So a backend that ends the process, or never returns, fails the test that it was in, and the others
//! are done in a new process. A test that has not ended within [five minutes](TIME_LIMIT) is ended, with
//! whatever it has started. The environment variable
//! [`PVF_CONFORMANCE_TIME_LIMIT`](TIME_LIMIT_VARIABLE) sets another limit, in seconds.
//!
//! If the backend is not linked, or a guest is missing, then one test says so, and no other is run.
//!
//! For a program that tests many backends there is [`run`].

mod apart;
mod areas;
mod elsewhere;
pub mod guests;
mod harness;
mod host;
#[doc(hidden)]
pub mod host_calls;
mod needed;
#[doc(hidden)]
pub mod processes;
#[doc(hidden)]
pub mod request;
mod subject;
mod test;
#[doc(hidden)]
pub mod vectors;
mod wait;

pub use elsewhere::run_if_asked;
pub use harness::{
    BackendName, Options, Outcome, Report, TIME_LIMIT, TIME_LIMIT_VARIABLE, main, run,
};
#[doc(hidden)]
pub use host::{assert_nothing_is_left, temporary_files};
pub use needed::{Guests, NeededGuest};
pub use test::{Test, tests};
#[doc(hidden)]
pub use wait::{DEADLINE, eventually, eventually_some};

/// Expands to the `main` of a test program with the whole suite.
///
/// `backend` names the backend: a [`BackendId`](pvf_host_core::backend::BackendId), preferably a constant
/// of the backend's crate, since using something of a crate is what links it. `guests` is one of the
/// constructors of [`Guests`].
#[macro_export]
macro_rules! conformance_tests {
    (backend = $backend:expr, guests = $guests:expr $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::main($backend, $guests, option_env!("CARGO_TARGET_TMPDIR"))
        }

        // Is there only with the harness that `main` takes the place of, which would find no test.
        #[test]
        fn the_test_program_has_no_harness_of_its_own() {
            panic!(
                "nothing was tested: Cargo.toml has to say `harness = false` of this test program"
            );
        }
    };
}
