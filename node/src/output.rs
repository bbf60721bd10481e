//! Standard output and standard error.
//!
//! A result is built whole and written at once, so that a reader never sees half of one. Whatever a
//! guest had a say in is [cleaned](clean) before it reaches a terminal.

use crate::{failure::Failure, progress};
pub(crate) use pvf_host_core::text::clean;
use serde::Serialize;
use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

/// Prints a result for a program, on one line.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::runtime("output", format!("can't write JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// Prints a result.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(Failure::runtime("output", format!("can't write to standard output: {error}")))
        }
        Ok(()) => Ok(()),
    }
}

/// Prints an error for people.
pub(crate) fn error(message: &str) {
    let lines: Vec<_> = message.lines().map(clean).collect();
    // There is nowhere else to say that this failed.
    let _ = writeln!(progress::StandardError, "error: {}", lines.join("\n"));
}

/// Lines of a name and a value, the values aligned.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.0 {
            writeln!(f, "{name:width$}  {}", clean(value))?;
        }
        Ok(())
    }
}

/// Rows of cells, the columns aligned. The first row is a heading.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.push(cells.into_iter().map(|cell| clean(cell.as_ref())).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<_> = (0..columns)
            .map(|i| self.0.iter().filter_map(|row| row.get(i)).map(|c| c.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_can_not_reach_the_terminal() {
        assert_eq!(clean("red \x1b[31m\nnext ü"), "red \\u{1b}[31m\\nnext ü");
        assert_eq!(clean("valid \u{202e}dilavni"), "valid \\u{202e}dilavni");
    }

    #[test]
    fn facts_are_aligned() {
        let mut facts = Facts::default();
        facts.add("verdict", "valid");
        facts.add("code", "0x00");
        assert_eq!(facts.to_string(), "verdict  valid\ncode     0x00\n");
    }

    #[test]
    fn tables_are_aligned_without_trailing_space() {
        let mut table = Table::default();
        table.row(["BACKEND", "VERSION"]);
        table.row(["wasmtime", ""]);
        assert_eq!(table.to_string(), "BACKEND   VERSION\nwasmtime\n");
    }
}
