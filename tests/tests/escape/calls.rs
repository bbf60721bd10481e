//! Every system call there is.

use crate::{
    listed::{listed, number},
    outside::Outside,
    trial::{Ground, Outcome, Role},
};
use pvf_host_core::sandbox::Sandbox;
use pvf_tests::escape::Attempt;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test(flavor = "multi_thread")]
async fn no_family_of_sockets_can_be_had() {
    let mut outside = Outside::new();
    let ground = Ground::new(Sandbox::default()).await;
    for role in Role::ALL {
        for family in 0..=46 {
            let variants = (family, family + 1);
            let outcome =
                ground.attempt_variants(role, Attempt::Sockets, variants, &mut outside).await;
            assert_eq!(outcome, Outcome::Killed, "family {family} as {role}");
        }
    }
    ground.assert_clean().await;
    ground.host.shut_down().await;
}

/// Every number once, without arguments. What may be done with a call that is listed, other tests show.
#[tokio::test(flavor = "multi_thread")]
async fn each_call_that_is_not_listed_ends_the_process() {
    let (as_job, as_prepare_job) = tokio::join!(
        assert_listed(Role::Job, "Job"),
        assert_listed(Role::PrepareJob, "PrepareJob"),
    );
    println!("without arguments, a job may call {as_job:?}");
    println!("without arguments, a prepare job may call {as_prepare_job:?}");
    assert!(!as_job.is_empty() && !as_prepare_job.is_empty());
}

/// What the kernel itself keeps from all but its own trampolines, and asks no filter about.
const NOT_FILTERED: [u32; 2] = [335, 336];

async fn assert_listed(role: Role, stage: &str) -> BTreeSet<&'static str> {
    /// More than there are.
    const NUMBERS: u32 = 600;
    let names: BTreeMap<u32, &str> =
        listed(stage).into_iter().map(|name| (number(name), name)).collect();
    let mut outside = Outside::new();
    let ground = Ground::new(Sandbox::default()).await;
    let mut survived = BTreeSet::new();
    for number in 0..NUMBERS {
        let variants = (number, number + 1);
        let outcome =
            ground.attempt_variants(role, Attempt::EachCall, variants, &mut outside).await;
        match (outcome, names.get(&number)) {
            (Outcome::Killed, _) => {}
            (_, Some(name)) => {
                survived.insert(*name);
            }
            (outcome, None) if NOT_FILTERED.contains(&number) => {
                assert!(outcome.is_stopped_or_dead(), "{number} as {role}: {outcome:?}");
            }
            (outcome, None) => panic!("{number} as {role}: {outcome:?}"),
        }
    }
    ground.assert_clean().await;
    ground.host.shut_down().await;
    survived
}
