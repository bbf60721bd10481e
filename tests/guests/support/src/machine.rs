//! The two machines that guests are built for.

#[cfg(target_env = "polkavm")]
pub use polkavm_derive;

/// Declares functions that the host has.
///
/// A `u32` is a number or an address. A `u64` is a number or has an address in its low half and a
/// length in its high half.
#[macro_export]
macro_rules! import {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $($crate::import_one! { $name($($argument),*) $(-> $result)? })*
    };
}

/// Names the arguments, as PolkaVM's attribute wants it.
#[doc(hidden)]
#[macro_export]
macro_rules! import_one {
    ($name:ident() $($result:tt)*) => {
        $crate::import_named! { $name() $($result)* }
    };
    ($name:ident($a:ty) $($result:tt)*) => {
        $crate::import_named! { $name(a: $a) $($result)* }
    };
    ($name:ident($a:ty, $b:ty) $($result:tt)*) => {
        $crate::import_named! { $name(a: $a, b: $b) $($result)* }
    };
    ($name:ident($a:ty, $b:ty, $c:ty) $($result:tt)*) => {
        $crate::import_named! { $name(a: $a, b: $b, c: $c) $($result)* }
    };
    ($name:ident($a:ty, $b:ty, $c:ty, $d:ty) $($result:tt)*) => {
        $crate::import_named! { $name(a: $a, b: $b, c: $c, d: $d) $($result)* }
    };
    ($name:ident($a:ty, $b:ty, $c:ty, $d:ty, $e:ty) $($result:tt)*) => {
        $crate::import_named! { $name(a: $a, b: $b, c: $c, d: $d, e: $e) $($result)* }
    };
}

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! import_named {
    ($($declaration:tt)*) => {
        #[link(wasm_import_module = "env")]
        unsafe extern "C" {
            fn $($declaration)*;
        }
    };
}

#[doc(hidden)]
#[cfg(target_env = "polkavm")]
#[macro_export]
macro_rules! import_named {
    ($($declaration:tt)*) => {
        #[$crate::machine::polkavm_derive::polkavm_import(
            abi = $crate::machine::polkavm_derive::default_abi
        )]
        unsafe extern "C" {
            fn $($declaration)*;
        }
    };
}

/// Defines a function that the host calls.
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! export {
    ($($function:tt)*) => {
        #[unsafe(no_mangle)]
        extern "C" $($function)*
    };
}

/// Defines a function that the host calls.
#[doc(hidden)]
#[cfg(target_env = "polkavm")]
#[macro_export]
macro_rules! export {
    ($($function:tt)*) => {
        #[$crate::machine::polkavm_derive::polkavm_export(
            abi = $crate::machine::polkavm_derive::default_abi
        )]
        extern "C" $($function)*
    };
}

/// Ends the call in a trap.
pub fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(target_env = "polkavm")]
    // SAFETY: it does not return.
    unsafe {
        core::arch::asm!("unimp", options(noreturn))
    }
}

/// Grows the memory by `size` bytes, rounded up to whole pages if there are pages, and gives the
/// address of the new part, which is zero. `None` if the machine refuses.
///
/// In WebAssembly the host's allocator does not learn of it, and may give away the same memory: who
/// calls this must not need the new part any more when something is allocated.
pub fn grow(size: usize) -> Option<*mut u8> {
    #[cfg(target_arch = "wasm32")]
    {
        const PAGE: usize = 0x1_0000;
        match core::arch::wasm32::memory_grow::<0>(size.div_ceil(PAGE)) {
            usize::MAX => None,
            old => Some((old * PAGE) as *mut u8),
        }
    }
    #[cfg(target_env = "polkavm")]
    {
        // What is 4 GiB or more, or negative, the engine may take for something else.
        if size > i32::MAX as usize {
            return None;
        }
        let end: usize;
        // SAFETY: the instruction gives the new end of the heap, or 0 if it refuses.
        unsafe {
            core::arch::asm!(
                ".insn r 0xb, 1, 0, {end}, {size}, zero",
                end = out(reg) end,
                size = in(reg) size,
            );
        }
        if end == 0 { None } else { Some((end - size) as *mut u8) }
    }
}
