//! Metering: code that counts what it does, and stops when its gas is used up.
//!
//! The counting is put into the code itself, by the crate `wasm-instrument`: at the beginning of
//! each run of instructions of which all are executed or none, the cost of them all is taken from a
//! global. So a count is a property of the code, and no version of an engine can change it. That
//! crate puts a call there, to a function that counts; as calls would take as long as all the rest,
//! the counting takes the place of the call ([`count_in_place`]).
//!
//! # What costs what
//!
//! [`cost`] is where it is decided. An instruction costs 1, whichever it is, but for `else` and
//! `end`, which only say where something ends. A call costs 1 more for each local that the function
//! declares besides its parameters, since these are set to zero. What was put into the code costs
//! nothing: not the count of the stack, nor the count of the gas.
//!
//! # What the code can't do about it
//!
//! The gas that is left is in a global, exported under [`GAS_LEFT`]. The code is validated before
//! it is metered ([`meter`] asks for that), so it names nothing that it does not have; and what
//! metering adds comes behind all that it has. An export of its own under a reserved name, which
//! nobody would look for, is left out.
//!
//! A start function would run before anybody could say how much gas there is. But it has become an
//! exported function ([`START`](crate::START)), which is called first thing after that has been
//! said.

use crate::bulk;
use std::{
    cell::Cell,
    mem::{Discriminant, discriminant},
};
use wasm_instrument::{
    gas_metering::{
        Backend, ConstantCostRules, GasMeter, MemoryGrowCost, Rules, inject, mutable_global,
    },
    parity_wasm::elements::{BlockType, FuncBody, Instruction, Module, Section},
};

/// The name of the global with the gas that is left, of type i64. It holds what there is before the
/// code runs.
pub(crate) const GAS_LEFT: &str = "pvf-host: gas left";

/// What the stack limiter puts before a call and behind it, in instructions.
const BEFORE_CALL: usize = 10;
const BEHIND_CALL: usize = 4;

/// The functions of some code as they were before calls counted their stack.
pub(crate) struct Original(Vec<FuncBody>);

impl Original {
    pub(crate) fn of(module: &Module) -> Self {
        Self(module.code_section().map(|section| section.bodies().to_vec()).unwrap_or_default())
    }
}

/// Makes code count its gas. `module` is `original` after the rewriting, and valid.
///
/// # Errors
///
/// When the rewriting did something else than was expected.
pub(crate) fn meter(mut module: Module, original: &Original) -> Result<Module, String> {
    if let Some(exports) = module.export_section_mut() {
        exports.entries_mut().retain(|export| export.field() != GAS_LEFT);
    }
    // It was for validation alone, and would come behind the function that is added.
    module.sections_mut().retain(|section| !matches!(section, Section::DataCount(_)));
    let rewritten = module.code_section().map(|section| section.bodies()).unwrap_or_default();
    let costs = Costs::of(&original.0, rewritten).ok_or("metering: the stack is counted oddly")?;
    let metered = inject(module, CountInGlobal, &costs);
    if costs.next.get() != costs.of_each.len() {
        return Err("metering: the costs are another code's".into());
    }
    let mut module = metered.map_err(|_| "metering: the costs are too high to count")?;
    count_in_place(&mut module);
    Ok(module)
}

/// Puts the counting in the place of each call to the function that counts, which is the last of
/// all and is taken out. What is left is counted down to below zero, and that is a trap.
fn count_in_place(module: &mut Module) {
    let left = (module.globals_space() as u32).saturating_sub(1);
    let counts = (module.functions_space() as u32).saturating_sub(1);
    if let Some(functions) = module.function_section_mut() {
        functions.entries_mut().pop();
    }
    let Some(code) = module.code_section_mut() else { return };
    code.bodies_mut().pop();
    for body in code.bodies_mut() {
        let instructions = body.code_mut().elements_mut();
        let metered = std::mem::take(instructions);
        let mut rest = metered.as_slice();
        while let [first, behind @ ..] = rest {
            rest = behind;
            match (first, behind) {
                (Instruction::I64Const(cost), [Instruction::Call(function), behind @ ..])
                    if *function == counts =>
                {
                    rest = behind;
                    instructions.extend([
                        Instruction::GetGlobal(left),
                        Instruction::I64Const(*cost),
                        Instruction::I64Sub,
                        Instruction::SetGlobal(left),
                        Instruction::GetGlobal(left),
                        Instruction::I64Const(0),
                        Instruction::I64LtS,
                        Instruction::If(BlockType::NoResult),
                        Instruction::Unreachable,
                        Instruction::End,
                    ]);
                }
                _ => instructions.push(first.clone()),
            }
        }
    }
}

