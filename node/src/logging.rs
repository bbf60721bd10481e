//! Log lines, on standard error.

use crate::progress;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging: warnings and errors, and more for each `-v`. Without any, guests are heard only if
/// `with_guests`.
pub(crate) fn start(verbose: u8, with_guests: bool) {
    let default = match verbose {
        0 if with_guests => "warn",
        0 => "warn,pvf::guest=off",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(|| progress::StandardError);
    // Fails only if there is a logger already.
    let _ = if verbose == 0 { logger.without_time().try_init() } else { logger.try_init() };
}
