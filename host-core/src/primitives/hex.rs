//! Hexadecimal text.

use std::fmt;

const PREFIX: &str = "0x";

/// Text that is not the hexadecimal form of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// A character is no hexadecimal digit.
    #[error("{found:?} at position {position} is not a hexadecimal digit")]
    InvalidDigit {
        /// Where it is, in bytes from the beginning of the text.
        position: usize,
        /// The character.
        found: char,
    },
    /// The last byte has one digit.
    #[error("an odd number of hexadecimal digits: {digits}")]
    OddLength {
        /// How many digits there are.
        digits: usize,
    },
    /// Another number of bytes was asked for.
    #[error("expected {expected} bytes in hexadecimal, found {found}")]
    WrongLength {
        /// The number of bytes asked for.
        expected: usize,
        /// The number of bytes found.
        found: usize,
    },
}

/// The bytes that `text` stands for, in digits of either case and with or without `0x`.
///
/// # Errors
///
/// See [`HexError`].
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    Ok(pairs(text)?.iter().copied().map(byte).collect())
}

/// Like [`decode`], for a fixed number of bytes.
///
/// # Errors
///
/// See [`HexError`].
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let pairs = pairs(text)?;
    let pairs: &[[u8; 2]; N] =
        pairs.try_into().map_err(|_| HexError::WrongLength { expected: N, found: pairs.len() })?;
    Ok(pairs.map(byte))
}

/// `bytes` in lower-case digits behind `0x`.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(PREFIX.len() + 2 * bytes.len());
    text.push_str(PREFIX);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

/// Prints the first bytes of a byte string that may be long, and its length.
pub(super) struct Abbreviated<'a>(pub(super) &'a [u8]);

impl Abbreviated<'_> {
    const SHOWN: usize = 32;
}

impl fmt::Display for Abbreviated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..Self::SHOWN) {
            Some(start) if self.0.len() > Self::SHOWN => {
                write!(f, "{}…, {} bytes", encode(start), self.0.len())
            }
            _ => f.write_str(&encode(self.0)),
        }
    }
}

/// The digits of `text`, two for each byte, all of them valid.
fn pairs(text: &str) -> Result<&[[u8; 2]], HexError> {
    if let Some((position, found)) = text
        .char_indices()
        .skip(if text.starts_with(PREFIX) { PREFIX.len() } else { 0 })
        .find(|(_, c)| !c.is_ascii_hexdigit())
    {
        return Err(HexError::InvalidDigit { position, found });
    }
    let digits = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes();
    match digits.as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(HexError::OddLength { digits: digits.len() }),
    }
}

fn byte([high, low]: [u8; 2]) -> u8 {
    value(high) << 4 | value(low)
}

fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        letter => letter.to_ascii_lowercase() - b'a' + 10,
    }
}

fn digit(value: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encode(&bytes);
        assert!(text.starts_with("0x000102") && text.ends_with("fdfeff"), "{text}");
        assert_eq!(decode(&text), Ok(bytes.clone()));
        assert_eq!(decode(&text[2..].to_uppercase()), Ok(bytes));
    }

    #[test]
    fn nothing_is_a_prefix_alone() {
        assert_eq!(encode([]), "0x");
        assert_eq!(decode("0x"), Ok(vec![]));
        assert_eq!(decode(""), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        assert_eq!(decode("0x12g4"), Err(HexError::InvalidDigit { position: 4, found: 'g' }));
        assert_eq!(decode("12 34"), Err(HexError::InvalidDigit { position: 2, found: ' ' }));
        assert_eq!(decode("0x0x12"), Err(HexError::InvalidDigit { position: 3, found: 'x' }));
        assert_eq!(decode("ü"), Err(HexError::InvalidDigit { position: 0, found: 'ü' }));
        assert_eq!(decode("0x123"), Err(HexError::OddLength { digits: 3 }));
    }

    #[test]
    fn a_fixed_length_is_insisted_on() {
        assert_eq!(decode_array("0x0102"), Ok([1, 2]));
        let wrong = |found| Err(HexError::WrongLength { expected: 2, found });
        assert_eq!(decode_array::<2>("01"), wrong(1));
        assert_eq!(decode_array::<2>("0x010203"), wrong(3));
        assert_eq!(decode_array::<2>("010"), Err(HexError::OddLength { digits: 3 }));
    }

    #[test]
    fn long_byte_strings_are_abbreviated() {
        assert_eq!(Abbreviated(&[0xab; 32]).to_string(), encode([0xab; 32]));
        let long = format!("{}…, 33 bytes", encode([0xab; 32]));
        assert_eq!(Abbreviated(&[0xab; 33]).to_string(), long);
    }
}
