//! The work, from start to end.

use crate::{
    chain::{Chain, relay_block},
    options::Options,
    server,
    vote::{Abstention, Vote, vote},
};
use pvf_host_core::{
    ActiveLeavesUpdate, Config, Metrics, ValidationHost, backend, metrics::Registry,
    sandbox::Sandbox, validate_with_retry,
};
use std::{error::Error, io, sync::Arc};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

/// Runs the node until it has done its work or a signal ends it. No process is left then.
pub(crate) async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // From here on a signal does not end this process, but what it waits for below.
    let mut signals = Signals::listen()?;

    let backend = backend::find(&options.backend)?;
    let chain = Chain::new(backend);
    let chain = chain.ok_or_else(|| format!("no code in a format of {}'s", backend.id))?;

    let mut registry = Registry::default();
    let sandbox = Sandbox::default();
    let config = Config::builder(&options.cache_dir)
        // Where several backends accept the same code.
        .default_backend(backend.id.clone())
        .metrics(Metrics::register(&mut registry))
        .sandbox(if options.insecure { sandbox.accept_insecure() } else { sandbox })
        .build()?;

    let listener = TcpListener::bind(options.metrics).await?;
    let (host, work) = pvf_host_core::start(config).await?;
    let work = tokio::spawn(work);
    println!("metrics are at http://{}/metrics", listener.local_addr()?);
    let server = tokio::spawn(server::serve(listener, Arc::new(registry)));

    let result = tokio::select! {
        result = validate(&host, chain, options.candidates) => result,
        () = signals.wait() => {
            tracing::info!("ending");
            Ok(())
        }
    };

    // What was not done yet was given up above. With its last handle the host ends: once its work is
    // over, every process that it had started is gone, and the cache is free for the next one.
    drop(host);
    work.await?;
    server.abort();
    result
}

/// Prechecks the chain's code, and validates candidate after candidate.
async fn validate(
    host: &ValidationHost,
    mut chain: Chain,
    candidates: Option<u64>,
) -> Result<(), Box<dyn Error>> {
    // This is what a validator does when code is about to be enacted: it votes on it as well.
    match host.precheck(chain.pvf()).await {
        Ok(report) => {
            tracing::info!(backend = %report.backend, cached = report.cached, "code is good");
        }
        // It is the same on every machine: a vote against the code.
        Err(error) if error.is_deterministic() => return Err(error.into()),
        // It is not known: no vote, and the next candidate tries to prepare the code once more.
        Err(error) => tracing::error!(%error, "can't say whether the code is good"),
    }

    let mut leaf = None;
    while candidates.is_none_or(|most| chain.count() < most) {
        let candidate = chain.next();
        let number = candidate.number;

        // Candidates that wait to be backed on a block that is no leaf any more are given up.
        let new = relay_block(number);
        let old = leaf.replace(new).into_iter().collect();
        host.update_active_leaves(ActiveLeavesUpdate::new(Some((new, vec![])), old)).await;

        let validation = validate_with_retry(host, candidate.request.clone()).await;
        match vote(validation) {
            Vote::For(result) => {
                tracing::info!(number, "for the candidate");
                chain.accept(&candidate, result.head_data);
            }
            Vote::Against(reason) => tracing::info!(number, reason, "against the candidate"),
            Vote::Abstain(Abstention::TooLate) => tracing::debug!(number, "too late"),
            Vote::Abstain(Abstention::Code(error)) => {
                tracing::error!(number, error, "no vote: the code can't be prepared");
            }
            Vote::Abstain(Abstention::Machine(error)) => {
                tracing::error!(number, error, "no vote: this machine has a problem");
            }
            Vote::Abstain(Abstention::Restart(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The signals by which people and supervisors end a program.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
