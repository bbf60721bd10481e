//! Every point with every fault, under load.

use pvf_fault_injection::{
    board::{Board, Fault, Plan},
    driver::{FaultPrograms, HostProcess, Listed, assert_no_process_is_left, wait_until},
    fault_programs,
    journal::{Command, Event},
    workload::{self, Ask, Tolerance},
};
use pvf_host_core::failpoint::Point;
use pvf_tests::Scratch;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// When something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// While the host is started.
    Start,
    /// While it has a lot to do.
    Load,
}

/// One trial.
#[derive(Debug, Clone, Copy)]
struct Cell {
    phase: Phase,
    plan: Plan,
}

/// How many cells are tried at once.
const AT_ONCE: usize = 4;

/// The points that are reached while a host is started, the last one if there is a damaged artifact.
const AT_START: [Point; 11] = [
    Point::HostSpawn,
    Point::HostHandshake,
    Point::HostSend,
    Point::HostReceive,
    Point::WorkerHandshake,
    Point::WorkerReceive,
    Point::WorkerSend,
    Point::HostWrite,
    Point::HostSync,
    Point::HostRename,
    Point::HostRemove,
];

/// Those of them that are reached twice: a new cache gets a key, and then an environment.
const TWICE_AT_START: [Point; 3] = [Point::HostWrite, Point::HostSync, Point::HostRename];

/// All that can go wrong. `phase` and `fault` go with each point, but for what is named here.
fn kinds() -> impl Iterator<Item = (Phase, Point, Fault)> {
    let kinds = [Phase::Start, Phase::Load].into_iter().flat_map(|phase| {
        let of = move |point| Fault::ALL.into_iter().map(move |fault| (phase, point, fault));
        Point::ALL.into_iter().flat_map(of)
    });
    kinds.filter(|(phase, point, fault)| match (phase, fault) {
        (Phase::Load, _) => true,
        // There are no jobs yet.
        (Phase::Start, Fault::KillJob) => false,
        // There are no workers yet.
        (Phase::Start, Fault::KillWorker) if *point == Point::HostSpawn => false,
        (Phase::Start, _) => AT_START.contains(point),
    })
}

/// Whether a preparation may lose its worker or its job by this.
fn may_end_preparation(plan: Plan) -> bool {
    match (plan.fault, plan.point) {
        (Fault::Delay, _) => false,
        (Fault::KillHost | Fault::KillWorker | Fault::KillJob, _) => true,
        // What is not started yet can be started again, and what is made can be made again; the others
        // have to do with executing alone.
        (Fault::Fail, point) => matches!(
            point,
            Point::HostSend
                | Point::HostReceive
                | Point::WorkerReceive
                | Point::WorkerFork
                | Point::WorkerSend
                | Point::JobPrepare
                | Point::JobSend
        ),
    }
}

/// A directory with what belongs to it, where one cell is tried.
struct Trial<'a> {
    programs: FaultPrograms,
    scratch: &'a Scratch,
    board: &'a Board,
    next_round: u32,
}

const START: Command = Command::Start { room: Some(workload::ROOM) };

