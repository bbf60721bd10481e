//! The three things that `pvf bench` does: one candidate, the suite, and the comparison of two
//! suites.

use super::{Bench, SandboxArgs};
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `pvf bench` was asked for.
#[derive(Debug)]
pub(crate) enum BenchCommand {
    /// Time one candidate.
    One(Box<Bench>),
    /// Measure the host as a whole.
    Suite(Suite),
    /// Compare what two suites have measured.
    Diff(Diff),
}

/// How the suite is to be run.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) quick: bool,
    /// Empty for all.
    pub(crate) only: Vec<Section>,
    pub(crate) fixtures: Option<PathBuf>,
    pub(crate) blocks: Option<PathBuf>,
    pub(crate) reference: Option<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) sandbox: SandboxArgs,
}

/// Which suites to compare.
#[derive(Debug)]
pub(crate) struct Diff {
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
}

/// A part of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Section {
    /// Executions on a worker that has the artifact loaded
    Warm,
    /// Blocks of a parachain, beside the reference implementation
    Blocks,
    /// Executions per second
    Throughput,
    /// A block of 5 MiB, beside one copy of it
    Input,
    /// The first execution after a restart
    Restart,
    /// Preparing, beside the engine alone
    Prepare,
    /// What grows when the work does
    Curves,
    /// System calls, page faults and more for one execution
    Counts,
    /// Executions with and without what keeps code in
    Sandbox,
}

const SUITE: &str = "Suite";

/// What may be typed for the second and the third.
#[derive(Debug, Args)]
#[command(next_help_heading = SUITE)]
struct Modes {
    /// Measure the host as a whole, and write a report into the folder --out
    #[arg(long, requires = "out")]
    suite: bool,
    /// Measure with few repetitions and small numbers: to see that it works
    #[arg(long, requires = "suite")]
    quick: bool,
    /// Measure these parts alone
    #[arg(long, value_enum, value_name = "SECTION,…", value_delimiter = ',', requires = "suite")]
    only: Vec<Section>,
    /// A folder of PVFs: adder.blob, asset-hub-polkadot.blob, collectives-polkadot.blob, cumulus/
    /// [default: what the environment variable PVF_FIXTURES names]
    #[arg(long, value_name = "DIR", requires = "suite")]
    fixtures: Option<PathBuf>,
    /// A folder of more blocks for cumulus/, as tests/blocks/make makes it: parent-head.hex,
    /// relay-parent-storage-root.hex, case-1000.pov
    #[arg(long, value_name = "DIR", requires = "suite")]
    blocks: Option<PathBuf>,
    /// A folder with the programs `bench`, `prepare_worker` and `execute_worker` of the reference
    /// implementation
    #[arg(long, value_name = "DIR", requires = "suite")]
    reference: Option<PathBuf>,
    /// The folder for the report
    #[arg(long, value_name = "DIR", requires = "suite")]
    out: Option<PathBuf>,
    /// Compare the files suite.json of two suites
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    diff: Vec<PathBuf>,
}

impl Args for BenchCommand {
    fn augment_args(command: Command) -> Command {
        const MODES: [&str; 2] = ["suite", "diff"];
        let of_one = Bench::augment_args(Command::new("bench"));
        let of_one = of_one.get_arguments().map(|argument| argument.get_id().clone());
        let (of_both, of_one): (Vec<_>, Vec<_>) =
            of_one.partition(|id| ["insecure", "control_group"].contains(&id.as_str()));
        let command = Modes::augment_args(Bench::augment_args(command))
            // A candidate is needed if it is about one, and makes no sense if it is not.
            .mut_arg("code", |code| code.required(false).required_unless_present_any(MODES))
            .mut_arg("params", |params| params.required_unless_present_any(MODES))
            .mut_arg("diff", |diff| diff.conflicts_with_all(of_one.iter().chain(&of_both)));
        ["suite", "quick", "only", "fixtures", "blocks", "reference", "out"].into_iter().fold(
            command,
            |command, of_suite| {
                command.mut_arg(of_suite, |argument| {
                    argument.conflicts_with_all(of_one.clone()).conflicts_with("diff")
                })
            },
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for BenchCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Modes { suite, quick, only, fixtures, blocks, reference, out, diff } =
            Modes::from_arg_matches(matches)?;
        if let Ok([old, new]) = <[PathBuf; 2]>::try_from(diff) {
            return Ok(Self::Diff(Diff { old, new }));
        }
        match out {
            Some(out) if suite => {
                let sandbox = SandboxArgs::from_arg_matches(matches)?;
                Ok(Self::Suite(Suite { quick, only, fixtures, blocks, reference, out, sandbox }))
            }
            _ => Ok(Self::One(Box::new(Bench::from_arg_matches(matches)?))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::{BenchCommand, Cli, Command, Section};
    use clap::{Parser, error::ErrorKind};
    use std::path::Path;

    fn parse(options: &str) -> Result<BenchCommand, ErrorKind> {
        let line = format!("pvf bench {options}");
        match Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())?.command {
            Command::Bench(bench) => Ok(bench),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_candidate_is_needed_unless_it_is_about_none() {
        assert!(matches!(parse("--code c --params p"), Ok(BenchCommand::One(_))));
        for missing in ["", "--code c", "--params p", "--parent-head 00", "--code c --block b"] {
            assert_eq!(
                parse(missing).unwrap_err(),
                ErrorKind::MissingRequiredArgument,
                "{missing}"
            );
        }
        let Ok(BenchCommand::Suite(suite)) =
            parse("--suite --quick --only warm,counts --out o --insecure")
        else {
            panic!("not the suite");
        };
        assert!(suite.quick && suite.sandbox.insecure);
        assert_eq!(suite.only, [Section::Warm, Section::Counts]);
        let Ok(BenchCommand::Diff(diff)) = parse("--diff a b") else { panic!("not a comparison") };
        assert_eq!((&*diff.old, &*diff.new), (Path::new("a"), Path::new("b")));
    }

    #[test]
    fn the_suite_and_the_comparison_take_nothing_that_is_about_a_candidate() {
        for wrong in [
            "--suite --out o --code c",
            "--suite --out o --params p",
            "--suite --out o --count 7",
            "--suite --out o --cache-dir d",
            "--suite --out o --diff a b",
            "--diff a b --code c",
            "--diff a b --insecure",
            "--code c --params p --out o",
            "--code c --params p --quick",
            "--diff a b --out o",
        ] {
            assert_eq!(parse(wrong).err(), Some(ErrorKind::ArgumentConflict), "{wrong}");
        }
    }

    #[test]
    fn what_is_incomplete_is_refused() {
        for wrong in [
            "--suite",
            "--out o",
            "--quick",
            "--suite --out o --only everything",
            "--diff a",
            "--diff a b c",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
