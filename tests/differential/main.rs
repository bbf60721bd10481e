//! Compares this host with the reference implementation: see the README beside this file.

mod calls;
mod case;
mod compare;
mod fixtures;
mod material;
mod peer;
mod random;
mod record;
mod serve;
mod smith;
mod wasm;

use case::{Case, Kind, generate};
use clap::Parser;
use compare::{Outcome, class, compare};
use fixtures::Folder;
use peer::{Answer, Peer};
use pvf_host_core::{
    backend::{self, BackendDescriptor, BackendId},
    primitives::hex,
};
use record::Record;
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Compares this host's verdicts with those of the reference implementation.
#[derive(Debug, Parser)]
struct Options {
    /// The reference's program `oracle`.
    #[arg(long, required_unless_present_any = ["serve", "dump"])]
    reference: Option<PathBuf>,
    /// The backend that is compared.
    #[arg(long, default_value = "wasmtime")]
    backend: BackendId,
    /// What to generate. None, if folders are given, else all.
    #[arg(long, value_enum, value_delimiter = ',')]
    kind: Vec<Kind>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many modules of each kind.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// A folder of modules, as text or binary.
    #[arg(long)]
    cases: Vec<PathBuf>,
    /// The folder with the real PVFs.
    #[arg(long)]
    fixtures: Option<PathBuf>,
    /// How often each real block is damaged.
    #[arg(long, default_value_t = 100)]
    mutations: usize,
    /// Vary the executor parameters. The reference must take them, SCALE-encoded and in hexadecimal, as
    /// the third word of a line.
    #[arg(long)]
    executor_params: bool,
    /// How many of each program to run at once.
    #[arg(long, default_value = "1")]
    jobs: NonZeroUsize,
    /// The seconds that an answer may take.
    #[arg(long, default_value_t = 20)]
    timeout: u64,
    /// Where to put each difference.
    #[arg(long, default_value = "target/differential")]
    differences: PathBuf,
    /// Writes what both agree about to this file.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Only writes the generated modules to this folder.
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Answers lines on standard input, as the reference does.
    #[arg(long)]
    serve: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all was answered, and there was no difference.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let backend: &'static BackendDescriptor = backend::find(&options.backend)?;
    if options.serve {
        serve::serve(backend)?;
        return Ok(true);
    }
    if let Some(reference) = &options.reference
        && !reference.is_file()
    {
        return Err(format!("{}: not a program", reference.display()).into());
    }
    let mut cases = Vec::new();
    for folder in &options.cases {
        let written = case::written(&Folder(folder.clone()), options.executor_params)?;
        cases.extend(written.into_iter().map(|case| ("cases", case)));
    }
    if let Some(folder) = &options.fixtures {
        let real = fixtures::real(&Folder(folder.clone()), options.mutations)?;
        cases.extend(real.into_iter().map(|case| ("real", case)));
    }
    let mut kinds = options.kind.clone();
    if kinds.is_empty() && cases.is_empty() {
        kinds = vec![Kind::Programs, Kind::Calls, Kind::Proposals, Kind::Mutations];
    }
    if let Some(folder) = &options.dump {
        for kind in kinds {
            for seed in options.seed..options.seed + options.count {
                let case = generate(kind, seed, options.executor_params);
                write_case(&folder.join(&case.name), &case)?;
            }
        }
        return Ok(true);
    }

    let written = cases.len() as u64;
    let total = written + options.count * kinds.len() as u64;
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::new(options));
    // The kinds take turns, so that an interrupted run has seen something of each.
    let nth = |index: u64| -> (String, Case) {
        if index < written {
            let (kind, case) = &cases[index as usize];
            return ((*kind).to_owned(), case.clone());
        }
        let kind = kinds[((index - written) % kinds.len() as u64) as usize];
        let seed = options.seed + (index - written) / kinds.len() as u64;
        (kind.to_string(), generate(kind, seed, options.executor_params))
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.get() {
            scope.spawn(|| {
                let mut sides = Sides::new(options);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= total {
                        break;
                    }
                    let (kind, case) = nth(index);
                    let answers = sides.ask_all(&case);
                    let mut summary = summary.lock().unwrap_or_else(|error| error.into_inner());
                    summary.take(&kind, &case, &answers, &mut sides);
                    if (index + 1).is_multiple_of(1000) {
                        eprintln!("{} of {total}, {} differ", index + 1, summary.differing);
                    }
                }
            });
        }
    });
    let summary = summary.into_inner().unwrap_or_else(|error| error.into_inner());
    summary.print();
    if let Some(file) = &options.record {
        summary.record.write(file)?;
    }
    Ok(summary.differing == 0 && summary.unanswered == 0)
}

/// Both processes, and the files through which they get what they are asked about.
struct Sides {
    reference: Peer,
    ours: Peer,
    folder: tempfile::TempDir,
}

impl Sides {
    fn new(options: &Options) -> Self {
        let timeout = Duration::from_secs(options.timeout);
        let reference = options.reference.clone().unwrap_or_default();
        let backend = options.backend.to_string();
        let reference = Peer::new(
            move || {
                let mut command = Command::new(&reference);
                command.env("RUST_LOG", "off");
                command
            },
            timeout,
        );
        let ours = Peer::new(
            move || {
                let program = std::env::current_exe().expect("this program has a path");
                let mut command = Command::new(program);
                command.args(["--serve", "--backend", &backend]);
                command
            },
            timeout,
        );
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        Self { reference, ours, folder }
    }

