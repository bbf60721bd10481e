//! The curve BLS12-381, with its groups G1 and G2 and the pairing of the two.
//!
//! A point of G1 has 96 bytes and one of G2 192, in the encoding of Zcash: coordinates big endian,
//! flags in the first byte. An element of the target field has 576, a scalar 32, little endian.

use super::{answer_in_place, answer_into, arithmetic};
use crate::{GuestContext, HostError};
use ark_bls12_381::{Bls12_381, g1, g2};

/// Writes the product of the Miller loops of each point of G1 in the list `a` with its partner of
/// G2 in the list `b`.
///
/// # Errors
///
/// When a range is out of bounds, or one list is longer than the other. Other errors are
/// [returned](super::Error).
pub fn multi_miller_loop_version_1<C: GuestContext>(
    guest: &mut C,
    a: u64,
    b: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [a, b], out, arithmetic::multi_miller_loop::<Bls12_381>)
}

/// Replaces the outcome of a Miller loop by the pairing. What follows it in the range stays.
///
/// # Errors
///
/// When the range is out of bounds. Other errors are [returned](super::Error).
pub fn final_exponentiation_version_1<C: GuestContext>(
    guest: &mut C,
    in_out: u64,
) -> Result<u32, HostError> {
    answer_in_place(guest, in_out, arithmetic::final_exponentiation::<Bls12_381>)
}

/// Writes the sum of a list of points of G1, each times its partner in the list `scalars`.
///
/// # Errors
///
/// When a range is out of bounds. Other errors are [returned](super::Error).
pub fn msm_g1_version_1<C: GuestContext>(
    guest: &mut C,
    bases: u64,
    scalars: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [bases, scalars], out, arithmetic::sum_weierstrass::<g1::Config>)
}

/// Writes the sum of a list of points of G2, each times its partner in the list `scalars`.
///
/// # Errors
///
/// When a range is out of bounds. Other errors are [returned](super::Error).
pub fn msm_g2_version_1<C: GuestContext>(
    guest: &mut C,
    bases: u64,
    scalars: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [bases, scalars], out, arithmetic::sum_weierstrass::<g2::Config>)
}

/// Writes a point of G1 times `scalar`, a list of limbs.
///
/// # Errors
///
/// When a range is out of bounds. Other errors are [returned](super::Error).
pub fn mul_g1_version_1<C: GuestContext>(
    guest: &mut C,
    base: u64,
    scalar: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [base, scalar], out, arithmetic::multiply_weierstrass::<g1::Config>)
}

/// Writes a point of G2 times `scalar`, a list of limbs.
///
/// # Errors
///
/// When a range is out of bounds. Other errors are [returned](super::Error).
pub fn mul_g2_version_1<C: GuestContext>(
    guest: &mut C,
    base: u64,
    scalar: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [base, scalar], out, arithmetic::multiply_weierstrass::<g2::Config>)
}
