//! Hosts that are killed at random, and what their successors make of the cache.
//!
//! `PVF_CRASH_SEED` is where random numbers start, `PVF_CRASH_KILLS` how often the long form kills.

use pvf_fault_injection::{
    Random,
    driver::{FaultPrograms, HostProcess, Listed, assert_no_process_is_left},
    fault_programs,
    host::{AT_ONCE, candidate, is_right},
    journal::{Command, Event},
};
use pvf_host_core::primitives::CodeHash;
use pvf_tests::Scratch;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    ops::AddAssign,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How many caches are tried at once, each with hosts of its own.
const LANES: usize = 2;
/// How many hosts are killed over one cache. With more, artifacts fill the disk.
const KILLS_PER_CACHE: usize = 25;

/// An artifact that some host was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No host has said that it is there.
    InFlight,
    /// One has.
    There,
    /// It was there, and then somebody damaged or removed it.
    Damaged,
}

/// What has happened.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    kills: usize,
    /// Hosts that were killed before they were ready.
    while_starting: usize,
    /// Hosts that were killed before they had asked for everything that was there.
    while_recovering: usize,
    /// Hosts that left a file which was being written.
    while_writing: usize,
    /// Artifacts that were asked for when a host was killed, and not known to be there.
    in_flight: usize,
    /// Artifacts that were known to be there, all kills together, and were.
    there: usize,
    /// Artifacts that were damaged on purpose.
    damaged: usize,
    /// Artifacts in flight that had to be prepared by another host.
    prepared_again: usize,
    /// Damaged artifacts that were prepared anew.
    repaired: usize,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.while_starting += other.while_starting;
        self.while_recovering += other.while_recovering;
        self.while_writing += other.while_writing;
        self.in_flight += other.in_flight;
        self.there += other.there;
        self.damaged += other.damaged;
        self.prepared_again += other.prepared_again;
        self.repaired += other.repaired;
    }
}

/// One cache, and what is known of it.
struct Trial {
    programs: FaultPrograms,
    scratch: Scratch,
    random: Random,
    artifacts: BTreeMap<u64, (CodeHash, Fate)>,
    figures: Figures,
}

/// When a host is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AfterStarting(Duration),
    AfterReady(Duration),
}

impl Trial {
    fn new(programs: FaultPrograms, seed: u64) -> Self {
        let (scratch, random) = (programs.scratch(), Random::new(seed));
        Self { programs, scratch, random, artifacts: BTreeMap::new(), figures: Figures::default() }
    }

    fn are(&self, fate: Fate) -> BTreeSet<u64> {
        let with = self.artifacts.iter().filter(|(_, (_, is))| *is == fate);
        with.map(|(salt, _)| *salt).collect()
    }

