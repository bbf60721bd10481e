//! Sequences of host-function calls, made out of arbitrary bytes.
//!
//! A script is a header of six bytes and steps until its end:
//!
//! ```text
//! header   options, memory in pages - 1 (low two bits), heap base (four bytes)
//! write    0 or 1, address, length (one byte), that many bytes
//! grow     2
//! call     any other byte, function (four bytes), one argument after the other
//! ```
//!
//! A function is meant by its [`selector`], so that a script keeps its meaning when functions are
//! added; any other number stands for one of them as well. Most arguments point to where something
//! is: into the memory, to what was written, to what was returned, to the memory's end and around.
//! The sequence ends with the script, or as soon as a function refuses, since then the guest traps.

use super::{TestGuest, script::Script};
use crate::{
    Availability, FatPointer, GuestContext, GuestMemory, HOST_FUNCTIONS, HostCallError, HostError,
    HostFunction, ValueType,
};

/// The most calls of one sequence.
const MAX_CALLS: usize = 64;

/// What came of a sequence.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The functions that were called, and what they returned.
    pub calls: Vec<(&'static str, Option<u64>)>,
    /// What ended the sequence before its end.
    pub trap: Option<HostCallError>,
    /// The guest's memory afterwards.
    pub memory: Vec<u8>,
}

/// Runs a script, twice: on a guest whose memory can be borrowed, and on one whose memory is copied.
///
/// # Panics
///
/// When the two differ, or a rule that holds for all host functions is broken: memory neither
/// shrinks nor passes its limit, the allocator stays in its place, an error can be printed.
pub fn check(script: &[u8]) -> Outcome {
    let borrowed = run(script, false);
    let copied = run(script, true);
    assert!(borrowed == copied, "borrowed and copied memory make a difference");
    borrowed
}

