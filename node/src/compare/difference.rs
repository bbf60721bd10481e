//! In what two outcomes differ, field by field.

use super::{
    Class,
    outcome::{Outcome, Verdict},
};
use crate::case::Expected;
use pvf_host_core::primitives::{ValidationResult, hex};
use serde::{Deserialize, Serialize};

/// A field that is not the same on both sides, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) left: String,
    pub(crate) right: String,
}

/// How many messages that differ are shown of each kind.
const MAX_MESSAGES: usize = 8;

/// What two verdicts differ in. Nothing if one of them could not be told: that is no difference.
pub(crate) fn of_verdicts(left: &Verdict, right: &Verdict) -> Vec<Difference> {
    let classes = [left, right].map(Class::of);
    match (left, right) {
        _ if classes.contains(&Class::Unknown) => vec![],
        (Ok(left), Ok(right)) => of_results(left, right),
        _ if classes[0] == classes[1] => vec![],
        _ => {
            let [left, right] = [left, right].map(|verdict| Outcome::of(verdict).describe());
            vec![Difference { field: "verdict".into(), left, right }]
        }
    }
}

/// What a verdict (on the right) is otherwise than expected (on the left).
pub(crate) fn from_expected(expected: &Expected, verdict: &Verdict) -> Vec<Difference> {
    let Some(got) = Class::of(verdict).verdict() else { return vec![] };
    if let Some(wanted) = expected.verdict
        && wanted != got
    {
        let right = Outcome::of(verdict).describe();
        return vec![Difference { field: "verdict".into(), left: wanted.word().into(), right }];
    }
    let Ok(result) = verdict else { return vec![] };
    let mut differences = match &expected.result {
        Some(expected) => of_results(expected, result),
        None => vec![],
    };
    if let Some(head) = &expected.head
        && !differences.iter().any(|difference| difference.field.starts_with(HEAD_DATA))
    {
        add_bytes(&mut differences, HEAD_DATA, head, &result.head_data.0);
    }
    differences
}

const HEAD_DATA: &str = "head data";

/// What two results differ in. They are equal byte for byte if that is nothing.
fn of_results(left: &ValidationResult, right: &ValidationResult) -> Vec<Difference> {
    let mut differences = vec![];
    add_bytes(&mut differences, HEAD_DATA, &left.head_data.0, &right.head_data.0);
    match (&left.new_validation_code, &right.new_validation_code) {
        (Some(left), Some(right)) => {
            add_bytes(&mut differences, "new code", &left.0, &right.0);
        }
        (left, right) if left == right => {}
        codes => {
            let show = |code: Option<&[u8]>| code.map_or_else(|| "none".into(), beginning);
            differences.push(Difference {
                field: "new code".into(),
                left: show(codes.0.as_ref().map(AsRef::as_ref)),
                right: show(codes.1.as_ref().map(AsRef::as_ref)),
            });
        }
    }
    let upward = |result: &ValidationResult| -> Vec<Vec<u8>> {
        result.upward_messages.iter().cloned().collect()
    };
    add_messages(&mut differences, "upward message", &upward(left), &upward(right));
    add_numbers(
        &mut differences,
        "horizontal messages",
        left.horizontal_messages.len(),
        right.horizontal_messages.len(),
    );
    let pairs = left.horizontal_messages.iter().zip(right.horizontal_messages.iter());
    let differing: Vec<_> = pairs.enumerate().filter(|(_, (left, right))| left != right).collect();
    for (i, (left, right)) in differing.iter().take(MAX_MESSAGES) {
        let field = |part| format!("horizontal message {i}, {part}");
        let [from, to] = [left, right].map(|message| u32::from(message.recipient));
        add_numbers(&mut differences, &field("recipient"), from, to);
        add_bytes(&mut differences, &field("data"), &left.data, &right.data);
    }
    add_rest(&mut differences, "horizontal messages", differing.len());
    add_numbers(
        &mut differences,
        "processed downward messages",
        left.processed_downward_messages,
        right.processed_downward_messages,
    );
    add_numbers(&mut differences, "HRMP watermark", left.hrmp_watermark, right.hrmp_watermark);
    differences
}

