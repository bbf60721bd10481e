//! Reading modules, adding to them, and what each generated module has in common.

use wasm_encoder::{
    BlockType, CodeSection, Encode, ExportKind, ExportSection, Function, InstructionSink, MemArg,
    MemArgTarget, Module, RawSection, ValType,
};
use wasmparser::{CompositeInnerType, FuncType, Parser, Payload, TypeRef};

/// The pages whose every word counts for a memory's fingerprint. Of those behind, some words count.
const DENSE_PAGES: i32 = 64;

/// An odd number whose bits look random.
const FACTOR: i64 = 0x9e37_79b9_7f4a_7c15_u64 as i64;

/// In the only memory, at this offset, without a hint about alignment.
pub(crate) fn at(offset: u32) -> MemArg {
    MemArg { offset: offset.into(), align: 0, target: MemArgTarget::Memory(0), ordering: None }
}

/// Mixes the value on the stack, of type i64, into a local.
pub(crate) fn mix(code: &mut InstructionSink<'_>, hash: u32) {
    code.local_get(hash).i64_xor().i64_const(FACTOR).i64_mul();
    code.i64_const(29).i64_rotl().local_set(hash);
}

/// Mixes the whole memory into the local `hash`, with the locals `cursor` and `end`, of type i32.
pub(crate) fn mix_memory(code: &mut InstructionSink<'_>, cursor: u32, end: u32, hash: u32) {
    code.memory_size(0).i64_extend_i32_u();
    mix(code, hash);
    // The lesser of the memory's size and the dense part.
    code.memory_size(0).i32_const(DENSE_PAGES).memory_size(0).i32_const(DENSE_PAGES).i32_lt_u();
    code.select().i32_const(16).i32_shl().local_set(end);
    code.i32_const(0).local_set(cursor);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(cursor).local_get(end).i32_ge_u().br_if(1);
    code.local_get(cursor).i64_load(at(0));
    mix(code, hash);
    code.local_get(cursor).i32_const(8).i32_add().local_set(cursor).br(0).end().end();
    // Behind it a word of each 4 KiB. The cursor is 0 again at the end of 4 GiB.
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(cursor).i32_eqz().br_if(1);
    code.local_get(cursor).i32_const(16).i32_shr_u().memory_size(0).i32_ge_u().br_if(1);
    code.local_get(cursor).i64_load(at(0));
    mix(code, hash);
    code.local_get(cursor).i32_const(4096).i32_add().local_set(cursor).br(0).end().end();
}

/// What can be called and read in a module.
#[derive(Default)]
struct Contents {
    types: Vec<Option<FuncType>>,
    /// The type of each function that is not imported, in order.
    functions: Vec<u32>,
    imported_functions: u32,
    /// Those that can be written, with their types.
    globals: Vec<(u32, wasmparser::ValType)>,
    global_count: u32,
    has_memory: bool,
    /// All but custom ones and the exports.
    sections: Vec<(u8, Vec<u8>)>,
}

fn contents(code: &[u8]) -> Option<Contents> {
    let mut found = Contents::default();
    for payload in Parser::new(0).parse_all(code) {
        let payload = payload.ok()?;
        if let Some((id, range)) = payload.as_section()
            && id != 0
            && id != EXPORTS
        {
            found.sections.push((id, code[range].to_vec()));
        }
        match payload {
            Payload::TypeSection(reader) => {
                for group in reader {
                    for ty in group.ok()?.into_types() {
                        found.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    match import.ok()?.ty {
                        TypeRef::Func(_) => found.imported_functions += 1,
                        TypeRef::Memory(_) => found.has_memory = true,
                        TypeRef::Global(ty) => {
                            if ty.mutable {
                                found.globals.push((found.global_count, ty.content_type));
                            }
                            found.global_count += 1;
                        }
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    found.functions.push(ty.ok()?);
                }
            }
            Payload::MemorySection(reader) => found.has_memory |= reader.count() > 0,
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let ty = global.ok()?.ty;
                    if ty.mutable {
                        found.globals.push((found.global_count, ty.content_type));
                    }
                    found.global_count += 1;
                }
            }
            _ => {}
        }
    }
    Some(found)
}

const TYPES: u8 = 1;
const FUNCTIONS: u8 = 3;
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// Where a section comes among the others.
fn rank(id: u8) -> usize {
    // The count of data segments comes before the code, tags before the globals.
    [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11].iter().position(|one| *one == id).unwrap_or(99)
}

