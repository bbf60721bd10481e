//! A guest that calls the host functions that its block tells it to call, and gives their results as
//! the new head.
//!
//! The block is a *script*, in the SCALE codec: a list of calls. A call is the function's place in
//! [`for_each_function`], one byte, and as many arguments as the function has. An argument begins with
//! a byte that says what it is:
//!
//! | byte | followed by | passes |
//! | --- | --- | --- |
//! | 0 | a list of bytes | where they are: the address for a `u32`, address and length for a `u64` |
//! | 1 | the same | the same; the bytes, as the call leaves them, are part of its result |
//! | 2 | a `u64` | the number |
//! | 3 | the place of an earlier call, one byte | what that call returned, unchanged |
//!
//! The head is a list with a list of bytes for each call. The bytes are what the function returned: a
//! number in little endian, or what a pointer points at. An address, for it must be free to change
//! with the guest, is given as its distance to the first one, a `u32`.
//!
//! All memory is allocated by the host, and what the host has allocated for a result is freed, as
//! Polkadot's runtimes do. Anything that is wrong with the script ends the call.

#![no_std]

extern crate alloc;

#[macro_use]
mod functions;

use alloc::vec::Vec;
use core::slice;
use support::{Params, Reader, ValidationResult, put_length};

#[cfg(target_env = "polkavm")]
use support::allocator::Host;

support::entry_point!(validate, Host);

/// Enough for most results, so that the addresses that a script sees depend on the script alone.
const RESULTS_CAPACITY: usize = 1 << 16;

/// What a result is, see [`for_each_function`].
#[derive(Clone, Copy)]
enum Kind {
    Nothing,
    Value32,
    Value64,
    Array(u8),
    Range,
    Address,
}

macro_rules! kind {
    () => {
        Kind::Nothing
    };
    (u32 value) => {
        Kind::Value32
    };
    (u64 value) => {
        Kind::Value64
    };
    (u32 array $len:literal) => {
        Kind::Array($len)
    };
    (u64 range) => {
        Kind::Range
    };
    (u32 address) => {
        Kind::Address
    };
}

macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $result:tt as $kind:ident $([$len:literal])?)?;)*) => {
        support::import! {
            $($name($($argument),*) $(-> $result)?;)*
        }

        #[allow(non_camel_case_types)]
        #[repr(u8)]
        enum Function {
            $($name),*
        }

        static KINDS: &[Kind] = &[$(kind!($($result $kind $($len)?)?)),*];

        /// Calls a function with the arguments that follow in the script.
        fn call(function: u8, arguments: &mut Arguments) -> u64 {
            $(
                if function == Function::$name as u8 {
                    // SAFETY: what the function does with memory that it should not touch is what
                    // scripts are there to try.
                    return unsafe { $name($(arguments.next::<$argument>()),*) }.raw();
                }
            )*
            panic!("there is no function {function}")
        }
    };
}

for_each_function!(functions);

/// The arguments of a call, while they are read.
struct Arguments<'a> {
    script: &'a mut Reader,
    /// What the calls before have returned.
    returned: &'a [u64],
    /// The bytes that are part of the result.
    buffer: Vec<u8>,
}

impl Arguments<'_> {
    fn next<T: Argument>(&mut self) -> T {
        match self.script.byte() {
            0 => T::pointing_at(self.script.bytes()),
            1 => {
                self.buffer = self.script.bytes().to_vec();
                T::pointing_at(&self.buffer)
            }
            2 => T::from_raw(self.script.u64()),
            3 => match self.returned.get(usize::from(self.script.byte())) {
                Some(raw) => T::from_raw(*raw),
                None => panic!("there was no such call"),
            },
            kind => panic!("there is no kind {kind} of argument"),
        }
    }
}

/// The type of an argument.
trait Argument {
    fn pointing_at(bytes: &[u8]) -> Self;
    fn from_raw(raw: u64) -> Self;
}

impl Argument for u32 {
    fn pointing_at(bytes: &[u8]) -> Self {
        bytes.as_ptr() as usize as u32
    }

    fn from_raw(raw: u64) -> Self {
        raw as u32
    }
}

impl Argument for u64 {
    fn pointing_at(bytes: &[u8]) -> Self {
        (bytes.len() as u64) << 32 | u64::from(u32::pointing_at(bytes))
    }

    fn from_raw(raw: u64) -> Self {
        raw
    }
}

/// The type of what a function returns.
trait Returned {
    fn raw(self) -> u64;
}

impl Returned for () {
    fn raw(self) -> u64 {
        0
    }
}

impl Returned for u32 {
    fn raw(self) -> u64 {
        self.into()
    }
}

impl Returned for u64 {
    fn raw(self) -> u64 {
        self
    }
}

/// Runs a script and gives its results, encoded.
fn run(mut script: Reader) -> Vec<u8> {
    let calls = script.length();
    let mut results = Vec::with_capacity(RESULTS_CAPACITY);
    put_length(&mut results, calls);
    let mut returned = Vec::with_capacity(calls);
    let mut first_address = None;
    for _ in 0..calls {
        let function = script.byte();
        let mut arguments =
            Arguments { script: &mut script, returned: &returned, buffer: Vec::new() };
        let raw = call(function, &mut arguments);
        let buffer = arguments.buffer;
        let number = raw.to_le_bytes();
        match KINDS[usize::from(function)] {
            Kind::Nothing => put_result(&mut results, &[], &buffer),
            Kind::Value32 => put_result(&mut results, &number[..4], &buffer),
            Kind::Value64 => put_result(&mut results, &number, &buffer),
            Kind::Array(len) => put_allocated(&mut results, raw as u32, len.into(), &buffer),
            Kind::Range => put_allocated(&mut results, raw as u32, (raw >> 32) as usize, &buffer),
            Kind::Address => {
                let distance = (raw as u32).wrapping_sub(*first_address.get_or_insert(raw as u32));
                put_result(&mut results, &distance.to_le_bytes(), &buffer);
            }
        }
        returned.push(raw);
    }
    results
}

/// Puts what the host has allocated at `pointer`, and frees it.
fn put_allocated(results: &mut Vec<u8>, pointer: u32, len: usize, buffer: &[u8]) {
    // SAFETY: the host has allocated these bytes for us alone.
    unsafe {
        put_result(results, slice::from_raw_parts(pointer as usize as *const u8, len), buffer);
        ext_allocator_free_version_1(pointer);
    }
}

/// Puts the result of one call.
fn put_result(results: &mut Vec<u8>, returned: &[u8], buffer: &[u8]) {
    put_length(results, returned.len() + buffer.len());
    results.extend_from_slice(returned);
    results.extend_from_slice(buffer);
}

/// Runs the script in the block.
fn validate(params: Params) -> ValidationResult {
    params.result(run(params.block))
}
