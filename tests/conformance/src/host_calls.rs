//! Calls of host functions from inside a guest, as text.
//!
//! The guest [`HOST_CALLS`](crate::guests::HOST_CALLS) makes the calls that its block tells it to make,
//! and gives their results as the new head. A [`Case`] is such a block and what has to come of it;
//! `vectors/host-calls.txt` has them all, and says how they are written.

use crate::guests::Blob;
use parity_scale_codec::{Compact, Decode, Encode};
use pvf_host_core::{
    backend::ExecuteError,
    primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams, hex},
};

#[path = "../../guests/host-calls/src/functions.rs"]
#[macro_use]
mod functions;

const CASES: &str = include_str!("../../vectors/host-calls.txt");

/// A function that the guest imports.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments, `u32` or `u64`.
    pub arguments: &'static [&'static str],
    /// The type of its result, if it has one.
    pub result: Option<&'static str>,
    /// What the guest makes of the result.
    kind: &'static str,
}

macro_rules! functions {
    ($($name:ident($($argument:tt),*) $(-> $result:tt as $kind:ident $([$len:literal])?)?;)*) => {
        &[$(Function {
            name: stringify!($name),
            arguments: &[$(stringify!($argument)),*],
            result: [$(Some(stringify!($result)),)? None][0],
            kind: [$(stringify!($kind),)? "nothing"][0],
        }),*]
    };
}

/// All functions that the guest imports, in the order by which it knows them.
pub const FUNCTIONS: &[Function] = for_each_function!(functions);

impl Function {
    fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }
}

/// An argument of a call.
#[derive(Debug, Clone, Encode)]
pub enum Argument {
    /// Bytes, passed by their address, or address and length.
    Bytes(Vec<u8>),
    /// The same; what the call makes of them is part of its result.
    InOut(Vec<u8>),
    /// A number.
    Number(u64),
    /// What an earlier call has returned.
    Earlier(u8),
}

/// A call of a host function.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

impl Encode for Call {
    fn encode_to<T: parity_scale_codec::Output + ?Sized>(&self, output: &mut T) {
        let place = FUNCTIONS.iter().position(|function| function == self.function);
        output.push_byte(place.expect("only functions of the list are called") as u8);
        for argument in &self.arguments {
            argument.encode_to(output);
        }
    }
}

/// What has to come of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Each call returns.
    Valid,
    /// The last call traps. The reason names the function, and contains this.
    Trap(String),
    /// The last call ends the guest with this message.
    Panic(String),
}

/// Some calls that the guest makes, and what has to come of them.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// The calls.
    pub calls: Vec<Call>,
    /// The results of those that return.
    pub results: Vec<String>,
    /// What the guest logs: level, target and message.
    pub logs: Vec<String>,
    /// How it ends.
    pub outcome: Outcome,
    /// Whether the functions of RFC-163 are enabled.
    pub elliptic_curves: bool,
    /// The machine that it is about, `wasm` or `polkavm`, if it is about where one has memory.
    pub only: Option<String>,
}

