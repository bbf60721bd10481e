//! Rewritten code as bytes, of a skeleton that was rewritten and the bodies of its functions.
//!
//! A call of a function with a cost is wrapped as `wasm-instrument` wraps it: before it, the cost is
//! added to the global that counts the stack, and it is a trap if that is then more than the limit;
//! behind it, the cost is subtracted again.
//!
//! The functions come in their [order](crate::order), in which functions that the rewriting has added
//! come between the code's own.

use crate::{
    bodies::{Bodies, Body, Call, Part, len_of},
    order::Order,
    skeleton::{CodeSection, push_head, push_number},
    threads::{Task, Threads},
};
use std::{collections::HashMap, io::Write};
use wasm_instrument::parity_wasm::elements::{
    BlockType, ImportCountType, Instruction, Instructions, Module, serialize,
};

/// A call of a function by its number.
const CALL: u8 = 0x10;

/// The functions of some code, all but those that the rewriting has added.
#[derive(Debug)]
pub(crate) struct Functions {
    parts: Vec<Part>,
    /// What comes around calls, different costs only.
    around: Vec<Around>,
    /// By a function's number, which of these comes around its calls. None around imported ones,
    /// which cost nothing.
    of_function: Vec<Option<u32>>,
}

/// What comes around a call.
#[derive(Debug, Default)]
struct Around {
    before: Vec<u8>,
    behind: Vec<u8>,
}

impl Around {
    /// `global` counts the stack, of which there is `limit`.
    fn new(cost: u32, global: u32, limit: u32) -> Result<Self, String> {
        use Instruction::{
            End, GetGlobal, I32Add, I32Const, I32GtU, I32Sub, If, SetGlobal, Unreachable,
        };
        // The numbers have no sign, but constants do.
        let (cost, limit) = (I32Const(cost as i32), I32Const(limit as i32));
        let (get, set) = (GetGlobal(global), SetGlobal(global));
        let before = vec![
            get.clone(),
            cost.clone(),
            I32Add,
            set.clone(),
            get.clone(),
            limit,
            I32GtU,
            If(BlockType::NoResult),
            Unreachable,
            End,
        ];
        let behind = vec![get, cost, I32Sub, set];
        Ok(Self { before: bytes_of(before)?, behind: bytes_of(behind)? })
    }

    fn len(&self) -> usize {
        self.before.len() + self.behind.len()
    }
}

fn bytes_of(instructions: Vec<Instruction>) -> Result<Vec<u8>, String> {
    serialize(Instructions::new(instructions)).map_err(|error| error.to_string())
}

impl Functions {
    /// The functions of `skeleton`, which was rewritten with this limit on the stack.
    ///
    /// # Errors
    ///
    /// When it was not, or it is not known what the functions cost.
    pub(crate) fn new(bodies: Bodies, skeleton: &Module, limit: u32) -> Result<Self, String> {
        let costs = bodies.costs.ok_or("what the functions cost is not known")?;
        // It is the last of the module's own globals. Imported ones are not counted, though they
        // should be.
        let globals = skeleton.global_section().map(|section| section.entries().len());
        let global = globals.and_then(|count| count.checked_sub(1));
        let global = global.ok_or("no global counts the stack")? as u32;
        let imported = skeleton.import_count(ImportCountType::Function);
        let mut around = Vec::new();
        let mut of_function = vec![None; imported];
        let mut of_cost = HashMap::new();
        for cost in costs {
            let at = match of_cost.get(&cost) {
                Some(at) => *at,
                None => {
                    let at = around.len() as u32;
                    around.push(Around::new(cost, global, limit)?);
                    of_cost.insert(cost, at);
                    at
                }
            };
            of_function.push(Some(at));
        }
        Ok(Self { parts: bodies.parts, around, of_function })
    }

