//! The process with the host in it. It takes [`Command`]s on standard input, and tells [`Event`]s on
//! standard output.

use crate::{
    Random, board,
    journal::{Answer, Command, Event},
    workload::{self, Ask},
};
use futures_util::future::join_all;
use pvf_host_core::{
    Config, ValidationHost, ValidationRequest, artifact::PruneLimits, validate_with_retry,
    worker::WorkerProgram,
};
use pvf_tests::{OnPrepare, Script, processes, request::approval_of};
use std::{
    fs,
    io::{BufRead, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// The `main` of the process: `CACHE WORKER`, the directory of the cache and the worker program.
pub fn run() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(cache), Some(worker)) = (arguments.next(), arguments.next()) else {
        eprintln!("this is the host of the fault injection tests, and is started by them");
        std::process::exit(2);
    };
    board::watch(&worker);
    let runtime = tokio::runtime::Runtime::new().expect("there is a runtime");
    runtime.block_on(serve(&config(cache, worker)));
}

/// For so long, what could not be prepared is not tried again.
const REMEMBERED_FOR: Duration = Duration::from_millis(20);

/// A host where all kinds of things happen under little load: artifacts are removed, workers go, and
/// what has failed may be tried again as soon and as often as one likes.
fn config(cache: PathBuf, worker: PathBuf) -> Config {
    Config::builder(cache)
        .worker_program(WorkerProgram::Path(worker))
        .prepare_workers_soft_max(2)
        .prepare_workers_hard_max(3)
        .execute_workers_max(3)
        .hot_workers_max(2)
        .prepare_retry_interval(REMEMBERED_FOR)
        .prepare_retries(u32::MAX)
        // A machine that runs many tests at once may be slow.
        .spawn_timeout(Duration::from_secs(60))
        .build()
        .expect("a host can be set up so")
}

struct Running {
    host: ValidationHost,
    work: JoinHandle<()>,
}

async fn serve(config: &Config) {
    let mut commands = commands();
    let mut config = config.clone();
    let mut running = None;
    let mut before = 0;
    while let Some(command) = commands.recv().await {
        match (command, &running) {
            (Command::Start { room }, None) => {
                before = descriptors();
                if let Some(room) = room {
                    let limits = PruneLimits::new(room, Duration::ZERO);
                    let pruning = config.to_builder().prune_limits(limits);
                    config = pruning.build().expect("a host can be set up so");
                }
                match pvf_host_core::start(config.clone()).await {
                    Ok((host, work)) => {
                        running = Some(Running { host, work: tokio::spawn(work) });
                        tell(&Event::Ready);
                    }
                    Err(error) => {
                        tell(&Event::NotStarted(error.to_string()));
                        tell(&what_is_left(before).await);
                    }
                }
            }
            (Command::Load { round }, Some(Running { host, .. })) => {
                // What failed in the round before must not stand in the way of this one.
                tokio::time::sleep(REMEMBERED_FOR).await;
                load(host, workload::asks(round)).await;
                tell(&Event::Done { round });
            }
            (Command::Churn { seed, first_new, known, execute }, Some(Running { host, .. })) => {
                recover(host, known, execute.clone()).await;
                churn(host, seed, first_new, execute).await;
            }
            (Command::ShutDown, Some(_)) => {
                let Some(Running { host, work }) = running.take() else { continue };
                drop(host);
                work.await.expect("the host does not panic");
                tell(&what_is_left(before).await);
            }
            (command, _) => panic!("{command:?} makes no sense now"),
        }
    }
}

/// Reads commands. When there are no more to come, the test is gone, and the process ends whatever it
/// does: nobody looks after those who wait on the board.
fn commands() -> mpsc::UnboundedReceiver<Command> {
    let (sender, commands) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let command = serde_json::from_str(&line).expect("the tests say what makes sense");
            // The other end is there for as long as the process.
            let _ = sender.send(command);
        }
        std::process::exit(0);
    });
    commands
}

