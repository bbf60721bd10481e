//! From the table to programs for the kernel, while this crate is compiled.
//!
//! A program is classic BPF. It looks at the architecture, finds the call's number by bisection, and
//! only then looks at arguments, if it has to. The kernel runs a program once for each number when it
//! is installed, and asks no more about those calls that it saw allowed without a look at an argument:
//! so the way there should be short.
//!
//! The numbers of the x32 interface, which has the architecture of x86-64, are found nowhere, as they
//! are larger than all others.
//!
//! A program that [leaves](Stage::leaves_to) something to the one before it is there to be short: it
//! looks for its calls one after the other, among those alone that get past the other one.

use super::{
    Stage,
    rules::{Action, Call, Condition, Machine, Rule, Value},
};
use libc::sock_filter;

/// What an instruction of BPF does, and nothing of how.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_IF_NOT_BELOW: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Where the kernel puts what a program can look at: `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The most instructions of a program.
const ROOM: usize = 1024;
/// The most calls of a program.
const CALLS: usize = 128;
/// So many calls in a row that are allowed are compared one after the other: as short, and quicker to
/// install.
const ROW: usize = 5;
/// The most jumps out of one case: two halves of each of six arguments.
const JUMPS: usize = 12;
/// The most rows of calls that a program which leaves something to another one allows.
const ROWS: usize = 32;

/// A program for the kernel.
#[derive(Clone, Copy)]
pub(super) struct Program {
    pub(super) code: &'static [sock_filter],
    /// The instruction whose operand has to become the id of the process.
    pub(super) own_process: Option<usize>,
}

/// A program in the making.
pub(super) struct Assembly {
    code: [sock_filter; ROOM],
    len: usize,
    own_process: Option<usize>,
}

/// The [`Program`] for a stage on a machine.
macro_rules! program {
    ($calls:expr, $machine:expr, $stage:expr) => {{
        const ASSEMBLY: Assembly = Assembly::new($calls, $machine, $stage);
        const CODE: [libc::sock_filter; ASSEMBLY.len()] = ASSEMBLY.code();
        ASSEMBLY.program(&CODE)
    }};
}
pub(super) use program;

impl Assembly {
    /// What is done with each of `calls`. Any other ends the process.
    pub(super) const fn new(calls: &[Call], machine: Machine, stage: Stage) -> Self {
        let mut this = Self { code: [instruction(0, 0); ROOM], len: 0, own_process: None };
        if let Some(before) = stage.leaves_to() {
            let (order, count) = sorted(calls, machine, before);
            this.push(LOAD, NUMBER);
            this.select(calls, order.split_at(count).0, machine, stage);
        } else {
            let (order, count) = sorted(calls, machine, stage);
            this.push(LOAD, ARCHITECTURE);
            let check = this.push(JUMP_IF_EQUAL, machine.audit_architecture());
            let wrong = this.answer(Action::Kill);
            this.aim(check, wrong + 1, wrong);
            this.push(LOAD, NUMBER);
            this.search(calls, order.split_at(count).0, machine, stage);
        }
        this
    }

    /// How many instructions it has.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Its instructions, which are `LEN`.
    pub(super) const fn code<const LEN: usize>(&self) -> [sock_filter; LEN] {
        assert!(LEN == self.len);
        let mut code = [instruction(0, 0); LEN];
        let mut at = 0;
        while at < LEN {
            code[at] = self.code[at];
            at += 1;
        }
        code
    }

    /// The program with these instructions.
    pub(super) const fn program(&self, code: &'static [sock_filter]) -> Program {
        Program { code, own_process: self.own_process }
    }

    /// Appends an instruction, and says where it is. A jump has to be [aimed](Self::aim).
    const fn push(&mut self, code: u32, operand: u32) -> usize {
        self.code[self.len] = instruction(code, operand);
        self.len += 1;
        self.len - 1
    }

    /// Appends the end.
    const fn answer(&mut self, action: Action) -> usize {
        self.push(RETURN, action.encode())
    }

    /// Has the jump at `at` go to `then` if its condition holds, and to `otherwise` if not.
    const fn aim(&mut self, at: usize, then: usize, otherwise: usize) {
        self.code[at].jt = distance(at, then);
        self.code[at].jf = distance(at, otherwise);
    }

    /// Finds the number, which is loaded, among those calls whose places are in `order`.
    const fn search(&mut self, calls: &[Call], order: &[usize], machine: Machine, stage: Stage) {
        match order {
            [] => {
                self.answer(Action::Kill);
            }
            _ if order.len() <= ROW && are_plain(calls, order, stage) => {
                let first = self.len;
                let mut at = 0;
                while at < order.len() {
                    self.push(JUMP_IF_EQUAL, number(&calls[order[at]], machine));
                    at += 1;
                }
                let kill = self.answer(Action::Kill);
                let allow = self.answer(Action::Allow);
                while at > 0 {
                    at -= 1;
                    let next = if at + 1 < order.len() { first + at + 1 } else { kill };
                    self.aim(first + at, allow, next);
                }
            }
            [one] => {
                let call = &calls[*one];
                let is_it = self.push(JUMP_IF_EQUAL, number(call, machine));
                self.decide(is_it, rule(call, stage));
            }
            _ => {
                let (below, rest) = order.split_at(order.len() / 2);
                let half = self.push(JUMP_IF_NOT_BELOW, number(&calls[rest[0]], machine));
                self.search(calls, below, machine, stage);
                self.aim(half, self.len, half + 1);
                self.search(calls, rest, machine, stage);
            }
        }
    }

