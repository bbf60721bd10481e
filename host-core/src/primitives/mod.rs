//! The data that a validation host takes in and hands out.
//!
//! These are Polkadot's types, written anew: what is encoded here is read by the relay chain's other
//! software and by the guests, so each type's SCALE encoding is, byte for byte, that of the crates
//! `polkadot-primitives` 26, `polkadot-node-primitives` 28 and `polkadot-parachain-primitives` 24.
//!
//! * A candidate goes in as a [`PoV`] and [`PersistedValidationData`], reaches the guest as
//!   [`ValidationParams`], and comes back as a [`ValidationResult`].
//! * [`ExecutorParams`] are what the relay chain sets about the execution itself: limits, time, and
//!   our own addition, the backend.
//! * [`struct@Hash`] and the newtypes around it say what was hashed: [`CodeHash`], [`ExecutorParamsHash`],
//!   [`ExecutorParamsPrepHash`].
//! * [`compression`] and [`hex`] are the only places that know how blobs and hexadecimal text look.
//!
//! Whatever is decoded here may come from an untrusted guest or file. Decoding reserves memory as
//! bytes arrive, not as a length prefix promises: lists have a maximum that is checked first, and
//! byte strings are read in steps that begin at 16 KiB and at most double.

mod bounded;
mod candidate;
pub mod compression;
mod executor_params;
mod hash;
pub mod hex;
#[cfg(test)]
mod tests;

pub use bounded::{BoundedVec, TooMany};
pub use candidate::{
    BlockData, HeadData, HorizontalMessages, MAX_HORIZONTAL_MESSAGES, MAX_UPWARD_MESSAGES,
    OutboundHrmpMessage, ParaId, PersistedValidationData, PoV, UpwardMessage, UpwardMessages,
    ValidationCode, ValidationContext, ValidationParams, ValidationParamsExtension,
    ValidationResult,
};
pub use executor_params::{
    ExecutorHostFunction, ExecutorParam, ExecutorParamError, ExecutorParams, ExecutorParamsHash,
    ExecutorParamsPrepHash, ParamKey, ParseExecutorParamError, PvfExecKind, PvfPrepKind, defaults,
    limits,
};
pub use hash::{CodeHash, Hash, blake2_256};
