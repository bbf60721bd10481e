//! Executor parameters as text, `NAME=VALUE`.

use super::{ExecutorHostFunction, ExecutorParam, PvfExecKind, PvfPrepKind};
use std::{fmt, str::FromStr};

/// How one parameter is written.
struct Form {
    name: &'static str,
    /// What its value looks like, for people.
    expected: &'static str,
    /// Reads what is behind the equals sign, if there is one.
    parse: fn(Option<&str>) -> Option<ExecutorParam>,
}

static FORMS: [Form; 10] = [
    Form {
        name: "MaxMemoryPages",
        expected: "a number of 64 KiB pages",
        parse: |value| number(value).map(ExecutorParam::MaxMemoryPages),
    },
    Form {
        name: "StackLogicalMax",
        expected: "a number of values",
        parse: |value| number(value).map(ExecutorParam::StackLogicalMax),
    },
    Form {
        name: "StackNativeMax",
        expected: "a number of bytes, less than 4 GiB",
        parse: |value| number(value).map(ExecutorParam::StackNativeMax),
    },
    Form {
        name: "PrecheckingMaxMemory",
        expected: "a number of bytes",
        parse: |value| number(value).map(ExecutorParam::PrecheckingMaxMemory),
    },
    Form {
        name: "PvfPrepTimeout",
        expected: "precheck:MILLISECONDS or prepare:MILLISECONDS",
        parse: |value| {
            let (kind, millis) = value?.split_once(':')?;
            let kind = one_of(PvfPrepKind::ALL, kind)?;
            Some(ExecutorParam::PvfPrepTimeout(kind, number(Some(millis))?))
        },
    },
    Form {
        name: "PvfExecTimeout",
        expected: "backing:MILLISECONDS or approval:MILLISECONDS",
        parse: |value| {
            let (kind, millis) = value?.split_once(':')?;
            let kind = one_of(PvfExecKind::ALL, kind)?;
            Some(ExecutorParam::PvfExecTimeout(kind, number(Some(millis))?))
        },
    },
    Form {
        name: "WasmExtBulkMemory",
        expected: "true, or no value at all; leave the parameter out to turn it off",
        parse: |value| {
            matches!(value, None | Some("true")).then_some(ExecutorParam::WasmExtBulkMemory)
        },
    },
    Form {
        name: "EnabledHostFunction",
        expected: "EccRfc163",
        parse: |value| {
            one_of(ExecutorHostFunction::ALL, value?).map(ExecutorParam::EnabledHostFunction)
        },
    },
    Form {
        name: "Backend",
        expected: "a backend's name, of lower-case letters, digits and hyphens",
        parse: |value| value?.parse().ok().map(ExecutorParam::Backend),
    },
    Form {
        name: "MaxGas",
        expected: "an amount of gas",
        parse: |value| number(value).map(ExecutorParam::MaxGas),
    },
];

/// Text that is no [`ExecutorParam`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseExecutorParamError {
    /// No parameter has this name.
    #[error("there is no executor parameter {0:?}; valid names: {names}", names = Names)]
    UnknownName(String),
    /// The parameter needs a value.
    #[error("{name} needs a value: {expected}")]
    MissingValue {
        /// The parameter.
        name: &'static str,
        /// What its value looks like.
        expected: &'static str,
    },
    /// The value is not one that the parameter can have.
    #[error("{name} can't be {value:?}; expected {expected}")]
    InvalidValue {
        /// The parameter.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it should look like.
        expected: &'static str,
    },
}

impl FromStr for ExecutorParam {
    type Err = ParseExecutorParamError;

    fn from_str(text: &str) -> Result<Self, ParseExecutorParamError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let Some(&Form { name, expected, parse }) = FORMS.iter().find(|form| form.name == name)
        else {
            return Err(ParseExecutorParamError::UnknownName(name.to_owned()));
        };
        parse(value).ok_or_else(|| match value {
            None => ParseExecutorParamError::MissingValue { name, expected },
            Some(value) => {
                ParseExecutorParamError::InvalidValue { name, value: value.to_owned(), expected }
            }
        })
    }
}

