//! What can be typed.
//!
//! This file only describes the command line. What the values stand for, such as the content of a
//! file, is found out by [`input`](crate::input).

mod bench;

use crate::units;
pub(crate) use bench::{BenchCommand, Diff, Section, Suite};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pvf_host_core::{
    artifact::PruneLimits,
    backend::BackendId,
    primitives::{ExecutorParam, Hash, compression},
};
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

const EXAMPLES: &str = "\
Examples:
  See it work, without any file of your own:
    pvf demo

  Would validators accept this code?
    pvf precheck --code runtime.wasm

  Is this candidate valid?
    pvf validate --code runtime.wasm --parent-head @head.bin --block block.bin

  The same for a program to read:
    pvf validate --code runtime.wasm --params params.scale --json

Exit codes:
  0  valid, accepted, or all agree
  1  invalid, rejected, or something diverges
  2  wrong usage: an unknown option, a file that can't be read, parameters that make no sense
  3  could not tell: the code can't be prepared, this machine has a problem or can't keep untrusted
     code in (see `pvf doctor`), or interrupted";

/// Validates Polkadot parachain candidates: runs a PVF (the code by which a parachain's blocks are
/// checked) on a candidate, in processes apart from this one, and gives the verdict.
#[derive(Debug, Parser)]
#[command(name = "pvf", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print the result as JSON, on one line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more to standard error: -v what happens, -vv why, -vvv everything
    ///
    /// The environment variable RUST_LOG overrides this, for example RUST_LOG=pvf::guest=trace.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Validate a candidate
    Validate(Validate),
    /// Check whether code can be prepared, as before it is enacted on the relay chain
    Precheck(Precheck),
    /// Measure how fast a candidate is validated, and how fast it could be
    Bench(BenchCommand),
    /// Run the same candidates on several backends, and show how they differ
    Compare(Compare),
    /// Run a large corpus of candidates on two backends, for totals and divergences
    Replay(Replay),
    /// List the execution backends in this program
    Backends,
    /// Look at the cache of prepared artifacts, and make room in it
    Cache(Cache),
    /// Show whether this machine keeps untrusted code in, and what prepared artifacts depend on
    Doctor(Doctor),
    /// Validate the bundled example on every backend, side by side
    Demo(Demo),
    /// Print the completion script for a shell
    #[command(after_help = "Example:\n  pvf completions bash > ~/.local/share/bash-completion/\
                            completions/pvf")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The part of `bench` that has to run in a process of its own. Reads from standard input.
    #[command(hide = true)]
    BenchFloor,
}

const VALIDATE_HELP: &str = "\
Examples:
  pvf validate --code adder.wasm --parent-head 0x0700000000000000640000000000000000 --block add.bin
  pvf validate --code runtime.wasm --parent-head @head.hex --block block.pov \\
      --relay-parent-number 100 --relay-parent-storage-root 0x062f84…
  pvf validate --code runtime.wasm --params params.scale --kind approval --json

A candidate is given either as --params, all in one file, or as --parent-head and --block.
An ambiguous failure, such as a worker that was killed, is tried again once if there is time. If it
persists, the verdict is `invalid`, as a validator would vote.";

#[derive(Debug, Args)]
#[command(after_help = VALIDATE_HELP)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) code: CodeArgs,
    #[command(flatten)]
    pub(crate) candidate: CandidateArgs,
    #[command(flatten)]
    pub(crate) host: HostArgs,
    /// How many candidates may be executed at once
    #[arg(long, value_name = "N", default_value = "1", help_heading = HOST)]
    pub(crate) workers: NonZeroUsize,
    #[command(flatten)]
    pub(crate) metrics: MetricsArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pvf precheck --code runtime.wasm --executor-param \
                        PrecheckingMaxMemory=2147483648")]
