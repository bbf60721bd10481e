//! How points and numbers become bytes: as in arkworks, uncompressed and not validated.
//!
//! Lists begin with their length in eight bytes, little endian. What is decoded is canonical: a
//! number is less than its modulus, flags are those that encoding sets, a point is infinity in one
//! way only. Whether a point is on its curve is not asked.

use super::Error;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};

/// Decodes the beginning of `bytes`.
///
/// Of what a list says about its length nothing is reserved beforehand.
pub(super) fn decode<T: CanonicalDeserialize>(bytes: &[u8]) -> Result<T, Error> {
    T::deserialize_uncompressed_unchecked(bytes).map_err(|_| Error::Decode)
}

/// Encodes `value`.
pub(super) fn encode<T: CanonicalSerialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(value.uncompressed_size());
    // Writing to a vector can't fail.
    value.serialize_uncompressed(&mut bytes).map_err(|_| Error::Encode)?;
    Ok(bytes)
}