/// Appends an entry to a section.
fn append(sections: &mut Vec<(u8, Vec<u8>)>, id: u8, entry: &[u8]) {
    let before = sections.iter().position(|(one, _)| *one == id);
    let content = before.map_or_else(|| vec![0], |at| sections.remove(at).1);
    let digits = content.iter().position(|byte| byte & 0x80 == 0).unwrap_or(0) + 1;
    let count = content[..digits]
        .iter()
        .rev()
        .fold(0_u32, |count, byte| count << 7 | u32::from(byte & 0x7f));
    let mut new = Vec::new();
    (count + 1).encode(&mut new);
    new.extend_from_slice(&content[digits..]);
    new.extend_from_slice(entry);
    let place = sections.iter().position(|(one, _)| rank(*one) > rank(id));
    sections.insert(place.unwrap_or(sections.len()), (id, new));
}

/// The most functions of a module that its entry point calls.
const MAX_CALLS: usize = 16;
/// Where in the input the functions' arguments begin.
const ARGUMENTS: u32 = MAX_CALLS as u32;
/// How many bytes an entry point made with [`as_pvf`] wants.
pub(crate) const INPUT_LEN: usize = 128;

/// Makes a module a PVF: it exports its memory, a heap base, and an entry point that calls the
/// module's functions with arguments from the input. Its output depends on all results, on the globals
/// and on the memory.
///
/// `None` for a module that has no memory, or that can't be read.
pub(crate) fn as_pvf(code: &[u8], heap_base: i32) -> Option<Vec<u8>> {
    let mut found = contents(code)?;
    if !found.has_memory {
        return None;
    }
    // Locals: pointer, length, cursor, end, hash.
    let (cursor, end, hash) = (2, 3, 4);
    let mut function = Function::new([(2, ValType::I32), (1, ValType::I64)]);
    let mut code = function.instructions();
    let mut argument = 0;
    for (nth, ty) in found.functions.iter().enumerate().take(MAX_CALLS) {
        let ty = found.types.get(*ty as usize)?.as_ref()?;
        code.local_get(0).i32_load8_u(at(nth as u32)).i32_const(1).i32_and();
        code.if_(BlockType::Empty);
        for param in ty.params() {
            let offset = ARGUMENTS + argument * 8 % (INPUT_LEN as u32 - ARGUMENTS - 8);
            argument += 1;
            code.local_get(0);
            match param {
                wasmparser::ValType::I32 => code.i32_load(at(offset)),
                wasmparser::ValType::I64 => code.i64_load(at(offset)),
                wasmparser::ValType::F32 => code.f32_load(at(offset)),
                wasmparser::ValType::F64 => code.f64_load(at(offset)),
                _ => return None,
            };
        }
        code.call(found.imported_functions + nth as u32);
        for result in ty.results().iter().rev() {
            mix_value(&mut code, *result, hash)?;
        }
        code.end();
    }
    for (global, ty) in &found.globals {
        code.global_get(*global);
        mix_value(&mut code, *ty, hash)?;
    }
    mix_memory(&mut code, cursor, end, hash);
    code.local_get(0).local_get(hash).i64_store(at(0));
    code.local_get(0).memory_size(0).i32_store(at(8));
    code.local_get(0).i64_extend_i32_u().i64_const(12 << 32).i64_or().end();

    let entry_point = found.imported_functions + found.functions.len() as u32;
    let mut ty = vec![0x60];
    [ValType::I32, ValType::I32].encode(&mut ty);
    [ValType::I64].encode(&mut ty);
    append(&mut found.sections, TYPES, &ty);
    let mut index = Vec::new();
    (found.types.len() as u32).encode(&mut index);
    append(&mut found.sections, FUNCTIONS, &index);
    // An i32, constant.
    let mut global = vec![0x7f, 0, 0x41];
    heap_base.encode(&mut global);
    global.push(0x0b);
    append(&mut found.sections, GLOBALS, &global);
    let mut body = Vec::new();
    function.encode(&mut body);
    append(&mut found.sections, CODE, &body);

    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("__heap_base", ExportKind::Global, found.global_count);
    exports.export("validate_block", ExportKind::Func, entry_point);
    let mut module = Module::new();
    let mut exports = Some(exports);
    for (id, data) in &found.sections {
        if rank(*id) > rank(EXPORTS)
            && let Some(exports) = exports.take()
        {
            module.section(&exports);
        }
        module.section(&RawSection { id: *id, data });
    }
    Some(module.finish())
}

/// Mixes the value on the stack into a local.
fn mix_value(code: &mut InstructionSink<'_>, ty: wasmparser::ValType, hash: u32) -> Option<()> {
    match ty {
        wasmparser::ValType::I32 => code.i64_extend_i32_u(),
        wasmparser::ValType::I64 => code,
        wasmparser::ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
        wasmparser::ValType::F64 => code.i64_reinterpret_f64(),
        _ => return None,
    };
    mix(code, hash);
    Some(())
}

/// A code section with one function.
pub(crate) fn code_section(function: &Function) -> CodeSection {
    let mut section = CodeSection::new();
    section.function(function);
    section
}
