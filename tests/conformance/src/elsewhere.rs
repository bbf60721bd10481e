//! What is done in a process of its own: this program, started again.

use crate::{
    Guests, apart, areas,
    subject::{Subject, on_guest_stack},
};
use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

/// Tells the program that it was started for a task.
const ARGUMENT: &str = "pvf-conformance-task";

/// Something to be done in a process of its own.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Subject, &[u8]) -> Result<Vec<u8>, String>,
}

/// Becomes a worker of a host, or does tests or a task of the suite's, and ends with that, if the program
/// was started for it. Call this first thing in `main`, before any thread is started.
pub fn run_if_asked() {
    pvf_workers::run_if_worker();
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some(ARGUMENT) => run(arguments),
        Some(apart::ARGUMENT) => subject(arguments).and_then(apart::serve),
        _ => return,
    };
    let code = match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    };
    std::process::exit(code);
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let name = arguments.next().ok_or("an argument is missing")?;
    let task = areas::TASKS.iter().copied().flatten().find(|task| task.name == name);
    let task = task.ok_or_else(|| format!("there is no task {name}"))?;
    let subject = subject(arguments)?;
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).map_err(|error| error.to_string())?;
    let output = on_guest_stack(|| (task.run)(&subject, &input))?;
    io::stdout().write_all(&output).map_err(|error| error.to_string())
}

/// What is under test, by the last arguments of the program.
fn subject(mut arguments: impl Iterator<Item = String>) -> Result<Subject, String> {
    let mut next = || arguments.next().ok_or("an argument is missing");
    let id = next()?.parse().map_err(|error| format!("{error}"))?;
    let guests = Guests::from_argument(&next()?).ok_or("there are no such guests")?;
    Ok(Subject::new(id, guests, PathBuf::from(next()?)))
}

impl Subject {
    /// Has a task done in a process of its own, and gives what it gives.
    pub(crate) fn elsewhere(&self, task: &Task, input: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |error: io::Error| format!("can't start this program again: {error}");
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args([ARGUMENT, task.name, self.id.as_str(), &self.guests.to_argument()])
            .arg(&self.scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may end before it has read all of it. Then its status says what is wrong.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        // What it said last is about its end.
        const LINES: usize = 4;
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said.lines().collect();
        let said = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Err(format!("in a process of its own ({}): {said}", output.status))
    }
}