impl<'a> Trial<'a> {
    fn process(&self) -> HostProcess<'a> {
        HostProcess::start(self.programs, self.scratch, Some(self.board))
    }

    /// Has a round of requests answered, and says whether the host has survived that.
    fn load(&mut self, host: &mut HostProcess, tolerance: Tolerance) -> bool {
        let round = self.next_round;
        self.next_round += 1;
        host.tell(&Command::Load { round });
        let mut asked: BTreeMap<u32, Ask> = BTreeMap::new();
        let mut waiting: BTreeMap<u32, Ask> =
            workload::asks(round).into_iter().map(|ask| (ask.id, ask)).collect();
        while let Some(event) = host.event() {
            match event {
                Event::Asked { ask } => {
                    let request = waiting.remove(&ask).expect("each request is made once");
                    asked.insert(ask, request);
                }
                Event::Answered { ask, answer } => {
                    let request = asked.remove(&ask).expect("each request is answered once");
                    request.check(&answer, tolerance).unwrap_or_else(|wrong| panic!("{wrong}"));
                }
                Event::Done { round: done } => {
                    assert_eq!(done, round);
                    assert!(waiting.is_empty() && asked.is_empty(), "no answer: {asked:?}");
                    return true;
                }
                other => panic!("{other:?} in the midst of a round"),
            }
        }
        false
    }

    fn start(host: &mut HostProcess) {
        host.tell(&START);
        assert_eq!(host.event(), Some(Event::Ready));
    }

    /// Starts a host, has it answer a round, and shuts it down: as if nothing had ever happened.
    fn all_is_well(&mut self) {
        let mut host = self.process();
        Self::start(&mut host);
        assert!(self.load(&mut host, Tolerance::None));
        self.end(host);
    }

    fn end(&self, mut host: HostProcess) {
        host.tell(&Command::ShutDown);
        assert_nothing_is_left(&mut host);
        assert!(!host.wait());
        assert_no_process_is_left(self.scratch);
        assert_eq!(self.scratch.temporary_files(), [] as [PathBuf; 0]);
        let listed = Listed::read(self.scratch);
        assert!(listed.broken.is_empty() && listed.others.is_empty(), "{listed:?}");
    }

    fn check_fired(&self, plan: Plan) {
        let fired = self.board.fired();
        if plan.times == Plan::ON_AND_ON {
            assert!(fired > 0, "it was never reached");
        } else {
            assert_eq!(fired, plan.times, "it was not reached so often");
        }
    }

    /// Has the plan go wrong while a host is started, and gives one that was, if it lives.
    fn start_under(&mut self, plan: Plan) -> Option<HostProcess<'a>> {
        if plan.point == Point::HostRemove {
            self.leave_damaged_artifact();
        }
        let mut host = self.process();
        host.arm(plan);
        host.tell(&START);
        let started = host.event();
        self.check_fired(plan);
        host.disarm();
        match (plan.fault, started) {
            (Fault::KillHost, None) => {
                assert!(host.wait());
                return None;
            }
            // Who is killed may have done its part.
            (Fault::Delay | Fault::KillWorker, Some(Event::Ready)) => {}
            // What can't be removed is not believed either.
            (Fault::Fail, Some(Event::Ready)) if plan.point == Point::HostRemove => {}
            // The note of what the environment is made of is for people.
            (Fault::Fail, Some(Event::Ready))
                if TWICE_AT_START.contains(&plan.point) && plan.skip == 1 => {}
            (Fault::Fail | Fault::KillWorker, Some(Event::NotStarted(_))) => {
                assert_nothing_is_left(&mut host);
                let others = || self.scratch.processes().len() - 1;
                wait_until("no worker is left", || others() == 0);
                Self::start(&mut host);
            }
            (_, other) => panic!("after starting: {other:?}"),
        }
        Some(host)
    }

    /// Leaves an artifact in the cache that every round asks for, and that is not whole.
    fn leave_damaged_artifact(&mut self) {
        let mut host = self.process();
        host.tell(&Command::Start { room: None });
        assert_eq!(host.event(), Some(Event::Ready));
        assert!(self.load(&mut host, Tolerance::None));
        self.end(host);
        let artifact = self.scratch.artifact(&workload::wanted_by_all());
        let file = fs::File::options().write(true).open(artifact).expect("it is there");
        file.set_len(1000).expect("it can be cut");
    }

    /// Has the plan go wrong while a host has a lot to do, and gives the host, if it lives.
    fn load_under(&mut self, plan: Plan) -> Option<HostProcess<'a>> {
        /// What needs more than so many requests to be reached never is.
        const ROUNDS: u32 = 10;
        let mut host = self.process();
        Self::start(&mut host);
        assert!(self.load(&mut host, Tolerance::None));
        let tolerance = match (plan.fault, plan.times) {
            (Fault::Delay, _) => Tolerance::None,
            (_, 1) if may_end_preparation(plan) => Tolerance::OnceWhilePreparing,
            (_, 1) => Tolerance::Once,
            _ => Tolerance::OnAndOn,
        };
        host.arm(plan);
        let mut lives = true;
        for _ in 0..ROUNDS {
            lives = self.load(&mut host, tolerance);
            let is_done = plan.times != Plan::ON_AND_ON && self.board.fired() == plan.times;
            if !lives || is_done || plan.times == Plan::ON_AND_ON {
                break;
            }
        }
        self.check_fired(plan);
        host.disarm();
        assert_eq!(lives, plan.fault != Fault::KillHost);
        if lives {
            return Some(host);
        }
        assert!(host.wait());
        None
    }

    fn run(&mut self, cell: Cell) {
        let host = match cell.phase {
            Phase::Start => self.start_under(cell.plan),
            Phase::Load => self.load_under(cell.plan),
        };
        match host {
            Some(mut host) => {
                // The next request works.
                assert!(self.load(&mut host, Tolerance::None));
                self.end(host);
            }
            None => {
                // Workers and jobs end by themselves; of files, the next host removes what is left.
                assert_no_process_is_left(self.scratch);
                let listed = Listed::read(self.scratch);
                let is_damaged = cell.phase == Phase::Start && cell.plan.point == Point::HostRemove;
                assert_eq!(listed.broken.len(), usize::from(is_damaged), "{listed:?}");
            }
        }
        self.all_is_well();
    }
}

fn assert_nothing_is_left(host: &mut HostProcess) {
    let Some(Event::Ended { descriptors_before, descriptors_after, threads, children }) =
        host.event()
    else {
        panic!("the host is shut down");
    };
    assert_eq!(
        (descriptors_after, threads, children),
        (descriptors_before, 0, 0),
        "descriptors, threads, children left"
    );
}

/// How a cell went.
struct Outcome {
    cell: Cell,
    took: Duration,
    failure: Option<String>,
}

