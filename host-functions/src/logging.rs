//! The family `logging`: log lines of the guest.

use crate::{GuestContext, HostError};
use pvf_host_core::backend::LogLevel;

/// What [`max_level_version_1`] answers: `Info`, in a numbering where 0 is `Off`.
const MAX_LEVEL: u32 = 3;

/// Under this target runtimes log, as an error, what they panic with. Then they trap.
const PANIC_TARGET: &str = "runtime";

/// Logs `message` under `target`. A message that is not UTF-8 is dropped.
///
/// # Errors
///
/// When `level`, of which the low eight bits count, is none of 0 (`Error`) to 4 (`Trace`), when
/// `target` is not UTF-8, or when one of the two ranges is out of bounds.
pub fn log_version_1<C: GuestContext>(
    guest: &mut C,
    level: u32,
    target: u64,
    message: u64,
) -> Result<(), HostError> {
    let level = match level as u8 {
        0 => LogLevel::Error,
        1 => LogLevel::Warn,
        2 => LogLevel::Info,
        3 => LogLevel::Debug,
        4 => LogLevel::Trace,
        other => return Err(HostError::NotALogLevel(other)),
    };
    let target = guest.range(target)?.into_owned();
    let target = String::from_utf8(target).map_err(|_| HostError::NotUtf8)?;
    let message = guest.range(message)?.into_owned();
    if let Ok(message) = String::from_utf8(message) {
        guest.log(level, &target, &message);
        if level == LogLevel::Error && target == PANIC_TARGET {
            guest.state().set_panic_message(&message);
        }
    }
    Ok(())
}

/// The most verbose level that is worth logging.
///
/// Guests branch on the answer, so it is a constant: a verdict must not depend on how a node is
/// configured.
///
/// # Errors
///
/// None.
pub fn max_level_version_1<C: GuestContext>(_: &mut C) -> Result<u32, HostError> {
    Ok(MAX_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FatPointer, MemoryError, testing::TestGuest};

    fn guest() -> TestGuest {
        let mut guest = TestGuest::new(1, 1);
        guest.memory[..16].copy_from_slice(b"target\xffmessage\xfe.");
        guest
    }

    fn fat(ptr: u32, len: u32) -> u64 {
        FatPointer { ptr, len }.into()
    }

    #[test]
    fn a_line_arrives_with_its_level_and_target() {
        let mut guest = guest();
        log_version_1(&mut guest, 1, fat(0, 6), fat(7, 7)).unwrap();
        assert_eq!(guest.lines, [(LogLevel::Warn, "target".to_owned(), "message".to_owned())]);
    }

    #[test]
    fn an_error_of_the_runtime_is_remembered_as_what_it_panics_with() {
        let mut guest = TestGuest::new(1, 1);
        guest.memory[..12].copy_from_slice(b"runtime::one");
        log_version_1(&mut guest, 0, fat(0, 12), fat(0, 3)).unwrap();
        log_version_1(&mut guest, 1, fat(0, 7), fat(0, 4)).unwrap();
        assert_eq!(guest.state().take_panic_message(), None);
        log_version_1(&mut guest, 0, fat(0, 7), fat(9, 3)).unwrap();
        log_version_1(&mut guest, 2, fat(0, 7), fat(0, 4)).unwrap();
        assert_eq!(guest.state().take_panic_message().as_deref(), Some("one"));
    }

    #[test]
    fn only_the_low_byte_of_the_level_counts() {
        let mut guest = guest();
        log_version_1(&mut guest, 0x104, fat(0, 6), fat(7, 7)).unwrap();
        assert_eq!(guest.lines[0].0, LogLevel::Trace);
        assert_eq!(
            log_version_1(&mut guest, 5, fat(0, 6), fat(7, 7)),
            Err(HostError::NotALogLevel(5))
        );
    }

    #[test]
    fn a_message_that_is_not_text_is_dropped_but_such_a_target_is_refused() {
        let mut guest = guest();
        log_version_1(&mut guest, 0, fat(0, 6), fat(7, 8)).unwrap();
        assert!(guest.lines.is_empty());
        assert_eq!(log_version_1(&mut guest, 0, fat(0, 7), fat(7, 7)), Err(HostError::NotUtf8));
    }

    #[test]
    fn lines_out_of_bounds_are_refused() {
        let mut guest = guest();
        let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
        assert_eq!(log_version_1(&mut guest, 0, fat(65_535, 2), fat(0, 0)), beyond);
        assert_eq!(log_version_1(&mut guest, 0, fat(0, 0), fat(0, u32::MAX)), beyond);
        assert_eq!(log_version_1(&mut guest, 0, fat(65_536, 0), fat(65_536, 0)), Ok(()));
    }
}
