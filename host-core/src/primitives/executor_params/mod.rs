//! What the relay chain says about how PVFs are executed.
//!
//! [`ExecutorParams`] are a list of [`ExecutorParam`]s, each of which changes one thing from its
//! [default](defaults). The accessors of [`ExecutorParams`] give the value that is in effect, so that
//! nobody else needs to know a default, or which of two entries counts. A list that comes from
//! outside is checked with [`ExecutorParams::check_consistency`].
//!
//! Two hashes stand for a list: [`hash`](ExecutorParams::hash) for all of it, and
//! [`prep_hash`](ExecutorParams::prep_hash) for what changes the artifact, so that code is not
//! compiled again because a time limit changed.

mod consistency;
mod text;

pub use consistency::{ExecutorParamError, ParamKey};
pub use text::ParseExecutorParamError;

use super::{BoundedVec, blake2_256, hash::hash_of_something};
use crate::backend::BackendId;
use parity_scale_codec::{Decode, Encode, Error, Input};
use std::time::Duration;

/// What holds when no parameter says otherwise.
pub mod defaults {
    use std::time::Duration;

    /// The pages of 64 KiB that each guest's memory may have besides what the parameters grant: an
    /// allowance for its data, as on Polkadot's validators.
    pub const BASE_MEMORY_PAGES: u32 = 32;
    /// The pages of 64 KiB that a guest's memory may have on top of [`BASE_MEMORY_PAGES`].
    pub const EXTRA_MEMORY_PAGES: u32 = 2048;
    /// The limit on a guest's logical stack, in values.
    pub const STACK_LOGICAL_MAX: u32 = 65_536;
    /// The limit on a guest's native stack, in bytes.
    pub const STACK_NATIVE_MAX: u32 = 256 << 20;
    /// The limit on the CPU time of a precheck.
    pub const PRECHECK_TIMEOUT: Duration = Duration::from_secs(60);
    /// The limit on the CPU time of preparing code that the chain has accepted.
    pub const PREPARE_TIMEOUT: Duration = Duration::from_secs(360);
    /// The limit on the CPU time of executing for backing.
    pub const BACKING_TIMEOUT: Duration = Duration::from_secs(2);
    /// The limit on the CPU time of executing for approval or a dispute.
    pub const APPROVAL_TIMEOUT: Duration = Duration::from_secs(12);
}

/// Between what a consistent list's values lie.
pub mod limits {
    use std::ops::RangeInclusive;

    /// Of [`MaxMemoryPages`](super::ExecutorParam::MaxMemoryPages), in pages of 64 KiB.
    pub const MEMORY_PAGES: RangeInclusive<u32> = 1..=65_536;
    /// Of [`StackLogicalMax`](super::ExecutorParam::StackLogicalMax), in values.
    pub const STACK_LOGICAL: RangeInclusive<u32> = 1024..=131_072;
    /// Of [`PrecheckingMaxMemory`](super::ExecutorParam::PrecheckingMaxMemory), in bytes.
    pub const PRECHECKING_MEMORY: RangeInclusive<u64> = 256 << 20..=16 << 30;
    /// Of [`MaxGas`](super::ExecutorParam::MaxGas): what engines that count in signed numbers can
    /// count.
    pub const GAS: RangeInclusive<u64> = 0..=i64::MAX as u64;
    /// The bytes of native stack for each value on the logical stack, at least.
    pub const NATIVE_BYTES_PER_VALUE: u64 = 128;
}

