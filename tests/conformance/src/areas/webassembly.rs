//! Modules in WebAssembly that no Rust source gives, and what the network says to them.

use crate::{
    elsewhere::Task,
    subject::{ENTRY_POINT, Subject, artifact_of},
    test::{Verdict, demands, ensure},
    vectors::{INPUT, Vector, answers, differences, vectors_about},
};
use pvf_host_core::{
    backend::{BackendPrepareError, ExecuteError, LoadError},
    primitives::{ExecutorParams, hex},
};
use rustix::process::{Resource, Rlimit, setrlimit};

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
    reading_as_recorded: "Malformed and odd code is refused as recorded: by `prevalidate`, or by `prepare`. So is \
        code that the engine can't hold, and no later.";
    stack_as_recorded: "The logical stack is full at the recorded call, also where it is as deep as by default: \
        the engine's own stack is not full before.";
    tables_as_recorded: "Indirect calls give the recorded results and traps; elements that do not fit are the code's \
        fault.";
    traps_as_recorded: "Traps are traps, and what is none is not.";
    a_huge_table_is_not_the_machines: "A table of 4 Gi elements, which no executor parameter forbids, is refused \
        when the code is prepared, or is `RuntimeConstruction`, as recorded: it is not the machine's fault that \
        there is not so much memory, and not the end of the process.";
}

/// What takes very long on some engines, or is done in a process apart.
const NOT_HERE: [&str; 2] = ["memory/grow-to-all-pages", HUGE_TABLE];

/// Where engines may differ by what they can hold at most. They have to say so when they prepare it.
const OF_THE_ENGINE: [&str; 2] =
    ["reading/code-with-50000-locals", "reading/an-entry-point-with-40000-locals"];

const HUGE_TABLE: &str = "tables/a-table-of-4-gi-elements";

/// Gives the answer to the module with the huge table, with so little memory that no table of that size
/// fits into it.
const ANSWER_TO_HUGE_TABLE: Task = Task {
    name: "webassembly::answer_to_huge_table",
    run: |subject, _| {
        let limit = Some(4 << 30);
        setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit })
            .map_err(|error| format!("can't limit the memory: {error}"))?;
        let vectors = vectors_about("tables");
        let vector = vectors.iter().find(|vector| vector.name == HUGE_TABLE);
        answer(subject, vector.ok_or("there is no such module")?).map(String::into_bytes)
    },
};

pub(crate) const TASKS: &[Task] = &[ANSWER_TO_HUGE_TABLE];

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

fn a_huge_table_is_not_the_machines(subject: &Subject) -> Verdict {
    let answer = subject.elsewhere(&ANSWER_TO_HUGE_TABLE, &[])?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!([REFUSED_BY_PREPARE, "execute construction"].contains(&&*answer), "{answer}");
    Ok(())
}

fn check(subject: &Subject, topic: &str) -> Verdict {
    let (answers, differences) = (answers(), differences());
    let mut wrong = Vec::new();
    let mut tried = 0;
    for vector in &vectors_about(topic) {
        if NOT_HERE.contains(&&vector.name[..]) {
            continue;
        }
        let expected = differences.get(&vector.name).or_else(|| answers.get(&vector.name));
        let expected = expected.ok_or_else(|| format!("{} has no answer", vector.name))?;
        let answer = answer(subject, vector)?;
        let may_be_refused = OF_THE_ENGINE.contains(&&vector.name[..]);
        let is_right =
            answer == without_words(expected) || may_be_refused && answer == REFUSED_BY_PREPARE;
        if !is_right {
            wrong.push(format!("{}: {answer}, and has to be {expected}", vector.name));
        }
        tried += 1;
    }
    ensure!(tried > 0, "there are no modules about {topic}");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

const REFUSED_BY_PREPARE: &str = "prepare refused";

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
        Err(BackendPrepareError::Compilation(_)) => return Ok(REFUSED_BY_PREPARE.into()),
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
