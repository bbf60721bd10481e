//! Batches of signatures, as old runtimes check them.
//!
//! Nothing is put off: a signature in a batch is checked at once, and the guest told. The batch
//! remembers whether all were good.

use crate::{GuestContext, HostError};

/// Starts a batch.
///
/// # Errors
///
/// When one is under way.
pub fn start_batch_verify_version_1<C: GuestContext>(guest: &mut C) -> Result<(), HostError> {
    let batch = &mut guest.state().batch_verification;
    if batch.is_some() {
        return Err(HostError::BatchAlreadyStarted);
    }
    *batch = Some(true);
    Ok(())
}

/// Ends the batch. Returns 1 if all signatures in it were good, else 0.
///
/// # Errors
///
/// When none was started.
pub fn finish_batch_verify_version_1<C: GuestContext>(guest: &mut C) -> Result<u32, HostError> {
    let all_good = guest.state().batch_verification.take().ok_or(HostError::NoBatch)?;
    Ok(u32::from(all_good))
}

/// Counts a signature in, if a batch is under way.
pub(super) fn count<C: GuestContext>(guest: &mut C, good: bool) {
    if let Some(all_good) = &mut guest.state().batch_verification {
        *all_good &= good;
    }
}
