//! What a worker does: load once, fork for each candidate, and call in the fork, confined.

use crate::{
    elsewhere::Task,
    guests::{
        ADDER, BIG_OUTPUT, Candidate, GUESTS, Guest, HASHER, HOST_CALLS, INTERPRETER, MEMORY_HOG,
        MESSAGES, Outcome, PANICKER, RANDOM_ACCESS, RECURSION, SIGNATURES, STORAGE_PROOF,
    },
    host_calls::Case,
    request,
    subject::{Subject, artifact_of},
    test::{Verdict, demands, differ, ensure},
};
use parity_scale_codec::{Decode, Encode};
use pvf_host_core::{
    backend::{ExecuteError, MachineError},
    primitives::{ExecutorParam, ExecutorParams},
};
use rustix::process::{Resource, Rlimit, setrlimit};

demands! {
    "forks";
    many_forks_call_what_was_loaded_once: "After `load` the process forks twenty times, and a call in each \
        fork gives the right result: nothing that a call needs is lost by a fork.";
    a_fork_sees_nothing_of_another: "What one fork does with an instance, another one does not see.";
    a_fork_after_a_call_is_right: "A fork of a process that has called into the artifact itself gives the right \
        result too.";
    forks_of_forks_are_right: "Artifacts loaded one after the other in one process can each be called in forks.";
    a_valid_call_is_confined: "A call that succeeds makes no system call that is not listed for a job, and \
        needs no descriptor.";
    a_large_output_is_confined: "The same for a call with 16 MiB of output.";
    growing_memory_is_confined: "The same for a call that takes all the memory that it may have.";
    a_trap_is_confined: "The same for a call that traps.";
    a_panic_is_confined: "The same for a call in which the guest panics.";
    recursion_is_confined: "The same for a call that ends where the stack does.";
    host_functions_are_confined: "The same for calls of host functions that succeed and that trap.";
    running_out_of_gas_is_confined: "The same for a call that runs out of gas, if the backend meters.";
    a_missing_function_is_confined: "The same for a call of a function that the guest does not export.";
    computing_is_confined: "The same for calls that only compute and use memory.";
    too_little_memory_is_the_machines: "A call that the machine has no memory for is `Machine`, whether the guest \
        grows its memory, the host's allocator does, or the input needs it; or the job ends, as it does \
        where Rust itself can't allocate; or the call gives what it gives on other machines, if it needs no \
        memory. The guest is not told that it has got less than it may have, and is not blamed.";
}

/// Forks with one loaded artifact, and calls in each fork.
const FORK: Task = Task { name: "forks::fork", run: fork };

pub(crate) const TASKS: &[Task] = &[FORK];

/// What is to be done in the process that forks.
#[derive(Debug, Default, Encode, Decode)]
struct Work {
    artifact: Vec<u8>,
    params: ExecutorParams,
    /// Whether the forks take all measures from themselves that a job does.
    is_confined: bool,
    /// Whether the forks get no more memory than there is when they are made.
    lacks_memory: bool,
    /// Inputs with which the process calls itself before it forks.
    before: Vec<Vec<u8>>,
    /// The function and the input for each fork.
    calls: Vec<(String, Vec<u8>)>,
}

/// What a call has come to, as it can be sent.
type Called = Result<Vec<u8>, ExecuteError>;

fn fork(subject: &Subject, mut input: &[u8]) -> Result<Vec<u8>, String> {
    let work = Work::decode(&mut input).map_err(|error| error.to_string())?;
    let mut loaded = subject.load(&artifact_of(&work.artifact)?, &work.params)?;
    for input in &work.before {
        let _ = loaded.call(input);
    }
    let mut results: Vec<Called> = Vec::new();
    for (number, (function, input)) in work.calls.iter().enumerate() {
        let call = || {
            if work.lacks_memory {
                take_all_memory();
            }
            loaded.call_with(function, input, ())
        };
        let called = pvf_workers::parts::fork(work.is_confined, call);
        results.push(match called {
            Ok(called) => called,
            // No answer: the host takes that for no verdict either.
            Err(end) if work.lacks_memory => Err(MachineError(end).into()),
            Err(error) => return Err(format!("fork {number}: {error}")),
        });
    }
    Ok(results.encode())
}