fn tell(event: &Event) {
    let mut line = serde_json::to_vec(event).expect("an event can be written");
    line.push(b'\n');
    std::io::stdout().lock().write_all(&line).expect("the test listens");
}

async fn load(host: &ValidationHost, asks: Vec<Ask>) {
    let asked = asks.into_iter().map(|ask| {
        let (host, id) = (host.clone(), ask.id);
        tell(&Event::Asked { ask: id });
        tokio::spawn(async move {
            let answer = ask.put(host).await;
            tell(&Event::Answered { ask: id, answer });
        })
    });
    let asked: Vec<_> = asked.collect();
    for answered in join_all(asked).await {
        answered.expect("asking does not panic");
    }
}

// What a host is killed in the midst of

/// A candidate of the code that a number stands for.
pub fn candidate(salt: u64) -> ValidationRequest {
    const MOST: u64 = 300 << 10;
    let padding = 1 + Random::new(salt).below(MOST) as u32;
    let padding = OnPrepare::SucceedWithPadding(padding);
    let request = approval_of(Script::prepare(padding).salt(salt).pvf(), salt.to_le_bytes());
    request.with_timeout(Duration::from_secs(60))
}

/// How many artifacts are made, or asked for, at once.
pub const AT_ONCE: usize = 4;

async fn recover(host: &ValidationHost, known: Vec<u64>, execute: Vec<u64>) {
    let before = host.statistics().preparations;
    for salts in known.chunks(64) {
        join_all(salts.iter().map(async |salt| {
            let report = host.precheck(candidate(*salt).pvf).await.expect("the code is good");
            tell(&Event::There { salt: *salt, cached: report.cached, answer: None });
        }))
        .await;
    }
    for salts in execute.chunks(AT_ONCE) {
        join_all(salts.iter().map(|salt| execute_one(host, *salt))).await;
    }
    tell(&Event::Recovered { preparations: host.statistics().preparations - before });
}

async fn execute_one(host: &ValidationHost, salt: u64) {
    let validation = validate_with_retry(host, candidate(salt)).await;
    let cached = validation.prepare.as_ref().is_some_and(|report| report.cached);
    tell(&Event::There { salt, cached, answer: Some(validation.into()) });
}

async fn churn(host: &ValidationHost, seed: u64, first_new: u64, old: Vec<u64>) {
    let next = Arc::new(AtomicU64::new(first_new));
    let all = (0..AT_ONCE as u64).map(|lane| {
        let (host, next, old) = (host.clone(), next.clone(), old.clone());
        let mut random = Random::new(seed ^ lane);
        tokio::spawn(async move {
            loop {
                let salt = next.fetch_add(1, Ordering::Relaxed);
                tell(&Event::Wanted { salt });
                execute_one(&host, salt).await;
                if !old.is_empty() {
                    execute_one(&host, *random.choose(&old)).await;
                }
            }
        })
    });
    let all: Vec<JoinHandle<()>> = all.collect();
    join_all(all).await;
}

/// Whether an answer is the right one for [`candidate`].
pub fn is_right(salt: u64, answer: &Answer) -> bool {
    matches!(answer, Answer::Valid(head) if *head == pvf_tests::request::hash_head(&candidate(salt)))
}

// What a host leaves behind

async fn what_is_left(descriptors_before: usize) -> Event {
    /// Far longer than it takes to close a few descriptors.
    const PATIENCE: Duration = Duration::from_secs(20);
    let start = Instant::now();
    loop {
        let (descriptors_after, threads, children) =
            (descriptors(), threads_of_hosts(), children());
        let is_clean = (descriptors_after, threads, children) == (descriptors_before, 0, 0);
        if is_clean || start.elapsed() > PATIENCE {
            return Event::Ended { descriptors_before, descriptors_after, threads, children };
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc can be read").count()
}

fn threads_of_hosts() -> usize {
    let threads = fs::read_dir("/proc/self/task").expect("/proc can be read");
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("pvf-spawner")).count()
}

fn children() -> usize {
    processes::all().iter().filter(|process| process.is_our_child()).count()
}
