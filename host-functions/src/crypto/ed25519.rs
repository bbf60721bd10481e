//! Ed25519, by the rules of ZIP-215.

use crate::{GuestContext, HostError};
use ed25519_zebra::{Signature, VerificationKey};

/// Checks a signature. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn ed25519_verify_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    let signature = guest.array::<64>(signature)?;
    let message = guest.range(message)?;
    let public_key = guest.array::<32>(public_key)?;
    Ok(u32::from(verify(signature, &message, public_key)))
}

/// Would check a signature of a batch, but on Polkadot's own host a call always traps.
///
/// That host wants the state of the call a second time while the batch has it. So the function is
/// of no use to anybody, and traps here as well: a block must not be valid here and nowhere else.
///
/// # Errors
///
/// Always: [`HostError::AlwaysFails`].
pub fn ed25519_batch_verify_version_1<C: GuestContext>(
    _: &mut C,
    _: u32,
    _: u64,
    _: u32,
) -> Result<u32, HostError> {
    Err(HostError::AlwaysFails)
}

fn verify(signature: [u8; 64], message: &[u8], public_key: [u8; 32]) -> bool {
    let Ok(public_key) = VerificationKey::try_from(public_key) else { return false };
    public_key.verify(&Signature::from(signature), message).is_ok()
}
