//! Reading the bodies of functions, without keeping their instructions.
//!
//! Nearly all of some code is the bodies of its functions. `parity-wasm` makes a list of
//! instructions of each, of four times its length and more, and writes them again one by one. But
//! what comes of a body is its own bytes, with something around each call. So here a body is read
//! once, by `parity-wasm` but for [plain](crate::plain) instructions, and only what the rewriting has
//! to know is kept of it:
//!
//! * its bytes as `parity-wasm` would write them, which are those that were read but for numbers
//!   that were longer than need be;
//! * where it calls which function;
//! * what a call of it costs of the stack ([`stack`](crate::stack)).
//!
//! Whatever is not as it should be is no error here, but a reason to have `parity-wasm` read all of
//! the code, which then says what is wrong: see [`skeleton`](crate::skeleton).

use crate::{
    plain::{Plain, plain},
    stack::{Signatures, Stack, Uncountable},
    threads::{Task, Threads},
};
use wasm_instrument::parity_wasm::elements::{
    CountedList, CountedListWriter, Deserialize, Error, FuncBody, Instruction, Instructions, Local,
    Serialize,
};

/// A thread is worth it for this many bytes.
const BYTES_PER_TASK: usize = 32 << 10;
/// With more than one task for each thread, none has much to wait for the others.
const TASKS_PER_THREAD: usize = 4;

/// The bodies of all functions of some code, in their order.
#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) parts: Vec<Part>,
    /// What a call of each function costs, in their order. None when one of them can't be said.
    pub(crate) costs: Option<Vec<u32>>,
}

/// The bodies of some functions.
#[derive(Debug, Default)]
pub(crate) struct Part {
    bytes: Vec<u8>,
    functions: Vec<Function>,
    calls: Vec<Call>,
    /// What each function costs, up to the first that can't be said.
    costs: Vec<u32>,
}

/// A body, where it and its calls end in its part. They begin where those of the one before end.
#[derive(Debug, Clone, Copy)]
struct Function {
    end: usize,
    calls_end: usize,
}

/// A call of a function by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// Where the instruction begins in the part's bytes.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) function: u32,
}

/// A body with its calls, whose places are relative to its part's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    /// Where it begins in its part.
    pub(crate) start: usize,
    pub(crate) bytes: &'a [u8],
    pub(crate) calls: &'a [Call],
}

impl Bodies {
    /// Reads bodies, each without its length. None when one can't be read.
    pub(crate) fn read(
        bodies: &[&[u8]],
        signatures: &Signatures,
        threads: &dyn Threads,
    ) -> Option<Self> {
        let ranges = divide(bodies, threads);
        let mut parts: Vec<Option<Part>> = ranges.iter().map(|_| None).collect();
        let mut tasks: Vec<Task<'_>> = Vec::with_capacity(parts.len());
        for (part, &(first, bodies)) in parts.iter_mut().zip(&ranges) {
            tasks.push(Box::new(move || *part = Part::read(first, bodies, signatures)));
        }
        threads.run(tasks);
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        let costs: Vec<_> = parts.iter().flat_map(|part| &part.costs).copied().collect();
        let costs = (costs.len() == bodies.len()).then_some(costs);
        Some(Self { parts, costs })
    }

    /// The bodies' lengths, as they are written.
    pub(crate) fn lens(&self) -> Vec<usize> {
        let bodies = self.parts.iter().flat_map(Part::bodies);
        bodies.map(|body| len_of(body.bytes.len() as u32) + body.bytes.len()).collect()
    }

    /// The bodies as `parity-wasm` would have read them.
    pub(crate) fn to_whole(&self) -> Result<Vec<FuncBody>, String> {
        let bodies = self.parts.iter().flat_map(Part::bodies);
        bodies.map(|body| whole(body.bytes).map_err(|error| error.to_string())).collect()
    }
}

impl Part {
    fn read(first: usize, bodies: &[&[u8]], signatures: &Signatures) -> Option<Self> {
        let mut part = Self {
            bytes: Vec::with_capacity(bodies.iter().map(|body| body.len()).sum()),
            functions: Vec::with_capacity(bodies.len()),
            calls: Vec::new(),
            costs: Vec::with_capacity(bodies.len()),
        };
        let mut stack = Stack::new(signatures);
        for (number, body) in (first..).zip(bodies) {
            if let Ok(cost) = part.add(number, body, &mut stack)? {
                part.costs.push(cost);
            }
        }
        Some(part)
    }