/// Tries cells, several at a time.
fn run(cells: &[Cell]) -> Vec<Outcome> {
    let programs = fault_programs!();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let tried = catch_unwind(AssertUnwindSafe(|| {
                        let scratch = programs.scratch();
                        let board = Board::new(&scratch.worker());
                        Trial { programs, scratch: &scratch, board: &board, next_round: 0 }
                            .run(*cell);
                    }));
                    let failure = tried.err().map(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                            .unwrap_or_default()
                    });
                    let outcome = Outcome { cell: *cell, took: start.elapsed(), failure };
                    let mut outcomes = outcomes.lock().expect("nobody panics with it");
                    outcomes.push(outcome);
                    if outcomes.len() % 100 == 0 {
                        say(&format!("fault matrix: {} of {} cells", outcomes.len(), cells.len()));
                    }
                }
            });
        }
    });
    outcomes.into_inner().expect("nobody panics with it")
}

/// Prints a table of what was tried.
fn report(outcomes: &[Outcome], took: Duration) {
    let mut table = String::new();
    let columns = [Phase::Start, Phase::Load]
        .into_iter()
        .flat_map(|phase| Fault::ALL.map(|fault| (phase, fault)));
    let columns: Vec<_> = columns
        .filter(|column| outcomes.iter().any(|o| (o.cell.phase, o.cell.plan.fault) == *column))
        .collect();
    let _ = write!(table, "\n{:16}", "");
    for (phase, fault) in &columns {
        let _ = write!(table, "{:>18}", format!("{phase:?} {fault:?}"));
    }
    for point in Point::ALL {
        let _ = write!(table, "\n{:16}", format!("{point:?}"));
        for column in &columns {
            let of: Vec<_> = outcomes
                .iter()
                .filter(|o| {
                    (o.cell.phase, o.cell.plan.fault) == *column && o.cell.plan.point == point
                })
                .collect();
            let failed = of.iter().filter(|outcome| outcome.failure.is_some()).count();
            let seconds: f64 = of.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
            let entry = match (of.len(), failed) {
                (0, _) => "-".to_owned(),
                (1, 0) => format!("{seconds:.1} s"),
                (count, 0) => format!("{count} in {seconds:.0} s"),
                (count, failed) => format!("{failed} of {count} FAILED"),
            };
            let _ = write!(table, "{entry:>18}");
        }
    }
    let points: BTreeSet<_> = outcomes.iter().map(|o| o.cell.plan.point as usize).collect();
    let _ = writeln!(
        table,
        "\n\nfault matrix: {} cells, {} points, {} failed, {:.0} s\n",
        outcomes.len(),
        points.len(),
        outcomes.iter().filter(|outcome| outcome.failure.is_some()).count(),
        took.as_secs_f64()
    );
    say(&table);
}

/// Past the test harness, which would keep it to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Tries all cells in whose description the environment variable `PVF_FAULTS` occurs.
fn try_chosen(mut cells: Vec<Cell>) {
    if let Ok(chosen) = std::env::var("PVF_FAULTS") {
        cells.retain(|cell| format!("{cell:?}").contains(&chosen));
    }
    let start = Instant::now();
    let outcomes = run(&cells);
    report(&outcomes, start.elapsed());
    let failures: Vec<_> = outcomes
        .iter()
        .filter_map(|o| Some(format!("{:?}: {}", o.cell, o.failure.as_ref()?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn whatever_goes_wrong_no_verdict_is_wrong_and_nothing_is_left_behind() {
    let mut cells = Vec::new();
    for (phase, point, fault) in kinds() {
        let skips: &[u32] = match phase {
            Phase::Start if TWICE_AT_START.contains(&point) => &[0, 1],
            Phase::Start => &[0],
            // Not at the very first request, which finds no worker busy.
            Phase::Load => &[2],
        };
        let once = |skip: &u32| Cell { phase, plan: Plan { point, fault, skip: *skip, times: 1 } };
        cells.extend(skips.iter().map(once));
        if (phase, fault) == (Phase::Load, Fault::Fail) {
            let plan = Plan { point, fault, skip: 2, times: Plan::ON_AND_ON };
            cells.push(Cell { phase, plan });
        }
    }
    try_chosen(cells);
}

#[test]
#[ignore = "takes ten minutes"]
fn whatever_goes_wrong_sooner_later_or_more_often_no_verdict_is_wrong() {
    let mut cells = Vec::new();
    for (phase, point, fault) in kinds() {
        let is_load = phase == Phase::Load;
        let skips: &[u32] = match phase {
            Phase::Start if TWICE_AT_START.contains(&point) => &[0, 1],
            Phase::Start => &[0],
            Phase::Load => &[0, 1, 3, 5, 8, 13],
        };
        let once = |skip: &u32| Cell { phase, plan: Plan { point, fault, skip: *skip, times: 1 } };
        cells.extend(skips.iter().map(once));
        // A host can be killed no more than once.
        if is_load && fault != Fault::KillHost {
            for times in [2, 5, Plan::ON_AND_ON] {
                cells.push(Cell { phase, plan: Plan { point, fault, skip: 1, times } });
            }
        }
    }
    try_chosen(cells);
}
