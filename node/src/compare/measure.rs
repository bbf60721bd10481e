//! What is measured.

use super::{Phase, Round, Sample, round::Prepared};
use crate::units;
use std::time::Duration;

/// Something that is measured of a case on a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    CodeSize,
    ArtifactSize,
    PrepareWall,
    PrepareCpu,
    PrepareMemory,
    FromNothing,
    Load,
    First,
    Warm,
    JobCpu,
    JobMemory,
    Gas,
}

/// What a measure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Bytes,
    Gas,
}

impl Measure {
    pub(crate) const ALL: [Self; 12] = [
        Self::CodeSize,
        Self::ArtifactSize,
        Self::PrepareWall,
        Self::PrepareCpu,
        Self::PrepareMemory,
        Self::FromNothing,
        Self::Load,
        Self::First,
        Self::Warm,
        Self::JobCpu,
        Self::JobMemory,
        Self::Gas,
    ];

    /// Its name in JSON, without the unit.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::CodeSize => "code_size",
            Self::ArtifactSize => "artifact_size",
            Self::PrepareWall => "prepare_wall",
            Self::PrepareCpu => "prepare_cpu",
            Self::PrepareMemory => "prepare_peak_memory",
            Self::FromNothing => "from_nothing",
            Self::Load => "load",
            Self::First => "first",
            Self::Warm => "warm",
            Self::JobCpu => "job_cpu",
            Self::JobMemory => "job_peak_memory",
            Self::Gas => "gas",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CodeSize => "code size",
            Self::ArtifactSize => "artifact size",
            Self::PrepareWall => "prepare, wall time",
            Self::PrepareCpu => "prepare, CPU time",
            Self::PrepareMemory => "prepare, peak memory",
            Self::FromNothing => "from nothing",
            Self::Load => "load",
            Self::First => "first execution",
            Self::Warm => "warm execution",
            Self::JobCpu => "job, CPU time",
            Self::JobMemory => "job, peak memory",
            Self::Gas => "gas",
        }
    }

    /// How it is measured.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::CodeSize => "The code as it is given, compressed or not.",
            Self::ArtifactSize => "The artifact's file.",
            Self::PrepareWall => "The prepare job, from its start to the artifact.",
            Self::PrepareCpu => "The prepare job, all its threads together.",
            Self::PrepareMemory => "The most that the prepare job had resident.",
            Self::FromNothing => {
                "From the request to the verdict with an empty cache: prepare, load, execute."
            }
            Self::Load => "A new worker checks the artifact and makes it ready to be called.",
            Self::First => {
                "From the request to the verdict with a prepared artifact and no worker that has \
                 it loaded."
            }
            Self::Warm => "From the request to the verdict with a worker that has it loaded.",
            Self::JobCpu => "The job of a warm execution, in user and kernel mode.",
            Self::JobMemory => "The most that the job of a warm execution had resident.",
            Self::Gas => "As the backend counts. Backends count differently.",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::CodeSize | Self::ArtifactSize | Self::PrepareMemory | Self::JobMemory => {
                Unit::Bytes
            }
            Self::Gas => Unit::Gas,
            _ => Unit::Nanoseconds,
        }
    }

    /// Whether one backend's value can be divided by another's.
    pub(crate) fn is_comparable(self) -> bool {
        self != Self::Gas
    }

    /// Whether it belongs to the artifact, which several cases may share.
    pub(crate) fn is_of_artifact(self) -> bool {
        matches!(
            self,
            Self::ArtifactSize | Self::PrepareWall | Self::PrepareCpu | Self::PrepareMemory
        )
    }

    /// What a backend's sample of a round says about this, if anything.
    pub(crate) fn of(self, round: &Round, sample: &Sample) -> Option<u64> {
        let prepared = |field: fn(Prepared) -> u64| sample.prepared.map(field);
        let is_timed = sample.outcome.class.is_timed();
        // One that found no worker, or one that it should not have found, is none of its phase.
        let is_warm = round.phase == Phase::Warm && sample.hot && is_timed;
        let is_first = round.phase == Phase::First && !sample.hot && is_timed;
        match self {
            Self::CodeSize => None,
            Self::ArtifactSize => prepared(|prepared| prepared.artifact_size),
            Self::PrepareWall => prepared(|prepared| prepared.wall),
            Self::PrepareCpu => prepared(|prepared| prepared.cpu),
            Self::PrepareMemory => prepared(|prepared| prepared.peak_memory),
            Self::FromNothing => sample.prepared.and(sample.wall),
            Self::Load if is_first => sample.load,
            Self::First if is_first => sample.wall,
            Self::Warm if is_warm => sample.wall,
            Self::JobCpu if is_warm => sample.cpu,
            Self::JobMemory if is_warm => sample.peak_memory,
            Self::Gas if is_warm => sample.gas,
            _ => None,
        }
    }
}

impl Unit {
    /// A value for people.
    pub(crate) fn show(self, value: u64) -> String {
        match self {
            Self::Nanoseconds => units::time(Duration::from_nanos(value)),
            Self::Bytes => units::size(value),
            Self::Gas => value.to_string(),
        }
    }
}

/// A ratio for people: about three digits.
pub(crate) fn show_ratio(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.3}×"),
        ratio if ratio < 10.0 => format!("{ratio:.2}×"),
        ratio if ratio < 100.0 => format!("{ratio:.1}×"),
        ratio => format!("{ratio:.0}×"),
    }
}
