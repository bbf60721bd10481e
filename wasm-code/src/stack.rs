//! What a call of a function costs of the logical stack, as the stack limiter of `wasm-instrument`
//! counts it.
//!
//! The cost is the number of the function's locals, without its parameters, and the most values that
//! are on its stack before any of its instructions, with [`FRAME`] for the call itself. The stack
//! limiter is the authority, and what it makes of code that is not valid is as much a part of the
//! rules as the rest: a function may take [`FRAME`] values from its stack that it never put there; an
//! instruction that takes several takes them all if there is one; a branch to several labels takes
//! no selector. The tests compare the two.

use wasm_instrument::parity_wasm::elements::{
    BlockType, External, FunctionType, ImportCountType, Instruction, Module, Type,
};

/// What a call costs at least.
pub(crate) const FRAME: u32 = 2;

/// How many values functions take and give.
#[derive(Debug, Clone, Copy)]
struct Arity {
    params: u32,
    results: u32,
}

impl Arity {
    fn of(function: &FunctionType) -> Self {
        Self { params: function.params().len() as u32, results: function.results().len() as u32 }
    }
}

/// The signatures that a module's functions need to know.
pub(crate) struct Signatures {
    types: Vec<Arity>,
    /// Of the functions by their number, imported ones first. None for a type that there is not.
    functions: Vec<Option<Arity>>,
    imported: usize,
}

impl Signatures {
    pub(crate) fn of(module: &Module) -> Self {
        let types = module.type_section().map(|section| section.types()).unwrap_or_default();
        let types: Vec<_> = types.iter().map(|Type::Function(ty)| Arity::of(ty)).collect();
        let imports = module.import_section().map(|section| section.entries()).unwrap_or_default();
        let imported = imports.iter().filter_map(|entry| match entry.external() {
            External::Function(ty) => Some(*ty),
            _ => None,
        });
        let own = module.function_section().map(|section| section.entries()).unwrap_or_default();
        let all = imported.chain(own.iter().map(|function| function.type_ref()));
        let functions = all.map(|ty| types.get(ty as usize).copied()).collect();
        Self { functions, imported: module.import_count(ImportCountType::Function), types }
    }
}

/// A block that has not ended.
struct Block {
    /// The stack's height before it.
    start: u32,
    /// How many values are on top of that after it.
    results: u32,
    /// How many values a branch to it takes.
    branch: u32,
    /// Whether what comes next in it is never reached.
    is_unreachable: bool,
}

/// The stack of a function, instruction by instruction.
///
/// An error has no reason: [the one who counts for good](wasm_instrument::inject_stack_limiter) says
/// it better.
pub(crate) struct Stack<'a> {
    signatures: &'a Signatures,
    height: u32,
    highest: u32,
    blocks: Vec<Block>,
    results: u32,
}

/// There is no cost.
#[derive(Debug)]
pub(crate) struct Uncountable;

type Counted = Result<(), Uncountable>;

impl<'a> Stack<'a> {
    pub(crate) fn new(signatures: &'a Signatures) -> Self {
        Self { signatures, height: 0, highest: 0, blocks: Vec::new(), results: 0 }
    }

    /// Begins the module's own function with this number, of those that are not imported.
    pub(crate) fn begin(&mut self, function: usize) -> Counted {
        let function = self.signatures.imported + function;
        let arity = self.signatures.functions.get(function).copied().flatten();
        self.results = arity.ok_or(Uncountable)?.results;
        self.blocks.clear();
        self.height = FRAME;
        self.highest = 0;
        self.enter(0, self.results, self.results);
        Ok(())
    }

    /// What the function costs, of which all instructions were counted.
    pub(crate) fn cost(&self, locals: u32) -> Result<u32, Uncountable> {
        locals.checked_add(self.highest).ok_or(Uncountable)
    }