fn add_messages(all: &mut Vec<Difference>, name: &str, left: &[Vec<u8>], right: &[Vec<u8>]) {
    add_numbers(all, &format!("{name}s"), left.len(), right.len());
    let pairs = left.iter().zip(right).enumerate();
    let differing: Vec<_> = pairs.filter(|(_, (left, right))| left != right).collect();
    for (i, (left, right)) in differing.iter().take(MAX_MESSAGES) {
        add_bytes(all, &format!("{name} {i}"), left, right);
    }
    add_rest(all, &format!("{name}s"), differing.len());
}

fn add_rest(all: &mut Vec<Difference>, name: &str, differing: usize) {
    if let Some(rest) = differing.checked_sub(MAX_MESSAGES).filter(|rest| *rest > 0) {
        let more = format!("{rest} more differ");
        all.push(Difference { field: name.to_owned(), left: more.clone(), right: more });
    }
}

fn add_numbers<T: PartialEq + ToString>(all: &mut Vec<Difference>, field: &str, left: T, right: T) {
    if left != right {
        let [left, right] = [left, right].map(|number| number.to_string());
        all.push(Difference { field: field.into(), left, right });
    }
}

fn add_bytes(all: &mut Vec<Difference>, field: &str, left: &[u8], right: &[u8]) {
    let common = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    if left.len() != right.len() || common < left.len() {
        all.push(Difference {
            field: format!("{field}, byte {common}"),
            left: around(left, common),
            right: around(right, common),
        });
    }
}

/// Hexadecimal digits of the bytes around one that is put in brackets.
fn around(bytes: &[u8], at: usize) -> String {
    const BEFORE: usize = 8;
    const AFTER: usize = 16;
    let digits = |bytes: &[u8]| hex::encode(bytes)[2..].to_owned();
    let start = at.saturating_sub(BEFORE);
    let end = bytes.len().min(at + 1 + AFTER);
    let (before, rest) = (&bytes[start..at], &bytes[at..end.max(at)]);
    let (marked, after) = rest.split_at(rest.len().min(1));
    let (cut_before, cut_after) = (start > 0, end < bytes.len());
    format!(
        "{}{}[{}]{}{} ({})",
        if cut_before { "…" } else { "0x" },
        digits(before),
        digits(marked),
        digits(after),
        if cut_after { "…" } else { "" },
        count(bytes.len())
    )
}

/// How some bytes begin, and how many they are if that is not all of them.
pub(crate) fn beginning(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    match bytes.get(..SHOWN) {
        Some(start) if bytes.len() > SHOWN => {
            format!("{}… ({})", hex::encode(start), count(bytes.len()))
        }
        _ => hex::encode(bytes),
    }
}

