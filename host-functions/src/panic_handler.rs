//! The family `panic_handler`: a guest's last words.

use crate::{GuestContext, HostError};

/// Ends the call: the guest has panicked, and `message` says why.
///
/// # Errors
///
/// Always: [`HostError::Aborted`], once the message is remembered. When `message` is not UTF-8 or out
/// of bounds, then because of that.
pub fn abort_on_panic_version_1<C: GuestContext>(
    guest: &mut C,
    message: u64,
) -> Result<(), HostError> {
    let message = guest.range(message)?.into_owned();
    let message = String::from_utf8(message).map_err(|_| HostError::NotUtf8)?;
    guest.state().set_panic_message(&message);
    Err(HostError::Aborted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryError, testing::TestGuest};

    #[test]
    fn the_message_is_remembered_and_the_guest_traps() {
        let mut guest = TestGuest::new(1, 1);
        guest.memory[..4].copy_from_slice(b"oops");
        assert_eq!(abort_on_panic_version_1(&mut guest, 4 << 32), Err(HostError::Aborted));
        assert_eq!(guest.state().take_panic_message().as_deref(), Some("oops"));
    }

    #[test]
    fn a_message_that_can_not_be_read_traps_as_well() {
        let mut guest = TestGuest::new(1, 1);
        guest.memory[0] = 0xff;
        assert_eq!(abort_on_panic_version_1(&mut guest, 1 << 32), Err(HostError::NotUtf8));
        let beyond = Err(HostError::Memory(MemoryError::OutOfBounds));
        assert_eq!(abort_on_panic_version_1(&mut guest, 65_537 << 32), beyond);
        assert_eq!(guest.state().take_panic_message(), None);
    }
}
