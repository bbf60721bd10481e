//! The command line.

use clap::{
    Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};
use pvf_host_core::backend::{self, BackendId, Chosen};
use std::{net::SocketAddr, path::PathBuf};

/// A small node around the PVF host.
///
/// It validates blocks of an example parachain, one after the other, until Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The backend that executes candidates.
    #[arg(long, value_name = "NAME", default_value_t = usual(), value_parser = linked())]
    pub(crate) backend: BackendId,

    /// Where prepared code is kept. It survives restarts.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: PathBuf,

    /// Where Prometheus finds metrics. With port 0 the kernel chooses one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9615")]
    pub(crate) metrics: SocketAddr,

    /// Ends after this many candidates.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) candidates: Option<u64>,

    /// Starts even where this machine can't keep untrusted code in. Never do that on a validator.
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// The backend that is taken if nobody names one: the last by name of those for everyday use.
fn usual() -> BackendId {
    let everyday = backend::linked().into_iter().filter(|it| it.chosen == Chosen::ByFormat);
    let ids = everyday.map(|backend| backend.id.clone());
    ids.max().expect("a node is built with a backend, see the features")
}

/// The backends that were linked in, by name.
fn linked() -> impl TypedValueParser<Value = BackendId> {
    let names = backend::linked().into_iter().map(|backend| backend.id.as_str());
    PossibleValuesParser::new(names).map(|name| name.parse().expect("the name of a backend is one"))
}
