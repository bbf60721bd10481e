//! Hosts for the time of one command.

use crate::failure::Failure;
use pvf_host_core::{Config, ValidationHost};
use std::{io, pin::pin, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::timeout,
};

/// Starts a host, has `work` use it, and ends it. When this returns, no process that it started is
/// left, whether the work was done, failed, or interrupted by a signal.
pub(crate) fn with_host<T>(
    config: Config,
    work: impl AsyncFnOnce(ValidationHost) -> Result<T, Failure>,
) -> Result<T, Failure> {
    run(async |session| session.with_host(config, work).await)
}

/// Has `work` done, which may start one host after the other. A signal interrupts it where it uses
/// one.
pub(crate) fn run<T>(work: impl AsyncFnOnce(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
    let io = |error: io::Error| {
        Failure::runtime("io", format!("can't start the asynchronous runtime: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(io)?;
    runtime.block_on(async {
        let mut interruption = Interruption::listen().map_err(io)?;
        let (sender, interrupted) = watch::channel(false);
        let session = Session { interrupted };
        let mut work = std::pin::pin!(work(&session));
        tokio::select! {
            result = &mut work => return result,
            () = interruption.wait() => {}
        }
        // It stays so: what is started from now on is interrupted at once.
        sender.send_replace(true);
        work.await
    })
}

/// The time between start and end of a command.
#[derive(Debug)]
pub(crate) struct Session {
    interrupted: watch::Receiver<bool>,
}

impl Session {
    /// See [`with_host`].
    pub(crate) async fn with_host<T>(
        &self,
        config: Config,
        work: impl AsyncFnOnce(ValidationHost) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        /// What has been begun on the disk is over long before.
        const PATIENCE: Duration = Duration::from_secs(1);
        let mut start = pin!(pvf_host_core::start(config));
        let (host, running) = tokio::select! {
            biased;
            failure = self.interruption() => {
                // What it does to the cache's directory would go on without it.
                if let Ok(Ok((host, running))) = timeout(PATIENCE, start).await {
                    drop(host);
                    running.await;
                }
                return Err(failure);
            }
            started = &mut start => started?,
        };
        let running = tokio::spawn(running);
        // Once either is there, the other is dropped, and with the work its handles to the host.
        let result = tokio::select! {
            result = work(host) => result,
            failure = self.interruption() => Err(failure),
        };
        if let Err(error) = running.await {
            tracing::error!(%error, "the validation host ended abnormally");
        }
        result
    }

    /// Has `work` done that uses no host, and is dropped when it is interrupted.
    pub(crate) async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result,
            failure = self.interruption() => Err(failure),
        }
    }

    /// Whether a signal has come.
    pub(crate) fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    async fn interruption(&self) -> Failure {
        // The sender lives as long as the session.
        let _ = self.interrupted.clone().wait_for(|interrupted| *interrupted).await;
        Failure::runtime("interrupted", "interrupted")
    }
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

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {},
            _ = self.terminate.recv() => {},
            _ = self.hang_up.recv() => {},
        }
    }
}