/// Lets no more memory of this process become writable than already is.
fn take_all_memory() {
    let limit = Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
    // Where this can't be done there is memory, and the call gives what it should.
    let _ = setrlimit(Resource::Data, limit);
    // Some engines panic then, and what they say would need memory.
    std::panic::set_hook(Box::new(|_| {}));
}

impl Work {
    fn new(subject: &Subject, guest: &Guest, params: &[ExecutorParam]) -> Result<Self, String> {
        let params = ExecutorParams::new(params.to_vec());
        let artifact = subject.artifact(guest, &params)?.bytes().to_vec();
        Ok(Self { artifact, params, ..Self::default() })
    }

    /// What comes of the calls.
    fn run(&self, subject: &Subject) -> Result<Vec<Called>, String> {
        let output = subject.elsewhere(&FORK, &self.encode())?;
        let results = Vec::<Called>::decode(&mut &output[..]).map_err(|error| error.to_string())?;
        ensure!(results.len() == self.calls.len(), "{} results", results.len());
        Ok(results)
    }
}

/// The function and the input for a candidate.
fn call_of(candidate: &Candidate) -> (String, Vec<u8>) {
    (crate::subject::ENTRY_POINT.to_owned(), candidate.params.encode())
}

/// Calls a guest with candidates, each in a fork, and checks what comes of it.
fn check(subject: &Subject, mut work: Work, candidates: &[Candidate]) -> Verdict {
    work.calls = candidates.iter().map(call_of).collect();
    for (candidate, called) in candidates.iter().zip(work.run(subject)?) {
        let outcome = crate::subject::outcome(called);
        if outcome != candidate.expected {
            let what = format!("{}, {}", candidate.guest.name, candidate.name);
            return Err(differ(&what, &outcome, &candidate.expected));
        }
    }
    Ok(())
}

/// Candidates of a guest with the default parameters.
fn plain(guest: &'static Guest, is_chosen: impl Fn(&Candidate) -> bool) -> Vec<Candidate> {
    let mut candidates = Candidate::of(guest);
    candidates.retain(|candidate| candidate.executor_params.is_empty() && is_chosen(candidate));
    candidates
}

fn many_forks_call_what_was_loaded_once(subject: &Subject) -> Verdict {
    let candidates = plain(&HASHER, |_| true);
    let many: Vec<_> = candidates.iter().cycle().take(20).cloned().collect();
    check(subject, Work::new(subject, &HASHER, &[])?, &many)
}

fn a_fork_sees_nothing_of_another(subject: &Subject) -> Verdict {
    let candidates = plain(&MEMORY_HOG, |candidate| candidate.name.contains("129"));
    let many: Vec<_> = candidates.iter().cycle().take(6).cloned().collect();
    check(subject, Work::new(subject, &MEMORY_HOG, &[])?, &many)
}

fn a_fork_after_a_call_is_right(subject: &Subject) -> Verdict {
    let candidates = plain(&MESSAGES, |_| true);
    let mut work = Work::new(subject, &MESSAGES, &[])?;
    // The last ones panic.
    work.before = candidates.iter().map(|candidate| candidate.params.encode()).collect();
    check(subject, work, &candidates)
}

fn forks_of_forks_are_right(subject: &Subject) -> Verdict {
    for guest in GUESTS {
        let mut candidates =
            plain(guest, |candidate| matches!(candidate.expected, Outcome::Valid(_)));
        candidates.truncate(1);
        if !candidates.is_empty() {
            check(subject, Work::new(subject, guest, &[])?, &candidates)?;
        }
    }
    Ok(())
}

/// The same, confined.
fn confined(
    subject: &Subject,
    guest: &'static Guest,
    is_chosen: impl Fn(&Candidate) -> bool,
) -> Verdict {
    let candidates = plain(guest, is_chosen);
    ensure!(!candidates.is_empty(), "there are no such candidates for {}", guest.name);
    let work = Work { is_confined: true, ..Work::new(subject, guest, &[])? };
    check(subject, work, &candidates)
}

fn is_valid(candidate: &Candidate) -> bool {
    matches!(candidate.expected, Outcome::Valid(_))
}

fn a_valid_call_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &ADDER, is_valid)?;
    confined(subject, &MESSAGES, is_valid)
}

