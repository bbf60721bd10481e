//! What a node asks, and what it gets.

use crate::{
    Pvf, Trace, TraceId, ValidationError,
    artifact::PrepareCost,
    backend::{BackendId, FunctionCounts},
    host::queue::{ExecuteClass, PreparePriority},
    primitives::{
        Hash, PersistedValidationData, PoV, PvfExecKind, ValidationParams,
        ValidationParamsExtension, ValidationResult,
    },
};
use std::{sync::Arc, time::Duration};

/// Why a candidate is validated. It decides its place in the queue, and its default time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidationKind {
    /// Somebody disputes it.
    Dispute,
    /// This node was assigned to check it.
    Approval,
    /// It is to be backed, and its chain is a system chain.
    BackingSystemParas {
        /// The relay-chain block that it builds on.
        relay_parent: Hash,
    },
    /// It is to be backed.
    Backing {
        /// The relay-chain block that it builds on.
        relay_parent: Hash,
    },
}

impl ValidationKind {
    /// A short name, for machines.
    pub fn name(self) -> &'static str {
        self.class().name()
    }

    /// The class of executor parameters that sets its time limit.
    pub fn exec_kind(self) -> PvfExecKind {
        match self {
            Self::Dispute | Self::Approval => PvfExecKind::Approval,
            Self::BackingSystemParas { .. } | Self::Backing { .. } => PvfExecKind::Backing,
        }
    }

    pub(crate) fn class(self) -> ExecuteClass {
        match self {
            Self::Dispute => ExecuteClass::Dispute,
            Self::Approval => ExecuteClass::Approval,
            Self::BackingSystemParas { .. } => ExecuteClass::BackingSystemParas,
            Self::Backing { .. } => ExecuteClass::Backing,
        }
    }

    pub(crate) fn prepare_priority(self) -> PreparePriority {
        match self {
            Self::Dispute | Self::Approval => PreparePriority::Critical,
            Self::BackingSystemParas { .. } | Self::Backing { .. } => PreparePriority::Normal,
        }
    }

    /// The relay-chain block without which there is no point in validating any more.
    pub(crate) fn deadline(self) -> Option<Hash> {
        match self {
            Self::Dispute | Self::Approval => None,
            Self::BackingSystemParas { relay_parent } | Self::Backing { relay_parent } => {
                Some(relay_parent)
            }
        }
    }
}

/// A candidate and all that is needed to validate it. Cheap to clone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ValidationRequest {
    /// The code and its parameters.
    pub pvf: Pvf,
    /// The parent head and what the relay chain says.
    pub persisted_validation_data: Arc<PersistedValidationData>,
    /// The proof of validity, whose block data may be compressed.
    pub pov: Arc<PoV>,
    /// What newer candidate descriptors add.
    pub extension: Option<ValidationParamsExtension>,
    /// Why it is validated.
    pub kind: ValidationKind,
    /// The most CPU time that execution may take. None: what the executor parameters say.
    pub timeout: Option<Duration>,
    /// What names this request in traces and reports. None: the host makes a name.
    pub trace: Option<Trace>,
}

impl ValidationRequest {
    /// A candidate that builds on what `persisted_validation_data` says, with its proof of validity.
    pub fn new(
        pvf: Pvf,
        persisted_validation_data: impl Into<Arc<PersistedValidationData>>,
        pov: impl Into<Arc<PoV>>,
        kind: ValidationKind,
    ) -> Self {
        Self {
            pvf,
            persisted_validation_data: persisted_validation_data.into(),
            pov: pov.into(),
            extension: None,
            kind,
            timeout: None,
            trace: None,
        }
    }

    /// A request made of the parameters that the code will get.
    pub fn from_params(pvf: Pvf, params: ValidationParams, kind: ValidationKind) -> Self {
        let data = PersistedValidationData {
            parent_head: params.parent_head,
            relay_parent_number: params.relay_parent_number,
            relay_parent_storage_root: params.relay_parent_storage_root,
            max_pov_size: u32::MAX,
        };
        let pov = PoV { block_data: params.block_data };
        Self::new(pvf, data, pov, kind).with_extension(params.extension)
    }

    /// The same candidate for other code.
    #[must_use]
    pub fn with_pvf(self, pvf: Pvf) -> Self {
        Self { pvf, ..self }
    }

    /// The same with another proof of validity.
    #[must_use]
    pub fn with_pov(self, pov: impl Into<Arc<PoV>>) -> Self {
        Self { pov: pov.into(), ..self }
    }

