//! What each measure is needed for.

use crate::{
    all_but,
    outside::{Outside, is_root},
    trial::{Ground, Outcome, Role},
};
use pvf_host_core::sandbox::{
    Findings,
    Measure::{self, *},
    Measures, State,
};
use pvf_tests::{ControlGroupDirectory, escape::Attempt};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

/// An attempt, and the measures of which each one alone stops it. Without all of them, it gets through.
struct Row {
    role: Role,
    attempt: Attempt,
    layers: &'static [Measure],
}

const fn row(role: Role, attempt: Attempt, layers: &'static [Measure]) -> Row {
    Row { role, attempt, layers }
}

const JOB: Role = Role::Job;
const PREPARE_JOB: Role = Role::PrepareJob;

const ROWS: &[Row] = &[
    row(JOB, Attempt::UseRing, &[SystemCallFilter, ResourceLimits]),
    row(JOB, Attempt::ShareMemory, &[SystemCallFilter]),
    row(JOB, Attempt::StartThread, &[SystemCallFilter]),
    row(JOB, Attempt::ReadPasswd, &[SystemCallFilter, EmptyRoot, Landlock]),
    row(PREPARE_JOB, Attempt::ReadPublicFile, &[SystemCallFilter, EmptyRoot, Landlock]),
    row(PREPARE_JOB, Attempt::CreateFile, &[SystemCallFilter, EmptyRoot, Landlock]),
    row(JOB, Attempt::ListProcesses, &[SystemCallFilter, EmptyRoot, Landlock]),
    row(JOB, Attempt::ListRoot, &[SystemCallFilter, EmptyRoot, Landlock]),
    row(JOB, Attempt::ReadCache, &[SystemCallFilter, EmptyRoot, Landlock, OwnUser]),
    row(JOB, Attempt::ReadPrivateFile, &[SystemCallFilter, EmptyRoot, Landlock, OwnUser]),
    row(JOB, Attempt::ConnectPath, &[SystemCallFilter, EmptyRoot, OwnUser]),
    row(JOB, Attempt::ForkBomb, &[SystemCallFilter, UserNamespace, ControlGroup]),
    row(PREPARE_JOB, Attempt::ThreadBomb, &[SystemCallFilter, ResourceLimits]),
    row(JOB, Attempt::Duplicate, &[SystemCallFilter, ResourceLimits]),
    row(PREPARE_JOB, Attempt::ManyMemoryFiles, &[SystemCallFilter, ResourceLimits]),
    row(JOB, Attempt::KillVictim, &[SystemCallFilter, PidNamespace, Landlock, OwnUser]),
    row(PREPARE_JOB, Attempt::KillSibling, &[SystemCallFilter, PidNamespace, Landlock]),
    row(JOB, Attempt::SendUdp, &[SystemCallFilter, NetworkNamespace]),
    row(JOB, Attempt::ConnectTcp, &[SystemCallFilter, NetworkNamespace, Landlock]),
    row(PREPARE_JOB, Attempt::ConnectAbstract, &[SystemCallFilter, NetworkNamespace, Landlock]),
    row(JOB, Attempt::AttachSegment, &[SystemCallFilter, IpcNamespace]),
    row(
        JOB,
        Attempt::SetDomain,
        &[SystemCallFilter, UtsNamespace, UserNamespace, OwnUser, NoCapabilities],
    ),
    row(JOB, Attempt::ReadControlGroup, &[SystemCallFilter, EmptyRoot, Landlock, CgroupNamespace]),
    row(JOB, Attempt::LeaveMounts, &[SystemCallFilter, NoCapabilities]),
    row(
        JOB,
        Attempt::ExecuteSetUserId,
        &[SystemCallFilter, EmptyRoot, Landlock, UserNamespace, NoNewPrivileges],
    ),
    row(JOB, Attempt::MakeExecutable, &[SystemCallFilter, NoWriteExecute]),
    row(JOB, Attempt::TakeMemory, &[MemoryLimit]),
    row(PREPARE_JOB, Attempt::TakeMemory, &[MemoryLimit]),
    row(JOB, Attempt::TakePageTables, &[SystemCallFilter, MemoryLimit]),
    row(JOB, Attempt::ProtectMemory, &[SystemCallFilter]),
    row(JOB, Attempt::HideMemory, &[SystemCallFilter]),
    row(PREPARE_JOB, Attempt::TakePageTables, &[MemoryLimit]),
    row(PREPARE_JOB, Attempt::WriteEverywhere, &[SystemCallFilter, ClosedDescriptors]),
    row(JOB, Attempt::WriteEverywhere, &[SystemCallFilter, ClosedDescriptors]),
    row(PREPARE_JOB, Attempt::WriteToSecond, &[SystemCallFilter, ClosedDescriptors]),
    row(JOB, Attempt::ReadEnvironment, &[EmptyEnvironment]),
    row(JOB, Attempt::AskSession, &[SystemCallFilter, PidNamespace, OwnSession]),
    row(
        JOB,
        Attempt::LeaveSessionAndSpin,
        &[SystemCallFilter, PidNamespace, EndsWithHost, ControlGroup],
    ),
];

