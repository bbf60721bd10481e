//! The host functions a PVF may call, written once for every backend.
//!
//! A guest calls out for what it can't or need not do itself: memory from the host-side allocator,
//! log lines, hashes, signatures, tries, elliptic curves. What such a function does is part of the
//! consensus, and has nothing to do with the engine that runs the guest, so it lives here, and the
//! engine stays behind two traits:
//!
//! * [`GuestMemory`] is the guest's memory: bounds-checked reads and writes, and growth.
//! * [`GuestContext`] adds what one call into a guest carries: its [`CallState`] and its log.
//!
//! The functions themselves are generic over the context, so that a backend's call of one costs
//! what a function call costs. [`for_each_host_function!`] lists them all, with the names and types
//! under which guests import them; a backend hands it a macro of its own that links one function.
//! [`HOST_FUNCTIONS`] is the same list as data. An import that is not offered is linked to something
//! that raises [`MissingFunction`]. What a failed call means for the verdict is said here as well, by
//! [`CallState`] and [`HostError`].
//!
//! # What is not here, on purpose
//!
//! Storage, offchain workers and tracing are not offered to PVFs. A guest may import such functions;
//! the import links and traps when called, like that of any unknown name. [`NOT_OFFERED`] lists those
//! that are known.

pub mod allocation;
mod allocator;
mod context;
pub mod crypto;
mod digest;
pub mod elliptic_curves;
mod error;
mod failure;
mod fat_pointer;
pub mod hashing;
pub mod logging;
mod memory;
pub mod misc;
mod not_offered;
pub mod panic_handler;
mod runtime_version;
mod table;
pub mod trie;

pub use allocator::{Allocator, AllocatorError, MAX_ALLOCATION, Window};
pub use context::{CallState, GuestContext, MAX_PANIC_MESSAGE};
pub use error::{HostCallError, HostError};
pub use failure::{IMPORT_MODULE, MissingFunction};
pub use fat_pointer::FatPointer;
pub use memory::{GrowError, GuestMemory, MemoryError, PAGE_SIZE};
pub use not_offered::NOT_OFFERED;
pub use table::{Availability, HOST_FUNCTIONS, HostFunction, ValueType};

#[cfg(any(test, feature = "testing"))]
pub mod testing;
