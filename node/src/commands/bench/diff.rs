//! `pvf bench --diff`: what two suites have measured, compared.

use crate::{
    cli::Diff,
    failure::{Answer, Failure},
    output,
    suite::{diff::Comparison, document::Document},
};

pub(crate) fn run(args: &Diff, json: bool) -> Result<Answer, Failure> {
    let comparison = Comparison::new(&Document::read(&args.old)?, &Document::read(&args.new)?);
    if json {
        output::json(&comparison)?;
    } else {
        output::print(&comparison.to_string())?;
    }
    Ok(comparison.answer())
}