    /// Counts the next instruction.
    pub(crate) fn count(&mut self, instruction: &Instruction) -> Counted {
        use Instruction::{
            Block, Br, BrIf, BrTable, Call, CallIndirect, Else, End, If, Loop, Nop, Return, Select,
            Unreachable,
        };
        self.note_height()?;
        match instruction {
            Nop | Else => {}
            Block(ty) => self.enter(self.height, arity(*ty), arity(*ty)),
            Loop(ty) => self.enter(self.height, arity(*ty), 0),
            If(ty) => {
                self.pop(1)?;
                self.enter(self.height, arity(*ty), arity(*ty));
            }
            End => {
                let block = self.blocks.pop().ok_or(Uncountable)?;
                self.height = block.start;
                self.push(block.results)?;
            }
            Unreachable => self.leave()?,
            Br(label) => {
                self.pop(self.block(*label)?.branch)?;
                self.leave()?;
            }
            BrIf(label) => {
                let branch = self.block(*label)?.branch;
                self.pop(branch)?;
                self.pop(1)?;
                self.push(branch)?;
            }
            BrTable(labels) => {
                let branch = self.block(labels.default)?.branch;
                for label in &labels.table {
                    if self.block(*label)?.branch != branch {
                        return Err(Uncountable);
                    }
                }
                self.pop(branch)?;
                self.leave()?;
            }
            Return => {
                self.pop(self.results)?;
                self.leave()?;
            }
            Call(function) => {
                let arity = self.signatures.functions.get(*function as usize).copied().flatten();
                self.call(arity.ok_or(Uncountable)?)?;
            }
            CallIndirect(ty, _) => {
                let arity = *self.signatures.types.get(*ty as usize).ok_or(Uncountable)?;
                self.pop(1)?;
                self.call(arity)?;
            }
            Select => {
                self.pop(2)?;
                self.pop(1)?;
                self.push(1)?;
            }
            other => {
                let (pops, pushes) = effect(other);
                self.pop(pops)?;
                self.push(pushes)?;
            }
        }
        Ok(())
    }

    /// Counts the next instruction, of which only this has to be known.
    #[inline]
    pub(crate) fn count_plain(&mut self, pops: u32, pushes: u32) -> Counted {
        self.note_height()?;
        self.pop(pops)?;
        self.push(pushes)
    }

    /// What is never reached does not count.
    fn note_height(&mut self) -> Counted {
        if self.height > self.highest && !self.block(0)?.is_unreachable {
            self.highest = self.height;
        }
        Ok(())
    }

    fn call(&mut self, arity: Arity) -> Counted {
        self.pop(arity.params)?;
        self.push(arity.results)
    }

    fn enter(&mut self, start: u32, results: u32, branch: u32) {
        self.blocks.push(Block { start, results, branch, is_unreachable: false });
    }

    /// What comes next in the innermost block is never reached.
    fn leave(&mut self) -> Counted {
        self.blocks.last_mut().ok_or(Uncountable)?.is_unreachable = true;
        Ok(())
    }

    /// The block with this label, 0 for the innermost.
    fn block(&self, label: u32) -> Result<&Block, Uncountable> {
        self.blocks.iter().nth_back(label as usize).ok_or(Uncountable)
    }

    fn push(&mut self, values: u32) -> Counted {
        self.height = self.height.checked_add(values).ok_or(Uncountable)?;
        Ok(())
    }

    #[inline]
    fn pop(&mut self, values: u32) -> Counted {
        if values == 0 {
            return Ok(());
        }
        let block = self.block(0)?;
        if self.height == block.start {
            return if block.is_unreachable { Ok(()) } else { Err(Uncountable) };
        }
        self.height = self.height.checked_sub(values).ok_or(Uncountable)?;
        Ok(())
    }
}

/// How many values a block gives.
fn arity(ty: BlockType) -> u32 {
    match ty {
        BlockType::NoResult => 0,
        BlockType::Value(_) => 1,
    }
}

