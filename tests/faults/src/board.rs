//! The board: memory that a test shares with a host, its workers and their jobs.
//!
//! The test pins a [`Plan`] to it. Whoever reaches the planned point carries it out, so often and no
//! more, whichever process that is. Killing is left to the test: the process that has reached the
//! point says so on the board, and waits until it is told to go on, or is dead. So the one who is
//! killed has gone no step further, and a process needs no right to do any of this: once the board is
//! mapped, looking at it takes no system call.

#![expect(unsafe_code, reason = "reads shared memory")]

use memmap2::{MmapOptions, MmapRaw};
use pvf_host_core::{
    failpoint::{self, Point},
    worker::WORKER_ARGUMENT,
};
use pvf_tests::processes;
use std::{
    fs::{self, File},
    hint, io,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// What goes wrong at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The step fails, with the error that the kernel would give there.
    Fail,
    /// The step is taken later.
    Delay,
    /// The host is killed.
    KillHost,
    /// From the host, all workers are killed; from elsewhere, the worker that has reached the point or
    /// whose job has.
    KillWorker,
    /// From a job, that one is killed; from elsewhere, all jobs.
    KillJob,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Fail, Self::Delay, Self::KillHost, Self::KillWorker, Self::KillJob];

    /// Whether somebody dies of it.
    pub fn kills(self) -> bool {
        !matches!(self, Self::Fail | Self::Delay)
    }
}

/// What goes wrong, where and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub point: Point,
    /// What.
    pub fault: Fault,
    /// How often the point is reached without harm first.
    pub skip: u32,
    /// How often it goes wrong then.
    pub times: u32,
}

impl Plan {
    /// As [`times`](Self::times): until the plan is taken off the board.
    pub const ON_AND_ON: u32 = u32::MAX;
}

/// How long [`Fault::Delay`] takes.
const DELAY: Duration = Duration::from_millis(50);
/// How many processes can wait at once for somebody to be killed.
const PLACES: usize = 64;
const POINTS: usize = Point::ALL.len();

/// What lies in the shared memory. All zeroes: no plan.
#[repr(C)]
struct Layout {
    /// One more than the index of the planned point, or nothing.
    point: AtomicU32,
    fault: AtomicU32,
    skip: AtomicU32,
    left: AtomicU32,
    fired: AtomicU32,
    reached: [AtomicU32; POINTS],
    /// Processes that wait for somebody to be killed: the upper half is the number of the host or the
    /// worker, the lower half that which the process knows itself by.
    waiting: [AtomicU64; PLACES],
}

/// The shared memory of a test's processes.
#[derive(Debug)]
pub struct Board(MmapRaw);

/// Somebody who has reached a point where somebody is to be killed, and waits for that.
#[derive(Debug)]
pub struct Waiting {
    place: usize,
    /// The process, if it is a host or a worker, or the worker whose job it is.
    pub owner: i32,
    /// The number that the process knows itself by, in the namespace of `owner`.
    pub inner_pid: i32,
}

/// The file of the board beside a worker program.
fn path(worker: &Path) -> PathBuf {
    worker.with_extension("board")
}

impl Board {
    /// A new board for those that use this worker program.
    ///
    /// # Panics
    ///
    /// When there is no place for it.
    pub fn new(worker: &Path) -> Self {
        let path = path(worker);
        let new = path.with_extension("new");
        let file = File::create(&new).expect("the file can be made");
        file.set_len(size_of::<Layout>() as u64).expect("the file can be extended");
        // At once, for a worker must see all of it or nothing.
        fs::rename(new, &path).expect("the file can be renamed");
        Self::open(worker).expect("the board was just made")
    }

