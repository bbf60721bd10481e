//! The book and the README, as tests see them: pages, what is in their code blocks, and how the
//! commands in these are run.
//!
//! Every command in the book is run by a test. Behind the language of a block stands who does that:
//!
//! | block | run by |
//! | --- | --- |
//! | `sh` | `node/tests/book.rs`, with the program `pvf`, in a folder that looks like the checkout |
//! | `sh,fixtures` | the same, where there are real PVFs: in the folder `pvfs` |
//! | `sh,ci` | `.ci/run` itself, word by word |
//! | `sh,node` | the tests of `examples/node` |
//! | `sh,backend` | the test that follows the page *Writing a backend* |
//! | `sh,promtool` | `docs/tests/alerts.rs`, where there is `promtool` |
//! | `sh,operator` | nobody as it stands: [`OPERATORS`] has why, and what is checked instead |
//!
//! A block `text,output` behind a block of commands is what its last command prints, where `…` stands
//! for anything. A comment `# exit code N` at a command's end says how it exits, if not with 0.
//!
//! A block with `file=NAME` is all of a file that the reader is to write.

#[cfg(doctest)]
mod examples;
mod operators;
mod page;
mod shell;

pub use operators::{Check, OPERATORS, Operator, operators};
pub use page::{Block, Page, all_documents, pages};
pub use shell::{Command, Folder, Run, commands, forget_cargo, is_like};

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the book is in a folder of the checkout")
}

/// The folder with the book's pages.
pub fn source() -> PathBuf {
    root().join("docs/src")
}
