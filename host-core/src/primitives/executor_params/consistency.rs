//! Which executor parameters make sense together.

use super::{
    ExecutorHostFunction, ExecutorParam, ExecutorParams, PvfExecKind, PvfPrepKind, defaults, limits,
};
use std::{collections::BTreeMap, fmt, ops::RangeInclusive, time::Duration};

/// What an [`ExecutorParam`] is about: no two entries of a consistent list have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ParamKey {
    MaxMemoryPages,
    StackLogicalMax,
    StackNativeMax,
    PrecheckingMaxMemory,
    PvfPrepTimeout(PvfPrepKind),
    PvfExecTimeout(PvfExecKind),
    WasmExtBulkMemory,
    EnabledHostFunction(ExecutorHostFunction),
    Backend,
    MaxGas,
}

impl fmt::Display for ParamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PvfPrepTimeout(kind) => write!(f, "PvfPrepTimeout={kind}"),
            Self::PvfExecTimeout(kind) => write!(f, "PvfExecTimeout={kind}"),
            Self::EnabledHostFunction(function) => write!(f, "EnabledHostFunction={function}"),
            simple => fmt::Debug::fmt(simple, f),
        }
    }
}

/// Why a list of executor parameters makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorParamError {
    /// Two entries are about the same.
    #[error("{0} is given twice")]
    Duplicate(ParamKey),
    /// A value is too small or too large.
    #[error("{param} is {value}, outside of {} to {}", allowed.start(), allowed.end())]
    OutsideLimit {
        /// The parameter.
        param: ParamKey,
        /// Its value.
        value: u64,
        /// What it may be.
        allowed: RangeInclusive<u64>,
    },
    /// The native stack could be exhausted before the logical limit is reached.
    #[error(
        "StackNativeMax is {native} bytes, less than {} for each of StackLogicalMax's {logical} values",
        limits::NATIVE_BYTES_PER_VALUE
    )]
    NativeStackTooSmall {
        /// The native stack in effect, in bytes.
        native: u64,
        /// The logical limit in effect, in values.
        logical: u64,
    },
    /// The strict time limit is not below the lenient one.
    #[error(
        "{strict} is {strict_millis} ms, which is not below {lenient} with {lenient_millis} ms"
    )]
    TimeoutsOutOfOrder {
        /// The limit that has to be lower.
        strict: ParamKey,
        /// Its value in effect, in milliseconds.
        strict_millis: u64,
        /// The limit that has to be higher.
        lenient: ParamKey,
        /// Its value in effect, in milliseconds.
        lenient_millis: u64,
    },
}

impl ExecutorParams {
    /// Whether the list makes sense by the relay chain's rules: entry by entry, nothing is given
    /// twice and each value is [between its limits](limits); then, values not given being at their
    /// defaults, the native stack suffices for the logical one, and a precheck has less time than a
    /// preparation, as backing has less than approval. The first rule broken is reported.
    ///
    /// # Errors
    ///
    /// See [`ExecutorParamError`].
    pub fn check_consistency(&self) -> Result<(), ExecutorParamError> {
        let mut seen = BTreeMap::new();
        for entry in self {
            let param = entry.key();
            if seen.contains_key(&param) {
                return Err(ExecutorParamError::Duplicate(param));
            }
            let (value, allowed) = entry.value_and_limits();
            if !allowed.contains(&value) {
                return Err(ExecutorParamError::OutsideLimit { param, value, allowed });
            }
            seen.insert(param, value);
        }
        let in_effect = |param, default| seen.get(&param).copied().unwrap_or(default);

        let logical = in_effect(ParamKey::StackLogicalMax, defaults::STACK_LOGICAL_MAX.into());
        let native = in_effect(ParamKey::StackNativeMax, defaults::STACK_NATIVE_MAX.into());
        if native < limits::NATIVE_BYTES_PER_VALUE * logical {
            return Err(ExecutorParamError::NativeStackTooSmall { native, logical });
        }

        let prep = |kind: PvfPrepKind| (ParamKey::PvfPrepTimeout(kind), kind.default_timeout());
        let exec = |kind: PvfExecKind| (ParamKey::PvfExecTimeout(kind), kind.default_timeout());
        for ((strict, strict_default), (lenient, lenient_default)) in [
            (prep(PvfPrepKind::Precheck), prep(PvfPrepKind::Prepare)),
            (exec(PvfExecKind::Backing), exec(PvfExecKind::Approval)),
        ] {
            let strict_millis = in_effect(strict, millis(strict_default));
            let lenient_millis = in_effect(lenient, millis(lenient_default));
            if strict_millis >= lenient_millis {
                return Err(ExecutorParamError::TimeoutsOutOfOrder {
                    strict,
                    strict_millis,
                    lenient,
                    lenient_millis,
                });
            }
        }
        Ok(())
    }
}