fn a_large_output_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &BIG_OUTPUT, |candidate| candidate.name.contains("16777216"))
}

fn growing_memory_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &MEMORY_HOG, is_valid)
}

fn a_trap_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &BIG_OUTPUT, |candidate| candidate.expected == Outcome::Trap)?;
    confined(subject, &MEMORY_HOG, |candidate| candidate.expected == Outcome::Trap)
}

fn a_panic_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &PANICKER, |_| true)
}

fn recursion_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &RECURSION, |_| true)
}

fn computing_is_confined(subject: &Subject) -> Verdict {
    confined(subject, &INTERPRETER, is_valid)?;
    confined(subject, &RANDOM_ACCESS, is_valid)
}

fn host_functions_are_confined(subject: &Subject) -> Verdict {
    confined(subject, &HASHER, is_valid)?;
    confined(subject, &SIGNATURES, is_valid)?;
    confined(subject, &STORAGE_PROOF, |_| true)?;
    // One call of each function that was recorded, and one that traps.
    let blob = subject.guests.blob(&HOST_CALLS)?;
    let mut work = Work { is_confined: true, ..Work::new(subject, &HOST_CALLS, &[])? };
    let mut seen = std::collections::HashSet::new();
    let mut cases = Case::all();
    cases.retain(|case| {
        let last = case.calls.last().map_or("", |call| call.function.name);
        let is_valid = case.outcome == crate::host_calls::Outcome::Valid;
        case.is_for(&blob) && !case.elliptic_curves && seen.insert((last, is_valid))
    });
    let input = |case: &Case| request::params(case.block()).encode();
    let entry_point = crate::subject::ENTRY_POINT;
    work.calls = cases.iter().map(|case| (entry_point.to_owned(), input(case))).collect();
    for (case, called) in cases.iter().zip(work.run(subject)?) {
        let head = called.and_then(|output| match crate::subject::outcome(Ok(output)) {
            Outcome::Valid(result) => Ok(result.head_data.0),
            other => Err(ExecuteError::InvalidOutput(format!("{other:?}"))),
        });
        case.check(head.as_deref())?;
    }
    Ok(())
}

fn running_out_of_gas_is_confined(subject: &Subject) -> Verdict {
    if !subject.meters_gas()? {
        return Ok(());
    }
    let gas = [ExecutorParam::MaxGas(1000)];
    let mut work = Work { is_confined: true, ..Work::new(subject, &INTERPRETER, &gas)? };
    let input = request::params(100_u32.encode()).encode();
    work.calls = vec![(crate::subject::ENTRY_POINT.to_owned(), input)];
    let called = work.run(subject)?;
    ensure!(called == [Err(ExecuteError::OutOfGas)], "the call gives {called:?}");
    Ok(())
}

fn too_little_memory_is_the_machines(subject: &Subject) -> Verdict {
    let taking = plain(&MEMORY_HOG, |candidate| candidate.name.ends_with(" 129 MiB"));
    let mut large = Candidate::of(&ADDER).swap_remove(0);
    large.params.block_data.0.resize(31 << 20, 7);
    for (guest, candidates) in [(&MEMORY_HOG, taking), (&ADDER, vec![large])] {
        ensure!(!candidates.is_empty(), "there are no such candidates for {}", guest.name);
        let mut work = Work { lacks_memory: true, ..Work::new(subject, guest, &[])? };
        work.calls = candidates.iter().map(call_of).collect();
        for (candidate, called) in candidates.iter().zip(work.run(subject)?) {
            let is_the_machines = matches!(called, Err(ExecuteError::Machine(_)));
            let outcome = crate::subject::outcome(called);
            ensure!(
                is_the_machines || outcome == candidate.expected,
                "{}, {}: {outcome:?}",
                guest.name,
                candidate.name
            );
        }
    }
    Ok(())
}

fn a_missing_function_is_confined(subject: &Subject) -> Verdict {
    let mut work = Work { is_confined: true, ..Work::new(subject, &ADDER, &[])? };
    work.calls = vec![("absent".to_owned(), vec![])];
    let called = work.run(subject)?;
    ensure!(matches!(called[0], Err(ExecuteError::InvalidOutput(_))), "the call gives {called:?}");
    Ok(())
}
