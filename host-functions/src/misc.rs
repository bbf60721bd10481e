//! The family `misc`: printing, for debugging.

use crate::{GuestContext, HostError};
use pvf_host_core::backend::LogLevel;
use std::fmt::Write;

/// The target under which printed lines are logged.
const TARGET: &str = "runtime";

/// Of longer data only so many bytes are printed in hexadecimal.
const MAX_HEX: usize = 1024;

/// Prints a number.
///
/// # Errors
///
/// None.
pub fn print_num_version_1<C: GuestContext>(guest: &mut C, value: u64) -> Result<(), HostError> {
    guest.log(LogLevel::Debug, TARGET, &value.to_string());
    Ok(())
}

/// Prints text. What is not UTF-8 is not printed.
///
/// # Errors
///
/// When the range is out of bounds.
pub fn print_utf8_version_1<C: GuestContext>(guest: &mut C, text: u64) -> Result<(), HostError> {
    let text = guest.range(text)?.into_owned();
    if let Ok(text) = String::from_utf8(text) {
        guest.log(LogLevel::Debug, TARGET, &text);
    }
    Ok(())
}

/// Prints data in hexadecimal.
///
/// # Errors
///
/// When the range is out of bounds.
pub fn print_hex_version_1<C: GuestContext>(guest: &mut C, data: u64) -> Result<(), HostError> {
    let data = guest.range(data)?;
    let mut text = String::new();
    for byte in data.iter().take(MAX_HEX) {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    if data.len() > MAX_HEX {
        let _ = write!(text, "… ({} bytes)", data.len());
    }
    drop(data);
    guest.log(LogLevel::Debug, TARGET, &text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryError, testing::TestGuest};

    #[test]
    fn numbers_text_and_data_are_logged_for_debugging() {
        let mut guest = TestGuest::new(1, 1);
        guest.memory[..4].copy_from_slice(b"hi\x01\xff");
        print_num_version_1(&mut guest, u64::MAX).unwrap();
        print_utf8_version_1(&mut guest, 2 << 32).unwrap();
        print_hex_version_1(&mut guest, 4 << 32).unwrap();
        let texts: Vec<_> = guest.lines.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!(texts, ["18446744073709551615", "hi", "686901ff"]);
        assert!(guest.lines.iter().all(|(level, ..)| *level == LogLevel::Debug));
    }

    #[test]
    fn what_is_not_text_is_not_printed() {
        let mut guest = TestGuest::new(1, 1);
        guest.memory[0] = 0xff;
        print_utf8_version_1(&mut guest, 1 << 32).unwrap();
        assert!(guest.lines.is_empty());
    }

    #[test]
    fn much_data_makes_a_short_line() {
        let mut guest = TestGuest::new(1, 1);
        print_hex_version_1(&mut guest, 65_536 << 32).unwrap();
        assert!(guest.lines[0].2.len() < 2_200);
    }

    #[test]
    fn printing_out_of_bounds_is_refused() {
        let mut guest = TestGuest::new(1, 1);
        let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
        assert_eq!(print_utf8_version_1(&mut guest, 65_537 << 32), beyond);
        assert_eq!(print_hex_version_1(&mut guest, 1 << 32 | 65_536), beyond);
    }
}
