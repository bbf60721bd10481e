//! A process that answers lines: the reference, or ourselves.

use pvf_host_core::primitives::hex;
use pvf_tests::verdict::Verdict;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

/// A process that gets lines `CODE_FILE PARAMS_FILE [EXECUTOR_PARAMS]` and answers each with a line of
/// JSON. It is started when it is needed, and again after it died or had to be killed.
pub(crate) struct Peer {
    command: Box<dyn Fn() -> Command + Send>,
    timeout: Duration,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Verdict(Verdict),
    /// It died, or did not answer in time.
    None,
}

impl Peer {
    pub(crate) fn new(command: impl Fn() -> Command + Send + 'static, timeout: Duration) -> Self {
        Self { command: Box::new(command), timeout, running: None }
    }

    /// Asks. [`answer`](Self::answer) has to be called before the next question.
    pub(crate) fn ask(&mut self, code: &Path, input: &Path, executor_params: &str) {
        let mut running = self.running.take().unwrap_or_else(|| self.start());
        let (code, input) = (code.display(), input.display());
        if writeln!(running.input, "{code} {input} {executor_params}").is_ok() {
            self.running = Some(running);
        }
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let Some(running) = &self.running else { return Answer::None };
        let line = running.lines.recv_timeout(self.timeout);
        match line.ok().and_then(|line| parse(&line)) {
            Some(verdict) => Answer::Verdict(verdict),
            None => {
                self.running = None;
                Answer::None
            }
        }
    }

    fn start(&self) -> Running {
        let mut command = (self.command)();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes");
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running { child, input, lines }
    }
}

/// Reads an answer.
fn parse(line: &str) -> Option<Verdict> {
    let json: serde_json::Value = serde_json::from_str(line).ok()?;
    let stage = json["stage"].as_str()?.parse().ok()?;
    let result = if json["ok"].as_bool()? {
        Ok(hex::decode(json["output"].as_str()?).ok()?)
    } else {
        Err(json["error"].as_str().unwrap_or_default().to_owned())
    };
    Some(Verdict { stage, result })
}
