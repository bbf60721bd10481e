//! The family `host_calls`: arithmetic on elliptic curves, after Polkadot's RFC 163.
//!
//! Each curve has a module with its functions, which name the types to work on and no more.
//! `arithmetic` says what a function computes, `encoding` how points and numbers become bytes, and
//! this module how all of them answer a guest.
//!
//! # How a guest is answered
//!
//! A function gets its inputs and the buffer for its answer as ranges of guest memory. It returns
//! 0, or the code of an [`Error`]. The buffer is overwritten as a whole: it holds the encoded
//! answer, or nothing if there is an error, and then zeroes up to its end. Only
//! [`final_exponentiation`](bls12_381::final_exponentiation_version_1), whose buffer is its input
//! as well, leaves alone what it does not write.
//!
//! # Points are not validated
//!
//! A guest vouches for its points. With a point that is not on its curve, or on Bandersnatch not
//! in the subgroup of prime order, a sum depends on the order of its additions. Then the answer is
//! that of arkworks without threads; that of Polkadot's own host depends on how many threads it
//! has.

mod arithmetic;
pub mod bandersnatch;
pub mod bls12_381;
mod encoding;
pub mod pallas;
#[cfg(test)]
mod tests;
pub mod vesta;

use crate::{FatPointer, GuestContext, HostError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a function reports to the guest instead of an answer. The discriminant is what it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u32)]
pub enum Error {
    /// The buffer is too small for the answer.
    #[error("the buffer is too small for the answer")]
    Encode = 1,
    /// An input is not what it should encode. Bytes after its end are no error.
    #[error("an input can't be decoded")]
    Decode = 2,
    /// There are not as many scalars as points.
    #[error("there are not as many scalars as points")]
    LengthMismatch = 3,
    /// The resulting point has no affine coordinates.
    #[error("the resulting point has no affine coordinates")]
    DegeneratePoint = 4,
    /// Zero has no final exponentiation.
    #[error("zero has no final exponentiation")]
    Unknown = 255,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The guest is told.
    Reported(Error),
    /// The guest traps.
    Trap(HostError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Reported(error)
    }
}

/// An encoded answer.
type Outcome = Result<Vec<u8>, Failure>;

/// Answers in `out` what `operation` makes of the two inputs.
fn answer_into<C: GuestContext>(
    guest: &mut C,
    inputs: [u64; 2],
    out: u64,
    operation: fn(&[u8], &[u8]) -> Outcome,
) -> Result<u32, HostError> {
    // No work for an answer that can't be given.
    guest.range(out)?;
    let out = FatPointer::from(out);
    let first = guest.range(inputs[0])?;
    let second = guest.range(inputs[1])?;
    let answer = attempt(|| operation(&first, &second), out.len)?;
    drop((first, second));

    let written = answer.as_deref().unwrap_or_default();
    guest.write(out.ptr, written)?;
    clear(guest, out, written.len() as u32)?;
    Ok(code(&answer))
}

/// Answers where the input is what `operation` makes of it.
fn answer_in_place<C: GuestContext>(
    guest: &mut C,
    in_out: u64,
    operation: fn(&[u8]) -> Outcome,
) -> Result<u32, HostError> {
    let FatPointer { ptr, len } = in_out.into();
    let input = guest.range(in_out)?;
    let answer = attempt(|| operation(&input), len)?;
    drop(input);

    guest.write(ptr, answer.as_deref().unwrap_or_default())?;
    Ok(code(&answer))
}

/// Runs an operation on inputs that nobody has validated. Its answer has to fit into `len` bytes.
///
/// Arkworks takes them without a panic as far as is known. Should it panic nevertheless, then that
/// is the guest's doing, and must not be taken for a fault of the host.
fn attempt(
    operation: impl FnOnce() -> Outcome,
    len: u32,
) -> Result<Result<Vec<u8>, Error>, HostError> {
    // Nothing of what the operation changes outlives it.
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(answer)) if answer.len() > len as usize => Ok(Err(Error::Encode)),
        Ok(Ok(answer)) => Ok(Ok(answer)),
        Ok(Err(Failure::Reported(error))) => Ok(Err(error)),
        Ok(Err(Failure::Trap(error))) => Err(error),
        Err(_panic) => Err(HostError::CurveArithmetic),
    }
}

/// Zeroes the buffer after its first `written` bytes.
fn clear<C: GuestContext>(
    guest: &mut C,
    FatPointer { ptr, len }: FatPointer,
    mut written: u32,
) -> Result<(), HostError> {
    const ZEROES: [u8; 4096] = [0; 4096];
    while written < len {
        let count = (len - written).min(ZEROES.len() as u32);
        // The buffer is inside of the memory, so there is an address for each of its bytes.
        guest.write(ptr + written, &ZEROES[..count as usize])?;
        written += count;
    }
    Ok(())
}

/// What the function returns.
fn code(answer: &Result<Vec<u8>, Error>) -> u32 {
    match answer {
        Ok(_) => 0,
        Err(error) => *error as u32,
    }
}
