//! `pvf`: validate Polkadot parachain candidates from the command line.
//!
//! A command reads its input, has a host do the work, and prints a verdict or a table.
//! Results go to standard output, whole and at the end; everything else goes to standard error. The
//! same program is also the worker that the host starts.
//!
//! This is a library so that a program with other backends is made of two lines: link the crate that
//! submits the backend, and let [`main`] do the rest.
//!
//! ```no_run
//! // use my_backend as _;
//!
//! fn main() -> std::process::ExitCode {
//!     pvf_node::main()
//! }
//! ```

mod case;
mod cli;
mod commands {
    //! What each command does.

    pub(crate) mod backends;
    pub(crate) mod bench;
    pub(crate) mod cache;
    pub(crate) mod compare;
    pub(crate) mod demo;
    pub(crate) mod doctor;
    pub(crate) mod precheck;
    pub(crate) mod replay;
    pub(crate) mod validate;
}
mod compare;
mod failure;
mod features;
mod floor;
mod html;
mod input;
mod logging;
mod machine;
mod metrics;
mod output;
mod progress;
mod result_file;
mod samples;
mod session;
mod suite;
mod temporary;
mod timing;
mod units;
mod verdict;

use clap::{CommandFactory, Parser};
use cli::{BenchCommand, Cli, Command};
use failure::{Answer, Failure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::ExitCode;

/// The whole program: reads the command line, does what it says, and says how to exit. Call it first
/// thing in `main`.
pub fn main() -> ExitCode {
    pvf_workers::run_if_worker();
    allow_descriptors();
    let Cli { global, command } = Cli::parse();
    // What is executed again and again says the same again and again.
    let with_guests = !matches!(
        command,
        Command::Compare(_) | Command::Replay(_) | Command::Bench(BenchCommand::Suite(_))
    );
    logging::start(global.verbose, with_guests);
    match run(&command, global.json) {
        Ok(answer) => answer.into(),
        Err(failure) => failure.report(global.json),
    }
}

/// Has this process open as many descriptors as it may: each worker that is kept takes some.
fn allow_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If not, fewer workers are kept.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn run(command: &Command, json: bool) -> Result<Answer, Failure> {
    match command {
        Command::Validate(args) => commands::validate::run(args, json),
        Command::Precheck(args) => commands::precheck::run(args, json),
        Command::Bench(BenchCommand::One(args)) => commands::bench::run(args, json),
        Command::Bench(BenchCommand::Suite(args)) => commands::bench::suite::run(args, json),
        Command::Bench(BenchCommand::Diff(args)) => commands::bench::diff::run(args, json),
        Command::Compare(args) => commands::compare::run(args, json),
        Command::Replay(args) => commands::replay::run(args, json),
        Command::Backends => commands::backends::run(json),
        Command::Cache(args) => commands::cache::run(args, json),
        Command::Doctor(args) => commands::doctor::run(args, json),
        Command::Demo(args) => commands::demo::run(args, json),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "pvf", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(Answer::Yes)
        }
        Command::BenchFloor => floor::serve(),
    }
}
