//! The family `misc`: printing, for debugging, and the version of other code.

use crate::{GuestContext, HostError, runtime_version};
use parity_scale_codec::Encode;
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

/// Reads which version of a runtime `code` is, without running it. A parachain asks before it takes
/// new code for its own.
///
/// The answer is a SCALE-encoded `Option<Vec<u8>>`, in memory allocated for it: what `Core_version`
/// of that runtime would return, or `None` if `code` does not say, is damaged, or is not code.
///
/// # Errors
///
/// When the range is out of bounds, or the allocator refuses.
pub fn runtime_version_version_1<C: GuestContext>(
    guest: &mut C,
    code: u64,
) -> Result<u64, HostError> {
    let version = runtime_version::read_embedded(&guest.range(code)?);
    let answer = version.map(|version| version.encode()).encode();
    Ok(guest.allocate_and_write(&answer)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AllocatorError, FatPointer, GuestMemory, MemoryError, testing::TestGuest};
    use pvf_host_core::primitives::hex;

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

    #[test]
    fn runtime_versions_are_those_that_the_reference_reads() {
        let cases: Vec<_> = include_str!("../vectors/runtime_version/cases.txt").lines().collect();
        let (cases, []) = cases.as_chunks::<3>() else { panic!("three lines make a case") };
        for [name, code, expected] in cases {
            let code = hex::decode(code.trim()).unwrap();
            let expected = hex::decode(expected.trim()).unwrap();
            let mut guest = TestGuest::with_heap(1, 1, 32_768);
            guest.memory[100..][..code.len()].copy_from_slice(&code);
            let argument = FatPointer { ptr: 100, len: code.len() as u32 };
            let answer = runtime_version_version_1(&mut guest, argument.into()).unwrap();
            assert_eq!(FatPointer::from(answer).ptr, 32_776, "{name}");
            assert_eq!(hex::encode(guest.range(answer).unwrap()), hex::encode(expected), "{name}");
            assert_eq!(guest.memory[100..][..code.len()], code, "{name}");
        }
        assert!(cases.len() > 150);
    }

    #[test]
    fn the_version_of_code_out_of_bounds_is_refused() {
        let mut guest = TestGuest::with_heap(1, 1, 1024);
        let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
        assert_eq!(runtime_version_version_1(&mut guest, 65_537 << 32), beyond);
        assert_eq!(runtime_version_version_1(&mut guest, 1 << 32 | 65_536), beyond);
        assert_eq!(runtime_version_version_1(&mut guest, u64::MAX), beyond);
        assert_eq!(guest.allocate(8), Ok(1032));
    }

    #[test]
    fn without_room_for_the_answer_the_version_is_refused() {
        let mut full = TestGuest::with_heap(1, 1, 65_528);
        let refused = runtime_version_version_1(&mut full, 4 << 32);
        assert_eq!(refused, Err(HostError::Allocator(AllocatorError::OutOfSpace)));
        let mut starting = TestGuest::new(1, 1);
        let refused = runtime_version_version_1(&mut starting, 4 << 32);
        assert_eq!(refused, Err(HostError::Memory(MemoryError::NotReady)));
    }
}
