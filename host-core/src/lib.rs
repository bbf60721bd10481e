//! A validation host for PVFs, the programs by which Polkadot's validators check parachain blocks.
//!
//! [`start`] a host with a [`Config`], spawn the future that it gives, and ask the
//! [`ValidationHost`]: [`precheck`](ValidationHost::precheck) says whether code may be enacted,
//! [`validate`](ValidationHost::validate) whether a candidate is valid, and
//! [`validate_with_retry`] does so as a validator has to, which tries again where this machine may
//! be to blame.
//!
//! * [`primitives`] are the types of Polkadot that a request is made of,
//! * [`Pvf`] and [`ValidationRequest`] are what a node asks, [`Validation`] is what it gets, and
//!   [`ValidationError`] why that is not a new head,
//! * [`backend`] is what an engine has to implement, and how one is chosen,
//! * [`artifact`] is compiled code, and the cache that it lies in,
//! * [`worker`] is the protocol between the host and its worker processes,
//! * [`sandbox`] is what keeps those from the rest of the machine,
//! * [`metrics`] is what a host measures,
//! * [`text`] makes harmless what they and guests say.
//!
//! The host executes nothing itself. It starts its own program again as a worker, so a program that
//! embeds it calls `pvf_workers::run_if_worker` first thing in `main`, and thereby also links the
//! backends that the crate `pvf-workers` was built with.

pub mod artifact;
pub mod backend;
mod code;
mod error;
#[doc(hidden)]
pub mod failpoint;
mod host;
pub mod metrics;
#[doc(hidden)]
pub mod parts;
pub mod primitives;
mod retry;
pub mod sandbox;
pub mod text;
mod trace;
pub mod worker;

pub use code::{Code, CodeProvider, CodeSource, Pvf};
pub use error::{InternalError, InvalidCandidate, PossiblyInvalid, PrepareError, ValidationError};
pub use host::{
    ActiveLeavesUpdate, Config, ConfigBuilder, ConfigError, ExecuteReport, PrepareReport,
    StartError, Statistics, Validation, ValidationHost, ValidationKind, ValidationRequest,
    detect_environment, start, try_sandbox,
};
pub use metrics::Metrics;
pub use retry::{Decision, RetryCause, ValidationBackend, validate_with_retry};
pub use trace::{Trace, TraceId};