/// One thing about the execution of PVFs.
///
/// SCALE-encoded as on the relay chain; from index 128 on are our own additions, which the relay
/// chain does not know.
///
/// Written as text as `NAME=VALUE`, see the examples at each variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[non_exhaustive]
pub enum ExecutorParam {
    /// The pages of 64 KiB that a guest's memory may have, besides
    /// [`BASE_MEMORY_PAGES`](defaults::BASE_MEMORY_PAGES). `MaxMemoryPages=4096`
    #[codec(index = 1)]
    MaxMemoryPages(u32),
    /// The values that a guest may have on its logical stack, the same on every machine.
    /// `StackLogicalMax=65536`
    #[codec(index = 2)]
    StackLogicalMax(u32),
    /// The native stack behind the logical one, in bytes: enough for the logical limit to be reached
    /// first. `StackNativeMax=268435456`
    #[codec(index = 3)]
    StackNativeMax(u32),
    /// The memory that a precheck may use, in bytes. `PrecheckingMaxMemory=2147483648`
    #[codec(index = 4)]
    PrecheckingMaxMemory(u64),
    /// The CPU time that preparing may take, in milliseconds. `PvfPrepTimeout=precheck:60000`
    #[codec(index = 5)]
    PvfPrepTimeout(PvfPrepKind, u64),
    /// The CPU time that executing may take, in milliseconds. `PvfExecTimeout=backing:2000`
    #[codec(index = 6)]
    PvfExecTimeout(PvfExecKind, u64),
    /// Guests may use WebAssembly's bulk memory operations. `WasmExtBulkMemory`
    #[codec(index = 7)]
    WasmExtBulkMemory,
    /// Guests may call an optional family of host functions. `EnabledHostFunction=EccRfc163`
    #[codec(index = 8)]
    EnabledHostFunction(ExecutorHostFunction),
    /// The backend that prepares and executes, whatever the code looks like. Our own.
    /// `Backend=wasmtime`
    #[codec(index = 128)]
    Backend(BackendId),
    /// The gas that an execution may use; without it, gas is not metered. Our own. `MaxGas=1000000`
    #[codec(index = 129)]
    MaxGas(u64),
}

/// What code is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[non_exhaustive]
pub enum PvfPrepKind {
    /// To find out whether the relay chain should accept it: strict, for every validator has to
    /// manage the same. `precheck`
    Precheck,
    /// To execute it: lenient, for the relay chain has accepted it. `prepare`
    Prepare,
}

/// What a candidate is executed for, as far as the executor parameters tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[non_exhaustive]
pub enum PvfExecKind {
    /// To back it: strict, so that others will manage in time. `backing`
    Backing,
    /// To approve it or to settle a dispute: lenient. `approval`
    Approval,
}

/// A family of host functions that is not there unless enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[non_exhaustive]
pub enum ExecutorHostFunction {
    /// Arithmetic on elliptic curves after Polkadot's RFC 163. `EccRfc163`
    #[codec(index = 1)]
    EccRfc163,
}

hash_of_something! {
    /// Stands for all [`ExecutorParams`], see [`ExecutorParams::hash`].
    ExecutorParamsHash
}

hash_of_something! {
    /// Stands for those [`ExecutorParams`] that change the artifact, see
    /// [`ExecutorParams::prep_hash`].
    ExecutorParamsPrepHash
}

/// All that the relay chain says about how PVFs are executed. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Encode)]
pub struct ExecutorParams(Vec<ExecutorParam>);

impl ExecutorParams {
    /// The longest list that is decoded. A consistent one has no more entries than there are
    /// different parameters.
    pub const MAX_DECODED: usize = 1024;

    /// These parameters, in this order, not checked for consistency.
    pub fn new(params: Vec<ExecutorParam>) -> Self {
        Self(params)
    }