/// How many values an instruction takes from the stack, and how many it puts there, if that does not
/// depend on where it is.
pub(crate) fn effect(instruction: &Instruction) -> (u32, u32) {
    use Instruction::*;
    match instruction {
        GetLocal(_) | GetGlobal(_) | CurrentMemory(_) => (0, 1),
        I32Const(_) | I64Const(_) | F32Const(_) | F64Const(_) => (0, 1),

        Drop | SetLocal(_) | SetGlobal(_) => (1, 0),
        I32Store(..) | I32Store8(..) | I32Store16(..) => (2, 0),
        I64Store(..) | I64Store8(..) | I64Store16(..) | I64Store32(..) => (2, 0),
        F32Store(..) | F64Store(..) => (2, 0),

        TeeLocal(_) | GrowMemory(_) => (1, 1),
        I32Load(..) | I32Load8S(..) | I32Load8U(..) | I32Load16S(..) | I32Load16U(..) => (1, 1),
        I64Load(..) | I64Load8S(..) | I64Load8U(..) | I64Load16S(..) | I64Load16U(..) => (1, 1),
        I64Load32S(..) | I64Load32U(..) | F32Load(..) | F64Load(..) => (1, 1),
        I32Eqz | I32Clz | I32Ctz | I32Popcnt | I64Eqz | I64Clz | I64Ctz | I64Popcnt => (1, 1),
        F32Abs | F32Neg | F32Ceil | F32Floor | F32Trunc | F32Nearest | F32Sqrt => (1, 1),
        F64Abs | F64Neg | F64Ceil | F64Floor | F64Trunc | F64Nearest | F64Sqrt => (1, 1),
        I32WrapI64 | I32TruncSF32 | I32TruncUF32 | I32TruncSF64 | I32TruncUF64 => (1, 1),
        I64ExtendSI32 | I64ExtendUI32 | SignExt(_) => (1, 1),
        I64TruncSF32 | I64TruncUF32 | I64TruncSF64 | I64TruncUF64 => (1, 1),
        F32ConvertSI32 | F32ConvertUI32 | F32ConvertSI64 | F32ConvertUI64 => (1, 1),
        F64ConvertSI32 | F64ConvertUI32 | F64ConvertSI64 | F64ConvertUI64 => (1, 1),
        F32DemoteF64 | F64PromoteF32 => (1, 1),
        I32ReinterpretF32 | I64ReinterpretF64 | F32ReinterpretI32 | F64ReinterpretI64 => (1, 1),

        I32Eq | I32Ne | I32LtS | I32LtU | I32GtS | I32GtU => (2, 1),
        I32LeS | I32LeU | I32GeS | I32GeU => (2, 1),
        I64Eq | I64Ne | I64LtS | I64LtU | I64GtS | I64GtU => (2, 1),
        I64LeS | I64LeU | I64GeS | I64GeU => (2, 1),
        F32Eq | F32Ne | F32Lt | F32Gt | F32Le | F32Ge => (2, 1),
        F64Eq | F64Ne | F64Lt | F64Gt | F64Le | F64Ge => (2, 1),
        I32Add | I32Sub | I32Mul | I32DivS | I32DivU | I32RemS | I32RemU => (2, 1),
        I32And | I32Or | I32Xor | I32Shl | I32ShrS | I32ShrU | I32Rotl | I32Rotr => (2, 1),
        I64Add | I64Sub | I64Mul | I64DivS | I64DivU | I64RemS | I64RemU => (2, 1),
        I64And | I64Or | I64Xor | I64Shl | I64ShrS | I64ShrU | I64Rotl | I64Rotr => (2, 1),
        F32Add | F32Sub | F32Mul | F32Div | F32Min | F32Max | F32Copysign => (2, 1),
        F64Add | F64Sub | F64Mul | F64Div | F64Min | F64Max | F64Copysign => (2, 1),

        // What depends on where it is has been counted.
        Unreachable | Nop | Block(_) | Loop(_) | If(_) | Else | End | Br(_) | BrIf(_)
        | BrTable(_) | Return | Call(_) | CallIndirect(..) | Select => (0, 0),
    }
}
