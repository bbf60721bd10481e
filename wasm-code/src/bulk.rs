//! Code with bulk memory operations, and a rewriting that knows none.
//!
//! `parity-wasm` can't read bulk memory operations while `wasm-instrument` uses it. Replacing the
//! two would put the stack's limit, which is consensus, into new hands. So what they don't know is
//! taken out before ([`take_out`]) and put back afterwards ([`Removed::put_back`]):
//!
//! * Each instruction becomes a short sequence of old ones that pops as many values. It begins with
//!   a memory access of an impossible alignment, which tells it from all others: the code is
//!   validated before, so none in it has one.
//! * The data section, and the count that comes before the code, are left out.
//! * Each element segment becomes one of the old format, with the same functions. The rewriting
//!   replaces these by others that count their stack.
//!
//! Dropping a segment counts as pushing one value to the stack, for its sequence does. All other
//! instructions cost nothing.

use crate::features::validate;
use pvf_host_core::primitives::ExecutorParams;
use std::ops::Range;
use wasmparser::{ElementItems, ElementKind, FunctionBody, Operator, Parser, Payload};

/// Says that a memory access stands for something else.
pub(crate) const MARK: u8 = 31;

const ELEMENT_SECTION: u8 = 9;
const CODE_SECTION: u8 = 10;
const DATA_SECTION: u8 = 11;
const DATA_COUNT_SECTION: u8 = 12;

/// Bytes of instructions.
mod opcode {
    pub(super) const END: u8 = 0x0b;
    pub(super) const DROP: u8 = 0x1a;
    pub(super) const I32_LOAD8_U: u8 = 0x2d;
    pub(super) const I32_STORE8: u8 = 0x3a;
    pub(super) const I32_CONST: u8 = 0x41;
}

/// What was taken out of some code.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    instructions: Vec<Vec<u8>>,
    /// The data section's content.
    data: Option<Vec<u8>>,
    /// The content of the section with its count.
    data_count: Option<Vec<u8>>,
    /// The element section, if it has segments that the old format doesn't know.
    elements: Option<Vec<Segment>>,
}

/// An element segment, without its functions.
#[derive(Debug)]
enum Segment {
    Passive,
    Declared,
    /// In the first table, at the value of this expression.
    Active(Vec<u8>),
}

/// Takes everything out that belongs to bulk memory operations. `None` when there is nothing.
///
/// # Errors
///
/// When the code is not valid with these parameters, which allow such operations.
pub(crate) fn take_out(
    code: &[u8],
    params: &ExecutorParams,
) -> Result<Option<(Vec<u8>, Removed)>, String> {
    validate(code, params)?;
    let mut out = Vec::with_capacity(code.len());
    let mut removed = Removed::default();
    let mut found = false;
    for_each_section(code, |section| {
        match section.id {
            ELEMENT_SECTION => {
                let (content, segments, is_new) = old_elements(section.payload)?;
                if is_new {
                    removed.elements = Some(segments);
                    push_section(&mut out, section.id, &content);
                } else {
                    push_section(&mut out, section.id, section.content);
                }
            }
            DATA_SECTION => {
                found |= has_new_data(code, section.payload)?;
                removed.data = Some(section.content.to_vec());
            }
            DATA_COUNT_SECTION => removed.data_count = Some(section.content.to_vec()),
            CODE_SECTION => {
                let content = edit_code(code, &section.bodies, |operators| {
                    marks_for(code, operators, &mut removed.instructions)
                })?;
                push_section(&mut out, section.id, &content);
            }
            _ => push_section(&mut out, section.id, section.content),
        }
        Ok(())
    })?;
    found |= !removed.instructions.is_empty();
    found |= removed.data_count.is_some() || removed.elements.is_some();
    let header = code.get(..8).unwrap_or(code);
    Ok(found.then(|| ([header, &out].concat(), removed)))
}

