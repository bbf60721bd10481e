//! What the functions compute, for curves in general: encoded inputs, encoded answers.

use super::{
    Error, Failure, Outcome,
    encoding::{decode, encode},
};
use crate::HostError;
use ark_ec::{
    CurveGroup,
    pairing::{MillerLoopOutput, Pairing},
    short_weierstrass::{Affine as WeierstrassPoint, SWCurveConfig},
    twisted_edwards::{Affine as EdwardsPoint, Projective, TECurveConfig},
};
use ark_ff::Zero;

/// A scalar as [`multiply`](multiply_weierstrass) takes it: of any size, the least limb first.
type Limbs = Vec<u64>;

/// A point in short Weierstrass form times a scalar.
pub(super) fn multiply_weierstrass<T: SWCurveConfig>(base: &[u8], scalar: &[u8]) -> Outcome {
    let base = decode::<WeierstrassPoint<T>>(base)?;
    let scalar = decode::<Limbs>(scalar)?;
    Ok(encode(&T::mul_affine(&base, &scalar).into_affine())?)
}

/// The sum of points in short Weierstrass form, each times a scalar of its own.
pub(super) fn sum_weierstrass<T: SWCurveConfig>(bases: &[u8], scalars: &[u8]) -> Outcome {
    let bases = decode::<Vec<WeierstrassPoint<T>>>(bases)?;
    let scalars = decode::<Vec<T::ScalarField>>(scalars)?;
    let sum = T::msm(&bases, &scalars).map_err(|_| Error::LengthMismatch)?;
    Ok(encode(&sum.into_affine())?)
}

/// A point in twisted Edwards form times a scalar.
pub(super) fn multiply_edwards<T: TECurveConfig>(base: &[u8], scalar: &[u8]) -> Outcome {
    let base = decode::<EdwardsPoint<T>>(base)?;
    let scalar = decode::<Limbs>(scalar)?;
    encode_edwards(T::mul_affine(&base, &scalar))
}

/// The sum of points in twisted Edwards form, each times a scalar of its own.
pub(super) fn sum_edwards<T: TECurveConfig>(bases: &[u8], scalars: &[u8]) -> Outcome {
    let bases = decode::<Vec<EdwardsPoint<T>>>(bases)?;
    let scalars = decode::<Vec<T::ScalarField>>(scalars)?;
    encode_edwards(T::msm(&bases, &scalars).map_err(|_| Error::LengthMismatch)?)
}

/// On an incomplete curve, points outside of the subgroup of prime order can add up to one that is
/// none: its last coordinate is zero, by which the others would have to be divided.
fn encode_edwards<T: TECurveConfig>(point: Projective<T>) -> Outcome {
    if point.z.is_zero() {
        return Err(Error::DegeneratePoint.into());
    }
    Ok(encode(&point.into_affine())?)
}

/// The product of the Miller loops of pairs of points. A pair with infinity in it counts as one.
///
/// The guest traps if one list is longer than the other.
pub(super) fn multi_miller_loop<T: Pairing>(g1: &[u8], g2: &[u8]) -> Outcome {
    let g1 = decode::<Vec<T::G1Affine>>(g1)?;
    let g2 = decode::<Vec<T::G2Affine>>(g2)?;
    if g1.len() != g2.len() {
        // On this arkworks panics.
        return Err(Failure::Trap(HostError::UnpairedPoints));
    }
    Ok(encode(&T::multi_miller_loop(g1, g2).0)?)
}

/// What makes a pairing of the outcome of a Miller loop.
pub(super) fn final_exponentiation<T: Pairing>(target: &[u8]) -> Outcome {
    let target = MillerLoopOutput(decode::<T::TargetField>(target)?);
    let pairing = T::final_exponentiation(target).ok_or(Error::Unknown)?;
    Ok(encode(&pairing.0)?)
}
