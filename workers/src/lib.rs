//! What runs inside the worker processes of the PVF host.
//!
//! The host starts its own program again as a worker: [`run_if_worker`] at the top of a node's
//! `main` is what makes that work. A worker speaks to the host over its standard input, and forks a
//! job for each thing that it is asked to do. The job does the work and is the only process
//! that touches what an attacker made; the worker stands outside, watches the job's time, and reports.
//!
//! * `prepare` is the worker that has artifacts made,
//! * `execute` the one that holds an artifact and has candidates executed,
//! * `confine` what both, and their jobs, give up before they begin,
//! * [`floor`] measures what a call costs with nothing of this around it.
//!
//! This crate also links the backends that its features name into the program.

mod channel;
mod confine;
mod execute;
pub mod floor;
mod job;
#[doc(hidden)]
pub mod parts;
mod prepare;

#[cfg(feature = "polkavm")]
use pvf_backend_polkavm as _;
#[cfg(feature = "wasmi")]
use pvf_backend_wasmi as _;
#[cfg(feature = "wasmtime")]
use pvf_backend_wasmtime as _;

use channel::{Channel, HostGone};
use confine::Confinement;
use pvf_host_core::{
    backend,
    failpoint::{self, Point},
    primitives::ExecutorParams,
    worker::{
        WORKER_ARGUMENT,
        frame::FrameError,
        protocol::{
            FileIdentity, HostHello, LinkedBackend, PACKAGE_VERSION, PROTOCOL_VERSION, WorkerHello,
            WorkerKind,
        },
    },
};
use std::{fs::File, io, path::Path, process::ExitCode, sync::LazyLock};

/// Becomes a worker, and ends with it, if the program was started as one. Call this first thing in
/// `main`, before any thread is started.
pub fn run_if_worker() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != WORKER_ARGUMENT) {
        return;
    }
    let kinds = [WorkerKind::Prepare, WorkerKind::Execute];
    let kind = arguments.next().and_then(|argument| {
        kinds.into_iter().find(|kind| argument.to_str() == Some(kind.as_str()))
    });
    let code = match kind {
        Some(kind) => run(kind),
        None => {
            eprintln!("a worker is started by a validation host, as: {WORKER_ARGUMENT} KIND");
            2
        }
    };
    std::process::exit(code);
}

/// The `main` of a program that is a worker and nothing else.
pub fn worker_main() -> ExitCode {
    run_if_worker();
    eprintln!("this is the worker program of a validation host, and is started by one");
    ExitCode::from(2)
}

fn run(kind: WorkerKind) -> i32 {
    let outcome = confine::begin()
        .map_err(|error| format!("can't confine the worker: {error}"))
        .and_then(|()| Channel::from_stdin().map_err(|error| error.to_string()))
        .and_then(|mut host| {
            let result = greet(kind, &mut host).and_then(|confinement| match kind {
                WorkerKind::Prepare => prepare::serve(host, confinement),
                WorkerKind::Execute => execute::serve(host, confinement),
            });
            match result {
                // The host has let this worker go.
                Ok(()) | Err(HostGone::Closed) => Ok(()),
                Err(HostGone::Broken(reason)) => Err(reason),
            }
        });
    match outcome {
        Ok(()) => 0,
        Err(reason) => {
            eprintln!("{} worker: {reason}", kind.as_str());
            1
        }
    }
}

/// Greets the host, and is confined from then on.
fn greet(kind: WorkerKind, host: &mut Channel) -> Result<Confinement, HostGone> {
    let (hello, _) = host.receive::<HostHello>()?;
    failpoint::reach(Point::WorkerHandshake).map_err(FrameError::from)?;
    if hello.magic != HostHello::MAGIC {
        return Err(HostGone::Broken("the other side is no validation host".into()));
    }
    let mut answer = hello_to(&hello)
        .map_err(|error| HostGone::Broken(format!("can't read the program: {error}")))?;
    // What is read from files later is read now.
    cores();
    let (confinement, findings) = Confinement::of_worker(kind, hello.measures, &hello.findings);
    answer.findings = findings;
    host.send(&answer, &[])?;
    Ok(confinement)
}

/// What a worker that is this program answers when a host greets it, with the host's own findings
/// alone.
///
/// # Errors
///
/// When the program can't be read.
pub fn hello_to(host: &HostHello) -> io::Result<WorkerHello> {
    /// The kernel's name for the program that this process runs, right even after its file was
    /// replaced.
    const OWN_PROGRAM: &str = "/proc/self/exe";
    let is_first = host.expected_program.is_none();
    let backends = backend::linked().into_iter().map(|descriptor| LinkedBackend {
        id: descriptor.id.clone(),
        version: descriptor.version.to_owned(),
        fingerprint: is_first.then(|| (descriptor.fingerprint)(&ExecutorParams::default())),
    });
    let program = FileIdentity::of(Path::new(OWN_PROGRAM))?;
    let build = if host.expected_program == Some(program) {
        None
    } else {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(OWN_PROGRAM)?)?;
        Some(*hasher.finalize().as_bytes())
    };
    Ok(WorkerHello {
        magic: WorkerHello::MAGIC,
        protocol: PROTOCOL_VERSION,
        package: PACKAGE_VERSION.to_owned(),
        program,
        build,
        backends: backends.collect(),
        findings: host.findings.clone(),
    })
}

/// How many processors there are to use.
fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    *CORES
}