/// What an instruction of the guest costs, before and behind which are these.
///
/// An operation on bulk memory costs 1 like the others. Its place is held by two or three
/// instructions, of which one costs it.
fn cost(
    before: Option<&Instruction>,
    instruction: &Instruction,
    behind: Option<&Instruction>,
) -> u32 {
    let holds_place = |instruction: Option<&Instruction>| match instruction {
        Some(Instruction::I32Store8(align, _) | Instruction::I32Load8U(align, _)) => {
            *align == u32::from(bulk::MARK)
        }
        _ => false,
    };
    let is_address = matches!(behind, Some(Instruction::I32Load8U(..))) && holds_place(behind);
    match instruction {
        Instruction::I32Const(_) if is_address => 0,
        Instruction::Drop if holds_place(before) => 0,
        _ => 1,
    }
}

/// What each instruction of some code costs, in the order in which metering asks.
struct Costs {
    of_each: Vec<(Discriminant<Instruction>, u32)>,
    next: Cell<usize>,
}

impl Costs {
    /// The costs of rewritten functions. Those behind the original ones count the stack of what is
    /// not called by its number, and are no code of the guest's.
    fn of(original: &[FuncBody], rewritten: &[FuncBody]) -> Option<Self> {
        let mut costs = Self { of_each: Vec::new(), next: Cell::new(0) };
        let (same, added) = rewritten.split_at_checked(original.len())?;
        for (original, rewritten) in original.iter().zip(same) {
            costs.add(original.code().elements(), rewritten.code().elements())?;
        }
        for function in added {
            costs.add_free(function.code().elements());
        }
        Some(costs)
    }

    fn add(&mut self, original: &[Instruction], mut rewritten: &[Instruction]) -> Option<()> {
        for (at, instruction) in original.iter().enumerate() {
            let is_call = matches!(instruction, Instruction::Call(_));
            let counts_stack = is_call && rewritten.first()? != instruction;
            if counts_stack {
                rewritten = self.take_free(rewritten, BEFORE_CALL)?;
            }
            let (same, rest) = rewritten.split_first()?;
            if same != instruction {
                return None;
            }
            let before = at.checked_sub(1).and_then(|before| original.get(before));
            let cost = cost(before, instruction, original.get(at + 1));
            self.of_each.push((discriminant(instruction), cost));
            rewritten = rest;
            if counts_stack {
                rewritten = self.take_free(rewritten, BEHIND_CALL)?;
            }
        }
        rewritten.is_empty().then_some(())
    }

    fn take_free<'a>(
        &mut self,
        instructions: &'a [Instruction],
        count: usize,
    ) -> Option<&'a [Instruction]> {
        let (free, rest) = instructions.split_at_checked(count)?;
        self.add_free(free);
        Some(rest)
    }

    fn add_free(&mut self, instructions: &[Instruction]) {
        self.of_each.extend(instructions.iter().map(|free| (discriminant(free), 0)));
    }
}

impl Rules for Costs {
    /// Called for one instruction after the other. That it is the one that is meant is checked.
    fn instruction_cost(&self, instruction: &Instruction) -> Option<u32> {
        let at = self.next.replace(self.next.get() + 1);
        let (kind, cost) = self.of_each.get(at)?;
        (*kind == discriminant(instruction)).then_some(*cost)
    }

    fn memory_grow_cost(&self) -> MemoryGrowCost {
        // Memory never shrinks, so all growing together is bounded by the memory's limit.
        MemoryGrowCost::Free
    }

    fn call_per_local_cost(&self) -> u32 {
        1
    }
}

/// Counting, which costs nothing by itself.
struct CountInGlobal;

impl Backend for CountInGlobal {
    fn gas_meter<R: Rules>(self, module: &Module, _: &R) -> GasMeter {
        let free = ConstantCostRules::new(0, 0, 0);
        mutable_global::Injector::new(GAS_LEFT).gas_meter(module, &free)
    }
}

/// What is left, if this is in the global [`GAS_LEFT`]. None, not even 0, once something cost more,
/// which has ended the call.
pub(crate) fn gas_left(global: i64) -> Option<u64> {
    global.try_into().ok()
}
