//! What a difference means.

use crate::{case::Case, peer::Answer};
use parity_scale_codec::Decode;
use pvf_host_core::primitives::ExecutorParams;
use pvf_tests::verdict::{Stage, Verdict};
use std::fmt;
use wasmparser::{DataKind, ElementKind, Operator, OperatorsReader, Parser, Payload};

/// How two answers relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    Agree(Stage, bool),
    /// The reference refuses a module because of something that we accept on purpose.
    Explained(&'static str),
    /// The reference died or stalled, whatever we say.
    ReferenceDied,
    /// So did we.
    BothDied,
    Differ,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agree(stage, true) => write!(f, "agree: {stage}, ok"),
            Self::Agree(stage, false) => write!(f, "agree: {stage}, failed"),
            Self::Explained(rule) => write!(f, "explained: {rule}"),
            Self::ReferenceDied => f.write_str("the reference gave no answer"),
            Self::BothDied => f.write_str("neither gave an answer"),
            Self::Differ => f.write_str("DIFFER"),
        }
    }
}

pub(crate) fn compare(case: &Case, reference: &Answer, ours: &Answer) -> Outcome {
    match (reference, ours) {
        (Answer::None, Answer::None) => Outcome::BothDied,
        (Answer::None, Answer::Verdict(_)) => Outcome::ReferenceDied,
        (Answer::Verdict(_), Answer::None) => Outcome::Differ,
        (Answer::Verdict(reference), Answer::Verdict(ours)) if reference.agrees_with(ours) => {
            Outcome::Agree(ours.stage, ours.result.is_ok())
        }
        (Answer::Verdict(reference), Answer::Verdict(ours)) => {
            explain(case, reference, ours).map_or(Outcome::Differ, Outcome::Explained)
        }
    }
}

/// The rules are those of the page "Differences" in the book: about what a module contains, never about
/// what an error says.
fn explain(case: &Case, reference: &Verdict, ours: &Verdict) -> Option<&'static str> {
    if reference.stage == Stage::Execute || ours.stage <= reference.stage {
        return None;
    }
    let used = Used::by(&case.code);
    let params = ExecutorParams::decode(&mut &case.executor_params[..]).unwrap_or_default();
    if used.bulk_memory && params.wasm_ext_bulk_memory() {
        // It reads the count of the data segments, and then writes it to the wrong place.
        return Some("bulk memory operations");
    }
    if used.sign_extension && reference.stage == Stage::Prevalidate {
        return Some("sign extension");
    }
    None
}

/// Which proposals that we accept a module uses.
#[derive(Default)]
struct Used {
    sign_extension: bool,
    bulk_memory: bool,
}

impl Used {
    fn by(code: &[u8]) -> Self {
        let mut used = Self::default();
        // As far as it can be read.
        for payload in Parser::new(0).parse_all(code).map_while(Result::ok) {
            match payload {
                Payload::DataCountSection { .. } => used.bulk_memory = true,
                Payload::DataSection(reader) => {
                    for data in reader.into_iter().map_while(Result::ok) {
                        used.bulk_memory |= begins_new(code, data.range.start);
                        if let DataKind::Active { offset_expr, .. } = &data.kind {
                            used.take_all(offset_expr.get_operators_reader());
                        }
                    }
                }
                Payload::ElementSection(reader) => {
                    for element in reader.into_iter().map_while(Result::ok) {
                        used.bulk_memory |= begins_new(code, element.range.start);
                        if let ElementKind::Active { offset_expr, .. } = &element.kind {
                            used.take_all(offset_expr.get_operators_reader());
                        }
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader.into_iter().map_while(Result::ok) {
                        used.take_all(global.init_expr.get_operators_reader());
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    if let Ok(operators) = body.get_operators_reader() {
                        used.take_all(operators);
                    }
                }
                _ => {}
            }
        }
        used
    }

    /// What is read is not valid, perhaps: then even a constant expression can have any instruction.
    fn take_all(&mut self, operators: OperatorsReader<'_>) {
        for operator in operators.into_iter().map_while(Result::ok) {
            self.take(&operator);
        }
    }

    fn take(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::I32Extend8S
            | Operator::I32Extend16S
            | Operator::I64Extend8S
            | Operator::I64Extend16S
            | Operator::I64Extend32S => self.sign_extension = true,
            Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::DataDrop { .. }
            | Operator::ElemDrop { .. } => self.bulk_memory = true,
            _ => {}
        }
    }
}

/// Whether a segment has flags, which the first version does not know.
fn begins_new(code: &[u8], at: usize) -> bool {
    code.get(at).is_some_and(|flags| *flags != 0)
}

/// The word that an error's text begins with, which is its type.
pub(crate) fn class(answer: &Answer) -> String {
    match answer {
        Answer::None => "no answer".into(),
        Answer::Verdict(Verdict { result: Ok(_), .. }) => "ok".into(),
        Answer::Verdict(Verdict { result: Err(error), .. }) => {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            error.split(|c| !is_part(c)).next().unwrap_or_default().to_owned()
        }
    }
}
