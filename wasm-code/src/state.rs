//! What is remembered beside an instance, whichever engine runs it.

use pvf_host_core::backend::{ExecuteError, GuestLog};
use pvf_host_functions::{CallState, HostCallError, PAGE_SIZE};
use std::{any::Any, fmt};

/// The most pages that a memory with 32-bit addresses can have.
const MAX_PAGES: u32 = 65_536;

/// What is remembered beside an instance, from its making to the end of the one call into it.
///
/// A guest that asks for too much memory is told so, by a result of −1, and goes on. That the
/// *machine* has no memory to give must not reach the guest in the same way, since other machines
/// may have it: the engine sets [`failure`](Self::failure), and ends the call.
pub struct State {
    /// New with the instance. While a start function runs it has no allocator.
    pub call: CallState,
    /// Where the guest's log lines go.
    pub log: Box<dyn GuestLog>,
    /// Why there is no instance, or the call can't go on, whatever the engine makes of it.
    pub failure: Option<ExecuteError>,
    /// What a host function has panicked with, if it could not unwind through the engine.
    pub panic: Option<Box<dyn Any + Send>>,
    page_limit: u32,
    memory_exists: bool,
}

impl State {
    /// For a new instance.
    pub fn new(page_limit: u32, log: Box<dyn GuestLog>) -> Self {
        let call = CallState::default();
        Self { call, log, failure: None, panic: None, page_limit, memory_exists: false }
    }

    /// The limit on the memory, in pages, from the executor parameters. It may exceed what any
    /// memory can have.
    #[inline]
    pub fn page_limit(&self) -> u32 {
        self.page_limit
    }

    /// Whether there may be a memory of so many bytes. The engine asks before it makes the memory,
    /// and before it grows it. That it can't be made is a [`failure`](Self::failure).
    pub fn allows_memory(&mut self, bytes: usize) -> bool {
        let page_limit = self.page_limit;
        let allowed = bytes as u64 <= u64::from(page_limit.min(MAX_PAGES)) * PAGE_SIZE;
        // Each module has at most one memory, and it is asked for before any code runs.
        let initial = !std::mem::replace(&mut self.memory_exists, true);
        if initial && !allowed {
            let message =
                format!("initial memory of {bytes} bytes is above the limit of {page_limit} pages");
            self.failure = Some(ExecuteError::OutOfMemory(message));
        }
        allowed
    }

    /// Remembers that a host function refused, unless that was because the machine failed.
    pub fn refused(&mut self, error: &HostCallError) {
        if self.failure.is_none() {
            self.failure = Some(self.call.failed_in_host_call(error));
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("call", &self.call)
            .field("failure", &self.failure)
            .field("page_limit", &self.page_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_host_core::backend::MachineError;
    use pvf_host_functions::HostError;

    const PAGE: usize = PAGE_SIZE as usize;

    fn state(page_limit: u32) -> State {
        State::new(page_limit, Box::new(()))
    }

    #[test]
    fn an_initial_memory_above_the_limit_is_a_failure_and_growing_above_it_is_none() {
        let mut small = state(2);
        assert!(small.allows_memory(2 * PAGE));
        assert!(!small.allows_memory(3 * PAGE));
        assert_eq!(small.failure, None);
        let mut large = state(2);
        assert!(!large.allows_memory(3 * PAGE));
        let message = "initial memory of 196608 bytes is above the limit of 2 pages";
        assert_eq!(large.failure, Some(ExecuteError::OutOfMemory(message.into())));
    }

    #[test]
    fn no_limit_allows_more_than_addresses_can_reach() {
        let mut state = state(u32::MAX);
        assert!(state.allows_memory(65_536 * PAGE));
        assert!(!state.allows_memory(65_537 * PAGE));
        assert_eq!((state.failure.take(), state.page_limit()), (None, u32::MAX));
    }

    #[test]
    fn that_the_machine_failed_counts_more_than_that_a_host_function_refused() {
        let error = HostCallError { function: "f", error: HostError::NotUtf8 };
        let mut refused = state(1);
        refused.refused(&error);
        assert_eq!(refused.failure, Some(ExecuteError::Trap(error.to_string())));
        let machine = ExecuteError::from(MachineError("no memory".into()));
        let mut failed = state(1);
        failed.failure = Some(machine.clone());
        failed.refused(&error);
        assert_eq!(failed.failure, Some(machine));
    }
}