pub(crate) struct Precheck {
    #[command(flatten)]
    pub(crate) code: CodeArgs,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

const BENCH_HELP: &str = "\
Examples:
  pvf bench --code runtime.wasm --parent-head @head.bin --block block.bin --count 500
  pvf bench --suite --fixtures pvfs --out report
  pvf bench --diff old/suite.json new/suite.json

For one candidate it prints, in this order: how long the precheck took (a compilation, unless
--cache-dir names a cache that has the artifact), the first validation, --count validations one
after the other, and the throughput of as many at --concurrency. Beside that stands the floor,
measured in the same run: the same artifact called within one process, and in a process forked for
each call. What the host takes beyond that is its own. With --sandbox-cost comes what the measures
that keep code in have cost.

The candidate may be invalid: that takes time too. It has to reach the code, and to end by itself.

With --suite it measures the host as a whole, with guests of its own and those in --fixtures, and
writes suite.json, suite.html and each plot as a file. What can't be measured is said, with the
reason, and has no figure. The exit code is 3 if something went wrong on the way.

With --diff it compares what two suites have measured. A figure is worse, or better, if the middle
halves (p25 to p75) of its values in both don't overlap and the medians differ by more than 5 %.
What has less than 3 values in either is not judged, and neither is what one of them has not
measured. The exit code is 1 if a figure is worse.";

#[derive(Debug, Args)]
#[command(after_help = BENCH_HELP)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) code: CodeArgs,
    #[command(flatten)]
    pub(crate) candidate: CandidateArgs,
    #[command(flatten)]
    pub(crate) host: HostArgs,
    /// How many validations to time
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) count: NonZeroUsize,
    /// How many requests to keep waiting at once when measuring throughput [default: the number of
    /// processors]
    #[arg(long, value_name = "C")]
    pub(crate) concurrency: Option<NonZeroUsize>,
    /// How many candidates may be executed at once [default: the number of processors]
    #[arg(long, value_name = "W", help_heading = HOST)]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Measure too what keeping untrusted code in costs: --count validations more, which take turns
    /// with as many on a host that takes no measure
    ///
    /// That host has a cache of its own, and does not keep this code in.
    #[arg(long)]
    pub(crate) sandbox_cost: bool,
    #[command(flatten)]
    pub(crate) metrics: MetricsArg,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
}

const COMPARE_HELP: &str = "\
Examples:
  pvf compare cases/ --report report.html
  pvf compare transfer.toml --backends wasmtime,polkavm --runs 100 --json
  pvf compare cases/ --log cases.log              # broken off, and then:
  pvf compare cases/ --log cases.log --resume

A case is a TOML file; all but the code, parent_head and block may be left out:
  name = \"transfer\"
  wasm = \"runtime.wasm\"                  # code, with paths from the case's own folder
  polkavm = \"runtime.polkavm\"
  parent_head = \"0x0700…\"                # hexadecimal behind 0x, or a file
  block = \"transfer.block\"               # the same
  relay_parent_number = 100
  relay_parent_storage_root = \"0x062f84…\"
  executor_params = [\"MaxMemoryPages=4096\"]
  kind = \"backing\"                       # or approval, dispute
  timeout_ms = 2000
  [expect]
  verdict = \"valid\"                      # or invalid; rejected, if the code is refused
  head = \"0x0800…\"
  result = \"transfer.result\"             # the SCALE-encoded ValidationResult

Exit codes:
  0  all backends agree, and with what is expected
  1  something diverges
  2  wrong usage
  3  a backend could not tell";

#[derive(Debug, Args)]
#[command(after_help = COMPARE_HELP)]
pub(crate) struct Compare {
    /// Case files, and folders of them
    #[arg(required = true, value_name = "CASE")]
    pub(crate) cases: Vec<PathBuf>,
    /// The backends, the first of them being what the others are compared with [default: all that
    /// are chosen for some format]
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub(crate) backends: Vec<BackendId>,
    /// How many warm executions of each case count
    #[arg(long, value_name = "N", default_value = "30")]
    pub(crate) runs: NonZeroUsize,
    /// How many first executions of each case there are, each in a new worker
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) first_runs: NonZeroUsize,
    /// How many times each code is prepared, each time with an empty cache
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) prepare_runs: NonZeroUsize,
    /// Write a report as an HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Note every round here as soon as it is done
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Go on with the run that --log has notes of
    #[arg(long, requires = "log")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArg,
}

const REPLAY_HELP: &str = "\
Example:
  pvf replay corpus/ --backend polkavm --against wasmtime --workers 4

Cases are as for `pvf compare`. They are read one by one, so that a corpus may be as large as it
likes; code that several of them share is read once. Cases that have no code for one of the backends
are skipped.

Exit codes:
  0  both backends agree on everything, and with what is expected
  1  something diverges
  2  wrong usage
  3  a backend could not tell";