    /// All of the code, `skeleton` with these functions, in some order.
    ///
    /// # Errors
    ///
    /// When the skeleton is another code's, or the code gets too long.
    pub(crate) fn encode(
        &self,
        mut skeleton: Module,
        order: &Order,
        threads: &dyn Threads,
    ) -> Result<Vec<u8>, String> {
        order.put_all_but_bodies(&mut skeleton);
        let own = self.parts.iter().map(Part::len).sum::<usize>();
        let count = own + order.thunks();
        let code = skeleton.code_section_mut().ok_or("the skeleton has no functions")?;
        if code.bodies().len() < count {
            return Err("the skeleton has too few functions".into());
        }
        let thunks = code.bodies_mut().drain(..count).skip(own).map(serialize);
        let thunks = thunks.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let ordered = Ordered { functions: self, order, thunks };
        let skeleton = skeleton.into_bytes().map_err(|error| error.to_string())?;
        let added = CodeSection::find(&skeleton).ok_or("the skeleton can't be read")?;

        let parts = ordered.parts();
        let own_len: usize = parts.iter().map(|part| part.len).sum();
        let mut out = added.before.to_vec();
        push_head(&mut out, count + added.count as usize, own_len + added.content.len())
            .ok_or("the code gets too long")?;
        let head = out;

        let len = head.len() + own_len + added.content.len() + added.behind.len();
        let mut out = vec![0; len];
        let mut rest = out.as_mut_slice();
        put(&mut rest, &head)?;
        let (mut own, mut rest) = rest.split_at_mut(own_len);
        put(&mut rest, added.content)?;
        put(&mut rest, added.behind)?;
        let mut written: Vec<_> = parts.iter().map(|_| Err(String::new())).collect();
        let mut tasks: Vec<Task<'_>> = Vec::with_capacity(parts.len());
        for (part, written) in parts.iter().zip(&mut written) {
            let (place, behind) = own.split_at_mut(part.len);
            own = behind;
            let ordered = &ordered;
            tasks.push(Box::new(move || *written = ordered.write(part, place)));
        }
        threads.run(tasks);
        written.into_iter().collect::<Result<(), _>>()?;
        Ok(out)
    }

    fn around(&self, function: u32) -> Option<&Around> {
        let at = self.of_function.get(function as usize).copied().flatten()?;
        self.around.get(at as usize)
    }
}

/// Functions in their order.
struct Ordered<'a> {
    functions: &'a Functions,
    order: &'a Order,
    /// The thunks that go between them, each with its length.
    thunks: Vec<Vec<u8>>,
}

/// Some of them.
struct OrderedPart<'a> {
    part: &'a Part,
    /// The number of the first.
    first: usize,
    /// How long they get, each with its length, and the thunks between them.
    len: usize,
}

impl<'a> Ordered<'a> {
    fn parts(&self) -> Vec<OrderedPart<'a>> {
        let mut first = 0;
        let parts = self.functions.parts.iter().map(|part| {
            let lens = (first..).zip(part.bodies()).map(|(number, body)| {
                let len = self.len_of(body);
                self.thunk_before(number).len() + len_of(len as u32) + len
            });
            let part = OrderedPart { part, first, len: lens.sum() };
            first += part.part.len();
            part
        });
        parts.collect()
    }

    /// The thunk before a function with its length, or nothing.
    fn thunk_before(&self, function: usize) -> &[u8] {
        let thunk = self.order.thunk_before(function);
        thunk.and_then(|thunk| self.thunks.get(thunk)).map(Vec::as_slice).unwrap_or_default()
    }

    /// How long a body gets, without its length.
    fn len_of(&self, body: Body<'_>) -> usize {
        let mut len = body.bytes.len();
        for (around, call) in self.calls(body) {
            len += around.len() + len_of(self.order.number(call.function));
            len -= len_of(call.function);
        }
        len
    }

    /// The calls that something comes around.
    fn calls<'b>(&self, body: Body<'b>) -> impl Iterator<Item = (&'a Around, &'b Call)> {
        let around = |call: &'b Call| Some((self.functions.around(call.function)?, call));
        body.calls.iter().filter_map(around)
    }

    /// Writes a part to where there is as much place as it needs.
    fn write(&self, part: &OrderedPart<'_>, mut place: &mut [u8]) -> Result<(), String> {
        let mut digits = Vec::new();
        for (number, body) in (part.first..).zip(part.part.bodies()) {
            put(&mut place, self.thunk_before(number))?;
            digits.clear();
            push_number(&mut digits, self.len_of(body) as u32);
            put(&mut place, &digits)?;
            let mut done = 0;
            for (around, call) in self.calls(body) {
                let (start, end) = (call.start - body.start, call.end - body.start);
                put(&mut place, body.bytes.get(done..start).unwrap_or_default())?;
                put(&mut place, &around.before)?;
                digits.clear();
                digits.push(CALL);
                push_number(&mut digits, self.order.number(call.function));
                put(&mut place, &digits)?;
                put(&mut place, &around.behind)?;
                done = end;
            }
            put(&mut place, body.bytes.get(done..).unwrap_or_default())?;
        }
        if place.is_empty() { Ok(()) } else { Err("a body is too short".into()) }
    }
}

/// Writes bytes, and goes on behind them.
fn put(place: &mut &mut [u8], bytes: &[u8]) -> Result<(), String> {
    place.write_all(bytes).map_err(|error| error.to_string())
}