    /// The entries, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, ExecutorParam> {
        self.0.iter()
    }

    /// Stands for the whole list: each entry, each value and the order.
    pub fn hash(&self) -> ExecutorParamsHash {
        blake2_256(&self.encode()).into()
    }

    /// Stands for what changes the artifact: the logical stack limit, which is compiled into the
    /// code, the language that is accepted, and whether gas is metered, but not how much of it there
    /// is. The backend is not part of it, for what is named by
    /// this hash is always named by the backend too.
    pub fn prep_hash(&self) -> ExecutorParamsPrepHash {
        let mut bytes = b"prep".to_vec();
        for param in self.iter().filter(|param| param.changes_artifact()) {
            match param {
                ExecutorParam::MaxGas(_) => ExecutorParam::MaxGas(0).encode_to(&mut bytes),
                param => param.encode_to(&mut bytes),
            }
        }
        blake2_256(&bytes).into()
    }

    /// The most that a guest's memory may measure, in pages of 64 KiB. The last entry counts.
    pub fn memory_pages_limit(&self) -> u32 {
        self.last(|param| match param {
            ExecutorParam::MaxMemoryPages(pages) => Some(*pages),
            _ => None,
        })
        .unwrap_or(defaults::EXTRA_MEMORY_PAGES)
        .saturating_add(defaults::BASE_MEMORY_PAGES)
    }

    /// The limit on a guest's logical stack, in values. The last entry counts.
    pub fn stack_logical_max(&self) -> u32 {
        self.last(|param| match param {
            ExecutorParam::StackLogicalMax(values) => Some(*values),
            _ => None,
        })
        .unwrap_or(defaults::STACK_LOGICAL_MAX)
    }

    /// The native stack behind the logical one, in bytes. The last entry counts.
    pub fn stack_native_max(&self) -> u32 {
        self.last(|param| match param {
            ExecutorParam::StackNativeMax(bytes) => Some(*bytes),
            _ => None,
        })
        .unwrap_or(defaults::STACK_NATIVE_MAX)
    }

    /// The memory that a precheck may use, in bytes, if there is a limit. The first entry counts.
    pub fn prechecking_max_memory(&self) -> Option<u64> {
        self.first(|param| match param {
            ExecutorParam::PrecheckingMaxMemory(bytes) => Some(*bytes),
            _ => None,
        })
    }

    /// The CPU time that preparing may take. The first entry for this kind counts.
    pub fn pvf_prep_timeout(&self, kind: PvfPrepKind) -> Duration {
        self.first(|param| match param {
            ExecutorParam::PvfPrepTimeout(of, millis) if *of == kind => Some(*millis),
            _ => None,
        })
        .map_or(kind.default_timeout(), Duration::from_millis)
    }

    /// The CPU time that executing may take. The first entry for this kind counts.
    pub fn pvf_exec_timeout(&self, kind: PvfExecKind) -> Duration {
        self.first(|param| match param {
            ExecutorParam::PvfExecTimeout(of, millis) if *of == kind => Some(*millis),
            _ => None,
        })
        .map_or(kind.default_timeout(), Duration::from_millis)
    }

    /// Whether guests may use WebAssembly's bulk memory operations.
    pub fn wasm_ext_bulk_memory(&self) -> bool {
        self.0.contains(&ExecutorParam::WasmExtBulkMemory)
    }

    /// Whether guests may call this family of host functions.
    pub fn host_function_enabled(&self, function: ExecutorHostFunction) -> bool {
        self.0.contains(&ExecutorParam::EnabledHostFunction(function))
    }

    /// The backend that the parameters ask for. The first entry counts.
    pub fn backend(&self) -> Option<&BackendId> {
        self.first(|param| match param {
            ExecutorParam::Backend(id) => Some(id),
            _ => None,
        })
    }

    /// The gas that an execution may use, if it is metered; at most what [`limits::GAS`] allows. The
    /// last entry counts.
    pub fn max_gas(&self) -> Option<u64> {
        self.last(|param| match param {
            ExecutorParam::MaxGas(gas) => Some(*gas.min(limits::GAS.end())),
            _ => None,
        })
    }

    fn first<'a, T>(&'a self, pick: impl FnMut(&'a ExecutorParam) -> Option<T>) -> Option<T> {
        self.iter().find_map(pick)
    }

    fn last<'a, T>(&'a self, pick: impl FnMut(&'a ExecutorParam) -> Option<T>) -> Option<T> {
        self.iter().rev().find_map(pick)
    }
}

