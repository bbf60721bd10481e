//! Commands, and how they are run.

use crate::{Block, root};
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

/// A command of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// As it stands there, without a comment behind it.
    pub text: String,
    /// How it is to exit.
    pub exit_code: i32,
}

/// The commands in a block: one in each line, and in those after one that ends in a backslash.
///
/// # Panics
///
/// If a comment has no number where it ought to.
pub fn commands(block: &str) -> Vec<Command> {
    let joined = block.replace("\\\n", "\0");
    let lines = joined.lines().map(|line| line.replace('\0', "\\\n"));
    let commands = lines.filter_map(|line| {
        let (text, comment) = match line.split_once(" #") {
            Some((text, comment)) => (text, comment.trim()),
            None => (line.as_str(), ""),
        };
        let text = text.trim();
        let exit_code = match comment.strip_prefix("exit code ") {
            Some(code) => code.parse().expect("an exit code is a number"),
            None => 0,
        };
        let is_command = !text.is_empty() && !text.starts_with('#');
        is_command.then(|| Command { text: text.to_owned(), exit_code })
    });
    commands.collect()
}

/// Whether `text` is what a page shows of it: the same, line by line, where `…` stands for anything in a
/// line and, alone in one, for any lines. Blanks at the ends of lines don't count.
pub fn is_like(text: &str, shown: &str) -> bool {
    fn lines(text: &str) -> Vec<&str> {
        text.trim_end().lines().map(str::trim_end).collect()
    }
    fn line_is_like(line: &str, shown: &str) -> bool {
        let Some((first, behind)) = shown.split_once('…') else { return line == shown };
        let (between, last) = behind.rsplit_once('…').unwrap_or(("", behind));
        let Some(mut rest) = line.strip_prefix(first).and_then(|it| it.strip_suffix(last)) else {
            return false;
        };
        // Each part as early as it can be, so that the next has the most room.
        between.split('…').all(|part| match rest.split_once(part) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
    }
    fn are_like(text: &[&str], shown: &[&str]) -> bool {
        match (text, shown) {
            ([], []) => true,
            (_, ["…", later @ ..]) => (0..=text.len()).any(|at| are_like(&text[at..], later)),
            ([line, text @ ..], [first, shown @ ..]) => {
                line_is_like(line, first) && are_like(text, shown)
            }
            _ => false,
        }
    }
    are_like(&lines(text), &lines(shown))
}

/// A folder to run commands in that looks like the checkout: what lies in that is there, and what
/// commands write goes elsewhere.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    programs: PathBuf,
}

impl Folder {
    /// Makes one in `parent`, an empty directory that somebody removes.
    ///
    /// # Errors
    ///
    /// If it can't be made.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let folder = Self { path: parent.join("checkout"), programs: parent.join("bin") };
        for path in [&folder.path, &folder.programs, &parent.join("home"), &parent.join("tmp")] {
            fs::create_dir(path)?;
        }
        for entry in fs::read_dir(root())? {
            let name = entry?.file_name();
            if name != "target" && name != ".git" {
                symlink(root().join(&name), folder.path.join(&name))?;
            }
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has commands find this program by this name.
    ///
    /// # Errors
    ///
    /// If it can't be copied.
    pub fn add_program(&self, name: &str, program: &Path) -> io::Result<()> {
        let here = self.programs.join(name);
        fs::hard_link(program, &here).or_else(|_| fs::copy(program, &here).map(drop))
    }

    /// Has commands find this folder by this name.
    ///
    /// # Errors
    ///
    /// If it can't be linked.
    pub fn add_folder(&self, name: &str, folder: &Path) -> io::Result<()> {
        symlink(folder, self.path.join(name))
    }

    /// Runs a command in a shell, to its end.
    ///
    /// # Panics
    ///
    /// If there is no shell.
    pub fn run(&self, command: &str) -> Run {
        let parent = self.path.parent().expect("it was made in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = process::Command::new("bash")
            .args(["-c", command])
            .current_dir(&self.path)
            .env("PATH", format!("{}:{path}", self.programs.display()))
            .env("HOME", parent.join("home"))
            .env("TMPDIR", parent.join("tmp"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("PVF_FIXTURES")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .expect("there is a shell");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run {
            exit_code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Runs the commands of a block one by one, and compares how they exit, and what the last one prints
    /// with what the page shows of it.
    ///
    /// # Errors
    ///
    /// What is not as the page says.
    pub fn check(&self, block: &Block, output: Option<&Block>) -> Result<(), String> {
        let mut printed = String::new();
        for Command { text, exit_code } in commands(&block.text) {
            let run = self.run(&text);
            if run.exit_code != Some(exit_code) {
                let Run { exit_code: got, stdout, stderr } = run;
                return Err(format!(
                    "{}: exit code {got:?}, not {exit_code}, of\n{text}\n{stdout}{stderr}",
                    block.place()
                ));
            }
            printed = run.stdout;
        }
        match output {
            Some(output) if !is_like(&printed, &output.text) => {
                Err(format!("{}: what is printed is not this, but\n{printed}", output.place()))
            }
            _ => Ok(()),
        }
    }
}

/// Has a command begin as from a terminal, and not as from within `cargo test`.
pub fn forget_cargo(command: &mut process::Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_str().unwrap_or_default();
        let is_setting = ["CARGO_HOME", "CARGO_INCREMENTAL", "CARGO_TARGET_DIR"].contains(&name)
            || name.starts_with("CARGO_PROFILE_");
        if name.starts_with("CARGO_") && !is_setting {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env_remove("RUSTFLAGS").stdin(Stdio::null());
}

/// What became of a command.
#[derive(Debug, Clone)]
pub struct Run {
    /// None if a signal ended it.
    pub exit_code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str, exit_code: i32) -> Command {
        Command { text: text.into(), exit_code }
    }

    #[test]
    fn a_command_goes_on_after_a_backslash_and_may_have_a_comment() {
        let block = "# What for.\npvf a \\\n    b # exit code 1\n\npvf c   # why\npvf d @x#y\n";
        let expected =
            [command("pvf a \\\n    b", 1), command("pvf c", 0), command("pvf d @x#y", 0)];
        assert_eq!(commands(block), expected);
    }

    #[test]
    fn dots_stand_for_anything_and_nothing_else_does() {
        for (text, shown, like) in [
            ("a b\n", "a b", true),
            ("a b", "a c", false),
            ("a 12 ms, 3 MiB", "a … ms, … MiB", true),
            ("a 12 ms, 3 KiB", "a … ms, … MiB", false),
            ("a 12 ms and", "a … ms", false),
            ("a 12 ms and", "a … ms …", true),
            ("a a", "a…a", true),
            ("one\ntwo\nthree", "one\n…\nthree", true),
            ("one\nthree", "one\n…\nthree", true),
            ("one\ntwo", "one\n…\nthree", false),
            ("one\ntwo", "one", false),
            ("one", "one\ntwo", false),
        ] {
            assert_eq!(is_like(text, shown), like, "{text:?} and {shown:?}");
        }
    }
}
