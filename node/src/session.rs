//! A host for the time of one command.

use crate::failure::Failure;
use pvf_host_core::{Config, ValidationHost};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Starts a host, has `work` use it, and ends it. When this returns, no process that it started is
/// left, whether the work was done, failed, or interrupted by a signal.
pub(crate) fn with_host<T>(
    config: Config,
    work: impl AsyncFnOnce(ValidationHost) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let io = |error: io::Error| {
        Failure::runtime("io", format!("can't start the asynchronous runtime: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(io)?;
    runtime.block_on(async {
        let mut interruption = Interruption::listen().map_err(io)?;
        let (host, running) = tokio::select! {
            started = pvf_host_core::start(config) => started?,
            failure = interruption.wait() => return Err(failure),
        };
        let running = tokio::spawn(running);
        // Once either is there, the other is dropped, and with the work its handles to the host.
        let result = tokio::select! {
            result = work(host) => result,
            failure = interruption.wait() => Err(failure),
        };
        if let Err(error) = running.await {
            tracing::error!(%error, "the validation host ended abnormally");
        }
        result
    })
}

/// The signals by which people and supervisors end a program.
struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interruption {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) -> Failure {
        tokio::select! {
            _ = self.interrupt.recv() => {},
            _ = self.terminate.recv() => {},
            _ = self.hang_up.recv() => {},
        }
        Failure::runtime("interrupted", "interrupted")
    }
}