impl<'a> IntoIterator for &'a ExecutorParams {
    type Item = &'a ExecutorParam;
    type IntoIter = std::slice::Iter<'a, ExecutorParam>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Decode for ExecutorParams {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let params = BoundedVec::<_, { Self::MAX_DECODED }>::decode(input)?;
        Ok(Self(params.into_inner()))
    }
}

impl ExecutorParam {
    fn changes_artifact(&self) -> bool {
        match self {
            Self::StackLogicalMax(_) | Self::WasmExtBulkMemory | Self::MaxGas(_) => true,
            Self::MaxMemoryPages(_)
            | Self::StackNativeMax(_)
            | Self::PrecheckingMaxMemory(_)
            | Self::PvfPrepTimeout(..)
            | Self::PvfExecTimeout(..)
            | Self::EnabledHostFunction(_)
            | Self::Backend(_) => false,
        }
    }
}

impl PvfPrepKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Precheck, Self::Prepare];

    fn default_timeout(self) -> Duration {
        match self {
            Self::Precheck => defaults::PRECHECK_TIMEOUT,
            Self::Prepare => defaults::PREPARE_TIMEOUT,
        }
    }
}

impl PvfExecKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Backing, Self::Approval];

    fn default_timeout(self) -> Duration {
        match self {
            Self::Backing => defaults::BACKING_TIMEOUT,
            Self::Approval => defaults::APPROVAL_TIMEOUT,
        }
    }
}

impl ExecutorHostFunction {
    /// All families.
    pub const ALL: [Self; 1] = [Self::EccRfc163];
}

#[cfg(test)]
mod tests {
    use super::{ExecutorParam::*, *};

    fn params(params: &[ExecutorParam]) -> ExecutorParams {
        ExecutorParams::new(params.to_vec())
    }

    fn backend(name: &'static str) -> ExecutorParam {
        Backend(BackendId::from_static(name))
    }

    #[test]
    fn without_entries_the_defaults_are_in_effect() {
        let none = ExecutorParams::default();
        assert_eq!(none.memory_pages_limit(), 2080);
        assert_eq!(none.stack_logical_max(), 65_536);
        assert_eq!(none.stack_native_max(), 268_435_456);
        assert_eq!(none.prechecking_max_memory(), None);
        assert_eq!(none.pvf_prep_timeout(PvfPrepKind::Precheck).as_secs(), 60);
        assert_eq!(none.pvf_prep_timeout(PvfPrepKind::Prepare).as_secs(), 360);
        assert_eq!(none.pvf_exec_timeout(PvfExecKind::Backing).as_secs(), 2);
        assert_eq!(none.pvf_exec_timeout(PvfExecKind::Approval).as_secs(), 12);
        assert!(!none.wasm_ext_bulk_memory());
        assert!(!none.host_function_enabled(ExecutorHostFunction::EccRfc163));
        assert_eq!(none.backend(), None);
        assert_eq!(none.max_gas(), None);
    }