fn count(bytes: usize) -> String {
    if bytes == 1 { "1 byte".into() } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::ExpectedVerdict;
    use pvf_host_core::{
        InternalError, InvalidCandidate,
        backend::ExecuteError,
        primitives::{OutboundHrmpMessage, ParaId, ValidationCode},
    };

    fn result() -> ValidationResult {
        let message = |recipient, data: u8| OutboundHrmpMessage {
            recipient: ParaId(recipient),
            data: vec![data],
        };
        ValidationResult {
            head_data: vec![1, 2, 3].into(),
            new_validation_code: None,
            upward_messages: vec![vec![1], vec![2]].try_into().unwrap(),
            horizontal_messages: vec![message(7, 1), message(8, 2)].try_into().unwrap(),
            processed_downward_messages: 3,
            hrmp_watermark: 4,
        }
    }

    fn difference(field: &str, left: &str, right: &str) -> Difference {
        Difference { field: field.into(), left: left.into(), right: right.into() }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut ValidationResult), expected: &[(&str, &str, &str)]) {
        let mut other = result();
        change(&mut other);
        let expected: Vec<_> = expected.iter().map(|(f, l, r)| difference(f, l, r)).collect();
        assert_eq!(of_verdicts(&Ok(result()), &Ok(other)), expected);
    }

    #[test]
    fn every_field_of_a_result_is_compared() {
        check(|_| {}, &[]);
        check(
            |other| other.head_data.0[1] = 9,
            &[("head data, byte 1", "0x01[02]03 (3 bytes)", "0x01[09]03 (3 bytes)")],
        );
        check(
            |other| other.new_validation_code = Some(ValidationCode(vec![5])),
            &[("new code", "none", "0x05")],
        );
        check(
            |other| other.upward_messages = vec![vec![1], vec![3], vec![4]].try_into().unwrap(),
            &[
                ("upward messages", "2", "3"),
                ("upward message 1, byte 0", "0x[02] (1 byte)", "0x[03] (1 byte)"),
            ],
        );
        check(
            |other| {
                let mut messages = other.horizontal_messages.to_vec();
                messages[0].recipient = ParaId(9);
                messages[1].data = vec![];
                other.horizontal_messages = messages.try_into().unwrap();
            },
            &[
                ("horizontal message 0, recipient", "7", "9"),
                ("horizontal message 1, data, byte 0", "0x[02] (1 byte)", "0x[] (0 bytes)"),
            ],
        );
        check(
            |other| (other.processed_downward_messages, other.hrmp_watermark) = (5, 6),
            &[("processed downward messages", "3", "5"), ("HRMP watermark", "4", "6")],
        );
    }

    #[test]
    fn long_bytes_are_shown_around_the_first_that_differs() {
        let left = vec![0xaa; 100];
        let mut right = left.clone();
        right[50] = 0xbb;
        let mut all = vec![];
        add_bytes(&mut all, "data", &left, &right);
        let (eight, sixteen) = ("aa".repeat(8), "aa".repeat(16));
        let expected = difference(
            "data, byte 50",
            &format!("…{eight}[aa]{sixteen}… (100 bytes)"),
            &format!("…{eight}[bb]{sixteen}… (100 bytes)"),
        );
        assert_eq!(all, [expected]);
        // One that ends where the other goes on.
        all.clear();
        add_bytes(&mut all, "data", &left[..50], &left);
        assert_eq!(all[0].left, format!("…{eight}[] (50 bytes)"));
        assert_eq!(all[0].right, format!("…{eight}[aa]{sixteen}… (100 bytes)"));
    }

    #[test]
    fn many_messages_that_differ_are_counted() {
        let mut all = vec![];
        add_messages(&mut all, "m", &vec![vec![1]; 20], &vec![vec![2]; 20]);
        assert_eq!(all.len(), MAX_MESSAGES + 1);
        assert_eq!(all[MAX_MESSAGES].left, "12 more differ");
    }

    #[test]
    fn classes_are_compared_and_an_unknown_verdict_differs_from_nothing() {
        let trap = |words: &str| -> Verdict {
            Err(InvalidCandidate::Execution(ExecuteError::Trap(words.into())).into())
        };
        let late = Err(InvalidCandidate::HardTimeout.into());
        assert_eq!(of_verdicts(&trap("a"), &trap("b")), []);
        let differences = of_verdicts(&trap("a"), &Ok(result()));
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].left, "invalid: trap or panic (invalid: a)");
        assert_eq!(differences[0].right, "valid (0x010203)");
        assert_eq!(of_verdicts(&trap("a"), &late).len(), 1);
        let unknown = Err(InternalError::HostGone.into());
        assert_eq!(of_verdicts(&unknown, &Ok(result())), []);
        let expected = Expected { verdict: Some(ExpectedVerdict::Valid), ..Expected::default() };
        assert_eq!(from_expected(&expected, &unknown), []);
        assert_eq!(from_expected(&expected, &late).len(), 1);
    }

    #[test]
    fn what_is_expected_is_compared_and_nothing_else() {
        let got = Ok(result());
        let is_as = |expected| from_expected(&expected, &got).is_empty();
        let none = Expected::default;
        assert!(is_as(none()));
        assert!(is_as(Expected { verdict: Some(ExpectedVerdict::Valid), ..none() }));
        assert!(!is_as(Expected { verdict: Some(ExpectedVerdict::Invalid), ..none() }));
        assert!(is_as(Expected { head: Some(vec![1, 2, 3]), ..none() }));
        assert!(!is_as(Expected { head: Some(vec![1, 2]), ..none() }));
        assert!(is_as(Expected { result: Some(result()), ..none() }));
        let other = ValidationResult { head_data: vec![].into(), ..result() };
        let both = Expected { head: Some(vec![]), result: Some(other), ..none() };
        // A head that differs is shown once.
        assert_eq!(from_expected(&both, &got).len(), 1);
    }
}