    /// The same with what newer candidate descriptors add, or without.
    #[must_use]
    pub fn with_extension(self, extension: impl Into<Option<ValidationParamsExtension>>) -> Self {
        Self { extension: extension.into(), ..self }
    }

    /// The same candidate, validated for another reason.
    #[must_use]
    pub fn with_kind(self, kind: ValidationKind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a limit on CPU time of its own, or with the one that the executor parameters say.
    #[must_use]
    pub fn with_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into(), ..self }
    }

    /// The same, by another name in traces. None: one that the host makes.
    pub fn with_trace(self, trace: impl Into<Option<Trace>>) -> Self {
        Self { trace: trace.into(), ..self }
    }

    /// The most CPU time that execution may take.
    pub fn effective_timeout(&self) -> Duration {
        self.timeout.unwrap_or_else(|| self.pvf.params.pvf_exec_timeout(self.kind.exec_kind()))
    }
}

/// The answer to a [`ValidationRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validation {
    /// The new head and messages, or why there are none.
    pub verdict: Result<ValidationResult, ValidationError>,
    /// The backend that was chosen, if it came to that.
    pub backend: Option<BackendId>,
    /// How the artifact was come by, if it was.
    pub prepare: Option<PrepareReport>,
    /// What the execution took, if there was one.
    pub execute: Option<ExecuteReport>,
    /// Why it was tried before, and tried again: the errors, in their order.
    pub retried: Vec<ValidationError>,
    /// What names the request in traces, and the last try. None: no host has seen it.
    pub trace: Option<Trace>,
}

impl Validation {
    /// A verdict about which nothing else is known.
    pub fn new(verdict: Result<ValidationResult, ValidationError>) -> Self {
        Self { verdict, backend: None, prepare: None, execute: None, retried: vec![], trace: None }
    }

    pub(crate) fn failed(error: impl Into<ValidationError>) -> Self {
        Self::new(Err(error.into()))
    }
}

/// How an artifact was come by.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrepareReport {
    /// What names the request in traces.
    pub trace: TraceId,
    /// The backend that prepared it.
    pub backend: BackendId,
    /// Whether it was there already.
    pub cached: bool,
    /// What preparing took, now or when it was done.
    pub cost: PrepareCost,
    /// The size of the artifact's file, in bytes.
    pub artifact_size: u64,
    /// How many functions were reused, if this host has prepared it and the backend keeps any.
    pub functions: Option<FunctionCounts>,
}

impl PrepareReport {
    /// An artifact that `backend` has prepared just now, about which nothing else is known.
    pub fn new(backend: BackendId) -> Self {
        Self {
            trace: TraceId::default(),
            backend,
            cached: false,
            cost: PrepareCost::default(),
            artifact_size: 0,
            functions: None,
        }
    }
}

/// What an execution took. By default nothing, in a worker that was new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecuteReport {
    /// What names the request in traces.
    pub trace: TraceId,
    /// Time from leaving the queue to the verdict, loading the artifact included if that was needed.
    pub wall: Duration,
    /// CPU time of the job, user and system.
    pub cpu: Duration,
    /// The most memory the job had resident, in bytes. Of a job that answered it is its own word, and no
    /// verdict depends on it.
    pub peak_memory: u64,
    /// The gas that the code used, however it ended. None without
    /// [`MaxGas`](crate::primitives::ExecutorParam::MaxGas), and when the job gave no answer: it was
    /// killed, or died. Counts of different backends can't be compared.
    pub gas_used: Option<u64>,
    /// What it took to read the artifact from the cache, and what a new worker took to check and load
    /// it. None if a worker had it loaded already.
    pub load: Option<Duration>,
    /// Whether a worker had the artifact loaded already.
    pub hot: bool,
}

/// How the relay chain's leaves changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveLeavesUpdate {
    /// The new leaf, with those of its ancestors on which a candidate may still build.
    pub activated: Option<(Hash, Vec<Hash>)>,
    /// Leaves that are none any more.
    pub deactivated: Vec<Hash>,
}

impl ActiveLeavesUpdate {
    /// A new leaf, if there is one, with those of its ancestors on which a candidate may still build,
    /// and leaves that are none any more.
    pub fn new(activated: Option<(Hash, Vec<Hash>)>, deactivated: Vec<Hash>) -> Self {
        Self { activated, deactivated }
    }
}
