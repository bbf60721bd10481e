//! The terms of the table: what is done with a call, and on which conditions.

use super::Stage;

/// The calls of a processor are numbered in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The kernel's name for it, and for the way in which it is called: 64 bits, little endian.
    pub(super) const fn audit_architecture(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}

/// A system call.
pub(super) struct Call {
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page"))]
    pub(super) name: &'static str,
    /// Its number on x86-64, if it exists there or is needed.
    pub(super) x86_64: Option<u32>,
    /// The same on 64-bit ARM.
    pub(super) aarch64: Option<u32>,
    /// What it is needed for.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page"))]
    pub(super) reason: &'static str,
    /// What is done with it, for each [`Stage`] in the order of their declaration.
    pub(super) rules: [Rule; Stage::ALL.len()],
}

impl Call {
    pub(super) const fn number(&self, machine: Machine) -> Option<u32> {
        match machine {
            Machine::X86_64 => self.x86_64,
            Machine::Aarch64 => self.aarch64,
        }
    }

    pub(super) const fn rule(&self, stage: Stage) -> &Rule {
        &self.rules[stage as usize]
    }
}

/// What is done with a call: what the first case says that applies.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) cases: &'static [Case],
    pub(super) otherwise: Action,
}

impl Rule {
    /// It is made, whatever its arguments.
    pub(super) const ALLOW: Self = Self { cases: &[], otherwise: Action::Allow };
    /// It ends the process.
    pub(super) const KILL: Self = Self { cases: &[], otherwise: Action::Kill };

    /// It is made in these cases, and ends the process in others.
    pub(super) const fn only(cases: &'static [Case]) -> Self {
        Self { cases, otherwise: Action::Kill }
    }

    /// It fails, whatever its arguments.
    pub(super) const fn fail(error: Error) -> Self {
        Self { cases: &[], otherwise: Action::Fail(error) }
    }

    /// It fails where it would end the process.
    pub(super) const fn or_fail(self, error: Error) -> Self {
        Self { cases: self.cases, otherwise: Action::Fail(error) }
    }

    /// Whether this rule does the same as another one, in whichever process each is applied.
    pub(super) const fn is_alike(&self, other: &Self) -> bool {
        let mut at = 0;
        while at < self.cases.len() && at < other.cases.len() {
            if !self.cases[at].is_alike(&other.cases[at]) {
                return false;
            }
            at += 1;
        }
        self.cases.len() == other.cases.len() && self.otherwise.encode() == other.otherwise.encode()
    }

    /// Whether a call that this rule is about ends the process, in any case.
    pub(super) const fn is_kill(&self) -> bool {
        self.cases.is_empty() && matches!(self.otherwise, Action::Kill)
    }
}

/// What is done when all conditions hold.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) when: &'static [Condition],
    pub(super) then: Action,
}

impl Case {
    /// The call is made when all of this holds.
    pub(super) const fn allow(when: &'static [Condition]) -> Self {
        Self { when, then: Action::Allow }
    }

    /// The call fails when all of this holds.
    pub(super) const fn fail(when: &'static [Condition], error: Error) -> Self {
        Self { when, then: Action::Fail(error) }
    }

    const fn is_alike(&self, other: &Self) -> bool {
        let mut at = 0;
        while at < self.when.len() && at < other.when.len() {
            if !self.when[at].is_alike(&other.when[at]) {
                return false;
            }
            at += 1;
        }
        self.when.len() == other.when.len() && self.then.encode() == other.then.encode()
    }
}

/// What the kernel does instead of asking any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Makes the call.
    Allow,
    /// Makes no call, and returns an error.
    Fail(Error),
    /// Ends the process with the signal SIGSYS.
    Kill,
}

impl Action {
    /// What a filter returns for it.
    pub(super) const fn encode(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Fail(error) => libc::SECCOMP_RET_ERRNO | error.number() as u32,
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// What a call fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    Eacces,
    Ebadf,
    Einval,
    Enosys,
    Eperm,
}

impl Error {
    pub(super) const fn number(self) -> i32 {
        match self {
            Self::Eacces => libc::EACCES,
            Self::Ebadf => libc::EBADF,
            Self::Einval => libc::EINVAL,
            Self::Enosys => libc::ENOSYS,
            Self::Eperm => libc::EPERM,
        }
    }
}

/// Something that holds for one argument.
#[derive(Clone, Copy)]
pub(super) struct Condition {
    /// Which one, counted from 0.
    pub(super) argument: u8,
    /// The bits that are looked at.
    pub(super) mask: u64,
    /// What they are.
    pub(super) value: Value,
    /// The same, for people.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page"))]
    pub(super) words: &'static str,
}

/// What an argument is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    /// The process that has installed the filter, by its id.
    OwnProcess,
}

/// What the kernel reads of an argument that is a C `int`.
pub(super) const INT: u64 = 0xffff_ffff;

impl Condition {
    /// An argument of type `int` is `value`. The kernel does not look at its other half either.
    pub(super) const fn int(argument: u8, value: i32, words: &'static str) -> Self {
        Self::bits(argument, INT, value as u32 as u64, words)
    }

    /// The bits in `mask` are those of `value`.
    pub(super) const fn bits(argument: u8, mask: u64, value: u64, words: &'static str) -> Self {
        assert!(value & !mask == 0, "a condition that never holds");
        Self { argument, mask, value: Value::Number(value), words }
    }

    /// An argument of type `int` has no bits but those of `bits`.
    pub(super) const fn within(argument: u8, bits: i32, words: &'static str) -> Self {
        Self::bits(argument, INT & !(bits as u64), 0, words)
    }

    /// An argument of type `int` is this process.
    pub(super) const fn own_process(argument: u8, words: &'static str) -> Self {
        Self { argument, mask: INT, value: Value::OwnProcess, words }
    }

    /// Whether this holds whenever the other does. What is about a process is not about another one.
    const fn is_alike(&self, other: &Self) -> bool {
        match (self.value, other.value) {
            (Value::Number(one), Value::Number(another)) => {
                self.argument == other.argument && self.mask == other.mask && one == another
            }
            _ => false,
        }
    }
}