impl Case {
    /// All recorded cases.
    ///
    /// # Panics
    ///
    /// When they are not written as they should be.
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::<Self>::new();
        for (number, line) in CASES.lines().enumerate() {
            let understood = Self::read(line, &mut cases);
            understood.unwrap_or_else(|| panic!("line {}: {line}", number + 1));
        }
        for Self { name, calls, results, outcome, .. } in &cases {
            let returning = calls.len() - usize::from(*outcome != Outcome::Valid);
            assert_eq!(results.len(), returning, "{name}: as many results as calls that return");
        }
        cases
    }

    /// Takes a line of the file.
    fn read(line: &str, cases: &mut Vec<Self>) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "case" {
            cases.push(Self::named(rest));
            return Some(());
        }
        let case = cases.last_mut()?;
        match word {
            "call" => case.calls.push(Call::parse(rest)?),
            "" => case.results.push(rest.trim().to_owned()),
            "logs" => case.logs.push(rest.to_owned()),
            "traps" => case.outcome = Outcome::Trap(rest.to_owned()),
            "panics" => case.outcome = Outcome::Panic(rest.to_owned()),
            "ecc-rfc163" => case.elliptic_curves = true,
            "only" => case.only = Some(rest.to_owned()),
            "reference" => {}
            _ => return None,
        }
        Some(())
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            calls: Vec::new(),
            results: Vec::new(),
            logs: Vec::new(),
            outcome: Outcome::Valid,
            elliptic_curves: false,
            only: None,
        }
    }

    /// Whether it is about the machine that a blob was built for, too.
    pub fn is_for(&self, blob: &Blob) -> bool {
        self.only.as_ref().is_none_or(|machine| blob.name.ends_with(machine))
    }

    /// The executor parameters.
    pub fn executor_params(&self) -> ExecutorParams {
        let mut params = Vec::new();
        if self.elliptic_curves {
            params.push(ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163));
        }
        ExecutorParams::new(params)
    }

    /// The block that has the guest make the calls.
    pub fn block(&self) -> Vec<u8> {
        self.calls.encode()
    }

    /// Compares what came of the case, the new head or an error, with what had to.
    ///
    /// # Errors
    ///
    /// Says what differs.
    pub fn check(&self, outcome: Result<&[u8], &ExecuteError>) -> Result<(), String> {
        let function = self.calls.last().map_or("", |call| call.function.name);
        let is_right = match (&self.outcome, outcome) {
            (Outcome::Valid, Ok(head)) => {
                let results = self.results(head);
                if results.as_ref() == Some(&self.results) {
                    return Ok(());
                }
                return Err(format!("{}: {results:?} instead of {:?}", self.name, self.results));
            }
            (Outcome::Trap(reason), Err(ExecuteError::Trap(message))) => {
                message.contains(function) && message.contains(reason)
            }
            (Outcome::Panic(expected), Err(ExecuteError::Panic(message))) => expected == message,
            _ => false,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("{}: {outcome:?} instead of {:?}", self.name, self.outcome))
        }
    }

    /// The results in a head, as text.
    fn results(&self, mut head: &[u8]) -> Option<Vec<String>> {
        let Compact(calls) = Compact::<u32>::decode(&mut head).ok()?;
        if calls as usize != self.calls.len() {
            return None;
        }
        let results = self.calls.iter().map(|call| {
            let bytes = Vec::<u8>::decode(&mut head).ok()?;
            call.result(&bytes)
        });
        let results = results.collect::<Option<Vec<_>>>()?;
        head.is_empty().then_some(results)
    }
}

impl Call {
    fn parse(text: &str) -> Option<Self> {
        let (name, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut arguments = Vec::new();
        while !rest.is_empty() {
            let (argument, after) = Argument::parse(rest)?;
            arguments.push(argument);
            rest = after.trim_start();
        }
        let function = Function::named(name)?;
        (arguments.len() == function.arguments.len()).then_some(Self { function, arguments })
    }

    fn result(&self, bytes: &[u8]) -> Option<String> {
        let (number, buffer) = match (self.function.kind, self.function.result) {
            ("value" | "address", Some("u32")) => {
                let (number, buffer) = bytes.split_first_chunk()?;
                (u32::from_le_bytes(*number).to_string(), buffer)
            }
            ("value", _) => {
                let (number, buffer) = bytes.split_first_chunk()?;
                (u64::from_le_bytes(*number).to_string(), buffer)
            }
            ("nothing", _) => ("nothing".to_owned(), bytes),
            _ => return Some(hex::encode(bytes)),
        };
        if self.arguments.iter().any(|argument| matches!(argument, Argument::InOut(_))) {
            Some(format!("{number} {}", hex::encode(buffer)))
        } else {
            buffer.is_empty().then_some(number)
        }
    }
}

impl Argument {
    /// Takes an argument off some text, and gives the rest too.
    fn parse(text: &str) -> Option<(Self, &str)> {
        if let Some(text) = text.strip_prefix('"') {
            let (text, rest) = text.split_once('"')?;
            return Some((Self::Bytes(text.as_bytes().to_vec()), rest));
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let argument = if word.starts_with("0x") {
            Self::Bytes(hex::decode(word).ok()?)
        } else if let Some(bytes) = word.strip_prefix("in-out:") {
            Self::InOut(hex::decode(bytes).ok()?)
        } else if let Some(place) = word.strip_prefix('#') {
            Self::Earlier(place.parse().ok()?)
        } else if let Some(range) = word.strip_prefix('@') {
            let (address, len) = range.split_once('+')?;
            let (address, len) = (address.parse::<u32>().ok()?, len.parse::<u32>().ok()?);
            Self::Number(u64::from(len) << 32 | u64::from(address))
        } else {
            Self::Number(word.parse().ok()?)
        };
        Some((argument, rest))
    }
}
