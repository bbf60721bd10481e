//! ECDSA over secp256k1.
//!
//! A signature is r, s and a recovery identifier, and says of itself by which key it was made. To
//! check it is to recover that key and compare.

use super::batch;
use crate::{GuestContext, HostError, digest::blake2_256};
use secp256k1::{
    Message, PublicKey,
    constants::CURVE_ORDER,
    ecdsa::{RecoverableSignature, RecoveryId},
};

/// Checks a signature of a message's BLAKE2b-256 hash, with r and s taken modulo the curve's order.
/// Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn ecdsa_verify_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    let signature = guest.array(signature)?;
    let digest = blake2_256(&guest.range(message)?);
    let public_key = guest.array(public_key)?;
    Ok(u32::from(verify(Scalars::Reduced, signature, digest, public_key)))
}

/// Checks a signature of a message's BLAKE2b-256 hash. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn ecdsa_verify_version_2<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    let signature = guest.array(signature)?;
    let digest = blake2_256(&guest.range(message)?);
    let public_key = guest.array(public_key)?;
    Ok(u32::from(verify(Scalars::AsTheyAre, signature, digest, public_key)))
}

/// Checks a signature of a hash of 32 bytes. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn ecdsa_verify_prehashed_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    digest: u32,
    public_key: u32,
) -> Result<u32, HostError> {
    let signature = guest.array(signature)?;
    let digest = guest.array(digest)?;
    let public_key = guest.array(public_key)?;
    Ok(u32::from(verify(Scalars::AsTheyAre, signature, digest, public_key)))
}

/// Checks a signature like version 2 of `ecdsa_verify`, and counts it into the batch if one is
/// under way. Returns 1 if it is good, else 0.
///
/// # Errors
///
/// When an argument is out of bounds.
pub fn ecdsa_batch_verify_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    message: u64,
    public_key: u32,
) -> Result<u32, HostError> {
    let good = ecdsa_verify_version_2(guest, signature, message, public_key)?;
    batch::count(guest, good == 1);
    Ok(good)
}

/// Recovers the key that signed a hash of 32 bytes, with r and s taken modulo the curve's order.
/// Recovery identifiers may be counted from 27.
///
/// Returns a SCALE-encoded `Result` of the 64 bytes of the key's coordinates, or of one byte that
/// says what is wrong: 0 with r or s, 1 with the recovery identifier, 2 when there is no such key.
///
/// # Errors
///
/// When an argument is out of bounds, or nothing can be allocated.
pub fn secp256k1_ecdsa_recover_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    digest: u32,
) -> Result<u64, HostError> {
    recover_coordinates(guest, Scalars::Reduced, signature, digest)
}

/// Recovers the key that signed a hash of 32 bytes. Recovery identifiers may be counted from 27.
///
/// Returns what version 1 returns.
///
/// # Errors
///
/// When an argument is out of bounds, or nothing can be allocated.
pub fn secp256k1_ecdsa_recover_version_2<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    digest: u32,
) -> Result<u64, HostError> {
    recover_coordinates(guest, Scalars::AsTheyAre, signature, digest)
}

/// Recovers the key that signed a hash of 32 bytes, with r and s taken modulo the curve's order.
/// Recovery identifiers may be counted from 27.
///
/// Returns a SCALE-encoded `Result` of the compressed key, 33 bytes, or of the errors of
/// [`secp256k1_ecdsa_recover_version_1`].
///
/// # Errors
///
/// When an argument is out of bounds, or nothing can be allocated.
pub fn secp256k1_ecdsa_recover_compressed_version_1<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    digest: u32,
) -> Result<u64, HostError> {
    recover_compressed(guest, Scalars::Reduced, signature, digest)
}

/// Recovers the key that signed a hash of 32 bytes. Recovery identifiers may be counted from 27.
///
/// Returns what version 1 returns.
///
/// # Errors
///
/// When an argument is out of bounds, or nothing can be allocated.
pub fn secp256k1_ecdsa_recover_compressed_version_2<C: GuestContext>(
    guest: &mut C,
    signature: u32,
    digest: u32,
) -> Result<u64, HostError> {
    recover_compressed(guest, Scalars::AsTheyAre, signature, digest)
}

/// What to make of an r or s that is not below the curve's order.
#[derive(Clone, Copy)]
enum Scalars {
    /// It stands for what remains modulo the order.
    Reduced,
    /// It is wrong.
    AsTheyAre,
}

/// What is wrong when no key is recovered, in the order in which guests know it.
#[derive(Clone, Copy)]
enum RecoverError {
    /// r or s: not below the curve's order.
    Scalars,
    /// The recovery identifier: none of 0 to 3.
    RecoveryId,
    /// The whole: no key can have made it.
    Signature,
}

fn verify(scalars: Scalars, signature: [u8; 65], digest: [u8; 32], public_key: [u8; 33]) -> bool {
    recover(scalars, signature, digest).is_ok_and(|key| key.serialize() == public_key)
}

fn recover_coordinates<C: GuestContext>(
    guest: &mut C,
    scalars: Scalars,
    signature: u32,
    digest: u32,
) -> Result<u64, HostError> {
    match recover_from_guest(guest, scalars, signature, digest)? {
        Ok(key) => {
            // The first byte, that of a key that is not compressed, makes way for that of `Ok`.
            let mut result = key.serialize_uncompressed();
            result[0] = 0;
            Ok(guest.allocate_and_write(&result)?.into())
        }
        Err(error) => Ok(guest.allocate_and_write(&[1, error as u8])?.into()),
    }
}

fn recover_compressed<C: GuestContext>(
    guest: &mut C,
    scalars: Scalars,
    signature: u32,
    digest: u32,
) -> Result<u64, HostError> {
    match recover_from_guest(guest, scalars, signature, digest)? {
        Ok(key) => {
            let mut result = [0; 34];
            result[1..].copy_from_slice(&key.serialize());
            Ok(guest.allocate_and_write(&result)?.into())
        }
        Err(error) => Ok(guest.allocate_and_write(&[1, error as u8])?.into()),
    }
}

/// Recovers from what the arguments point to; the recovery identifier may be counted from 27.
fn recover_from_guest<C: GuestContext>(
    guest: &C,
    scalars: Scalars,
    signature: u32,
    digest: u32,
) -> Result<Result<PublicKey, RecoverError>, HostError> {
    let mut signature = guest.array::<65>(signature)?;
    let digest = guest.array(digest)?;
    if signature[64] >= 27 {
        signature[64] -= 27;
    }
    Ok(recover(scalars, signature, digest))
}

fn recover(
    scalars: Scalars,
    mut signature: [u8; 65],
    digest: [u8; 32],
) -> Result<PublicKey, RecoverError> {
    let id =
        RecoveryId::try_from(i32::from(signature[64])).map_err(|_| RecoverError::RecoveryId)?;
    if let Scalars::Reduced = scalars {
        signature[..64].as_chunks_mut().0.iter_mut().for_each(reduce);
    }
    RecoverableSignature::from_compact(&signature[..64], id)
        .map_err(|_| RecoverError::Scalars)?
        .recover(Message::from_digest(digest))
        .map_err(|_| RecoverError::Signature)
}

/// Takes a number, big endian, modulo the curve's order, which is more than half of 2²⁵⁶.
fn reduce(number: &mut [u8; 32]) {
    if *number < CURVE_ORDER {
        return;
    }
    let mut borrow = false;
    for (digit, of_order) in number.iter_mut().zip(CURVE_ORDER).rev() {
        (*digit, borrow) = digit.borrowing_sub(of_order, borrow);
    }
}