/// The number by which a script means this function: the 32-bit FNV-1a hash of its name.
pub fn selector(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

macro_rules! call_by_name {
    ($($availability:ident $name:literal
        => $path:path, ($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// Calls a host function with arguments of any type, which are cut to their own.
        ///
        /// # Errors
        ///
        /// Those of the function.
        pub fn call<C: GuestContext>(
            guest: &mut C,
            function: &HostFunction,
            arguments: &[u64],
        ) -> Result<Option<u64>, HostError> {
            let mut arguments = arguments.iter().copied();
            let mut next = || arguments.next().unwrap_or(0);
            match function.name {
                $($name => {
                    $(let $arg = next() as $ty;)*
                    $path(guest, $($arg),*).map(Returned::value)
                })*
                _ => unreachable!("the table is where the function comes from"),
            }
        }
    };
}

crate::for_each_host_function!(call_by_name);

/// The function of this selector. Another number stands for any function, and seldom for one that
/// always ends the sequence.
fn select(number: u32) -> &'static HostFunction {
    if let Some(meant) = HOST_FUNCTIONS.iter().find(|one| selector(one.name) == number) {
        return meant;
    }
    let (_, from) = HOST_FUNCTIONS.split_at(number as usize % HOST_FUNCTIONS.len());
    let goes_on = |one: &&HostFunction| {
        !matches!(one.availability, Availability::Traps | Availability::Untyped)
    };
    let next = from.iter().chain(HOST_FUNCTIONS).find(goes_on);
    if number >> 29 == 0 { &from[0] } else { next.unwrap_or(&from[0]) }
}

/// What host functions return.
trait Returned {
    fn value(self) -> Option<u64>;
}

impl Returned for () {
    fn value(self) -> Option<u64> {
        None
    }
}

impl Returned for u32 {
    fn value(self) -> Option<u64> {
        Some(self.into())
    }
}

impl Returned for u64 {
    fn value(self) -> Option<u64> {
        Some(self)
    }
}

fn run(script: &[u8], copies: bool) -> Outcome {
    let mut script = Script::new(script);
    let options = script.u8();
    let pages = 1 + u32::from(script.u8() % 4);
    let heap_base = script.u32();
    let page_limit = match options % 16 {
        0 => pages,
        15 => 600,
        _ => 16,
    };
    let mut guest = match options / 16 {
        // As while a start function runs.
        0 => TestGuest::new(pages, page_limit),
        15 => TestGuest::with_heap(pages, page_limit, heap_base),
        _ => TestGuest::with_heap(pages, page_limit, heap_base % (pages << 16)),
    };
    guest.copies = copies;
    let mut sequence = Sequence { guest, written: Vec::new(), returned: Vec::new() };
    let mut calls = Vec::new();
    let mut trap = None;
    while !script.is_empty() && calls.len() < MAX_CALLS && trap.is_none() {
        match script.u8() {
            0 | 1 => sequence.write(&mut script),
            // A limit that was reached is an answer as well.
            2 => drop(sequence.guest.grow(1)),
            _ => match sequence.call(&mut script) {
                Ok(call) => calls.push(call),
                Err(error) => trap = Some(error),
            },
        }
    }
    Outcome { calls, trap, memory: sequence.guest.memory }
}

struct Sequence {
    guest: TestGuest,
    /// Where the script has written, newest last.
    written: Vec<FatPointer>,
    /// What was returned, newest last.
    returned: Vec<u64>,
}

impl Sequence {
    fn write(&mut self, script: &mut Script<'_>) {
        let ptr = self.pointer(script);
        let len = script.u8().into();
        let bytes = script.take(len);
        if self.guest.write(ptr, bytes).is_ok() {
            self.written.push(FatPointer { ptr, len: bytes.len() as u32 });
        }
    }

    fn call(
        &mut self,
        script: &mut Script<'_>,
    ) -> Result<(&'static str, Option<u64>), HostCallError> {
        let function = select(script.u32());
        let arguments: Vec<u64> = function
            .params
            .iter()
            .map(|ty| match ty {
                ValueType::I32 => self.pointer(script).into(),
                ValueType::I64 => self.range(script),
            })
            .collect();

        let size = self.guest.size();
        let has_heap = self.guest.state().allocator.is_some();
        let result = call(&mut self.guest, function, &arguments);
        let name = function.name;
        assert!(
            (size..=size.max(64 * 1024 * u64::from(self.guest.page_limit())))
                .contains(&self.guest.size()),
            "{name} has left {} bytes",
            self.guest.size()
        );
        assert_eq!(self.guest.state().allocator.is_some(), has_heap, "{name}");
        self.guest.lines.clear();

        let value = result
            .map_err(|error| HostCallError { function: name, error })
            .inspect_err(|error| assert!(error.to_string().contains(name)))?;
        assert_eq!(value.is_some(), function.result.is_some(), "{name}");
        self.returned.extend(value);
        Ok((name, value))
    }

    /// An argument of 32 bits: a pointer, a length, or any other number.
    fn pointer(&self, script: &mut Script<'_>) -> u32 {
        let size = self.guest.memory.len() as u32;
        let last = self.written.last().copied().unwrap_or(FatPointer { ptr: 0, len: 0 });
        match script.u8() % 16 {
            0 => script.u32(),
            1 => u32::MAX - u32::from(script.u8()),
            2 => size.wrapping_add_signed((script.u8() as i8).into()),
            3 => script.u8().into(),
            4 | 5 => u32::from(script.u8() % 4),
            6..9 => u32::from(script.u16()) * 8 % size,
            9 => u32::from(script.u16()) % size,
            10..13 => script.pick(&self.returned).unwrap_or_default() as u32,
            13 | 14 => script.pick(&self.written).map_or(0, |range| range.ptr),
            _ => last.ptr.wrapping_add(last.len),
        }
    }

    /// An argument of 64 bits: a range, or any other number.
    fn range(&self, script: &mut Script<'_>) -> u64 {
        let size = self.guest.memory.len() as u32;
        let range = match script.u8() % 16 {
            0 => return script.u64(),
            1 => {
                let len = u32::from(script.u8());
                let beyond = i32::from(script.u8() as i8) / 64;
                FatPointer { ptr: size - len, len: len.saturating_add_signed(beyond) }
            }
            2 => FatPointer { ptr: self.pointer(script), len: self.pointer(script) },
            3 => FatPointer { ptr: 0, len: size },
            4 => FatPointer { ptr: self.pointer(script), len: 0 },
            5 | 6 => return script.pick(&self.returned).unwrap_or_default(),
            7..12 => self.written.last().copied().unwrap_or(FatPointer { ptr: 0, len: 0 }),
            12 | 13 => script.pick(&self.written).unwrap_or(FatPointer { ptr: 8, len: 8 }),
            _ => FatPointer { ptr: u32::from(script.u16()) % size, len: script.u8().into() },
        };
        range.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use std::collections::BTreeSet;

    #[test]
    fn arbitrary_calls_end_in_results_and_typed_errors() {
        let mut called = BTreeSet::new();
        for seed in 0..1_000 {
            let outcome = check(&noise(seed, 300));
            called.extend(outcome.calls.iter().map(|(name, _)| *name));
            called.extend(outcome.trap.map(|trap| trap.function));
        }
        let all: BTreeSet<_> = HOST_FUNCTIONS.iter().map(|function| function.name).collect();
        assert_eq!(called, all, "each function was called");
    }

    #[test]
    fn every_function_bears_pointers_around_the_end_of_the_memory() {
        let edges = [0, 1, 7, 8, 65_535, 65_536, 65_537, 1 << 31, u32::MAX - 7, u32::MAX];
        for function in HOST_FUNCTIONS {
            for ptr in edges {
                for len in edges {
                    let value = |ty: &ValueType| match ty {
                        ValueType::I32 => ptr.into(),
                        ValueType::I64 => FatPointer { ptr, len }.into(),
                    };
                    let arguments: Vec<u64> = function.params.iter().map(value).collect();
                    let mut guest = TestGuest::with_heap(1, 1, 1024);
                    // Whatever it says: it returns.
                    let _ = call(&mut guest, function, &arguments);
                    assert_eq!(guest.pages(), 1, "{}", function.name);
                }
            }
        }
    }

    #[test]
    fn a_script_can_mean_a_function_by_its_name() {
        let mut script = vec![0x10, 0, 0, 4, 0, 0];
        for _ in 0..2 {
            script.push(3);
            script.extend(selector("ext_allocator_malloc_version_1").to_le_bytes());
            script.extend([3, 24]);
        }
        let malloc = |ptr| ("ext_allocator_malloc_version_1", Some(ptr));
        assert_eq!(check(&script).calls, [malloc(1032), malloc(1072)]);
    }

    #[test]
    fn no_two_functions_share_a_selector() {
        let selectors: BTreeSet<_> =
            HOST_FUNCTIONS.iter().map(|function| selector(function.name)).collect();
        assert_eq!(selectors.len(), HOST_FUNCTIONS.len());
    }
}