/// The measures of which each one alone stops an attempt.
pub(crate) fn layers(attempt: Attempt) -> Vec<Measure> {
    let rows = ROWS.iter().filter(|row| row.attempt == attempt);
    let mut layers: Vec<_> = rows.flat_map(|row| row.layers).copied().collect();
    layers.sort();
    layers.dedup();
    layers
}

/// Why an attempt can't show anything here.
fn obstacle(row: &Row) -> Option<&'static str> {
    if !is_root() && row.layers.contains(&OwnUser) {
        return Some("not root");
    }
    match row.attempt {
        Attempt::ForkBomb | Attempt::ThreadBomb if is_root_outside() => {
            Some("the kernel does not count the processes of root")
        }
        Attempt::ExecuteSetUserId if !is_root() => Some("not root"),
        Attempt::ReadControlGroup if !Outside::has_control_groups() => {
            Some("the host is in no control group")
        }
        // Of which the limit is none.
        Attempt::UseRing if !is_at_least(6, 14) => {
            Some("the kernel does not count the memory of rings as locked")
        }
        Attempt::AskSession if Outside::session().is_none() => {
            Some("the host's session has no number here")
        }
        _ => None,
    }
}

/// Whether this process has another user in a namespace, but belongs to root for the rest of the machine.
fn is_root_outside() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let mut ids = map.split_whitespace().skip(1);
    !is_root() && ids.next() == Some("0")
}

/// Whether the kernel is of this version or a later one.
fn is_at_least(major: u32, minor: u32) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

/// Whether a measure stops an attempt on this machine.
fn stops(findings: &Findings, measure: Measure, attempt: Attempt) -> bool {
    match findings.state(measure) {
        Some(State::Holds(_)) => true,
        // An old Landlock has no rules for what is not a file. What else holds in part does what the
        // rows ask of it.
        Some(State::HoldsInPart(_)) => {
            measure != Landlock
                || !matches!(
                    attempt,
                    Attempt::KillVictim
                        | Attempt::KillSibling
                        | Attempt::ConnectTcp
                        | Attempt::ConnectAbstract
                )
        }
        _ => false,
    }
}

/// A measure can't be had without another one.
fn needs(measure: Measure) -> Option<Measure> {
    matches!(measure, SystemCallFilter | Landlock).then_some(NoNewPrivileges)
}

fn set(measures: &[Measure]) -> Measures {
    measures.iter().fold(Measures::none(), |set, measure| set.with(*measure))
}

/// The measures that a sandbox is without, with the rows that are tried in it.
type Plan = BTreeMap<Vec<Measure>, BTreeSet<usize>>;

