//! The gas of one instance.

use pvf_host_core::backend::RuntimeConstructionError;
use pvf_wasm_code::{GAS_LEFT, gas_left};
use wasmtime::{AsContextMut, Global, Instance, Val};

/// The gas of one instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gas {
    left: Global,
    limit: u64,
}

impl Gas {
    /// Fills up an instance of metered code that has not run.
    ///
    /// # Errors
    ///
    /// When the code is not metered.
    pub(crate) fn fill(
        mut store: impl AsContextMut,
        instance: &Instance,
        limit: u64,
    ) -> Result<Self, RuntimeConstructionError> {
        let failed = || RuntimeConstructionError("the artifact does not count its gas".into());
        let left = instance.get_global(&mut store, GAS_LEFT).ok_or_else(failed)?;
        left.set(&mut store, Val::I64(limit.cast_signed())).map_err(|_| failed())?;
        Ok(Self { left, limit })
    }

    /// Whether something cost more than was left, which ended the call.
    pub(crate) fn is_exhausted(self, store: impl AsContextMut) -> bool {
        self.left(store).is_none()
    }

    /// What was used. All of it, when something cost more than was left.
    pub(crate) fn used(self, store: impl AsContextMut) -> u64 {
        self.limit.saturating_sub(self.left(store).unwrap_or(0))
    }

    /// What is left. None, not even 0, once something cost more.
    fn left(self, store: impl AsContextMut) -> Option<u64> {
        self.left.get(store).i64().and_then(gas_left)
    }
}