    /// Finds the number, which is loaded and is that of one of the calls whose places are in `order`. So
    /// where several in a row are allowed, it is enough to compare with the first and the last.
    const fn select(&mut self, calls: &[Call], order: &[usize], machine: Machine, stage: Stage) {
        let (mut rows, mut count) = ([0; ROWS], 0);
        let mut at = 0;
        while at < order.len() {
            let call = &calls[order[at]];
            let mut end = at;
            while end < order.len() && are_plain(calls, &[order[end]], stage) {
                end += 1;
            }
            if end > at {
                if end == at + 1 {
                    rows[count] = self.push(JUMP_IF_EQUAL, number(call, machine));
                } else {
                    let first = self.push(JUMP_IF_NOT_BELOW, number(call, machine));
                    let last = number(&calls[order[end - 1]], machine);
                    rows[count] = self.push(JUMP_IF_NOT_BELOW, last + 1);
                    self.aim(first, first + 1, first + 2);
                }
                count += 1;
                at = end;
            } else {
                if !rule(call, stage).is_kill() {
                    let is_it = self.push(JUMP_IF_EQUAL, number(call, machine));
                    self.apply(rule(call, stage));
                    self.aim(is_it, is_it + 1, self.len);
                }
                at += 1;
            }
        }
        self.answer(Action::Kill);
        let allow = self.answer(Action::Allow);
        while count > 0 {
            count -= 1;
            let row = rows[count];
            if self.code[row].code as u32 == JUMP_IF_EQUAL {
                self.aim(row, allow, row + 1);
            } else {
                self.aim(row, row + 1, allow);
            }
        }
    }

    /// Applies a rule, if the jump `is_it` says that it is the one to apply.
    const fn decide(&mut self, is_it: usize, rule: &Rule) {
        let end = self.apply(rule);
        let miss = match rule.otherwise {
            Action::Kill => end,
            _ => self.answer(Action::Kill),
        };
        self.aim(is_it, is_it + 1, miss);
    }

    /// Applies a rule. Says where the answer is that is given when no case applies.
    const fn apply(&mut self, rule: &Rule) -> usize {
        let mut at = 0;
        while at < rule.cases.len() {
            self.case(rule.cases[at].when, rule.cases[at].then);
            at += 1;
        }
        self.answer(rule.otherwise)
    }

    /// Answers if all conditions hold, and else comes out behind.
    const fn case(&mut self, when: &[Condition], action: Action) {
        let (mut jumps, mut count) = ([0; JUMPS], 0);
        let mut at = 0;
        while at < when.len() {
            let condition = &when[at];
            let (low, high) = match condition.value {
                Value::Number(value) => (value as u32, (value >> 32) as u32),
                Value::OwnProcess => {
                    assert!(condition.mask as u32 == u32::MAX, "all bits of the process's id");
                    (0, 0)
                }
            };
            let offset = ARGUMENTS + 8 * condition.argument as u32;
            let halves = [
                (offset, condition.mask as u32, low),
                (offset + 4, (condition.mask >> 32) as u32, high),
            ];
            let mut half = 0;
            while half < halves.len() {
                let (offset, mask, value) = halves[half];
                if mask != 0 {
                    self.push(LOAD, offset);
                    if mask != u32::MAX {
                        self.push(AND, mask);
                    }
                    jumps[count] = self.push(JUMP_IF_EQUAL, value);
                    if half == 0 && matches!(condition.value, Value::OwnProcess) {
                        assert!(self.own_process.is_none(), "one place for the process's id");
                        self.own_process = Some(jumps[count]);
                    }
                    count += 1;
                }
                half += 1;
            }
            at += 1;
        }
        self.answer(action);
        while count > 0 {
            count -= 1;
            self.aim(jumps[count], jumps[count] + 1, self.len);
        }
    }
}

/// What a stage's program has to do with a call.
const fn rule(call: &Call, stage: Stage) -> &Rule {
    match stage.leaves_to() {
        Some(before) if call.rule(stage).is_alike(call.rule(before)) => &Rule::ALLOW,
        _ => call.rule(stage),
    }
}

/// Whether all of these calls are allowed without a look at an argument.
const fn are_plain(calls: &[Call], order: &[usize], stage: Stage) -> bool {
    let mut at = 0;
    while at < order.len() {
        let Rule { cases, otherwise } = rule(&calls[order[at]], stage);
        if !cases.is_empty() || !matches!(otherwise, Action::Allow) {
            return false;
        }
        at += 1;
    }
    true
}

/// The places of those calls that do not always end the process, by their numbers, and how many these
/// are.
const fn sorted(calls: &[Call], machine: Machine, stage: Stage) -> ([usize; CALLS], usize) {
    let (mut order, mut count) = ([0; CALLS], 0);
    let mut at = 0;
    while at < calls.len() {
        if calls[at].number(machine).is_some() && !calls[at].rule(stage).is_kill() {
            let new = number(&calls[at], machine);
            let mut place = count;
            while place > 0 && number(&calls[order[place - 1]], machine) > new {
                order[place] = order[place - 1];
                place -= 1;
            }
            assert!(
                place == 0 || number(&calls[order[place - 1]], machine) != new,
                "two calls with the same number"
            );
            order[place] = at;
            count += 1;
        }
        at += 1;
    }
    (order, count)
}

const fn number(call: &Call, machine: Machine) -> u32 {
    call.number(machine).expect("only calls that have a number are sorted")
}

const fn instruction(code: u32, operand: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k: operand }
}

/// How far a jump goes: so many instructions are left out.
const fn distance(from: usize, to: usize) -> u8 {
    let distance = to - from - 1;
    assert!(distance <= u8::MAX as usize, "a jump goes too far: the table has become too long");
    distance as u8
}