    #[test]
    fn each_entry_takes_effect() {
        let all = params(&[
            MaxMemoryPages(1),
            StackLogicalMax(2),
            StackNativeMax(3),
            PrecheckingMaxMemory(4),
            PvfPrepTimeout(PvfPrepKind::Precheck, 5),
            PvfPrepTimeout(PvfPrepKind::Prepare, 6),
            PvfExecTimeout(PvfExecKind::Backing, 7),
            PvfExecTimeout(PvfExecKind::Approval, 8),
            WasmExtBulkMemory,
            EnabledHostFunction(ExecutorHostFunction::EccRfc163),
            backend("wasmtime"),
            MaxGas(9),
        ]);
        assert_eq!(all.memory_pages_limit(), 33);
        assert_eq!(all.stack_logical_max(), 2);
        assert_eq!(all.stack_native_max(), 3);
        assert_eq!(all.prechecking_max_memory(), Some(4));
        assert_eq!(all.pvf_prep_timeout(PvfPrepKind::Precheck).as_millis(), 5);
        assert_eq!(all.pvf_prep_timeout(PvfPrepKind::Prepare).as_millis(), 6);
        assert_eq!(all.pvf_exec_timeout(PvfExecKind::Backing).as_millis(), 7);
        assert_eq!(all.pvf_exec_timeout(PvfExecKind::Approval).as_millis(), 8);
        assert!(all.wasm_ext_bulk_memory());
        assert!(all.host_function_enabled(ExecutorHostFunction::EccRfc163));
        assert_eq!(all.backend().map(BackendId::as_str), Some("wasmtime"));
        assert_eq!(all.max_gas(), Some(9));
    }

    #[test]
    fn of_two_entries_the_last_counts_for_limits_and_the_first_for_the_rest() {
        let twice = params(&[
            MaxMemoryPages(1),
            MaxMemoryPages(2),
            StackLogicalMax(1),
            StackLogicalMax(2),
            StackNativeMax(1),
            StackNativeMax(2),
            PrecheckingMaxMemory(1),
            PrecheckingMaxMemory(2),
            PvfPrepTimeout(PvfPrepKind::Precheck, 1),
            PvfPrepTimeout(PvfPrepKind::Precheck, 2),
            PvfExecTimeout(PvfExecKind::Backing, 1),
            PvfExecTimeout(PvfExecKind::Backing, 2),
            backend("one"),
            backend("two"),
            MaxGas(1),
            MaxGas(2),
        ]);
        assert_eq!(twice.memory_pages_limit(), 34);
        assert_eq!(twice.stack_logical_max(), 2);
        assert_eq!(twice.stack_native_max(), 2);
        assert_eq!(twice.prechecking_max_memory(), Some(1));
        assert_eq!(twice.pvf_prep_timeout(PvfPrepKind::Precheck).as_millis(), 1);
        assert_eq!(twice.pvf_exec_timeout(PvfExecKind::Backing).as_millis(), 1);
        assert_eq!(twice.backend().map(BackendId::as_str), Some("one"));
        assert_eq!(twice.max_gas(), Some(2));
    }

    #[test]
    fn limits_do_not_overflow() {
        assert_eq!(params(&[MaxMemoryPages(u32::MAX)]).memory_pages_limit(), u32::MAX);
        assert_eq!(params(&[MaxGas(u64::MAX)]).max_gas(), Some(i64::MAX as u64));
    }

    #[test]
    fn the_backend_changes_the_hash_but_not_the_prep_hash() {
        let (with, without) =
            (params(&[WasmExtBulkMemory, backend("a")]), params(&[WasmExtBulkMemory]));
        assert_ne!(with.hash(), without.hash());
        assert_eq!(with.prep_hash(), without.prep_hash());
    }

    #[test]
    fn that_gas_is_metered_changes_the_prep_hash_but_not_how_much_there_is() {
        let (little, much) = (params(&[MaxGas(1)]), params(&[MaxGas(u64::MAX)]));
        assert_ne!(little.hash(), much.hash());
        assert_eq!(little.prep_hash(), much.prep_hash());
        assert_ne!(little.prep_hash(), params(&[]).prep_hash());
    }

    #[test]
    fn our_own_parameters_have_indices_of_their_own_and_come_back() {
        assert_eq!(backend("abc").encode(), [128, 12, b'a', b'b', b'c']);
        assert_eq!(MaxGas(1).encode(), [129, 1, 0, 0, 0, 0, 0, 0, 0]);
        let mixed = params(&[backend("abc"), MaxMemoryPages(1), MaxGas(u64::MAX)]);
        assert_eq!(ExecutorParams::decode(&mut &mixed.encode()[..]), Ok(mixed));
    }
}
