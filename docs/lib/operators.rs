//! The commands that no test runs as they stand, why, and what is checked of them all the same.

use crate::{Block, Command, commands, pages};

/// What is checked of a command that is not run as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// `docs/tests/operators.rs`: what it names is in the workspace, and the same is done without
    /// `--release`, in small numbers, with what `cargo test` has built.
    Cargo,
    /// `docs/tests/operators.rs`: it is run, whatever it finds.
    Journal,
    /// `node/tests/book.rs`: it is run in a place that looks like control groups.
    ControlGroup,
    /// `node/tests/book.rs`: `pvf` has these options. What they do is tested by `node/tests/suite.rs`.
    Options,
}

/// Commands that nobody runs as they stand.
#[derive(Debug)]
pub struct Operator {
    /// How they begin.
    pub start: &'static str,
    /// Why nobody runs them.
    pub reason: &'static str,
    /// What is checked instead.
    pub check: Check,
}

const fn row(start: &'static str, check: Check, reason: &'static str) -> Operator {
    Operator { start, reason, check }
}

/// All of them.
pub const OPERATORS: &[Operator] = &[
    row("cargo bench ", Check::Cargo, "takes many minutes"),
    row("cargo build --release", Check::Cargo, "builds once more what is built"),
    row("cargo install ", Check::Cargo, "builds once more what is built"),
    row("cargo run --release -p pvf-host-functions ", Check::Cargo, "takes many minutes"),
    row("journalctl ", Check::Journal, "reads the kernel's log, which there is not in a container"),
    row("PVF_RANDOM_MODULES=1000000 ", Check::Cargo, "takes hours"),
    row("systemd-run ", Check::ControlGroup, "needs a session of systemd's"),
    row("target/release/pvf bench ", Check::Options, "takes minutes"),
];

/// The commands in blocks of `sh,operator`, in the order of the pages, each with its row.
///
/// # Panics
///
/// If one has none.
pub fn operators() -> Vec<(Block, Command, &'static Operator)> {
    let blocks = pages().into_iter().flat_map(|page| page.blocks());
    let blocks = blocks.filter(|block| block.language == "sh" && block.has("operator"));
    let commands = blocks.flat_map(|block| {
        let commands = commands(&block.text);
        commands.into_iter().map(move |command| (block.clone(), command))
    });
    let rows = commands.map(|(block, command)| {
        let row = OPERATORS.iter().find(|row| command.text.starts_with(row.start));
        let Some(row) = row else {
            panic!("{}: say why nobody runs {}", block.place(), command.text)
        };
        (block, command, row)
    });
    rows.collect()
}