#[tokio::test(flavor = "multi_thread")]
async fn each_measure_stops_what_would_get_through_without_it() {
    let mut outside = Outside::new();
    // What a group is to stop takes a kernel that counts the processes in it.
    let groups = ControlGroupDirectory::new("escape").filter(|it| it.has_controller("pids"));
    let sandbox = |off| match &groups {
        Some(groups) => all_but(off).in_control_group(groups.path()),
        None => all_but(off),
    };
    let all = Ground::new(sandbox(Measures::none())).await;
    let here = all.findings.clone();
    all.host.shut_down().await;

    let mut lines = vec![];
    let mut plan = Plan::new();
    for (index, row) in ROWS.iter().enumerate() {
        if let Some(why) = obstacle(row) {
            lines.push(format!("skipped: {} as {}: {why}", row.attempt.name(), row.role));
            continue;
        }
        let off = |but: Option<Measure>| {
            let layers = row.layers.iter().copied();
            layers.filter(|layer| Some(*layer) != but).collect::<Vec<_>>()
        };
        // Without all, each one alone, and all without each one.
        let mut without = vec![off(None), vec![]];
        without.extend(row.layers.iter().map(|layer| off(Some(*layer))));
        without.extend(row.layers.iter().map(|layer| vec![*layer]));
        for measures in without {
            plan.entry(measures).or_default().insert(index);
        }
    }

    let mut wrong = vec![];
    let mut alone: BTreeMap<Measure, Vec<String>> = BTreeMap::new();
    for (off, attempts) in plan {
        let ground = Ground::new(sandbox(set(&off))).await;
        for index in attempts {
            let row = &ROWS[index];
            let name = format!("{} as {}", row.attempt.name(), row.role);
            let left: Vec<_> =
                row.layers.iter().copied().filter(|layer| !off.contains(layer)).collect();
            let left_here: Vec<_> =
                left.iter().copied().filter(|layer| ground.findings.holds(*layer)).collect();
            let stopping: Vec<_> = left_here
                .iter()
                .copied()
                .filter(|layer| stops(&ground.findings, *layer, row.attempt))
                .collect();
            for lost in left.iter().filter(|layer| !left_here.contains(layer)) {
                // Not to be had on this machine, or only with what was switched off.
                let is_expected =
                    !here.holds(*lost) || needs(*lost).is_some_and(|needed| off.contains(&needed));
                if !is_expected {
                    wrong.push(format!("{lost} can't be had without {off:?}"));
                }
                let line = format!("{lost} is missing without {}", names(&off));
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            let outcome = ground.attempt(row.role, row.attempt, &mut outside).await;
            if outcome.is_stopped_or_dead() == stopping.is_empty() {
                wrong.push(format!("{name} without {}: {outcome:?}", names(&off)));
            }
            if let [measure] = off[..]
                && here.holds(measure)
            {
                let line = match &outcome {
                    Outcome::GotThrough(evidence) => format!("gets through: {evidence}"),
                    outcome => format!("{outcome}; stopped by {}", names(&stopping)),
                };
                alone.entry(measure).or_default().push(format!("{name}: {line}"));
            }
        }
        ground.host.shut_down().await;
    }
    let mut table = String::from("| measure | with it alone switched off |\n| --- | --- |\n");
    for measure in Measure::ALL {
        for line in alone.get(measure).into_iter().flatten() {
            writeln!(table, "| {measure} | {line} |").unwrap();
        }
        if !alone.contains_key(measure) {
            let is_skipped = ROWS.iter().any(|row| row.layers.contains(measure));
            let why = match here.state(*measure) {
                Some(State::Holds(_) | State::HoldsInPart(_)) if is_skipped => "see below".into(),
                Some(State::Holds(_) | State::HoldsInPart(_)) => {
                    wrong.push(format!("nothing shows what {measure} is for"));
                    continue;
                }
                state => state.map_or_else(|| "not tried".into(), State::to_string),
            };
            writeln!(table, "| {measure} | skipped: {why} |").unwrap();
        }
    }
    for line in lines {
        writeln!(table, "\n{line}").unwrap();
    }
    println!("{table}");
    fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/escape-necessity.md"), table).unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn names(measures: &[Measure]) -> String {
    measures.iter().map(|measure| measure.name()).collect::<Vec<_>>().join(", ")
}