impl Removed {
    /// Puts everything back into the code after it was rewritten.
    ///
    /// # Errors
    ///
    /// When the rewriting did more than it should.
    pub(crate) fn put_back(&self, code: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = code.get(..8).unwrap_or(code).to_vec();
        for_each_section(code, |section| {
            match (section.id, &self.elements) {
                (ELEMENT_SECTION, Some(segments)) => {
                    let content = new_elements(section.payload, segments)?;
                    push_section(&mut out, section.id, &content);
                }
                (CODE_SECTION, _) => {
                    if let Some(count) = &self.data_count {
                        push_section(&mut out, DATA_COUNT_SECTION, count);
                    }
                    let content = edit_code(code, &section.bodies, |operators| {
                        self.instructions_for(operators)
                    })?;
                    push_section(&mut out, section.id, &content);
                }
                _ => push_section(&mut out, section.id, section.content),
            }
            Ok(())
        })?;
        // The last of all sections.
        if let Some(data) = &self.data {
            push_section(&mut out, DATA_SECTION, data);
        }
        Ok(out)
    }

    /// Which ranges of a function's code are to be replaced, and by what.
    fn instructions_for(
        &self,
        operators: &[(Operator<'_>, Range<usize>)],
    ) -> Result<Edits, String> {
        let mut edits = Edits::new();
        for (at, (operator, _)) in operators.iter().enumerate() {
            let (memarg, first) = match operator {
                Operator::I32Store8 { memarg } => (memarg, at),
                // The address comes before.
                Operator::I32Load8U { memarg } => (memarg, at.saturating_sub(1)),
                _ => continue,
            };
            if memarg.align == MARK {
                let (Some(instruction), Some((Operator::Drop, last))) =
                    (self.instructions.get(memarg.offset as usize), operators.get(at + 1))
                else {
                    return Err("the rewriting changed a bulk memory operation".into());
                };
                edits.push((operators[first].1.start..last.end, instruction.clone()));
            }
        }
        Ok(edits)
    }
}

/// What to put in the place of what, in order.
type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// Replaces bulk memory operations by marks.
fn marks_for(
    code: &[u8],
    operators: &[(Operator<'_>, Range<usize>)],
    removed: &mut Vec<Vec<u8>>,
) -> Result<Edits, String> {
    let mut edits = Edits::new();
    for (operator, range) in operators {
        let mut mark = match operator {
            Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. } => vec![opcode::I32_STORE8, MARK],
            Operator::DataDrop { .. } | Operator::ElemDrop { .. } => {
                vec![opcode::I32_CONST, 0, opcode::I32_LOAD8_U, MARK]
            }
            _ => continue,
        };
        push_u32(&mut mark, removed.len())?;
        mark.push(opcode::DROP);
        removed.push(code[range.clone()].to_vec());
        edits.push((range.clone(), mark));
    }
    Ok(edits)
}

struct Section<'a> {
    id: u8,
    content: &'a [u8],
    payload: &'a Payload<'a>,
    /// The functions, in the code section.
    bodies: Vec<FunctionBody<'a>>,
}

/// Calls `visit` with each section but custom ones, which nobody needs.
fn for_each_section<'a>(
    code: &'a [u8],
    mut visit: impl FnMut(Section<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut payloads: Vec<Payload<'a>> = Vec::new();
    for payload in Parser::new(0).parse_all(code) {
        payloads.push(payload.map_err(|error| error.to_string())?);
    }
    for (at, payload) in payloads.iter().enumerate() {
        let Some((id, range)) = payload.as_section() else { continue };
        if id == 0 {
            continue;
        }
        let bodies = payloads[at + 1..].iter().map_while(|payload| match payload {
            Payload::CodeSectionEntry(body) if id == CODE_SECTION => Some(body.clone()),
            _ => None,
        });
        visit(Section { id, content: &code[range], payload, bodies: bodies.collect() })?;
    }
    Ok(())
}

/// The content of a code section with these functions, each edited.
fn edit_code(
    code: &[u8],
    bodies: &[FunctionBody<'_>],
    mut edits_for: impl FnMut(&[(Operator<'_>, Range<usize>)]) -> Result<Edits, String>,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    push_u32(&mut out, bodies.len())?;
    for body in bodies {
        let mut reader = body.get_operators_reader().map_err(|error| error.to_string())?;
        let mut operators = Vec::new();
        while !reader.eof() {
            let begin = reader.original_position();
            let operator = reader.read().map_err(|error| error.to_string())?;
            operators.push((operator, begin..reader.original_position()));
        }
        let mut edited = Vec::new();
        let mut at = body.range().start;
        for (range, replacement) in edits_for(&operators)? {
            edited.extend_from_slice(&code[at..range.start]);
            edited.extend_from_slice(&replacement);
            at = range.end;
        }
        edited.extend_from_slice(&code[at..body.range().end]);
        push_u32(&mut out, edited.len())?;
        out.extend_from_slice(&edited);
    }
    Ok(out)
}

/// Whether a data section has segments that the old format doesn't know.
fn has_new_data(code: &[u8], payload: &Payload<'_>) -> Result<bool, String> {
    let Payload::DataSection(reader) = payload else { return Ok(false) };
    for segment in reader.clone() {
        let segment = segment.map_err(|error| error.to_string())?;
        // The first byte tells the formats apart. Where it is 0, the memory is the first, unsaid.
        if code.get(segment.range.start).is_some_and(|flags| flags & 0x7f != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An element section in the old format, what its segments are, and whether that format does not
/// know one of them.
fn old_elements(payload: &Payload<'_>) -> Result<(Vec<u8>, Vec<Segment>, bool), String> {
    let Payload::ElementSection(reader) = payload else { return Err("no element section".into()) };
    let mut out = Vec::new();
    let mut segments = Vec::new();
    let mut is_new = false;
    push_u32(&mut out, reader.count() as usize)?;
    for element in reader.clone() {
        let element = element.map_err(|error| error.to_string())?;
        is_new |= !matches!(
            (&element.kind, &element.items),
            (ElementKind::Active { table_index: None, .. }, ElementItems::Functions(_))
        );
        // The table, and where in it.
        out.push(0);
        segments.push(match element.kind {
            ElementKind::Active { offset_expr, .. } => {
                let offset = expression(&offset_expr);
                out.extend_from_slice(offset);
                Segment::Active(offset.to_vec())
            }
            kind => {
                out.extend_from_slice(&[opcode::I32_CONST, 0, opcode::END]);
                match kind {
                    ElementKind::Declared => Segment::Declared,
                    _ => Segment::Passive,
                }
            }
        });
        push_functions(&mut out, element.items)?;
    }
    Ok((out, segments, is_new))
}

/// The element section that has the functions of a rewritten one, in the segments of the one before
/// it.
fn new_elements(payload: &Payload<'_>, segments: &[Segment]) -> Result<Vec<u8>, String> {
    let changed = || "the rewriting changed the element segments".to_owned();
    let Payload::ElementSection(reader) = payload else { return Err(changed()) };
    let mut out = Vec::new();
    push_u32(&mut out, segments.len())?;
    let mut elements = reader.clone().into_iter();
    for segment in segments {
        let element = elements.next().ok_or_else(changed)?.map_err(|error| error.to_string())?;
        match segment {
            Segment::Active(offset) => {
                out.push(0);
                out.extend_from_slice(offset);
            }
            // The second byte says that the elements are functions.
            Segment::Passive => out.extend_from_slice(&[1, 0]),
            Segment::Declared => out.extend_from_slice(&[3, 0]),
        }
        push_functions(&mut out, element.items)?;
    }
    Ok(out)
}

/// Appends a list of functions.
fn push_functions(out: &mut Vec<u8>, items: ElementItems<'_>) -> Result<(), String> {
    match items {
        ElementItems::Functions(functions) => {
            push_u32(out, functions.count() as usize)?;
            for function in functions {
                push_u32(out, function.map_err(|error| error.to_string())? as usize)?;
            }
            Ok(())
        }
        // They belong to another proposal.
        ElementItems::Expressions(..) => Err("elements are expressions".into()),
    }
}

/// The bytes of a constant expression, with its end.
fn expression<'a>(expression: &wasmparser::ConstExpr<'a>) -> &'a [u8] {
    let mut reader = expression.get_binary_reader();
    let len = reader.bytes_remaining();
    reader.read_bytes(len).unwrap_or_default()
}

fn push_section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    // A section of 4 GiB would have been refused when it was read.
    let _ = push_u32(out, content.len());
    out.extend_from_slice(content);
}

/// Appends a number in WebAssembly's variable-length format.
fn push_u32(out: &mut Vec<u8>, value: usize) -> Result<(), String> {
    let mut value = u32::try_from(value).map_err(|_| "number is too large".to_owned())?;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    Ok(())
}
