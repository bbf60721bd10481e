//! Reading and checking programs.

use crate::{
    MAGIC,
    instructions::{self, Selected},
    memory,
    stand_in::{Rewriting, StandIns},
};
use polkavm::{
    ArcBytes, ProgramBlob,
    program::{Instruction, Opcode, ParsedInstruction},
};

/// The function that every PVF exports.
pub(crate) const ENTRY_POINT: &str = "validate_block";

/// A program that can be run.
pub(crate) struct Checked {
    /// The program, with calls in place of some instructions.
    pub(crate) program: Vec<u8>,
    /// What it was parsed to.
    pub(crate) blob: ProgramBlob,
    /// What these calls stand for.
    pub(crate) calls: StandIns,
}

/// Checks a program, and rewrites it, its loops as well if that is asked for.
///
/// # Errors
///
/// Says what is wrong with it.
pub(crate) fn check(code: &[u8], with_loops: bool) -> Result<Checked, String> {
    if !code.starts_with(MAGIC) {
        let begins = code[..code.len().min(8)].escape_ascii();
        return Err(format!("no program for PolkaVM: the code begins with \"{begins}\""));
    }
    let bytes: ArcBytes = code.into();
    let blob = ProgramBlob::parse(bytes.clone()).map_err(|error| error.to_string())?;
    check_exports(&blob)?;
    check_imports(&blob)?;
    let rewriting = check_instructions(&bytes, &blob, with_loops)?;
    memory::map(&blob)?;
    let (program, blob, calls) = match rewriting.finish() {
        Err(_) if with_loops => check_instructions(&bytes, &blob, false)?.finish()?,
        finished => finished?,
    };
    Ok(Checked { program, blob, calls })
}

fn check_exports(blob: &ProgramBlob) -> Result<(), String> {
    let mut entry_points = blob.exports().filter(|export| export.symbol() == ENTRY_POINT);
    let entry_point = entry_points.next().ok_or_else(|| format!("no export {ENTRY_POINT}"))?;
    if entry_points.next().is_some() {
        return Err(format!("several exports {ENTRY_POINT}"));
    }
    let target = entry_point.program_counter();
    if !blob.scan_is_jump_target_valid(blob.isa(), target) {
        return Err(format!(
            "the export {ENTRY_POINT} at {target} is no beginning of a basic block"
        ));
    }
    Ok(())
}

fn check_imports(blob: &ProgramBlob) -> Result<(), String> {
    for (index, import) in blob.imports().iter().enumerate() {
        let symbol = import.ok_or_else(|| format!("import {index} has no name"))?;
        std::str::from_utf8(symbol.as_bytes())
            .map_err(|_| format!("the name of import {index} is not UTF-8"))?;
    }
    Ok(())
}

/// What is to be replaced is, on the same way through the program.
fn check_instructions<'a>(
    bytes: &[u8],
    blob: &'a ProgramBlob,
    with_loops: bool,
) -> Result<Rewriting<'a>, String> {
    let mut rewriting = Rewriting::new(bytes, blob, with_loops);
    let opcodes = [&[Opcode::ecalli], &Rewriting::OPCODES[..]].concat();
    let mut checked = Ok(());
    instructions::select(blob, &opcodes, &mut |selected: Selected| {
        if checked.is_ok() {
            checked = check_instruction(blob, &selected.instruction);
            rewriting.look(&selected);
        }
    });
    checked.map(|()| rewriting)
}

fn check_instruction(blob: &ProgramBlob, instruction: &ParsedInstruction) -> Result<(), String> {
    let imports = blob.imports().len();
    let offset = instruction.offset;
    match instruction.kind {
        Instruction::invalid => {
            Err(format!("invalid instruction at {offset} ({})", blob.isa().name()))
        }
        Instruction::ecalli(number) if number as u32 >= imports => {
            Err(format!("call of import {number} of {imports} at {offset}"))
        }
        _ => Ok(()),
    }
}