#[derive(Debug, Args)]
#[command(after_help = REPLAY_HELP)]
pub(crate) struct Replay {
    /// A folder of cases
    #[arg(value_name = "CORPUS")]
    pub(crate) corpus: PathBuf,
    /// The backend to try
    #[arg(long, value_name = "ID")]
    pub(crate) backend: BackendId,
    /// The backend that it is compared with
    #[arg(long, value_name = "ID")]
    pub(crate) against: BackendId,
    /// How many candidates may be executed at once
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) workers: NonZeroUsize,
    #[command(flatten)]
    pub(crate) cache: CacheDirArg,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArg,
}

const CODE: &str = "Code";
const CANDIDATE: &str = "Candidate";
const HOST: &str = "Host";

/// The code, and how it is to be run.
#[derive(Debug, Args)]
#[command(next_help_heading = CODE)]
pub(crate) struct CodeArgs {
    /// The PVF, compressed or not
    #[arg(long, value_name = "FILE")]
    pub(crate) code: PathBuf,
    /// The backend to use, see `pvf backends` [default: the one for the code's format]
    ///
    /// The same as --executor-param Backend=ID.
    #[arg(long, value_name = "ID")]
    pub(crate) backend: Option<BackendId>,
    /// Change an executor parameter from its default; may be given several times
    ///
    /// MaxMemoryPages=PAGES, StackLogicalMax=VALUES, StackNativeMax=BYTES,
    /// PrecheckingMaxMemory=BYTES, PvfPrepTimeout=precheck:MS, PvfPrepTimeout=prepare:MS,
    /// PvfExecTimeout=backing:MS, PvfExecTimeout=approval:MS, WasmExtBulkMemory,
    /// EnabledHostFunction=EccRfc163, Backend=ID, MaxGas=GAS
    #[arg(long = "executor-param", value_name = "NAME=VALUE")]
    pub(crate) executor_params: Vec<ExecutorParam>,
    /// The most that compressed code may decompress to, in bytes; 16MiB and the like are understood
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size,
          default_value_t = compression::CODE_LIMIT as u64)]
    pub(crate) code_limit: u64,
    /// The code that this code is an upgrade of, as a file or as its hash: compiled functions that have
    /// not changed are taken from the cache, if they are there
    ///
    /// The artifact is the same, and there sooner. Whoever wrote the earlier code is trusted with this
    /// one. A precheck always prepares in full.
    #[arg(long, value_name = "FILE|HASH")]
    pub(crate) upgraded_from: Option<String>,
}

/// The candidate, and why it is validated.
#[derive(Debug, Args)]
#[command(next_help_heading = CANDIDATE)]
pub(crate) struct CandidateArgs {
    /// All that the code is called with, as SCALE-encoded ValidationParams, with or without the
    /// extension of version 3
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["parent_head", "block"],
        conflicts_with_all = [
            "parent_head", "block", "relay_parent_number", "relay_parent_storage_root",
        ]
    )]
    pub(crate) params: Option<PathBuf>,
    /// The head that the candidate builds on, in hexadecimal, or @ and the name of a file that
    /// holds it
    ///
    /// A file that holds nothing but hexadecimal digits, an even number of them and at least two,
    /// is read as hexadecimal (with or without 0x, space around it does not matter). Any other is
    /// taken as the bytes themselves.
    #[arg(long, value_name = "HEX|@FILE", requires = "block")]
    pub(crate) parent_head: Option<String>,
    /// The block with its proof, compressed or not; - reads standard input
    #[arg(long, value_name = "FILE", requires = "parent_head")]
    pub(crate) block: Option<PathBuf>,
    /// The number of the relay-chain block in whose context the candidate is checked
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) relay_parent_number: u32,
    /// The storage root of that relay-chain block [default: all zeros]
    #[arg(long, value_name = "HEX")]
    pub(crate) relay_parent_storage_root: Option<Hash>,
    /// What the candidate is validated for: sets the limit on its time
    #[arg(long, value_enum, default_value_t = Kind::Backing)]
    pub(crate) kind: Kind,
    /// The most CPU time that the execution may take, in milliseconds [default: what the executor
    /// parameters say for this kind, or else 2000 for backing and 12000 for the others]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: Option<u64>,
    /// The most that a compressed block may decompress to, in bytes; 16MiB and the like are
    /// understood
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size,
          default_value_t = compression::POV_LIMIT as u64)]
    pub(crate) pov_limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// It is to be backed: the strictest limit
    Backing,
    /// This node was assigned to check it
    Approval,
    /// Somebody disputes it
    Dispute,
}