impl ExecutorParam {
    /// What the entry is about.
    pub fn key(&self) -> ParamKey {
        match self {
            Self::MaxMemoryPages(_) => ParamKey::MaxMemoryPages,
            Self::StackLogicalMax(_) => ParamKey::StackLogicalMax,
            Self::StackNativeMax(_) => ParamKey::StackNativeMax,
            Self::PrecheckingMaxMemory(_) => ParamKey::PrecheckingMaxMemory,
            Self::PvfPrepTimeout(kind, _) => ParamKey::PvfPrepTimeout(*kind),
            Self::PvfExecTimeout(kind, _) => ParamKey::PvfExecTimeout(*kind),
            Self::WasmExtBulkMemory => ParamKey::WasmExtBulkMemory,
            Self::EnabledHostFunction(function) => ParamKey::EnabledHostFunction(*function),
            Self::Backend(_) => ParamKey::Backend,
            Self::MaxGas(_) => ParamKey::MaxGas,
        }
    }

    /// The value, zero if it is not a number, and between what it has to be.
    fn value_and_limits(&self) -> (u64, RangeInclusive<u64>) {
        let any = 0..=u64::MAX;
        match self {
            Self::MaxMemoryPages(pages) => (u64::from(*pages), widen(&limits::MEMORY_PAGES)),
            Self::StackLogicalMax(values) => (u64::from(*values), widen(&limits::STACK_LOGICAL)),
            Self::StackNativeMax(bytes) => (u64::from(*bytes), any),
            Self::PrecheckingMaxMemory(bytes) => (*bytes, limits::PRECHECKING_MEMORY),
            Self::PvfPrepTimeout(_, millis) | Self::PvfExecTimeout(_, millis) => (*millis, any),
            Self::WasmExtBulkMemory | Self::EnabledHostFunction(_) | Self::Backend(_) => (0, any),
            Self::MaxGas(gas) => (*gas, limits::GAS),
        }
    }
}