    /// Reads one more body. What comes of it is its cost.
    fn add(
        &mut self,
        number: usize,
        body: &[u8],
        stack: &mut Stack<'_>,
    ) -> Option<Result<u32, Uncountable>> {
        let mut rest = body;
        let locals = CountedList::<Local>::deserialize(&mut rest).ok()?.into_inner();
        let total =
            locals.iter().try_fold(0_u32, |total, group| total.checked_add(group.count()))?;
        CountedListWriter(locals.len(), locals.into_iter()).serialize(&mut self.bytes).ok()?;

        let mut counted = stack.begin(number);
        let mut depth = 1_usize;
        // From here on, all was as it should be.
        let mut kept = rest;
        while depth > 0 {
            if let Some(Plain { len, pops, pushes }) = plain(rest) {
                if counted.is_ok() {
                    counted = stack.count_plain(pops, pushes);
                }
                rest = rest.get(len..)?;
                continue;
            }
            let before = rest;
            let instruction = Instruction::deserialize(&mut rest).ok()?;
            let len = before.len() - rest.len();
            if instruction.is_terminal() {
                depth -= 1;
            } else if instruction.is_block() {
                depth += 1;
            }
            if counted.is_ok() {
                counted = stack.count(&instruction);
            }
            let call = match instruction {
                Instruction::Call(function) => Some(function),
                _ => None,
            };
            if len > 1 && len != 1 + operands(&instruction) {
                let (as_it_is, _) = kept.split_at_checked(kept.len() - before.len())?;
                self.bytes.extend_from_slice(as_it_is);
                kept = rest;
                instruction.serialize(&mut self.bytes).ok()?;
            }
            if let Some(function) = call {
                let end = self.bytes.len() + (kept.len() - rest.len());
                self.calls.push(Call { start: end - 1 - len_of(function), end, function });
            }
        }
        if !rest.is_empty() {
            return None;
        }
        self.bytes.extend_from_slice(kept);
        self.functions.push(Function { end: self.bytes.len(), calls_end: self.calls.len() });
        Some(counted.and_then(|()| stack.cost(total)))
    }

    /// How many bodies there are.
    pub(crate) fn len(&self) -> usize {
        self.functions.len()
    }

    /// The bodies, in their order.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = Body<'_>> {
        let (mut start, mut calls_start) = (0, 0);
        self.functions.iter().map(move |function| {
            let body = Body {
                start,
                bytes: self.bytes.get(start..function.end).unwrap_or_default(),
                calls: self.calls.get(calls_start..function.calls_end).unwrap_or_default(),
            };
            (start, calls_start) = (function.end, function.calls_end);
            body
        })
    }
}

/// Divides bodies into ranges of about the same length, each with the number of its first.
fn divide<'a, 'b>(bodies: &'a [&'b [u8]], threads: &dyn Threads) -> Vec<(usize, &'a [&'b [u8]])> {
    let total: usize = bodies.iter().map(|body| body.len()).sum();
    let tasks = match threads.count().get() {
        1 => 1,
        threads => (threads * TASKS_PER_THREAD).min(total / BYTES_PER_TASK).max(1),
    };
    let mut ranges = Vec::with_capacity(tasks);
    let (mut first, mut len) = (0, 0);
    for (at, body) in bodies.iter().enumerate() {
        len += body.len();
        if len >= total.div_ceil(tasks) {
            ranges.push((first, &bodies[first..=at]));
            (first, len) = (at + 1, 0);
        }
    }
    ranges.push((first, &bodies[first..]));
    ranges
}

fn whole(mut bytes: &[u8]) -> Result<FuncBody, Error> {
    let locals = CountedList::<Local>::deserialize(&mut bytes)?.into_inner();
    Ok(FuncBody::new(locals, Instructions::deserialize(&mut bytes)?))
}

/// How many bytes `parity-wasm` writes for an instruction behind the first.
pub(crate) fn operands(instruction: &Instruction) -> usize {
    use Instruction::*;
    match instruction {
        Block(_) | Loop(_) | If(_) | CurrentMemory(_) | GrowMemory(_) => 1,
        Br(number) | BrIf(number) | Call(number) | GetLocal(number) | SetLocal(number)
        | TeeLocal(number) | GetGlobal(number) | SetGlobal(number) => len_of(*number),
        BrTable(labels) => {
            let each: usize = labels.table.iter().map(|label| len_of(*label)).sum();
            len_of(labels.table.len() as u32) + each + len_of(labels.default)
        }
        CallIndirect(ty, _) => len_of(*ty) + 1,
        I32Load(align, offset)
        | I64Load(align, offset)
        | F32Load(align, offset)
        | F64Load(align, offset)
        | I32Load8S(align, offset)
        | I32Load8U(align, offset)
        | I32Load16S(align, offset)
        | I32Load16U(align, offset)
        | I64Load8S(align, offset)
        | I64Load8U(align, offset)
        | I64Load16S(align, offset)
        | I64Load16U(align, offset)
        | I64Load32S(align, offset)
        | I64Load32U(align, offset)
        | I32Store(align, offset)
        | I64Store(align, offset)
        | F32Store(align, offset)
        | F64Store(align, offset)
        | I32Store8(align, offset)
        | I32Store16(align, offset)
        | I64Store8(align, offset)
        | I64Store16(align, offset)
        | I64Store32(align, offset) => len_of(*align) + len_of(*offset),
        I32Const(number) => len_of_signed((*number).into()),
        I64Const(number) => len_of_signed(*number),
        F32Const(_) => 4,
        F64Const(_) => 8,
        _ => 0,
    }
}

/// How many bytes a number takes in WebAssembly's variable-length format.
pub(crate) fn len_of(number: u32) -> usize {
    (u32::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// The same for a number with a sign, which takes one bit more.
fn len_of_signed(number: i64) -> usize {
    let bits = u64::BITS - (number ^ (number >> 63)).leading_zeros();
    (bits + 1).div_ceil(7) as usize
}
