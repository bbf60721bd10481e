//! `pvf bench --suite`: the host as a whole.

use crate::{
    cli::{Section, Suite},
    failure::{Answer, Failure},
    input, output, session,
    suite::{self, Options, Text, output::Output},
};
use clap::ValueEnum;
use std::{env, path::PathBuf};

/// Names the fixtures, if the command line does not.
const FIXTURES: &str = "PVF_FIXTURES";

pub(crate) fn run(args: &Suite, json: bool) -> Result<Answer, Failure> {
    let is_wanted = |section: &Section| args.only.is_empty() || args.only.contains(section);
    let named = env::var_os(FIXTURES).filter(|name| !name.is_empty()).map(PathBuf::from);
    let options = Options {
        quick: args.quick,
        sections: Section::value_variants().iter().copied().filter(is_wanted).collect(),
        fixtures: args.fixtures.clone().or(named),
        blocks: args.blocks.clone(),
        reference: args.reference.clone(),
        sandbox: input::sandbox(&args.sandbox),
        secure: !args.sandbox.insecure,
    };
    options.check()?;
    let output = Output::open(&args.out)?;
    let measured = session::run(async |session| suite::run(&options, session).await)?;
    output.write(&measured.document)?;
    if json {
        output::json(&measured.document)?;
    } else {
        output::print(&Text(&measured.document).to_string())?;
    }
    Ok(if measured.has_failed { Answer::Unknown } else { Answer::Yes })
}