/// In the form that is parsed.
impl fmt::Display for ExecutorParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        match self {
            Self::MaxMemoryPages(value)
            | Self::StackLogicalMax(value)
            | Self::StackNativeMax(value) => write!(f, "{key}={value}"),
            Self::PrecheckingMaxMemory(value) | Self::MaxGas(value) => write!(f, "{key}={value}"),
            Self::PvfPrepTimeout(_, millis) | Self::PvfExecTimeout(_, millis) => {
                write!(f, "{key}:{millis}")
            }
            Self::WasmExtBulkMemory | Self::EnabledHostFunction(_) => write!(f, "{key}"),
            Self::Backend(id) => write!(f, "{key}={id}"),
        }
    }
}

impl fmt::Display for PvfPrepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Precheck => "precheck",
            Self::Prepare => "prepare",
        })
    }
}

impl fmt::Display for PvfExecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Backing => "backing",
            Self::Approval => "approval",
        })
    }
}

impl fmt::Display for ExecutorHostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::EccRfc163 => "EccRfc163",
        })
    }
}

struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, form) in FORMS.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, form.name)?;
        }
        Ok(())
    }
}

fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

fn one_of<T: fmt::Display, const N: usize>(all: [T; N], text: &str) -> Option<T> {
    all.into_iter().find(|one| one.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BackendId;
    use ExecutorParam::*;

    fn parse(text: &str) -> Result<ExecutorParam, ParseExecutorParamError> {
        text.parse()
    }

    #[test]
    fn every_parameter_is_printed_in_the_form_that_is_parsed() {
        for (text, param) in [
            ("MaxMemoryPages=4096", MaxMemoryPages(4096)),
            ("StackLogicalMax=65536", StackLogicalMax(65_536)),
            ("StackNativeMax=4294967295", StackNativeMax(u32::MAX)),
            ("PrecheckingMaxMemory=18446744073709551615", PrecheckingMaxMemory(u64::MAX)),
            ("PvfPrepTimeout=precheck:60000", PvfPrepTimeout(PvfPrepKind::Precheck, 60_000)),
            ("PvfPrepTimeout=prepare:1", PvfPrepTimeout(PvfPrepKind::Prepare, 1)),
            ("PvfExecTimeout=backing:2000", PvfExecTimeout(PvfExecKind::Backing, 2_000)),
            ("PvfExecTimeout=approval:0", PvfExecTimeout(PvfExecKind::Approval, 0)),
            ("WasmExtBulkMemory", WasmExtBulkMemory),
            ("EnabledHostFunction=EccRfc163", EnabledHostFunction(ExecutorHostFunction::EccRfc163)),
            ("Backend=wasmtime", Backend(BackendId::from_static("wasmtime"))),
            ("MaxGas=18446744073709551615", MaxGas(u64::MAX)),
        ] {
            assert_eq!(parse(text), Ok(param.clone()));
            assert_eq!(param.to_string(), text);
        }
        assert_eq!(parse("WasmExtBulkMemory=true"), Ok(WasmExtBulkMemory));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_valid_ones() {
        for text in ["", "=", "maxmemorypages=1", "Gas=1", " Backend=wasmtime"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, ParseExecutorParamError::UnknownName(_)), "{error}");
            for form in &FORMS {
                assert!(error.to_string().contains(form.name), "{error}");
            }
        }
    }

    #[test]
    fn a_missing_value_is_an_error_unless_there_is_nothing_to_say() {
        for form in FORMS.iter().filter(|form| form.name != "WasmExtBulkMemory") {
            let (name, expected) = (form.name, form.expected);
            assert_eq!(parse(name), Err(ParseExecutorParamError::MissingValue { name, expected }));
        }
    }

    #[test]
    fn a_wrong_value_is_an_error_that_says_what_was_expected() {
        for text in [
            "MaxMemoryPages=",
            "MaxMemoryPages=many",
            "StackLogicalMax=-1",
            "StackNativeMax=4294967296",
            "PrecheckingMaxMemory=1GiB",
            "PvfPrepTimeout=60000",
            "PvfPrepTimeout=backing:1",
            "PvfExecTimeout=backing:",
            "PvfExecTimeout=Backing:1",
            "WasmExtBulkMemory=false",
            "EnabledHostFunction=Ecc",
            "Backend=../wasmtime",
            "MaxGas=1e9",
        ] {
            let Err(error @ ParseExecutorParamError::InvalidValue { expected, .. }) = &parse(text)
            else {
                panic!("{text}")
            };
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
