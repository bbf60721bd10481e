//! Sr25519: Schnorr signatures over Ristretto.

use super::batch;
use crate::{GuestContext, HostError, MemoryError};
use schnorrkel::{PublicKey, Signature, context::SigningContext};
use std::sync::LazyLock;

/// What all signatures of Substrate chains are bound to.
const CONTEXT: &[u8] = b"substrate";

/// Made once: what is hashed first is the same for every signature.
static TRANSCRIPT: LazyLock<SigningContext> = LazyLock::new(|| SigningContext::new(CONTEXT));

/// Checks a signature, be it of today's schnorrkel or of 0.1.1. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn sr25519_verify_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    Ok(u32::from(check(guest, signature, message, public_key, verify_of_any_age)?))
}

/// Checks a signature. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn sr25519_verify_version_2<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    Ok(u32::from(check(guest, signature, message, public_key, verify)?))
}

/// Checks a signature like version 2 of `sr25519_verify`, and counts it into the batch if one is
/// under way. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn sr25519_batch_verify_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    let good = check(guest, signature, message, public_key, verify)?;
    batch::count(guest, good);
    Ok(u32::from(good))
}

fn check<C: GuestContext>(
    guest: &C,
    signature: u32,
    message: u64,
    public_key: u32,
    verify: fn(&[u8; 64], &[u8], &PublicKey) -> bool,
) -> Result<bool, MemoryError> {
    let signature = guest.array(signature)?;
    let message = guest.range(message)?;
    let public_key = guest.array::<32>(public_key)?;
    Ok(PublicKey::from_bytes(&public_key).is_ok_and(|key| verify(&signature, &message, &key)))
}

fn verify(signature: &[u8; 64], message: &[u8], public_key: &PublicKey) -> bool {
    let Ok(signature) = Signature::from_bytes(signature) else { return false };
    public_key.verify(TRANSCRIPT.bytes(message), &signature).is_ok()
}

fn verify_of_any_age(signature: &[u8; 64], message: &[u8], public_key: &PublicKey) -> bool {
    public_key.verify_simple_preaudit_deprecated(CONTEXT, message, signature).is_ok()
}
