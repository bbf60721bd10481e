//! A comparison as one HTML page that needs nothing else: no network, no script, no other file.
//!
//! What diverges comes first, then the verdicts of all cases, then what was measured: bars with their
//! spread, times against each other, and every figure in a table. Whatever comes from outside (names,
//! errors of guests) is [text](html::Text) in it, never markup.

mod bars;
mod html;
mod machine;
mod page;
mod scatter;
mod tables;

use super::Comparison;
use std::{
    fs::File,
    io::{self, Write},
};

/// Writes the page to a file, in place of what is in there.
pub(crate) fn write(comparison: &Comparison, mut file: File) -> io::Result<()> {
    let page = page::page(comparison);
    file.set_len(0)?;
    file.write_all(page.as_bytes())
}
