//! What every engine for PVFs in WebAssembly needs so that its verdicts are those of the network.
//!
//! Which code can be read, what a call costs of the stack, and what an instruction costs of the gas
//! is consensus, and has nothing to do with the engine that runs the code. So it is decided here:
//!
//! * `read` reads code, or says why it is refused. That is prevalidation.
//! * `rewrite` gives the code that an engine is to run in its place: each call counts its logical
//!   stack, so that a stack overflow happens at the same call on every machine; the memory is the
//!   module's own, without a maximum; a start function is a function like any other.
//! * `skeleton` says how code is read and rewritten in pieces, which gives the same and takes a
//!   fraction of the time. `bodies` reads the pieces, the `plain` instructions by itself, `stack` counts
//!   what they cost, `encode` puts them together, on `threads` that an engine may lend.
//! * `order` is the order of the functions that comes of it.
//! * `metering` makes code count its gas, when the executor parameters limit it.
//! * `bulk` lets code with bulk memory operations pass all that, when the executor parameters allow
//!   them.
//! * `form` is the byte that says what came of it.
//! * `prepare` does all that, and has the engine make an artifact.
//! * `import` says what each import is linked to.
//! * `state` is what is remembered beside an instance, with the limit on its memory, and `guest` is
//!   what host functions see of it.
//! * `call` makes calls: what comes before the entry point and after it, and in which order.
//! * `features` is the language that engines are to accept, and `proposals` says what code needs
//!   beyond it, when it is refused.
//!
//! # How an engine uses it
//!
//! ```
//! use pvf_host_core::{backend::BackendPrepareError, primitives::ExecutorParams};
//! use pvf_wasm_code::validate;
//!
//! /// Stands for what an engine makes of code.
//! fn compile(wasm: Vec<u8>) -> Result<Vec<u8>, String> {
//!     Ok(wasm)
//! }
//!
//! fn prepare(code: &[u8], params: &ExecutorParams) -> Result<Vec<u8>, BackendPrepareError> {
//!     pvf_wasm_code::prepare(code, params, |wasm| validate(wasm, params), compile)
//! }
//!
//! # let code = b"\0asm\x01\0\0\0";
//! # assert_eq!(prepare(code, &ExecutorParams::default()).unwrap().last(), Some(&0));
//! ```
//!
//! To run what came of it, the engine links each [`Import`], holds the memory to what [`State`]
//! allows, and implements [`Linked`], [`Instance`] and [`Store`]. [`Loaded`] does the rest.

mod bodies;
mod bulk;
mod call;
mod encode;
mod features;
mod form;
mod guest;
mod import;
mod metering;
mod order;
#[doc(hidden)]
pub mod parts;
mod plain;
mod prepare;
mod proposals;
mod read;
mod rewrite;
mod skeleton;
mod stack;
mod state;
mod threads;

pub use call::{Instance, Linked, Loaded, split};
pub use features::{features, validate};
pub use form::Form;
pub use guest::{Guest, Store};
pub use import::Import;
use metering::{GAS_LEFT, gas_left};
pub use prepare::{CompileError, prepare, prepare_on};
pub use proposals::why_refused;
pub use read::Code;
pub use rewrite::Rewritten;
use rewrite::START;
pub use state::State;
pub use threads::{Task, ThisThread, Threads};

/// The version of this crate. It decides what code is rewritten to, so it belongs in the
/// [fingerprint](pvf_host_core::backend::BackendDescriptor::fingerprint) of whichever engine uses this.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
