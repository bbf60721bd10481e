//! Every attempt, as whom it can be made.

use crate::{
    all_but, necessity,
    outside::Outside,
    trial::{Ground, Outcome, Role},
};
use pvf_host_core::sandbox::{Measure, Measures, Sandbox};
use pvf_tests::escape::Attempt;
use std::{collections::BTreeMap, fmt::Write, fs};

/// What an attacker gets through with by design, as whom, and why that is no way out.
const ALLOWED: &[(Role, Attempt, &str)] = &[
    (Role::PrepareJob, Attempt::MakeExecutable, "an artifact is tried out"),
    (Role::Worker, Attempt::MakeExecutable, "it loads an artifact"),
    (Role::PrepareJob, Attempt::ProtectMemory, "the host watches what is resident"),
    (Role::PrepareJob, Attempt::HideMemory, "the host watches what is resident"),
    (Role::Worker, Attempt::ProtectMemory, "the host watches what is resident"),
    (Role::Worker, Attempt::HideMemory, "the host watches what is resident"),
    (Role::Worker, Attempt::AllowAll, "a filter upon its own takes nothing back"),
    (Role::Worker, Attempt::ThreeMemoryFiles, "none of them has any length"),
    (Role::Worker, Attempt::WriteToSecond, "its last words"),
    (Role::Worker, Attempt::SendDescriptor, "it answers its host"),
    (Role::Worker, Attempt::ChangeName, "its own name"),
];

/// Attempts that have tests of their own.
pub(crate) const ELSEWHERE: &[Attempt] = &[
    Attempt::Sockets,
    Attempt::EachCall,
    Attempt::LeaveSessionAndSpin,
    Attempt::Garbage,
    Attempt::HugeFrame,
    Attempt::HalfFrame,
    Attempt::TrapThenSuccess,
    Attempt::SuccessThenTrap,
    Attempt::SuccessTwice,
    Attempt::ForgeTimeout,
    Attempt::LogFlood,
    Attempt::LogMuchThenSuccess,
    Attempt::OutliveAnswer,
    Attempt::ForkAfterAnswer,
    Attempt::BlockSignals,
    Attempt::PromiseArtifact,
    Attempt::ForgeArtifact,
    Attempt::RefuseThenArtifact,
    Attempt::EndAsIfWell,
];

fn allowed(role: Role, attempt: Attempt) -> Option<&'static str> {
    let mut rows = ALLOWED.iter();
    rows.find(|row| (row.0, row.1) == (role, attempt)).map(|row| row.2)
}

/// Every attempt in a role, in one host.
async fn all_in(role: Role, sandbox: Sandbox, is_checked: bool) -> BTreeMap<Attempt, Outcome> {
    let mut outside = Outside::new();
    let ground = Ground::new(sandbox).await;
    ground.assert_clean().await;
    let mut outcomes = BTreeMap::new();
    for &attempt in Attempt::ALL.iter().filter(|attempt| !ELSEWHERE.contains(attempt)) {
        // Without the filter, the worker that stands by for the next one would be stopped too.
        if !is_checked && attempt == Attempt::Stop {
            continue;
        }
        outcomes.insert(attempt, ground.attempt(role, attempt, &mut outside).await);
        ground.assert_clean().await;
    }
    ground.host.shut_down().await;
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_to_escape_gets_through() {
    let sandbox = Sandbox::default;
    let no_filter = || all_but(Measures::none().with(Measure::SystemCallFilter));
    let (as_job, as_prepare_job, as_worker, without_filter) = tokio::join!(
        all_in(Role::Job, sandbox(), true),
        all_in(Role::PrepareJob, sandbox(), true),
        all_in(Role::Worker, sandbox(), true),
        all_in(Role::Job, no_filter(), false),
    );
    let mut table = String::new();
    let mut got_through = vec![];
    let mut unexplained = vec![];
    let columns = [
        "attempt",
        "as job",
        "as prepare job",
        "as loading worker",
        "measures that stop it",
        "as job without the filter",
    ];
    writeln!(table, "| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len())).unwrap();
    for attempt in as_job.keys() {
        let outcomes = [&as_job[attempt], &as_prepare_job[attempt], &as_worker[attempt]];
        let cells: Vec<_> = Role::ALL
            .into_iter()
            .zip(outcomes)
            .map(|(role, outcome)| match allowed(role, *attempt) {
                Some(why) if !outcome.is_stopped() => format!("allowed: {why}"),
                Some(why) => {
                    got_through
                        .push(format!("{attempt:?} as {role} is said to get through: {why}"));
                    outcome.to_string()
                }
                None => {
                    if !outcome.is_stopped() {
                        got_through.push(format!("{attempt:?} as {role}: {outcome:?}"));
                    }
                    outcome.to_string()
                }
            })
            .collect();
        let without = without_filter.get(attempt);
        let mut layers = vec![];
        if outcomes.contains(&&Outcome::Killed)
            || without.is_some_and(|without| without != outcomes[0])
        {
            layers.push(Measure::SystemCallFilter);
        }
        layers.extend(necessity::layers(*attempt));
        layers.dedup();
        if layers.is_empty() {
            unexplained.push(*attempt);
        }
        let layers: Vec<_> = layers.iter().map(|layer| layer.name()).collect();
        writeln!(
            table,
            "| {:48} | {:24} | {:24} | {:24} | {:36} | {} |",
            attempt.name(),
            cells[0],
            cells[1],
            cells[2],
            layers.join(", "),
            without.map_or_else(|| "not tried".into(), Outcome::to_string),
        )
        .unwrap();
    }
    println!("{table}");
    fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/escape-attempts.md"), table).unwrap();
    assert!(got_through.is_empty(), "{got_through:#?}");
    assert!(unexplained.is_empty(), "what has stopped these? {unexplained:?}");
}