    fn random_micros(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.random.below(most.as_micros() as u64))
    }

    fn random_moment(&mut self) -> Moment {
        match self.random.below(4) {
            0 => Moment::AfterStarting(self.random_micros(Duration::from_millis(250))),
            _ => Moment::AfterReady(self.random_micros(Duration::from_millis(200))),
        }
    }

    /// Starts a host, kills it, and looks at what it has left.
    fn kill_one(&mut self) {
        let moment = self.random_moment();
        let before = self.are(Fate::InFlight);
        let (there, damaged) = (self.are(Fate::There), self.are(Fate::Damaged));
        // What was damaged is executed, and a few others.
        let mut execute = damaged.clone();
        let candidates: Vec<_> = there.iter().chain(&before).copied().collect();
        for _ in 0..4.min(candidates.len()) {
            execute.insert(*self.random.choose(&candidates));
        }
        let known = self.artifacts.keys().filter(|salt| !execute.contains(salt)).copied().collect();
        let first_new = self.artifacts.keys().last().map_or(0, |last| last + 1);

        let mut host = HostProcess::start(self.programs, &self.scratch, None);
        host.tell(&Command::Start { room: None });
        let execute = execute.into_iter().collect();
        host.tell(&Command::Churn { seed: self.random.number(), first_new, known, execute });
        let (mut is_ready, mut is_recovered, mut is_killed) = (false, false, false);
        let mut deadline = match moment {
            Moment::AfterStarting(time) => Some(Instant::now() + time),
            Moment::AfterReady(_) => None,
        };
        loop {
            let event = match deadline {
                _ if is_killed => host.event(),
                None => host.event(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match host.event_within(left) {
                        Some(event) => event,
                        None => {
                            host.kill();
                            is_killed = true;
                            continue;
                        }
                    }
                }
            };
            match event {
                Some(Event::Ready) => {
                    is_ready = true;
                    if let Moment::AfterReady(time) = moment {
                        deadline = Some(Instant::now() + time);
                    }
                }
                Some(Event::Wanted { salt }) => {
                    let hash = candidate(salt).pvf.code.hash();
                    let earlier = self.artifacts.insert(salt, (hash, Fate::InFlight));
                    assert!(earlier.is_none(), "{salt} is new");
                }
                Some(Event::There { salt, cached, answer }) => {
                    let is_executed = answer.is_some();
                    if let Some(answer) = answer {
                        assert!(is_right(salt, &answer), "{salt}: {answer:?}");
                    }
                    let (_, fate) = self.artifacts.get_mut(&salt).expect("it was asked for");
                    match (*fate, cached) {
                        (Fate::There, true) => {}
                        (Fate::There, false) => panic!("{salt} was there, and prepared again"),
                        (Fate::InFlight, true) => {}
                        (Fate::InFlight, false) => {
                            self.figures.prepared_again += usize::from(before.contains(&salt));
                        }
                        (Fate::Damaged, true) => panic!("{salt} was damaged, and trusted"),
                        (Fate::Damaged, false) => self.figures.repaired += 1,
                    }
                    assert!(is_executed || *fate != Fate::Damaged);
                    *fate = Fate::There;
                }
                Some(Event::Recovered { preparations }) => {
                    is_recovered = true;
                    let most = before.len() + damaged.len();
                    assert!(
                        preparations as usize <= most,
                        "{preparations} prepared, {most} unsure"
                    );
                }
                None => break,
                Some(other) => panic!("{other:?} while {moment:?}"),
            }
        }
        assert!(is_killed && host.wait(), "it was killed, and did not end by itself");
        assert_no_process_is_left(&self.scratch);
        // Before those join them that were damaged.
        let in_flight = self.are(Fate::InFlight);
        let new = in_flight.difference(&before).count();
        assert!(new <= AT_ONCE, "{new} artifacts in flight");
        self.figures.kills += 1;
        self.figures.while_starting += usize::from(!is_ready);
        self.figures.while_recovering += usize::from(is_ready && !is_recovered);
        self.figures.while_writing += usize::from(!self.scratch.temporary_files().is_empty());
        self.figures.in_flight += new;
        self.check_cache();
    }

    /// Checks that every artifact that is known to be there is, and that all that are there are whole
    /// but for those that were damaged.
    fn check_cache(&mut self) {
        let listed = Listed::read(&self.scratch);
        let fates: BTreeMap<_, _> =
            self.artifacts.values().map(|(hash, fate)| (hash.to_string(), *fate)).collect();
        for (hash, problem) in &listed.broken {
            let fate = fates.get(&hash.to_string());
            assert_eq!(fate, Some(&Fate::Damaged), "{hash}: {problem}");
        }
        for (salt, (hash, fate)) in &mut self.artifacts {
            let is_whole = listed.whole.contains(hash);
            match fate {
                Fate::There => {
                    assert!(is_whole, "{salt} is not there any more");
                    self.figures.there += 1;
                }
                // The host has repaired it, and did not live to tell.
                Fate::Damaged if is_whole => *fate = Fate::InFlight,
                Fate::Damaged | Fate::InFlight => {}
            }
        }
        let temporary = self.scratch.temporary_files();
        let others: Vec<_> =
            listed.others.iter().filter(|path| !temporary.contains(path)).collect();
        assert_eq!(others, [] as [&PathBuf; 0]);
    }

    /// Does to an artifact what a disk might do.
    fn damage_one(&mut self) {
        let there: Vec<_> = self.are(Fate::There).into_iter().collect();
        if there.is_empty() {
            return;
        }
        let salt = *self.random.choose(&there);
        let (hash, fate) = self.artifacts.get_mut(&salt).expect("it was just found");
        let entries = self.scratch.entries();
        let entry = entries.iter().find(|entry| entry.id.code_hash == *hash);
        damage(&mut self.random, &entry.expect("it is listed").path);
        *fate = Fate::Damaged;
        self.figures.damaged += 1;
    }

    /// A last host that nobody kills.
    fn end(&mut self) {
        let mut host = HostProcess::start(self.programs, &self.scratch, None);
        host.tell(&Command::Start { room: None });
        assert_eq!(host.event(), Some(Event::Ready));
        host.tell(&Command::ShutDown);
        let Some(Event::Ended { descriptors_before, descriptors_after, threads, children }) =
            host.event()
        else {
            panic!("the host is shut down");
        };
        assert_eq!((descriptors_after, threads, children), (descriptors_before, 0, 0));
        assert!(!host.wait());
        assert_no_process_is_left(&self.scratch);
        assert_eq!(self.scratch.temporary_files(), [] as [PathBuf; 0]);
        self.check_cache();
    }

    fn run(&mut self, kills: usize) {
        for _ in 0..kills {
            self.kill_one();
            if self.random.below(4) == 0 {
                self.damage_one();
            }
        }
        self.end();
    }
}

