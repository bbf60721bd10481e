//! Whether what a host measures is what it does.

use crate::host_with;
use pvf_host_core::{
    ConfigBuilder, Metrics, ValidationError,
    artifact::PruneLimits,
    metrics::{self, Registry},
    primitives::Hash,
    validate_with_retry,
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    OnCall, OnLoad, OnPrepare, Script, TestHost, eventually,
    exposition::{families, values},
    manners::{Manners, Place},
    refusals,
    request::{approval, backing, dispute},
    valid_head,
};
use rustix::process::Signal;
use std::{collections::BTreeMap, time::Duration};

/// A host whose metrics can be seen.
async fn measured(configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> (TestHost, Registry) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let host = host_with(|config| configure(config.metrics(metrics))).await;
    (host, registry)
}

fn read(registry: &Registry) -> BTreeMap<String, f64> {
    values(&metrics::encode(registry))
}

/// What has changed, by how much.
fn changes(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    beginning: &str,
) -> BTreeMap<String, f64> {
    assert!(before.keys().eq(after.keys()), "all series are there from the start");
    let of = after.iter().filter(|(name, _)| name.starts_with(beginning));
    let changes = of.map(|(name, value)| (name.clone(), value - before[name]));
    changes.filter(|(_, change)| *change != 0.0).collect()
}

