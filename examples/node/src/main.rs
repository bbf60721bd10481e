//! A small node around the PVF host: everything that a validator does with one, and nothing else.
//!
//! It takes part in one parachain, the example *adder*, whose blocks it makes up itself. At the start it
//! chooses a backend, and prechecks the chain's code. Then it validates block after block, and says how a
//! validator would vote. What it has done it tells Prometheus. A signal ends it, and every process that
//! it has started.
//!
//! * `options` is the command line,
//! * `chain` is where candidates come from,
//! * `vote` is what a validator does about each verdict,
//! * `node` is the work from start to end,
//! * `server` answers Prometheus.

mod chain;
mod node;
mod options;
mod server;
mod vote;

use clap::Parser;
use options::Options;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // The host starts this very program again as its workers. This comes first: a worker never gets any
    // further, and has no thread yet.
    pvf_workers::run_if_worker();
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With all that caused it.
            let causes = std::iter::successors(error.source(), |error| error.source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            eprintln!("error: {error}{causes}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(node::run(options))
}
