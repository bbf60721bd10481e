//! Modules in WebAssembly that no Rust source gives, and what the network says to them.

use crate::{
    subject::{ENTRY_POINT, Subject, artifact_of},
    test::{Verdict, demands, ensure},
    vectors::{INPUT, Vector, answers, differences, vectors_about},
};
use pvf_host_core::{
    backend::{BackendPrepareError, ExecuteError, LoadError},
    primitives::{ExecutorParams, hex},
};

demands! {
    "webassembly", WebAssembly;
    floats_as_recorded: "Operations on floating-point numbers give the recorded bits, those of results that are not \
        numbers included: the canonical ones.";
    instructions_as_recorded: "Instructions give the recorded results.";
    memory_as_recorded: "Memory begins, grows, and ends where recorded, to the page and to the byte; an initial memory \
        above the limit is the code's fault, and so is a segment that does not fit.";
    modules_as_recorded: "Imports, exports and start functions are accepted, refused, called and missed as recorded; \
        a start function that traps is a trap.";
    output_as_recorded: "Results are read where they lie, and refused where they do not, as recorded.";
    proposals_as_recorded: "Extensions of WebAssembly are accepted and refused as recorded, when the code is prepared.";
    reading_as_recorded: "Malformed and odd code is refused as recorded: by `prevalidate`, or by `prepare`.";
    stack_as_recorded: "The logical stack is full at the recorded call.";
    tables_as_recorded: "Indirect calls give the recorded results and traps; elements that do not fit are the code's \
        fault.";
    traps_as_recorded: "Traps are traps, and what is none is not.";
}

/// Where engines may differ by what they can hold at most, or take very long.
const OF_THE_ENGINE: [&str; 3] = [
    "reading/code-with-50000-locals",
    "tables/a-table-of-4-gi-elements",
    "memory/grow-to-all-pages",
];

macro_rules! topics {
    ($($name:ident = $topic:literal;)*) => {
        $(fn $name(subject: &Subject) -> Verdict {
            check(subject, $topic)
        })*
    };
}

topics! {
    floats_as_recorded = "floats";
    instructions_as_recorded = "instructions";
    memory_as_recorded = "memory";
    modules_as_recorded = "modules";
    output_as_recorded = "output";
    proposals_as_recorded = "proposals";
    reading_as_recorded = "reading";
    stack_as_recorded = "stack";
    tables_as_recorded = "tables";
    traps_as_recorded = "traps";
}

fn check(subject: &Subject, topic: &str) -> Verdict {
    let (answers, differences) = (answers(), differences());
    let mut wrong = Vec::new();
    let mut tried = 0;
    for vector in &vectors_about(topic) {
        if OF_THE_ENGINE.contains(&&vector.name[..]) {
            continue;
        }
        let expected = differences.get(&vector.name).or_else(|| answers.get(&vector.name));
        let expected = expected.ok_or_else(|| format!("{} has no answer", vector.name))?;
        let answer = answer(subject, vector)?;
        if answer != without_words(expected) {
            wrong.push(format!("{}: {answer}, and has to be {expected}", vector.name));
        }
        tried += 1;
    }
    ensure!(tried > 0, "there are no modules about {topic}");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// An answer, without what each engine says in its own words.
fn without_words(answer: &str) -> &str {
    if answer.starts_with("execute trap") { "execute trap" } else { answer }
}

/// What becomes of a module, in the words of the file of answers.
fn answer(subject: &Subject, vector: &Vector) -> Result<String, String> {
    let params = ExecutorParams::new(vector.params.clone());
    let artifact = match subject.try_prepare(&vector.code, &params)? {
        Ok(artifact) => artifact_of(&artifact)?,
        Err(BackendPrepareError::Prevalidation(_)) => return Ok("prevalidate refused".into()),
        Err(BackendPrepareError::Compilation(_)) => return Ok("prepare refused".into()),
        Err(error) => return Ok(format!("prepare {error:?}")),
    };
    let mut loaded = match subject.try_load(&artifact, &params)? {
        Ok(loaded) => loaded,
        Err(LoadError::RuntimeConstruction(_)) => return Ok("execute construction".into()),
        Err(error) => return Ok(format!("load {error:?}")),
    };
    Ok(match loaded.call_with(ENTRY_POINT, INPUT, ()) {
        Ok(output) => format!("execute ok {}", hex::encode(output)),
        Err(ExecuteError::Trap(_)) => "execute trap".into(),
        Err(ExecuteError::Panic(words)) => format!("execute panic {words}"),
        Err(ExecuteError::RuntimeConstruction(_)) => "execute construction".into(),
        Err(ExecuteError::Machine(error)) => format!("execute machine {error}"),
        Err(_) => "execute failed".into(),
    })
}
