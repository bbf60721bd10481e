//! What the guests have in common.
//!
//! A guest is a function from [`Params`] to a [`ValidationResult`]. With [`entry_point!`] it becomes a
//! program that a validation host can run, as WebAssembly or on PolkaVM: what differs between the two
//! is in [`machine`] and [`allocator`], and nowhere else.
//!
//! What a guest reads from its block is in the SCALE codec, see [`Reader`]. Anything that is wrong with
//! it is a panic, and a panic is logged as Polkadot's runtimes do, and ends the call in a trap.

#![no_std]

extern crate alloc;

pub mod allocator;
mod candidate;
pub mod host;
pub mod machine;
mod panic;
mod scale;

pub use candidate::{OutboundMessage, Params, ValidationResult, run};
pub use scale::{Reader, put_bytes, put_length};

/// Makes a program of a function from [`Params`] to [`ValidationResult`].
///
/// It allocates through the host if it is built for WebAssembly, as runtimes do: the host's allocator
/// takes all memory behind the program's own for its own, so there is no other way. Built for PolkaVM
/// it allocates with [`Sbrk`](allocator::Sbrk), or with an allocator that is named after the function.
#[macro_export]
macro_rules! entry_point {
    ($validate:path) => {
        $crate::entry_point!($validate, $crate::allocator::Sbrk);
    };
    ($validate:path, $allocator:path) => {
        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static ALLOCATOR: $crate::allocator::Host = $crate::allocator::Host;

        #[cfg(target_env = "polkavm")]
        #[global_allocator]
        static ALLOCATOR: $allocator = $allocator;

        $crate::export! {
            fn validate_block(params: u32, len: u32) -> u64 {
                $crate::run(params, len, $validate)
            }
        }
    };
}
