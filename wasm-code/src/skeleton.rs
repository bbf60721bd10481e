//! Code taken apart: the bodies of its functions, and its skeleton, which is all the rest.
//!
//! What can be read, and what comes of it, is decided by `parity-wasm` and `wasm-instrument`, which
//! read and rewrite code as a whole: that is what [`read`](crate::read) and
//! [`rewrite`](crate::rewrite) do, and what decides. But it takes a list of all instructions, made,
//! gone through and written again, one after the other. The same comes of this, in a fraction of the
//! time and of the memory, and in several threads at once:
//!
//! * The skeleton is the same code, with an empty body for each function. `parity-wasm` reads it,
//!   and so all sections, their order and their number of functions.
//! * [`bodies`](crate::bodies) reads each body with `parity-wasm`'s reader of instructions, and counts what
//!   its function costs of the stack.
//! * Each empty body gets as many locals as it takes to cost the same. `wasm-instrument` rewrites
//!   this: it makes the global that counts, and a function around each that can be called without its
//!   number, in the types, exports and elements too.
//! * [`encode`](crate::encode) puts the bodies back, with the count around each call that
//!   `wasm-instrument` would have put there.
//!
//! Wherever something is not as expected, the code is read, or rewritten, as a whole, and what comes
//! of that counts: so all errors in code are those of the two crates. Code goes that way which can't
//! be read, which has no functions, or whose stack can't be counted. So does code that is metered:
//! metering is about each instruction.
//!
//! That both ways come to the same is tested with real code, with code made at random, and with both
//! of them spoilt.

use crate::{
    bodies::Bodies,
    stack::{FRAME, Signatures},
    threads::Threads,
};
use wasm_instrument::parity_wasm::elements::{
    Deserialize, Local, Module, ValueType, VarUint32, deserialize_buffer,
};

const HEADER: usize = 8;
const CODE_SECTION: u8 = 10;
/// No locals, and an end.
const EMPTY_BODY: [u8; 3] = [2, 0, 0x0b];

/// Takes code apart. None when it can't be, for whatever reason.
pub(crate) fn take_apart(code: &[u8], threads: &dyn Threads) -> Option<(Module, Bodies)> {
    let section = CodeSection::find(code)?;
    let bodies = section.bodies()?;
    if bodies.is_empty() {
        return None;
    }
    let mut skeleton = Vec::with_capacity(
        section.before.len() + 16 + bodies.len() * EMPTY_BODY.len() + section.behind.len(),
    );
    skeleton.extend_from_slice(section.before);
    let count = bodies.len();
    push_head(&mut skeleton, count, count * EMPTY_BODY.len())?;
    skeleton.extend_from_slice(&EMPTY_BODY.repeat(count));
    skeleton.extend_from_slice(section.behind);
    let skeleton: Module = deserialize_buffer(&skeleton).ok()?;
    let bodies = Bodies::read(&bodies, &Signatures::of(&skeleton), threads)?;
    Some((skeleton, bodies))
}

/// Makes code whole.
///
/// # Errors
///
/// When the skeleton is another code's.
pub(crate) fn put_together(skeleton: &mut Module, bodies: &Bodies) -> Result<(), String> {
    let section = skeleton.code_section_mut().ok_or("the skeleton has no functions")?;
    *section.bodies_mut() = bodies.to_whole()?;
    Ok(())
}

/// Has each function of the skeleton cost as much as its body would have it cost.
pub(crate) fn set_costs(skeleton: &mut Module, costs: &[u32]) {
    let bodies = skeleton.code_section_mut().map(|section| section.bodies_mut());
    for (body, cost) in bodies.into_iter().flatten().zip(costs) {
        // The end of a function is an instruction, so that all cost as much as a frame.
        *body.locals_mut() = match cost.saturating_sub(FRAME) {
            0 => Vec::new(),
            locals => vec![Local::new(locals, ValueType::I32)],
        };
    }
}

/// Where the bodies of functions are in some code.
pub(crate) struct CodeSection<'a> {
    /// What comes before the section.
    pub(crate) before: &'a [u8],
    pub(crate) count: u32,
    /// The bodies, each with its length.
    pub(crate) content: &'a [u8],
    /// What comes behind the section.
    pub(crate) behind: &'a [u8],
}

impl<'a> CodeSection<'a> {
    /// None when the code has no such section, or more than one, or is not made of sections.
    pub(crate) fn find(code: &'a [u8]) -> Option<Self> {
        let (_, mut rest) = code.split_at_checked(HEADER)?;
        let mut found = None;
        while let Some((id, mut behind)) = rest.split_first() {
            let mut content = take_counted(&mut behind)?;
            if *id == CODE_SECTION {
                if found.is_some() {
                    return None;
                }
                let before = code.get(..code.len() - rest.len())?;
                let count = VarUint32::deserialize(&mut content).ok()?.into();
                found = Some(Self { before, count, content, behind });
            }
            rest = behind;
        }
        found
    }

    /// The bodies, each without its length. None when they are not as many as they should be.
    fn bodies(&self) -> Option<Vec<&'a [u8]>> {
        let mut rest = self.content;
        let mut bodies = Vec::new();
        for _ in 0..self.count {
            bodies.push(take_counted(&mut rest)?);
        }
        rest.is_empty().then_some(bodies)
    }
}

/// Takes bytes behind the number of them.
fn take_counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len: u32 = VarUint32::deserialize(rest).ok()?.into();
    let (content, behind) = rest.split_at_checked(len as usize)?;
    *rest = behind;
    Some(content)
}

/// Appends what comes in a section of functions before them: there are `count`, of `len` bytes with
/// their lengths. None when the section would be too long.
pub(crate) fn push_head(out: &mut Vec<u8>, count: usize, len: usize) -> Option<()> {
    let mut digits = Vec::new();
    push_number(&mut digits, u32::try_from(count).ok()?);
    out.push(CODE_SECTION);
    push_number(out, u32::try_from(digits.len() + len).ok()?);
    out.extend_from_slice(&digits);
    Some(())
}

/// Appends a number in WebAssembly's variable-length format.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
