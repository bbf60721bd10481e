//! What it means for the verdict that a host function refused, the same with every engine.

use crate::{AllocatorError, CallState, HostCallError, HostError};
use pvf_host_core::backend::ExecuteError;
use std::fmt::Display;

/// The module from which guests import.
pub const IMPORT_MODULE: &str = "env";

/// The guest called a function that it imports and is not offered: what a backend raises as a trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("call to a missing function {IMPORT_MODULE}:{0}")]
pub struct MissingFunction(pub String);

impl From<&MissingFunction> for ExecuteError {
    fn from(error: &MissingFunction) -> Self {
        Self::Trap(error.to_string())
    }
}

impl CallState {
    /// The guest trapped because of `error`.
    pub fn failed_in_host_call(&mut self, error: &HostCallError) -> ExecuteError {
        match self.take_panic_message() {
            Some(message) if error.error == HostError::Aborted => ExecuteError::Panic(message),
            _ => ExecuteError::Trap(error.to_string()),
        }
    }

    /// The guest ran into an instruction that always traps, which is how a panic handler ends once
    /// it has logged the message. `trap` is how the engine calls it.
    pub fn failed_as_unreachable(&mut self, trap: impl Display) -> ExecuteError {
        match self.take_panic_message() {
            Some(message) => ExecuteError::Panic(message),
            None => ExecuteError::Trap(trap.to_string()),
        }
    }
}

impl HostError {
    /// An input of `len` bytes could not be handed over to the guest.
    pub fn for_input(self, len: usize) -> ExecuteError {
        let message = format!("input of {len} bytes: {self}");
        match self {
            Self::Allocator(AllocatorError::OutOfSpace | AllocatorError::TooLarge) => {
                ExecuteError::OutOfMemory(message)
            }
            _ => ExecuteError::Trap(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_malloc(error: HostError) -> HostCallError {
        HostCallError { function: "ext_allocator_malloc_version_1", error }
    }

    #[test]
    fn a_panic_message_is_the_reason_if_the_guest_ends_as_panics_do() {
        let mut state = CallState::default();
        state.set_panic_message("why");
        assert_eq!(state.failed_as_unreachable("unreachable"), ExecuteError::Panic("why".into()));
        let trap = ExecuteError::Trap("unreachable".into());
        assert_eq!(state.failed_as_unreachable("unreachable"), trap);
        state.set_panic_message("why");
        let aborted = in_malloc(HostError::Aborted);
        assert_eq!(state.failed_in_host_call(&aborted), ExecuteError::Panic("why".into()));
        state.set_panic_message("something else");
        let refused = in_malloc(HostError::NotUtf8);
        assert_eq!(state.failed_in_host_call(&refused), ExecuteError::Trap(refused.to_string()));
    }

    #[test]
    fn an_input_without_room_is_a_lack_of_memory_and_nothing_else_is() {
        let of = |error| HostError::Allocator(error).for_input(5);
        assert!(matches!(of(AllocatorError::OutOfSpace), ExecuteError::OutOfMemory(_)));
        assert!(matches!(of(AllocatorError::TooLarge), ExecuteError::OutOfMemory(_)));
        assert!(matches!(of(AllocatorError::MemoryShrunk), ExecuteError::Trap(_)));
    }
}
