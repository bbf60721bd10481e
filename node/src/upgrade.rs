//! What preparing a small upgrade costs, beside preparing the same in full.

use pvf_host_core::{
    Code, PrepareReport, Pvf, ValidationHost,
    primitives::{ExecutorParams, compression},
};
use std::sync::Arc;

/// The costs of two successors of the same code, in which equally much has changed.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// Of the one that nobody has declared to be an upgrade.
    pub full: PrepareReport,
    /// Of the declared one.
    pub reusing: PrepareReport,
}

impl Upgrade {
    /// The part of the time in full that it took.
    pub fn wall_ratio(&self) -> f64 {
        self.reusing.cost.wall.as_secs_f64() / self.full.cost.wall.as_secs_f64()
    }

    /// The same of CPU time.
    pub fn cpu_ratio(&self) -> f64 {
        self.reusing.cost.cpu.as_secs_f64() / self.full.cost.cpu.as_secs_f64()
    }
}

/// Has WebAssembly prepared, and two upgrades of it in which every `nth` function has changed.
///
/// # Errors
///
/// What went wrong, for people.
pub async fn measure(
    host: &ValidationHost,
    code: &[u8],
    params: Arc<ExecutorParams>,
    nth: usize,
) -> Result<Upgrade, String> {
    let decompressed =
        compression::decompress(code, compression::CODE_LIMIT).map_err(|e| e.to_string())?;
    let predecessor = Code::new(code);
    let successor = |value| {
        let code = upgraded(&decompressed, nth, value).ok_or("the code is no WebAssembly")?;
        Ok::<_, String>(Pvf::new(Code::new(code)).with_params(params.clone()))
    };
    let hash = predecessor.hash();
    prepare(host, Pvf::new(predecessor).with_params(params.clone())).await?;
    Ok(Upgrade {
        full: prepare(host, successor(1)?).await?,
        reusing: prepare(host, successor(2)?.upgraded_from(hash)).await?,
    })
}

/// A precheck would prepare in full. So it only waits for what is on its way.
async fn prepare(host: &ValidationHost, pvf: Pvf) -> Result<PrepareReport, String> {
    host.heads_up([pvf.clone()]).await;
    host.precheck(pvf).await.map_err(|error| error.to_string())
}

/// The same code, in which every `nth` function, the first included, begins with something that comes to
/// nothing, and is another thing for each `value`. None if it is no WebAssembly.
pub fn upgraded(code: &[u8], nth: usize, value: u8) -> Option<Vec<u8>> {
    const CODE: u8 = 10;
    let (header, mut rest) = code.split_at_checked(8)?;
    let mut out = header.to_vec();
    while let Some((id, behind)) = rest.split_first() {
        let (len, behind) = number(behind)?;
        let (content, behind) = behind.split_at_checked(len)?;
        rest = behind;
        out.push(*id);
        if *id == CODE {
            let content = upgraded_functions(content, nth, value)?;
            push_number(&mut out, content.len());
            out.extend(content);
        } else {
            push_number(&mut out, len);
            out.extend(content);
        }
    }
    Some(out)
}

/// The same for the content of a code section.
fn upgraded_functions(content: &[u8], nth: usize, value: u8) -> Option<Vec<u8>> {
    const I32_CONST: u8 = 0x41;
    const DROP: u8 = 0x1a;
    let (count, mut rest) = number(content)?;
    let mut out = vec![];
    push_number(&mut out, count);
    for at in 0..count {
        let (len, behind) = number(rest)?;
        let (body, behind) = behind.split_at_checked(len)?;
        rest = behind;
        if at % nth.max(1) != 0 {
            push_number(&mut out, len);
            out.extend(body);
            continue;
        }
        let (groups, mut instructions) = number(body)?;
        for _ in 0..groups {
            // How many locals, and the byte of their type.
            instructions = number(instructions)?.1.get(1..)?;
        }
        let (locals, instructions) = body.split_at(body.len() - instructions.len());
        // A constant of five digits, so that it is none that the code has in this form.
        let constant = [I32_CONST, 0x80 | (value & 0x7f), 0x80, 0x80, 0x81, 0x00, DROP];
        push_number(&mut out, len + constant.len());
        out.extend([locals, &constant, instructions].concat());
    }
    rest.is_empty().then_some(out)
}

/// A number in WebAssembly's variable-length format, and what is behind it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn push_number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nth_function_is_another() {
        let code = |first: &str| {
            let text = format!(
                "(module (memory 1) (func $a (local i32 i64) {first} (call $b)) (func $b) (func {first} \
                 (call $a)) (data (i32.const 0) \"x\"))"
            );
            wat::parse_str(text).unwrap()
        };
        // The same instructions; the constant is longer than it would have to be.
        let constant = |value: i32| code(&format!("(drop (i32.const {}))", (1 << 21) + value));
        let decoded = |code: &[u8]| {
            let constant = [0x41, 0x85, 0x80, 0x80, 0x81, 0x00, 0x1a];
            code.windows(7).filter(|window| *window == constant).count()
        };
        let upgraded = upgraded(&code(""), 2, 5).unwrap();
        assert_eq!(decoded(&upgraded), 2);
        // One digit more in each of the two.
        assert_eq!(upgraded.len(), constant(5).len() + 2);
        assert_eq!(super::upgraded(&code(""), 3, 5).map(|code| decoded(&code)), Some(1));
        for broken in [&b"\0asm"[..], b"\0asm\x01\0\0\0\x0a\x05\x01"] {
            assert_eq!(super::upgraded(broken, 2, 5), None);
        }
    }
}
