//! What the programs do, in an interpreter and in the kernel, against what the table says.

mod interpreter;
mod kernel;
mod page;
mod table;

use super::{
    Program, Stage,
    rules::{Action, Machine, Value},
};
use interpreter::Request;

const MACHINES: [Machine; 2] = [Machine::X86_64, Machine::Aarch64];

/// The process in whose programs and table own processes are this one.
const PROCESS: u32 = 4711;

fn program(machine: Machine, stage: Stage) -> &'static Program {
    match machine {
        Machine::X86_64 => &super::X86_64[stage as usize],
        Machine::Aarch64 => &super::AARCH64[stage as usize],
    }
}

/// What the program of a stage answers, together with the one that it leaves something to: the strictest
/// counts, as it does for the kernel, where a smaller number is a stricter action.
fn run(machine: Machine, stage: Stage, request: &Request) -> u32 {
    let program = program(machine, stage);
    let mut code = program.code.to_vec();
    if let Some(at) = program.own_process {
        code[at].k = PROCESS;
    }
    let own = interpreter::run(&code, request);
    let Some(before) = stage.leaves_to() else { return own };
    let before = run(machine, before, request);
    let action = |answer: u32| (answer & libc::SECCOMP_RET_ACTION_FULL).cast_signed();
    if action(before) < action(own) { before } else { own }
}

/// What the table says, read in the plainest way.
fn look_up(machine: Machine, stage: Stage, request: &Request) -> Action {
    if request.architecture != machine.audit_architecture() {
        return Action::Kill;
    }
    let calls = super::CALLS.iter();
    let mut calls = calls.filter(|call| call.number(machine) == Some(request.number));
    let Some(call) = calls.next() else { return Action::Kill };
    let rule = call.rule(stage);
    let case = rule.cases.iter().find(|case| {
        case.when.iter().all(|condition| {
            let argument = request.arguments[usize::from(condition.argument)];
            let value = match condition.value {
                Value::Number(value) => value,
                Value::OwnProcess => PROCESS.into(),
            };
            argument & condition.mask == value
        })
    });
    case.map_or(rule.otherwise, |case| case.then)
}
