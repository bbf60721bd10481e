//! An instance's state, and what host functions see of it.

use pvf_host_core::backend::{
    ExecuteError, GuestLog, LogLevel, MachineError, RuntimeConstructionError,
};
use pvf_host_functions::{CallState, GrowError, GuestContext, GuestMemory, MemoryError, PAGE_SIZE};
use std::{any::Any, borrow::Cow, mem};
use wasmi::{Memory, ResourceLimiter, StoreContextMut, errors};
use wasmi_core::LimiterError;

/// The most elements that a table may have, which take 128 MiB. Only a compiler could do with more:
/// the executor parameters have no limit.
const MAX_TABLE: usize = 1 << 24;

/// What the engine keeps beside an instance.
pub(crate) struct State {
    /// What host functions see. None while a start function runs.
    pub(crate) memory: Option<Memory>,
    pub(crate) call: CallState,
    pub(crate) log: Box<dyn GuestLog>,
    /// The limit on the memory. It may exceed what any memory can have.
    pub(crate) page_limit: u32,
    pub(crate) memory_exists: bool,
    /// Why the call can't go on, whatever the engine makes of it.
    pub(crate) failure: Option<ExecuteError>,
    /// What has panicked in a host function. It can't unwind through the engine, so goes around it.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
}

impl State {
    /// That the *machine* has no memory must not reach the guest: others may have it.
    fn fail(&mut self, error: &dyn ToString) -> Result<(), LimiterError> {
        self.failure = Some(MachineError(error.to_string()).into());
        Err(LimiterError::ResourceLimiterDeniedAllocation)
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _: usize,
        bytes: usize,
        _: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let limit = self.page_limit;
        let allowed = bytes as u64 <= u64::from(limit) * PAGE_SIZE;
        // Each module has at most one memory, and it is asked for before any code runs.
        if !mem::replace(&mut self.memory_exists, true) && !allowed {
            let message =
                format!("initial memory of {bytes} bytes is above the limit of {limit} pages");
            self.failure = Some(ExecuteError::OutOfMemory(message));
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: &errors::MemoryError) -> Result<(), LimiterError> {
        match error {
            errors::MemoryError::OutOfSystemMemory => self.fail(error),
            _ => Ok(()),
        }
    }

    fn table_growing(
        &mut self,
        _: usize,
        elements: usize,
        _: Option<usize>,
    ) -> Result<bool, LimiterError> {
        // The engine writes all of a table when it makes one.
        let allowed = elements <= MAX_TABLE;
        if !allowed {
            self.failure = Some(RuntimeConstructionError("the table is too large".into()).into());
        }
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, error: &errors::TableError) -> Result<(), LimiterError> {
        self.fail(error)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// The guest, as host functions see it.
pub(crate) struct Guest<'a>(pub(crate) StoreContextMut<'a, State>);

impl Guest<'_> {
    fn memory(&self) -> Result<Memory, MemoryError> {
        self.0.data().memory.ok_or(MemoryError::NotReady)
    }
}

impl GuestMemory for Guest<'_> {
    fn size(&self) -> u64 {
        self.memory().map_or(0, |memory| memory.data_size(&self.0) as u64)
    }

    fn page_limit(&self) -> u32 {
        self.0.data().page_limit
    }

    fn grow(&mut self, pages: u32) -> Result<u64, GrowError> {
        let grown = self.memory().map_err(|_| GrowError)?.grow(&mut self.0, pages.into());
        Ok(grown.map_err(|_| GrowError)? * PAGE_SIZE)
    }

    fn bytes(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, MemoryError> {
        let (ptr, len) = (ptr as usize, len as usize);
        let bytes = self.memory()?.data(&self.0).get(ptr..ptr + len);
        bytes.map(Cow::Borrowed).ok_or(MemoryError::OutOfBounds)
    }

    fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let written = self.memory()?.write(&mut self.0, ptr as usize, bytes);
        written.map_err(|_| MemoryError::OutOfBounds)
    }
}

impl GuestContext for Guest<'_> {
    fn state(&mut self) -> &mut CallState {
        &mut self.0.data_mut().call
    }

    fn log(&mut self, level: LogLevel, target: &str, message: &str) {
        self.0.data_mut().log.log(level, target, message);
    }
}