fn damage(random: &mut Random, path: &Path) {
    let mut bytes = fs::read(path).expect("it is there");
    let at = random.below(bytes.len() as u64) as usize;
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.clear(),
        2 => bytes[at] ^= 1 << random.below(8),
        // What was never written to the disk reads as zeroes. The last byte of a script's artifact is
        // none.
        3 => bytes[at..].fill(0),
        _ => return fs::remove_file(path).expect("it can be removed"),
    }
    fs::write(path, bytes).expect("it can be written");
}

/// Past the test harness, which would keep it to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("it is a number"))
}

fn kill_many(kills: usize) -> Figures {
    let programs = fault_programs!();
    let start = Instant::now();
    let seed = number("PVF_CRASH_SEED").unwrap_or_else(|| Random::new(start_seed()).number() >> 32);
    say(&format!("crash test: {kills} kills, PVF_CRASH_SEED={seed}"));
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Figures::default()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let cache = next.fetch_add(1, Ordering::Relaxed);
                    let left = kills.saturating_sub(cache * KILLS_PER_CACHE);
                    if left == 0 {
                        break;
                    }
                    let mut trial = Trial::new(programs, seed ^ (cache as u64) << 32);
                    trial.run(left.min(KILLS_PER_CACHE));
                    let mut total = total.lock().expect("nobody panics with it");
                    *total += trial.figures;
                    if total.kills % 200 < KILLS_PER_CACHE {
                        say(&format!("{:.0} s: {total:?}", start.elapsed().as_secs_f64()));
                    }
                }
            });
        }
    });
    let figures = total.into_inner().expect("nobody panics with it");
    say(&format!("crash test: {figures:?} in {:.0} s", start.elapsed().as_secs_f64()));
    assert_eq!(figures.kills, kills);
    figures
}

/// Another one each time.
fn start_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("the clock is right").as_nanos() as u64
}

#[test]
fn a_host_that_is_killed_at_any_moment_leaves_whole_artifacts_or_none() {
    let figures = kill_many(100);
    // Otherwise the moments were not the right ones.
    assert!(
        figures.while_starting > 0 && figures.in_flight > 0 && figures.there > 0,
        "{figures:?}"
    );
    assert!(figures.damaged > 0 && figures.repaired > 0, "{figures:?}");
}

#[test]
#[ignore = "takes as long as one likes"]
fn so_does_one_of_thousands() {
    kill_many(number("PVF_CRASH_KILLS").unwrap_or(3000) as usize);
}