fn widen(range: &RangeInclusive<u32>) -> RangeInclusive<u64> {
    u64::from(*range.start())..=u64::from(*range.end())
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BackendId;
    use ExecutorParam::*;
    use PvfExecKind::{Approval, Backing};
    use PvfPrepKind::{Precheck, Prepare};

    const ECC: ExecutorParam = EnabledHostFunction(ExecutorHostFunction::EccRfc163);
    const GIB: u64 = 1 << 30;

    fn check(params: &[ExecutorParam]) -> Result<(), ExecutorParamError> {
        ExecutorParams::new(params.to_vec()).check_consistency()
    }

    #[test]
    fn sensible_lists_are_accepted_up_to_their_limits() {
        let lists: &[&[ExecutorParam]] = &[
            &[],
            &[MaxMemoryPages(1)],
            &[MaxMemoryPages(65_536)],
            &[StackLogicalMax(1024)],
            &[StackLogicalMax(131_072)],
            &[PrecheckingMaxMemory(GIB / 4)],
            &[PrecheckingMaxMemory(16 * GIB)],
            &[StackNativeMax(128 * 65_536)],
            &[StackNativeMax(u32::MAX)],
            &[StackLogicalMax(1024), StackNativeMax(128 * 1024)],
            &[PvfPrepTimeout(Precheck, 359_999)],
            &[PvfPrepTimeout(Prepare, 60_001)],
            &[PvfPrepTimeout(Precheck, 0), PvfPrepTimeout(Prepare, 1)],
            &[PvfExecTimeout(Backing, 11_999)],
            &[PvfExecTimeout(Approval, 2_001)],
            &[PvfExecTimeout(Backing, 0), PvfExecTimeout(Approval, 1)],
            &[
                MaxMemoryPages(8192),
                StackLogicalMax(70_000),
                PvfExecTimeout(Backing, 2_500),
                PvfExecTimeout(Approval, 15_000),
                WasmExtBulkMemory,
                ECC,
                Backend(BackendId::from_static("wasmtime")),
            ],
        ];
        for list in lists {
            assert_eq!(check(list), Ok(()), "{list:?}");
        }
    }

    #[test]
    fn values_past_their_limits_are_refused() {
        for (param, value) in [
            (MaxMemoryPages(0), 0),
            (MaxMemoryPages(65_537), 65_537),
            (StackLogicalMax(1023), 1023),
            (StackLogicalMax(131_073), 131_073),
            (PrecheckingMaxMemory(GIB / 4 - 1), GIB / 4 - 1),
            (PrecheckingMaxMemory(16 * GIB + 1), 16 * GIB + 1),
        ] {
            let error = check(std::slice::from_ref(&param)).unwrap_err();
            let ExecutorParamError::OutsideLimit { param: key, value: found, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((key, found), (param.key(), value));
        }
    }

    #[test]
    fn nothing_may_be_given_twice_even_with_another_value() {
        for (first, second) in [
            (MaxMemoryPages(1), MaxMemoryPages(2)),
            (StackLogicalMax(1024), StackLogicalMax(1024)),
            (StackNativeMax(1), StackNativeMax(2)),
            (PrecheckingMaxMemory(GIB), PrecheckingMaxMemory(2 * GIB)),
            (PvfPrepTimeout(Precheck, 1), PvfPrepTimeout(Precheck, 2)),
            (PvfPrepTimeout(Prepare, 1), PvfPrepTimeout(Prepare, 2)),
            (PvfExecTimeout(Backing, 1), PvfExecTimeout(Backing, 2)),
            (PvfExecTimeout(Approval, 1), PvfExecTimeout(Approval, 2)),
            (WasmExtBulkMemory, WasmExtBulkMemory),
            (ECC, ECC),
            (Backend(BackendId::from_static("a")), Backend(BackendId::from_static("b"))),
        ] {
            let key = first.key();
            assert_eq!(check(&[first, second]), Err(ExecutorParamError::Duplicate(key)));
        }
    }

    #[test]
    fn the_native_stack_has_to_suffice_for_the_logical_one() {
        for (params, native, logical) in [
            (&[StackNativeMax(0)][..], 0, 65_536),
            (&[StackNativeMax(128 * 65_536 - 1)], 128 * 65_536 - 1, 65_536),
            (&[StackNativeMax(128 * 1024 - 1), StackLogicalMax(1024)], 128 * 1024 - 1, 1024),
        ] {
            assert_eq!(
                check(params),
                Err(ExecutorParamError::NativeStackTooSmall { native, logical })
            );
        }
    }

    #[test]
    fn the_strict_time_limit_has_to_be_below_the_lenient_one() {
        let both =
            |strict, lenient| [PvfPrepTimeout(Prepare, lenient), PvfPrepTimeout(Precheck, strict)];
        for (params, strict, strict_millis, lenient_millis) in [
            (&[PvfPrepTimeout(Precheck, 360_000)][..], Precheck, 360_000, 360_000),
            (&[PvfPrepTimeout(Prepare, 60_000)], Precheck, 60_000, 60_000),
            (&both(u64::MAX, u64::MAX), Precheck, u64::MAX, u64::MAX),
        ] {
            assert_eq!(
                check(params),
                Err(ExecutorParamError::TimeoutsOutOfOrder {
                    strict: ParamKey::PvfPrepTimeout(strict),
                    strict_millis,
                    lenient: ParamKey::PvfPrepTimeout(Prepare),
                    lenient_millis,
                })
            );
        }
        for (param, millis) in
            [(PvfExecTimeout(Backing, 12_000), 12_000), (PvfExecTimeout(Approval, 2_000), 2_000)]
        {
            assert_eq!(
                check(&[param]),
                Err(ExecutorParamError::TimeoutsOutOfOrder {
                    strict: ParamKey::PvfExecTimeout(Backing),
                    strict_millis: millis,
                    lenient: ParamKey::PvfExecTimeout(Approval),
                    lenient_millis: millis,
                })
            );
        }
    }

    #[test]
    fn entries_are_judged_before_their_combination_and_a_duplicate_before_its_value() {
        use ExecutorParamError::*;
        let duplicate = check(&[MaxMemoryPages(1), MaxMemoryPages(0)]);
        assert_eq!(duplicate, Err(Duplicate(ParamKey::MaxMemoryPages)));
        let outside = check(&[MaxMemoryPages(0), MaxMemoryPages(0)]);
        assert!(matches!(outside, Err(OutsideLimit { .. })));
        let outside = check(&[StackNativeMax(0), MaxMemoryPages(0)]);
        assert!(matches!(outside, Err(OutsideLimit { .. })));

        let (exec, prep) = (PvfExecTimeout(Backing, 20_000), PvfPrepTimeout(Precheck, 400_000));
        let stack = check(&[exec.clone(), prep.clone(), StackNativeMax(0)]);
        assert!(matches!(stack, Err(NativeStackTooSmall { .. })));
        let prep_first = check(&[exec, prep]);
        let strict = ParamKey::PvfPrepTimeout(Precheck);
        assert!(
            matches!(prep_first, Err(TimeoutsOutOfOrder { strict: found, .. }) if found == strict)
        );
    }
}
