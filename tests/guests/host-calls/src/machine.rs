//! What depends on the machine that the guest is built for.

/// Declares functions that the host has.
macro_rules! import {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[cfg(target_arch = "wasm32")]
        #[link(wasm_import_module = "env")]
        unsafe extern "C" {
            $(pub(crate) fn $name($(_: $argument),*) $(-> $result)?;)*
        }
    };
}

/// Ends the call.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable()
}

/// What the host calls.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
extern "C" fn validate_block(params: u32, len: u32) -> u64 {
    crate::validate_block(params, len)
}
