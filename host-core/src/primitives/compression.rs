//! Blobs that may be compressed.
//!
//! A blob that begins with [`PREFIX`] is Zstandard-compressed behind it; any other is taken as it
//! is. Parachains put their code on chain and their proofs on the wire this way. Decompressing is
//! bounded: a blob that would grow past the limit is a *bomb*. Formats from before Zstandard 0.8 are
//! refused, as by the reference implementation.

use parity_scale_codec::{Decode, Encode};
use std::{
    borrow::Cow,
    io::{self, Read},
};

/// What a compressed blob begins with.
pub const PREFIX: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// The most that code may decompress to unless configured otherwise, in bytes.
pub const CODE_LIMIT: usize = 30 << 20;

/// The most that a proof of validity may decompress to unless configured otherwise, in bytes.
pub const POV_LIMIT: usize = 16 << 20;

/// Why a blob could not be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum DecompressError {
    /// It would be longer than the limit.
    #[error("decompresses to more than {limit} bytes")]
    Bomb {
        /// The limit, in bytes.
        limit: u64,
    },
    /// What follows the prefix is not a Zstandard stream, or only the beginning of one.
    #[error("compressed data is damaged or cut short")]
    Invalid,
}

/// Whether `blob` is compressed.
pub fn is_compressed(blob: &[u8]) -> bool {
    blob.starts_with(&PREFIX)
}

/// Decompresses `blob` if it is compressed, else gives it back whatever its length.
///
/// # Errors
///
/// See [`DecompressError`]. No more than `limit` bytes, plus the decoder's window, are ever held.
pub fn decompress(blob: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, DecompressError> {
    let Some(compressed) = blob.strip_prefix(&PREFIX) else { return Ok(Cow::Borrowed(blob)) };
    let decoder = zstd::Decoder::with_buffer(compressed).map_err(|_| DecompressError::Invalid)?;
    let mut output = Vec::with_capacity(blob.len().min(limit));
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut output)
        .map_err(|_| DecompressError::Invalid)?;
    if output.len() > limit {
        Err(DecompressError::Bomb { limit: limit as u64 })
    } else {
        Ok(Cow::Owned(output))
    }
}

/// Fills `start` with the first bytes of `blob`, decompressed if need be, and says how many there
/// were.
///
/// # Errors
///
/// When the first block can't be decompressed.
pub fn peek(blob: &[u8], start: &mut [u8]) -> Result<usize, DecompressError> {
    let Some(compressed) = blob.strip_prefix(&PREFIX) else {
        let len = blob.len().min(start.len());
        start[..len].copy_from_slice(&blob[..len]);
        return Ok(len);
    };
    let mut decoder =
        zstd::Decoder::with_buffer(compressed).map_err(|_| DecompressError::Invalid)?;
    let mut len = 0;
    while len < start.len() {
        match decoder.read(&mut start[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(_) => return Err(DecompressError::Invalid),
        }
    }
    Ok(len)
}

/// Compresses `blob`, at a level of 1 (fast) to 22 (small).
///
/// # Errors
///
/// When the level is out of range or memory is short.
pub fn compress(blob: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut output = PREFIX.to_vec();
    zstd::stream::copy_encode(blob, &mut output, level)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        let blob: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let compressed = compress(&blob, 3).unwrap();
        assert!(compressed.len() < blob.len());
        assert_eq!(decompress(&compressed, blob.len()).unwrap(), blob);
    }

    #[test]
    fn a_blob_without_the_prefix_is_taken_as_it_is() {
        let blob = [0; 100];
        assert!(matches!(decompress(&blob, 10), Ok(Cow::Borrowed(same)) if same == blob));
    }

    #[test]
    fn a_bomb_is_told_from_damage() {
        let bomb = compress(&vec![0; 1 << 20], 3).unwrap();
        let limit = (1 << 20) - 1;
        assert_eq!(decompress(&bomb, limit), Err(DecompressError::Bomb { limit: limit as u64 }));
        assert_eq!(decompress(&bomb[..bomb.len() - 1], 1 << 20), Err(DecompressError::Invalid));
        assert_eq!(decompress(&PREFIX, 1 << 20), Err(DecompressError::Invalid));
    }

    #[test]
    fn formats_from_before_the_present_one_are_refused() {
        // Version 0.7: one block of three bytes as they are, and the end.
        let frame = b"\x27\xb5\x2f\xfd\x20\x03\x40\x00\x03abc\xc0\x00\x00";
        let alone = [&PREFIX[..], frame].concat();
        assert_eq!(decompress(&alone, 10), Err(DecompressError::Invalid));
        assert_eq!(peek(&alone, &mut [0; 3]), Err(DecompressError::Invalid));
        let second = [&compress(b"abc", 3).unwrap()[..], frame].concat();
        assert_eq!(decompress(&second, 10), Err(DecompressError::Invalid));
    }

    #[test]
    fn peeking_sees_the_first_bytes_behind_the_compression() {
        let mut start = [0; 8];
        assert_eq!(peek(b"abc", &mut start), Ok(3));
        assert_eq!(&start[..3], b"abc");
        let compressed = compress(&[7; 1000], 3).unwrap();
        assert_eq!(peek(&compressed, &mut start), Ok(8));
        assert_eq!(start, [7; 8]);
        assert_eq!(peek(&compressed[..10], &mut start), Err(DecompressError::Invalid));
    }
}