/// The host that does it.
#[derive(Debug, Args)]
#[command(next_help_heading = HOST)]
pub(crate) struct HostArgs {
    #[command(flatten)]
    pub(crate) cache: CacheDirArg,
    #[command(flatten)]
    pub(crate) worker: WorkerProgramArg,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerProgramArg {
    /// The program to start as a worker [default: this one]
    #[arg(long, value_name = "PATH", help_heading = HOST)]
    pub(crate) worker_program: Option<PathBuf>,
}

/// What keeps untrusted code in.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Start even if untrusted code is not kept in here, with a warning for each measure that is
    /// missing; `pvf doctor` says how to have them
    ///
    /// Code that breaks out of its engine can then do whatever this user can.
    #[arg(long, help_heading = HOST)]
    pub(crate) insecure: bool,
    #[command(flatten)]
    pub(crate) control_group: ControlGroupArg,
}

#[derive(Debug, Args)]
pub(crate) struct ControlGroupArg {
    /// A directory of a cgroup v2 file system in which each worker gets a control group of its own,
    /// that bounds its memory and processes
    ///
    /// It has to be delegated to this user, and have no process in it.
    #[arg(long, value_name = "DIR", help_heading = HOST)]
    pub(crate) control_group: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MetricsArg {
    /// Write here, at the end, what the host has counted and measured, as a Prometheus scrape gets it
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CacheDirArg {
    /// Where prepared artifacts are kept [default: $XDG_CACHE_HOME/pvf-host or ~/.cache/pvf-host; a
    /// new one for `bench`]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

const DOCTOR_HELP: &str = "\
Examples:
  pvf doctor
  pvf doctor --cache-dir /var/cache/pvf --control-group /sys/fs/cgroup/pvf.slice/workers --json

Tries each measure that keeps untrusted code in: in a worker of its own, and all together in one,
which is what workers get. For those that are missing it says why, and what they need.

Artifacts are native code: they are for the program, the processor and the kernel that they were
made on, which are their environment. When one of these changes, a host that starts prepares
everything anew. This tells which did.

It starts workers, which end at once, and changes nothing.

Exit codes:
  0  untrusted code is kept in
  1  it is not: other commands refuse to start here without --insecure
  2  wrong usage
  3  could not tell: no worker can be started";

#[derive(Debug, Args)]
#[command(after_help = DOCTOR_HELP)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) cache: CacheDirArg,
    #[command(flatten)]
    pub(crate) worker: WorkerProgramArg,
    #[command(flatten)]
    pub(crate) control_group: ControlGroupArg,
}

const CACHE_HELP: &str = "\
Examples:
  pvf cache list
  pvf cache verify --cache-dir /var/cache/pvf
  pvf cache prune --max-size 2GiB --min-age 1h

Artifacts lie in a directory for the environment (program, processor, kernel) that they were made
in. A host that starts removes those of every other environment.";

#[derive(Debug, Args)]
#[command(after_help = CACHE_HELP)]
pub(crate) struct Cache {
    #[command(flatten)]
    pub(crate) cache: CacheDirArg,
    #[command(subcommand)]
    pub(crate) action: CacheAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List what is in the cache
    List,
    /// Read everything and check it against its checksums; exit code 1 if something is damaged
    Verify,
    /// Remove what has not been needed for longest, until the rest is small enough
    Prune {
        /// How much may stay, in bytes; 10GiB and the like are understood
        #[arg(long, value_name = "SIZE", value_parser = units::parse_size,
              default_value_t = PruneLimits::default().max_size)]
        max_size: u64,
        /// Never remove what was needed within this time, such as 90s, 30m, 24h or 7d
        #[arg(long, value_name = "TIME", value_parser = units::parse_age, default_value = "24h")]
        min_age: Duration,
    },
    /// Remove everything
    Clear,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, error::ErrorKind};

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())
    }

    fn validate(options: &str) -> Result<Validate, ErrorKind> {
        match parse(&format!("pvf validate --code c {options}"))?.command {
            Command::Validate(validate) => Ok(validate),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_candidate_is_one_file_or_a_head_and_a_block() {
        assert!(validate("--params p").is_ok());
        assert!(validate("--parent-head 0x00 --block b").is_ok());
        for incomplete in ["", "--parent-head 0x00", "--block b", "--relay-parent-number 7"] {
            let kind = validate(incomplete).unwrap_err();
            assert_eq!(kind, ErrorKind::MissingRequiredArgument, "{incomplete}");
        }
        for contradictory in [
            "--params p --parent-head 0x00 --block b",
            "--params p --relay-parent-number 7",
            "--params p --relay-parent-storage-root 0x00",
        ] {
            assert!(validate(contradictory).is_err(), "{contradictory}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let validate = validate("--params p").unwrap();
        assert_eq!(validate.candidate.kind, Kind::Backing);
        assert_eq!(validate.candidate.relay_parent_number, 1);
        assert_eq!(validate.candidate.relay_parent_storage_root, None);
        assert_eq!(validate.candidate.timeout_ms, None);
        let Command::Cache(Cache { action: CacheAction::Prune { max_size, min_age }, .. }) =
            parse("pvf cache prune").unwrap().command
        else {
            panic!("not pruning");
        };
        assert_eq!(PruneLimits::new(max_size, min_age), PruneLimits::default());
    }

    #[test]
    fn executor_parameters_keep_their_order() {
        let validate = validate(
            "--params p --executor-param MaxMemoryPages=16 --executor-param WasmExtBulkMemory",
        )
        .unwrap();
        let expected = [ExecutorParam::MaxMemoryPages(16), ExecutorParam::WasmExtBulkMemory];
        assert_eq!(validate.code.executor_params, expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "--backend Wasm!",
            "--executor-param Gas=1",
            "--executor-param MaxMemoryPages=many",
            "--kind soon",
            "--workers 0",
            "--timeout-ms 0",
            "--relay-parent-number -1",
            "--relay-parent-storage-root 0x00",
            "--pov-limit much",
        ] {
            assert!(validate(&format!("--params p {wrong}")).is_err(), "{wrong}");
        }
        assert!(parse("pvf").is_err());
        assert!(parse("pvf cache").is_err());
        assert!(parse("pvf bench --code c --params p --count 0").is_err());
        assert!(parse("pvf compare").is_err());
        assert!(parse("pvf compare c --runs 0").is_err());
        assert!(parse("pvf compare c --backends One!").is_err());
        assert!(parse("pvf compare c --resume").is_err());
        assert!(parse("pvf replay c --backend one").is_err());
        assert!(parse("pvf replay c d --backend one --against two").is_err());
    }

    #[test]
    fn backends_to_compare_keep_their_order() {
        let Command::Compare(compare) =
            parse("pvf compare a --backends two,one b --log l --resume").unwrap().command
        else {
            panic!("not comparing");
        };
        let names: Vec<_> = compare.backends.iter().map(BackendId::as_str).collect();
        assert_eq!(names, ["two", "one"]);
        assert_eq!(compare.cases, [PathBuf::from("a"), PathBuf::from("b")]);
        assert!(compare.resume);
    }

    #[test]
    fn every_command_that_starts_a_host_can_be_told_how_to_confine_it() {
        const CANDIDATE: &str = "--code c --params p";
        for command in [
            &format!("validate {CANDIDATE}"),
            "precheck --code c",
            &format!("bench {CANDIDATE}"),
            "compare c",
            "replay c --backend one --against two",
            "demo",
        ] {
            let line = format!("pvf {command} --insecure --control-group /sys/fs/cgroup/workers");
            assert!(parse(&line).is_ok(), "{line}");
        }
        assert!(parse("pvf doctor --control-group d").is_ok());
        // It looks, and accepts nothing.
        assert!(parse("pvf doctor --insecure").is_err());
    }

    #[test]
    fn json_and_the_cache_can_be_named_behind_the_command() {
        let cli = parse("pvf cache list --cache-dir d --json -vv").unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.verbose, 2);
        let Command::Cache(cache) = cli.command else { panic!("not the cache") };
        assert_eq!(cache.cache.cache_dir, Some(PathBuf::from("d")));
    }
}
