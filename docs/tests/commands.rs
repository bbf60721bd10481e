//! Whether every command in the book is run by somebody. See the documentation of the crate for who
//! that is.

use pvf_book::{Block, OPERATORS, commands, operators, pages, root};
use std::{collections::BTreeSet, fs};

/// Who runs a block.
const RUNNERS: [&str; 7] = ["", "fixtures", "ci", "node", "backend", "promtool", "operator"];

fn blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| page.blocks()).collect()
}

fn of(runner: &str) -> Vec<Block> {
    let blocks = blocks().into_iter().filter(|block| block.language == "sh");
    blocks.filter(|block| block.attributes.join(",") == runner).collect()
}

#[test]
fn every_block_of_commands_says_who_runs_it() {
    let blocks: Vec<_> = blocks().into_iter().filter(|block| block.language == "sh").collect();
    assert!(blocks.len() > 10, "only {} blocks", blocks.len());
    for block in blocks {
        let runner = block.attributes.join(",");
        assert!(RUNNERS.contains(&runner.as_str()), "{}: {runner}", block.place());
        assert!(!commands(&block.text).is_empty(), "{}: no command", block.place());
    }
}

#[test]
fn no_commands_hide_in_blocks_of_another_kind() {
    for block in blocks() {
        let is_shell = ["bash", "console", "shell", "shell-session", "zsh"];
        assert!(!is_shell.contains(&block.language.as_str()), "{}: say sh", block.place());
        assert!(!block.language.is_empty(), "{}: say what it is", block.place());
        let lines = block.text.lines();
        let mut prompts = lines.filter(|line| line.starts_with("$ ") || line.starts_with("# pvf"));
        let is_command = block.language == "text" && prompts.next().is_some();
        assert!(!is_command, "{}: commands are in a block of sh", block.place());
    }
}

#[test]
fn what_ci_is_said_to_run_it_runs() {
    let script = fs::read_to_string(root().join(".ci/run")).expect("the script is there");
    let steps: BTreeSet<_> =
        script.lines().filter_map(|line| line.trim().strip_prefix("step ")).collect();
    for block in of("ci") {
        for command in commands(&block.text) {
            assert!(steps.contains(command.text.as_str()), "{}: {}", block.place(), command.text);
        }
    }
}

#[test]
fn what_nobody_runs_is_on_the_list_and_nothing_else_is() {
    let used: BTreeSet<_> = operators().into_iter().map(|(_, _, row)| row.start).collect();
    assert_eq!(used, OPERATORS.iter().map(|row| row.start).collect());
    assert!(OPERATORS.iter().all(|row| !row.reason.is_empty()));
}

#[test]
fn what_is_shown_as_output_stands_behind_its_command() {
    for page in pages() {
        let mut before: Option<Block> = None;
        for block in page.blocks() {
            if block.has("output") {
                let is_command = before.as_ref().is_some_and(|it| it.language == "sh");
                assert!(is_command, "{}: whose output is that?", block.place());
            }
            before = Some(block);
        }
    }
}