    fn open(worker: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path(worker))?;
        Ok(Self(MmapOptions::new().len(size_of::<Layout>()).map_raw(&file)?))
    }

    fn layout(&self) -> &Layout {
        // SAFETY: the memory is as large as this, begins with a page, and is mapped as long as `self`
        // exists. Any bytes are valid for atomic numbers, and all processes use them as such.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// Puts a plan into effect.
    pub fn arm(&self, plan: Plan) {
        let layout = self.layout();
        layout.point.store(0, SeqCst);
        layout.fault.store(plan.fault as u32, SeqCst);
        layout.skip.store(plan.skip, SeqCst);
        layout.left.store(plan.times, SeqCst);
        layout.fired.store(0, SeqCst);
        layout.point.store(index(plan.point) as u32 + 1, SeqCst);
    }

    /// Takes the plan off the board.
    pub fn disarm(&self) {
        self.layout().point.store(0, SeqCst);
        self.layout().left.store(0, SeqCst);
    }

    /// How often the plan was carried out.
    pub fn fired(&self) -> u32 {
        self.layout().fired.load(SeqCst)
    }

    /// How often a point was reached, with or without a plan for it.
    pub fn reached(&self, point: Point) -> u32 {
        self.layout().reached[index(point)].load(SeqCst)
    }

    /// Who waits for somebody to be killed, for the current plan.
    pub fn waiting(&self) -> Vec<Waiting> {
        let places = self.layout().waiting.iter().enumerate();
        let waiting = places.map(|(place, who)| {
            let who = who.load(SeqCst);
            Waiting { place, owner: (who >> 32) as i32, inner_pid: who as u32 as i32 }
        });
        waiting.filter(|waiting| waiting.inner_pid != 0).collect()
    }

    /// Says that `waiting` has waited long enough, and whether somebody was there to be killed: if
    /// not, the plan is carried out another time.
    pub fn release(&self, waiting: &Waiting, killed: bool) {
        let layout = self.layout();
        if killed {
            layout.fired.fetch_add(1, SeqCst);
        } else if layout.left.load(SeqCst) != Plan::ON_AND_ON {
            layout.left.fetch_add(1, SeqCst);
        }
        layout.waiting[waiting.place].store(0, SeqCst);
    }

    /// Carries out the plan, if it is for `point` and due.
    fn reach(&self, point: Point) -> io::Result<()> {
        let layout = self.layout();
        layout.reached[index(point)].fetch_add(1, SeqCst);
        if layout.point.load(SeqCst) != index(point) as u32 + 1 {
            return Ok(());
        }
        if take_one(&layout.skip).is_some() || take_one(&layout.left).is_none() {
            return Ok(());
        }
        let fault = layout.fault.load(SeqCst);
        if fault == Fault::Fail as u32 {
            layout.fired.fetch_add(1, SeqCst);
            return Err(io::Error::from_raw_os_error(error(point)));
        }
        if fault == Fault::Delay as u32 {
            layout.fired.fetch_add(1, SeqCst);
            let start = Instant::now();
            while start.elapsed() < DELAY {
                hint::spin_loop();
            }
            return Ok(());
        }
        let owner = OWNER.get().copied().unwrap_or(0);
        let who = u64::from(owner) << 32 | u64::from(std::process::id());
        let place = loop {
            let free = |place: &&AtomicU64| place.compare_exchange(0, who, SeqCst, SeqCst).is_ok();
            if let Some(place) = layout.waiting.iter().find(free) {
                break place;
            }
        };
        while place.load(SeqCst) == who {
            hint::spin_loop();
        }
        Ok(())
    }
}

/// Takes one from a number, unless there is none left.
fn take_one(number: &AtomicU32) -> Option<u32> {
    number
        .fetch_update(SeqCst, SeqCst, |left| match left {
            Plan::ON_AND_ON => Some(left),
            _ => left.checked_sub(1),
        })
        .ok()
}

fn index(point: Point) -> usize {
    point as usize
}

/// How a step would fail on a machine that has a bad day.
fn error(point: Point) -> i32 {
    match point {
        Point::HostSpawn | Point::WorkerFork => libc::EAGAIN,
        Point::HostHandshake
        | Point::HostReceive
        | Point::WorkerHandshake
        | Point::WorkerReceive => libc::ECONNRESET,
        Point::HostSend | Point::WorkerSend | Point::JobSend => libc::EPIPE,
        Point::HostRead | Point::HostSync => libc::EIO,
        Point::HostWrite => libc::ENOSPC,
        Point::HostRename => libc::EROFS,
        Point::HostRemove | Point::HostPrune => libc::EACCES,
        Point::WorkerLoad | Point::JobPrepare | Point::JobCall => libc::ENOMEM,
    }
}

static BOARD: OnceLock<Board> = OnceLock::new();
/// The host or the worker that looked at the board: this process, or the one that forked it.
static OWNER: OnceLock<u32> = OnceLock::new();

/// Has this process look at the board beside `worker`, if there is one.
pub fn watch(worker: &Path) {
    if let Ok(board) = Board::open(worker) {
        let _ = OWNER.set(processes::own_pid());
        let _ = BOARD.set(board);
        failpoint::set_hook(|point| BOARD.get().map_or(Ok(()), |board| board.reach(point)));
    }
}

/// The same for a process that was started as a worker. To be called first thing in its `main`.
pub fn watch_in_worker() {
    let mut arguments = std::env::args_os();
    let Some(program) = arguments.next() else { return };
    if arguments.next().is_some_and(|argument| argument == WORKER_ARGUMENT) {
        watch(Path::new(&program));
    }
}
