//! Cases: candidates in files, for any backend.
//!
//! A case is a TOML file that names code, once for each format, and a candidate for it. A folder of
//! them is a [corpus]. [`CaseFile`] is what such a file says; [`Case`] is that with all files read to
//! which it points.

pub(crate) mod corpus;
mod error;
mod file;
mod format;

pub(crate) use error::CaseError;
pub(crate) use file::{CaseFile, Codes};
pub(crate) use format::{Format, formats_of};

use crate::cli::Kind;
use parity_scale_codec::Encode;
use pvf_host_core::{
    Code, Pvf, ValidationKind, ValidationRequest,
    backend::{BackendDescriptor, BackendId},
    primitives::{
        ExecutorParam, ExecutorParams, Hash, ValidationParams, ValidationResult, blake2_256,
    },
};
use std::time::Duration;

/// A candidate with its code, as a case file describes it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) codes: Vec<(Format, Code)>,
    params: ExecutorParams,
    candidate: ValidationParams,
    kind: Kind,
    timeout: Option<Duration>,
    pub(crate) expected: Expected,
}

/// What a case's author says about the verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) verdict: Option<ExpectedVerdict>,
    pub(crate) head: Option<Vec<u8>>,
    pub(crate) result: Option<ValidationResult>,
}

/// A verdict as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedVerdict {
    Valid,
    /// For whatever reason.
    Invalid,
    /// The code can't be prepared.
    Rejected,
}

impl ExpectedVerdict {
    pub(crate) const ALL: [Self; 3] = [Self::Valid, Self::Invalid, Self::Rejected];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
        }
    }
}

impl Case {
    /// The code that a backend runs, if it accepts any.
    pub(crate) fn code_for(&self, backend: &BackendDescriptor) -> Option<&Code> {
        self.codes.iter().map(|(_, code)| code).find(|code| (backend.accepts)(code.prefix()))
    }

    /// Validates `code`, one of this case's, on the backend.
    pub(crate) fn request(&self, backend: &BackendId, code: &Code) -> ValidationRequest {
        let named = std::iter::once(ExecutorParam::Backend(backend.clone()));
        let params = ExecutorParams::new(named.chain(self.params.iter().cloned()).collect());
        let kind = match self.kind {
            Kind::Backing => ValidationKind::Backing { relay_parent: Hash::default() },
            Kind::Approval => ValidationKind::Approval,
            Kind::Dispute => ValidationKind::Dispute,
        };
        let pvf = Pvf::new(code.clone()).with_params(params);
        let request = ValidationRequest::from_params(pvf, self.candidate.clone(), kind);
        request.with_timeout(self.timeout)
    }

    /// A digest of all that decides what is run and what is expected.
    pub(crate) fn digest(&self) -> Hash {
        let codes: Vec<_> =
            self.codes.iter().map(|(format, code)| (format.key(), code.hash())).collect();
        let Expected { verdict, head, result } = &self.expected;
        let expected = (verdict.map(ExpectedVerdict::word), head, result);
        let limits = (self.kind as u8, self.timeout);
        blake2_256(&(codes, &self.params, &self.candidate, limits, expected).encode())
    }
}
