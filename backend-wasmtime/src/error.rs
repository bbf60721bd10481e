//! What an error of the engine's means, while it is still typed.

use pvf_host_core::backend::{LoadError, MachineError, RuntimeConstructionError};
use std::io;
use wasmtime::OutOfMemory;

/// Whether an error comes from the kernel, which refused memory or a descriptor, and not from the
/// engine.
pub(crate) fn is_of_machine(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<io::Error>() || cause.is::<rustix::io::Errno>() || cause.is::<OutOfMemory>()
    })
}

/// Why the engine could not make something of an artifact.
pub(crate) fn of_load(error: &wasmtime::Error) -> LoadError {
    let reason = format!("{error:#}");
    if is_of_machine(error) {
        MachineError(reason).into()
    } else {
        RuntimeConstructionError(reason).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::error::Context;

    #[test]
    fn the_kernels_errors_are_the_machines_however_deep() {
        let kernel = wasmtime::Error::from(io::Error::from_raw_os_error(12));
        let deep = Err::<(), _>(kernel).context("mmap failed").context("no instance").unwrap_err();
        assert!(matches!(of_load(&deep), LoadError::Machine(_)));
        let engine = wasmtime::format_err!("compiled without support for x");
        assert!(matches!(of_load(&engine), LoadError::RuntimeConstruction(_)));
    }
}