fn expect<'a>(series: impl IntoIterator<Item = (&'a str, f64)>) -> BTreeMap<String, f64> {
    series.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_times_and_work_are_counted_where_they_belong() {
    let (host, registry) = measured(|config| config).await;
    let start = read(&registry);
    assert_eq!(start["pvf_workers{kind=\"prepare\"}"], 1.0);
    assert_eq!(start["pvf_cache_artifacts"], 0.0);
    assert_eq!(start["pvf_insecure"], 0.0);
    assert_eq!(start["pvf_queue_capacity"], 1024.0);

    let request = approval(Script::default().pvf());
    for _ in 0..3 {
        valid_head(host.validate(request.clone()).await);
    }
    host.rest().await;
    let warm = read(&registry);
    let changed = |beginning| changes(&start, &warm, beginning);
    assert_eq!(
        changed("pvf_verdicts"),
        expect([("pvf_verdicts_total{cause=\"valid\",class=\"valid\"}", 3.0,)])
    );
    let scripted =
        |name: &str, kind: &str| format!("{name}{{backend=\"scripted\",kind=\"{kind}\"}}");
    for name in ["pvf_waiting_seconds_count", "pvf_running_seconds_count"] {
        let (executed, prepared) = (scripted(name, "approval"), scripted(name, "prepare"));
        assert_eq!(changed(name), expect([(&*executed, 3.0), (&*prepared, 1.0)]));
    }
    let of_backend = |name: &str| format!("{name}{{backend=\"scripted\"}}");
    for (name, count) in [
        ("pvf_execute_cpu_seconds_count", 3.0),
        ("pvf_execute_peak_memory_bytes_count", 3.0),
        ("pvf_load_seconds_count", 1.0),
        ("pvf_prepare_cpu_seconds_count", 1.0),
        ("pvf_prepare_peak_memory_bytes_count", 1.0),
        ("pvf_prepare_code_bytes_count", 1.0),
        ("pvf_artifact_bytes_count", 1.0),
    ] {
        assert_eq!(changed(name), expect([(&*of_backend(name), count)]), "{name}");
    }
    let [artifact] = &host.scratch().entries()[..] else { panic!("one artifact") };
    let size = artifact.size as f64;
    assert_eq!(warm[&of_backend("pvf_artifact_bytes_sum")], size);
    let pvf_host_core::CodeSource::Bytes(code) = &request.pvf.code else {
        panic!("it was given as bytes")
    };
    let code_len = code.bytes().len() as f64;
    assert_eq!(warm[&of_backend("pvf_prepare_code_bytes_sum")], code_len);
    assert_eq!(
        changed("pvf_cache"),
        expect([
            ("pvf_cache_artifacts", 1.0),
            ("pvf_cache_bytes", size),
            ("pvf_cache_lookups_total{result=\"hit\"}", 3.0),
            ("pvf_cache_lookups_total{result=\"miss\"}", 1.0),
        ])
    );
    assert_eq!(
        changed("pvf_hot"),
        expect([
            ("pvf_hot_set_lookups_total{result=\"hit\"}", 2.0),
            ("pvf_hot_set_lookups_total{result=\"miss\"}", 1.0),
            ("pvf_hot_workers", 1.0),
            ("pvf_hot_workers_artifacts_bytes", size),
        ])
    );
    assert_eq!(
        changed("pvf_preparations_total"),
        expect([("pvf_preparations_total{outcome=\"prepared\"}", 1.0,)])
    );
    assert_eq!(
        changed("pvf_validation_seconds_count"),
        expect([("pvf_validation_seconds_count{kind=\"approval\"}", 3.0,)])
    );
    for none in
        ["pvf_requests", "pvf_queue", "pvf_running_jobs", "pvf_worker_deaths", "pvf_retries"]
    {
        assert_eq!(changed(none), expect([]), "{none}");
    }

    let trap = dispute(Script::call(OnCall::Trap).pvf());
    assert!(host.validate(trap).await.verdict.is_err());
    let refused = Script::prepare(OnPrepare::FailToCompile).pvf();
    assert!(host.validate(backing(refused.clone(), Hash([1; 32]))).await.verdict.is_err());
    assert!(host.precheck(refused).await.is_err());
    let gas = Script::call(OnCall::OutOfGas).pvf();
    assert!(host.validate(approval(gas)).await.verdict.is_err());
    let after = read(&registry);
    let changed = |beginning| changes(&warm, &after, beginning);
    assert_eq!(
        changed("pvf_verdicts"),
        expect([
            ("pvf_verdicts_total{cause=\"compilation\",class=\"preparation\"}", 1.0),
            ("pvf_verdicts_total{cause=\"out_of_gas\",class=\"invalid\"}", 1.0),
            ("pvf_verdicts_total{cause=\"trap\",class=\"invalid\"}", 1.0),
        ])
    );
    assert_eq!(
        changed("pvf_prechecks"),
        expect([("pvf_prechecks_total{outcome=\"compilation\"}", 1.0,)])
    );
    assert_eq!(changed("pvf_cache_failures"), expect([("pvf_cache_failures", 1.0)]));
    assert_eq!(changed("pvf_cache_lookups_total{result=\"failed\"}").len(), 1);

    host.shut_down().await;
    let over = read(&registry);
    for (name, value) in &over {
        let must_rest =
            ["pvf_workers", "pvf_hot_workers", "pvf_queue_length", "pvf_standby_workers"];
        if must_rest.iter().any(|it| name.starts_with(it)) {
            assert_eq!(*value, 0.0, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_runs_is_seen_while_it_does() {
    let (host, registry) = measured(|config| config.execute_workers_max(1)).await;
    let holder = host.occupy().await;
    let waiting = host.submit(dispute(Script::default().pvf())).await;
    // Its artifact is prepared first.
    let is_queued =
        || read(&registry)["pvf_queue_length{class=\"dispute\",queue=\"execute\"}"] == 1.0;
    eventually("it waits for a worker", is_queued).await;
    let now = read(&registry);
    assert_eq!(now["pvf_running_jobs{queue=\"execute\"}"], 1.0);
    assert_eq!(now["pvf_requests{class=\"dispute\"}"], 1.0);
    drop(waiting);
    drop(holder);
    host.settle().await;
    let is_idle = || {
        let now = read(&registry);
        now["pvf_running_jobs{queue=\"execute\"}"] == 0.0
            && now["pvf_requests{class=\"dispute\"}"] == 0.0
            && now["pvf_queue_length{class=\"dispute\",queue=\"execute\"}"] == 0.0
    };
    eventually("nothing waits or runs", is_idle).await;
    assert_eq!(read(&registry)["pvf_cancellations_total"], 2.0);

    // An artifact that nobody waits for any more is not made.
    let preparing = host.submit_precheck(Script::prepare(OnPrepare::SleepForever).pvf()).await;
    let runs = || read(&registry)["pvf_running_jobs{queue=\"prepare\"}"] == 1.0;
    eventually("it is prepared", runs).await;
    let behind = host.submit_precheck(Script { salt: 1, ..Script::default() }.pvf()).await;
    assert_eq!(read(&registry)["pvf_queue_length{class=\"normal\",queue=\"prepare\"}"], 1.0);
    drop(behind);
    drop(preparing);
    let ended = || read(&registry)["pvf_preparations_total{outcome=\"cancelled\"}"] == 2.0;
    eventually("both are over", ended).await;
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_deaths_and_evictions_are_counted_by_their_cause() {
    let (host, registry) = measured(|config| config.hot_workers_max(1).standby_worker(false)).await;
    let start = read(&registry);

    let refused_once = approval(Script::load(OnLoad::FailIfRefused).pvf());
    refusals::order(&host.scratch().worker(), 1);
    valid_head(validate_with_retry(&*host, refused_once).await);
    let refused = read(&registry);
    let changed = |beginning| changes(&start, &refused, beginning);
    assert_eq!(
        changed("pvf_retries_total"),
        expect([("pvf_retries_total{cause=\"runtime_construction\"}", 1.0,)])
    );
    assert_eq!(
        changed("pvf_cache_evictions"),
        expect([("pvf_cache_evictions_total{cause=\"unusable\"}", 1.0,)])
    );
    assert_eq!(
        changed("pvf_verdicts"),
        expect([
            ("pvf_verdicts_total{cause=\"runtime_construction\",class=\"possibly_invalid\"}", 1.0),
            ("pvf_verdicts_total{cause=\"valid\",class=\"valid\"}", 1.0),
        ])
    );
    assert_eq!(
        changed("pvf_standby_lookups"),
        expect([("pvf_standby_lookups_total{result=\"absent\"}", 2.0,)])
    );

    // There is room for one alone.
    let other = approval(Script::default().pvf());
    valid_head(host.validate(other.clone()).await);
    let evicted = read(&registry);
    assert_eq!(
        changes(&refused, &evicted, "pvf_hot_set_evictions"),
        expect([("pvf_hot_set_evictions_total{cause=\"room\"}", 1.0,)])
    );

    // One that dies while it has nothing to do, and one that takes its job's part.
    host.rest().await;
    rustix::process::kill_process(host.worker(WorkerKind::Execute), Signal::KILL).unwrap();
    let died =
        || read(&registry)["pvf_worker_deaths_total{cause=\"idle\",kind=\"execute\"}"] == 1.0;
    eventually("its death is noticed", died).await;
    let busy = host.submit(approval(Script::call(OnCall::SleepForever).pvf())).await;
    host.busy_job().await;
    rustix::process::kill_process(host.worker(WorkerKind::Execute), Signal::KILL).unwrap();
    assert!(busy.await.verdict.is_err());
    let abort = approval(Script::call(OnCall::Abort).pvf());
    assert!(host.validate(abort).await.verdict.is_err());
    host.scratch().teach_one(Place::Load, Manners::WrongTrace);
    let bad = approval(Script { salt: 7, ..Script::default() }.pvf());
    assert!(host.validate(bad).await.verdict.is_err());
    let dead = read(&registry);
    assert_eq!(
        changes(&evicted, &dead, "pvf_worker_deaths"),
        expect([
            ("pvf_worker_deaths_total{cause=\"ended\",kind=\"execute\"}", 1.0),
            ("pvf_worker_deaths_total{cause=\"idle\",kind=\"execute\"}", 1.0),
            ("pvf_worker_deaths_total{cause=\"protocol\",kind=\"execute\"}", 1.0),
            ("pvf_worker_deaths_total{cause=\"suspect\",kind=\"execute\"}", 1.0),
        ])
    );
    assert_eq!(
        changes(&evicted, &dead, "pvf_verdicts"),
        expect([
            ("pvf_verdicts_total{cause=\"ambiguous_job_death\",class=\"possibly_invalid\"}", 1.0),
            (
                "pvf_verdicts_total{cause=\"ambiguous_worker_death\",class=\"possibly_invalid\"}",
                2.0
            ),
        ])
    );

    host.scratch().teach_one(Place::Greeting(WorkerKind::Execute), Manners::HangUp);
    let error = host.validate(other).await.verdict.unwrap_err();
    assert!(matches!(error, ValidationError::Internal(_)), "{error:?}");
    let after = read(&registry);
    assert_eq!(
        changes(&dead, &after, "pvf_worker_spawn_failures"),
        expect([("pvf_worker_spawn_failures_total{cause=\"handshake\",kind=\"execute\"}", 1.0,)])
    );
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_from_the_cache_to_make_room_is_counted() {
    let (host, registry) =
        measured(|config| config.prune_limits(PruneLimits::new(0, Duration::ZERO))).await;
    host.precheck(Script::default().pvf()).await.unwrap();
    let pruned = || read(&registry)["pvf_cache_evictions_total{cause=\"room\"}"] == 1.0;
    eventually("it is removed", pruned).await;
    let now = read(&registry);
    assert_eq!((now["pvf_cache_artifacts"], now["pvf_cache_bytes"]), (0.0, 0.0));
    assert_eq!(now["pvf_cache_max_bytes"], 0.0);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_in_one_program_do_not_mix_what_they_measure() {
    let mut registry = Registry::default();
    let [one, other] = ["one", "other"].map(|name| {
        let label = ("host".into(), name.into());
        Metrics::register(registry.sub_registry_with_label(label))
    });
    let start = async |metrics| host_with(|config| config.metrics(metrics)).await;
    let (one, other) = (start(one).await, start(other).await);
    let request = approval(Script::default().pvf());
    for _ in 0..2 {
        valid_head(one.validate(request.clone()).await);
    }
    valid_head(other.validate(request).await);
    let now = read(&registry);
    let valid = |host| {
        now[&format!("pvf_verdicts_total{{cause=\"valid\",class=\"valid\",host=\"{host}\"}}")]
    };
    assert_eq!((valid("one"), valid("other")), (2.0, 1.0));
    one.shut_down().await;
    other.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_started_again_goes_on_with_its_metrics_and_begins_its_statistics_anew() {
    let (host, registry) = measured(|config| config).await;
    let request = approval(Script::default().pvf());
    valid_head(host.validate(request.clone()).await);
    let host = host.restart().await;
    assert_eq!(host.statistics().executions, 0);
    valid_head(host.validate(request.with_timeout(None)).await);
    assert_eq!(host.statistics().executions, 1);
    let now = read(&registry);
    assert_eq!(now["pvf_executions_total"], 2.0);
    assert_eq!(now["pvf_cache_artifacts"], 1.0);
    host.shut_down().await;
}

#[test]
fn names_are_as_prometheus_has_them_and_labels_have_few_values() {
    let mut registry = Registry::default();
    let _metrics = Metrics::register(&mut registry);
    let families = families(&metrics::encode(&registry));
    assert!(families.len() > 30);
    for (name, family) in families {
        assert!(name.starts_with("pvf_"), "{name}");
        let is_sentence = family.help.ends_with('.') && !family.help.ends_with("..");
        assert!(is_sentence && family.help.len() > 10, "{name}: {}", family.help);
        assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}");
        let series: usize = family.labels.values().map(|values| values.len()).product();
        assert!(series <= 400, "{name}: {series}");
    }
}
