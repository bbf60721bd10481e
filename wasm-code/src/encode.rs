//! Rewritten code as bytes, of a skeleton that was rewritten and the bodies of its functions.
//!
//! A call of a function with a cost is wrapped as `wasm-instrument` wraps it: before it, the cost is
//! added to the global that counts the stack, and it is a trap if that is then more than the limit;
//! behind it, the cost is subtracted again.

use crate::{
    bodies::{Bodies, Body, Part, len_of},
    skeleton::{CodeSection, push_head, push_number},
    threads::{Task, Threads},
};
use std::{collections::HashMap, io::Write};
use wasm_instrument::parity_wasm::elements::{
    BlockType, ImportCountType, Instruction, Instructions, Module, serialize,
};

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

    /// All of the code, `skeleton` with these functions.
    ///
    /// # Errors
    ///
    /// When the skeleton is another code's, or the code gets too long.
    pub(crate) fn encode(
        &self,
        mut skeleton: Module,
        threads: &dyn Threads,
    ) -> Result<Vec<u8>, String> {
        let count = self.parts.iter().map(Part::len).sum::<usize>();
        let code = skeleton.code_section_mut().ok_or("the skeleton has no functions")?;
        if code.bodies().len() < count {
            return Err("the skeleton has too few functions".into());
        }
        code.bodies_mut().drain(..count);
        let skeleton = skeleton.into_bytes().map_err(|error| error.to_string())?;
        let added = CodeSection::find(&skeleton).ok_or("the skeleton can't be read")?;

        let lens: Vec<usize> = self.parts.iter().map(|part| self.len_of_part(part)).collect();
        let own_len: usize = lens.iter().sum();
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
        let mut written: Vec<_> = self.parts.iter().map(|_| Err(String::new())).collect();
        let mut tasks: Vec<Task<'_>> = Vec::with_capacity(self.parts.len());
        for ((part, len), written) in self.parts.iter().zip(&lens).zip(&mut written) {
            let (place, behind) = own.split_at_mut(*len);
            own = behind;
            tasks.push(Box::new(move || *written = self.write_part(part, place)));
        }
        threads.run(tasks);
        written.into_iter().collect::<Result<(), _>>()?;
        Ok(out)
    }

    fn around(&self, function: u32) -> Option<&Around> {
        let at = self.of_function.get(function as usize).copied().flatten()?;
        self.around.get(at as usize)
    }

    /// How long a body gets, without its length.
    fn len_of_body(&self, body: Body<'_>) -> usize {
        let around = body.calls.iter().filter_map(|call| self.around(call.function));
        body.bytes.len() + around.map(Around::len).sum::<usize>()
    }

    fn len_of_part(&self, part: &Part) -> usize {
        let lens = part.bodies().map(|body| self.len_of_body(body));
        lens.map(|len| len_of(len as u32) + len).sum()
    }

    /// Writes the bodies of a part, each with its length, to where there is as much place as they
    /// need.
    fn write_part(&self, part: &Part, mut place: &mut [u8]) -> Result<(), String> {
        let mut digits = Vec::new();
        for body in part.bodies() {
            digits.clear();
            push_number(&mut digits, self.len_of_body(body) as u32);
            put(&mut place, &digits)?;
            let mut done = 0;
            for call in body.calls {
                let Some(around) = self.around(call.function) else { continue };
                let (start, end) = (call.start - body.start, call.end - body.start);
                put(&mut place, body.bytes.get(done..start).unwrap_or_default())?;
                put(&mut place, &around.before)?;
                put(&mut place, body.bytes.get(start..end).unwrap_or_default())?;
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