    fn ask_all(&mut self, case: &Case) -> Vec<(Answer, Answer)> {
        case.inputs.iter().map(|input| self.ask(case, input)).collect()
    }

    /// What both say, the reference first.
    fn ask(&mut self, case: &Case, input: &[u8]) -> (Answer, Answer) {
        let (code, file) = (self.folder.path().join("code"), self.folder.path().join("input"));
        fs::write(&code, &case.code).expect("there is room for temporary files");
        fs::write(&file, input).expect("there is room for temporary files");
        let mut params = String::new();
        if !case.executor_params.is_empty() {
            params = hex::encode(&case.executor_params)[2..].to_owned();
        }
        self.reference.ask(&code, &file, &params);
        self.ours.ask(&code, &file, &params);
        (self.reference.answer(), self.ours.answer())
    }

    /// The first step without which both agree.
    fn first_differing_step(&mut self, case: &Case, input: &[u8]) -> Option<String> {
        (1..=case.steps.len()).find_map(|steps| {
            let mut shorter = input.to_vec();
            *shorter.get_mut(1)? = steps as u8;
            let (reference, ours) = self.ask(case, &shorter);
            let outcome = compare(case, &reference, &ours);
            (outcome == Outcome::Differ).then(|| format!("step {steps}: {}", case.steps[steps - 1]))
        })
    }
}

/// What came out of it.
struct Summary {
    modules: BTreeMap<String, u64>,
    outcomes: BTreeMap<(String, Outcome), u64>,
    /// The errors of the reference and ours, where both failed at the same stage.
    classes: BTreeMap<(String, String), u64>,
    differing: u64,
    unanswered: u64,
    folder: PathBuf,
    record: Record,
}

impl Summary {
    fn new(options: &Options) -> Self {
        Self {
            modules: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            classes: BTreeMap::new(),
            differing: 0,
            unanswered: 0,
            folder: options.differences.clone(),
            record: Record::default(),
        }
    }

    fn take(&mut self, kind: &str, case: &Case, answers: &[(Answer, Answer)], sides: &mut Sides) {
        *self.modules.entry(kind.to_owned()).or_default() += 1;
        let mut outcomes = Vec::new();
        for (nth, (reference, ours)) in answers.iter().enumerate() {
            let outcome = compare(case, reference, ours);
            outcomes.push(outcome);
            self.unanswered += u64::from(outcome == Outcome::ReferenceDied);
            *self.outcomes.entry((kind.to_owned(), outcome)).or_default() += 1;
            if outcome == Outcome::Differ {
                self.differing += 1;
                let step = sides.first_differing_step(case, &case.inputs[nth]);
                eprintln!(
                    "{} differs for input {nth}: {}",
                    case.name,
                    step.as_deref().unwrap_or("")
                );
                if let Err(error) = self.write_difference(case, nth, reference, ours, step) {
                    eprintln!("{error}");
                }
            } else if class(ours) != "ok" {
                *self.classes.entry((class(reference), class(ours))).or_default() += 1;
            }
        }
        if outcomes.iter().all(|outcome| matches!(outcome, Outcome::Agree(..))) {
            let verdicts = answers.iter().filter_map(|(reference, _)| match reference {
                Answer::Verdict(verdict) => Some(verdict.clone()),
                Answer::None => None,
            });
            self.record.add(kind, case, &verdicts.collect::<Vec<_>>());
        }
    }

    fn write_difference(
        &self,
        case: &Case,
        nth: usize,
        reference: &Answer,
        ours: &Answer,
        step: Option<String>,
    ) -> std::io::Result<()> {
        let folder = self.folder.join(&case.name);
        write_case(&folder, case)?;
        let step = step.unwrap_or_default();
        let text = format!("reference: {reference:?}\nours: {ours:?}\n{step}\n");
        fs::write(folder.join(format!("answers-{nth}.txt")), text)
    }

    fn print(&self) {
        for (kind, modules) in &self.modules {
            println!("{kind}: {modules} modules");
            for ((_, outcome), count) in self.outcomes.iter().filter(|((one, _), _)| one == kind) {
                println!("  {count:>8}  {outcome}");
            }
        }
        println!("errors of the reference and ours, at the same stage or explained:");
        for ((reference, ours), count) in &self.classes {
            println!("  {count:>8}  {reference} / {ours}");
        }
        if self.unanswered > 0 {
            println!("{} without an answer of the reference", self.unanswered);
        }
        if self.differing > 0 {
            println!("{} differences, see {}", self.differing, self.folder.display());
        }
    }
}

fn write_case(folder: &Path, case: &Case) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("module.wasm"), &case.code)?;
    for (nth, input) in case.inputs.iter().enumerate() {
        fs::write(folder.join(format!("input-{nth}")), input)?;
    }
    if !case.executor_params.is_empty() {
        fs::write(folder.join("executor-params.hex"), hex::encode(&case.executor_params))?;
    }
    let steps: Vec<_> =
        case.steps.iter().enumerate().map(|(at, step)| format!("{}: {step}\n", at + 1)).collect();
    if !steps.is_empty() {
        fs::write(folder.join("steps.txt"), steps.concat())?;
    }
    Ok(())
}
