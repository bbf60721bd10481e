//! The curve Vesta.
//!
//! A point has 65 bytes, coordinates little endian, flags in the last byte; a scalar has 32.

use super::{answer_into, arithmetic};
use crate::{GuestContext, HostError};
use ark_vesta::VestaConfig;

/// Writes the sum of a list of points, each times its partner in the list `scalars`.
///
/// # Errors
///
/// When a range is out of bounds. Other errors are [returned](super::Error).
pub fn msm_version_1<C: GuestContext>(
    guest: &mut C,
    bases: u64,
    scalars: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [bases, scalars], out, arithmetic::sum_weierstrass::<VestaConfig>)
}

/// Writes a point times `scalar`, a list of limbs.
///
/// # Errors
///
/// When a range is out of bounds. Other errors are [returned](super::Error).
pub fn mul_version_1<C: GuestContext>(
    guest: &mut C,
    base: u64,
    scalar: u64,
    out: u64,
) -> Result<u32, HostError> {
    answer_into(guest, [base, scalar], out, arithmetic::multiply_weierstrass::<VestaConfig>)
}
