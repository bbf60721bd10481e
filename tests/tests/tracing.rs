//! Whether one can follow a request from its call to its verdict, across processes. In a program of
//! its own, for traces are the whole program's.

use pvf_host_core::{
    PrepareError, Trace, TraceId, Validation, ValidationRequest, validate_with_retry,
    worker::protocol::WorkerKind,
};
use pvf_tests::{
    OnCall, OnLoad, OnPrepare, Script, TestHost, eventually, programs, refusals, request::approval,
    valid_head,
};
use rustix::process::Pid;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    fmt,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

type Fields = BTreeMap<&'static str, String>;

#[derive(Debug, Clone)]
struct Recorded {
    name: &'static str,
    target: &'static str,
    /// The span that it is in.
    parent: Option<u64>,
    fields: Fields,
}

/// All spans and events of this process.
#[derive(Default)]
struct Traces {
    spans: HashMap<u64, Recorded>,
    events: Vec<Recorded>,
    /// How many handles there are of each span that is not closed.
    open: BTreeMap<u64, usize>,
}

static TRACES: LazyLock<Mutex<Traces>> = LazyLock::new(Mutex::default);

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(vec![]) };
}

struct Collector {
    next: AtomicU64,
}

struct Visitor<'a>(&'a mut Fields);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pvf")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut fields = Fields::new();
        span.record(&mut Visitor(&mut fields));
        let (name, target) = (span.metadata().name(), span.metadata().target());
        let contextual = || entered().filter(|_| span.is_contextual());
        let parent = span.parent().map(span::Id::into_u64).or_else(contextual);
        let mut all = traces();
        all.spans.insert(id, Recorded { name, target, parent, fields });
        all.open.insert(id, 1);
        span::Id::from_u64(id)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Visitor(&mut fields));
        let target = event.metadata().target();
        let contextual = || entered().filter(|_| event.is_contextual());
        let parent = event.parent().map(span::Id::into_u64).or_else(contextual);
        traces().events.push(Recorded { name: "event", target, parent, fields });
    }

    fn enter(&self, span: &span::Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &span::Id) {
        ENTERED.with_borrow_mut(|entered| {
            let at = entered.iter().rposition(|id| *id == span.into_u64()).unwrap();
            entered.remove(at);
        });
    }

    fn clone_span(&self, span: &span::Id) -> span::Id {
        *traces().open.get_mut(&span.into_u64()).unwrap() += 1;
        span.clone()
    }

    fn try_close(&self, span: span::Id) -> bool {
        let mut all = traces();
        let Entry::Occupied(mut handles) = all.open.entry(span.into_u64()) else { panic!() };
        *handles.get_mut() -= 1;
        let is_last = *handles.get() == 0;
        if is_last {
            handles.remove();
        }
        is_last
    }
}

fn entered() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

fn traces() -> MutexGuard<'static, Traces> {
    // Whoever has failed has changed nothing.
    TRACES.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn host() -> TestHost {
    static ONCE: LazyLock<()> = LazyLock::new(|| {
        let collector = Collector { next: AtomicU64::new(1) };
        tracing::subscriber::set_global_default(collector).unwrap();
    });
    LazyLock::force(&ONCE);
    TestHost::new(programs!(), |config| config).await
}

impl Traces {
    /// The outermost span that something is in.
    fn root(&self, recorded: &Recorded) -> Recorded {
        let mut at = recorded;
        while let Some(parent) = at.parent {
            at = &self.spans[&parent];
        }
        at.clone()
    }

    fn is_of(&self, recorded: &Recorded, id: TraceId) -> bool {
        self.root(recorded).fields.get("id") == Some(&id.to_string())
    }

    /// The spans of a request, but for the outermost: what they are called, and why they are there.
    fn steps(&self, id: TraceId) -> BTreeSet<String> {
        let own = self.spans.values().filter(|span| self.is_of(span, id) && span.parent.is_some());
        own.map(|span| match span.fields.get("reason") {
            Some(reason) => format!("{} for {reason}", span.name),
            None => span.name.to_owned(),
        })
        .collect()
    }

    fn roots(&self, id: TraceId) -> Vec<Recorded> {
        let roots = self.spans.values().filter(|it| it.parent.is_none() && self.is_of(it, id));
        roots.cloned().collect()
    }

    /// What workers did for a request, and in which step: the span's name and the event's words.
    fn of_workers(&self, id: TraceId) -> Vec<(&'static str, String)> {
        let own = self.events.iter().filter(|it| it.target == "pvf::worker" && self.is_of(it, id));
        own.map(|event| {
            assert!(event.fields.contains_key("took_us"), "{event:?}");
            let span = &self.spans[&event.parent.unwrap()];
            (span.name, event.fields["message"].clone())
        })
        .collect()
    }

    fn worker_pids(&self, id: TraceId, step: &str) -> BTreeSet<i32> {
        let own = self.events.iter().filter(|it| it.target == "pvf::worker" && self.is_of(it, id));
        let own = own.filter(|event| self.spans[&event.parent.unwrap()].name == step);
        own.map(|event| event.fields["worker_pid"].parse().unwrap()).collect()
    }
}

fn named(request: ValidationRequest) -> (TraceId, ValidationRequest) {
    let id = TraceId::unique();
    (id, request.with_trace(Trace::first(id)))
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn pids(pids: impl IntoIterator<Item = Pid>) -> BTreeSet<i32> {
    pids.into_iter().map(Pid::as_raw_pid).collect()
}

/// Until what is left of a request in the host is gone too.
async fn until_over(id: TraceId) {
    let is_over = || {
        let traces = traces();
        !traces.open.keys().any(|open| traces.is_of(&traces.spans[open], id))
    };
    eventually("all spans are closed", is_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_done_for_a_validation_has_its_name_in_the_host_and_in_the_workers() {
    let host = host().await;
    let (id, request) = named(approval(Script::call(OnCall::Log(2)).pvf()));
    let validation = host.validate(request.clone()).await;
    assert_eq!(validation.trace, Some(Trace::first(id)));
    assert_eq!(validation.prepare.as_ref().unwrap().trace, id);
    assert_eq!(validation.execute.unwrap().trace, id);
    valid_head(validation);
    until_over(id).await;
    let worker = host.worker(WorkerKind::Execute);
    {
        let traces = traces();
        let [root] = &traces.roots(id)[..] else { panic!("{:?}", traces.roots(id)) };
        assert_eq!((root.name, root.fields["attempt"].as_str()), ("validation", "1"));
        assert_eq!(root.fields["kind"], "approval");
        assert_eq!(root.fields["code_hash"], request.pvf.code.hash().to_string());
        let expected = [
            "waiting for an artifact",
            "waiting for a prepare worker",
            "preparing",
            "waiting for an execute worker",
            "loading",
            "executing",
        ];
        assert_eq!(traces.steps(id), set(expected));
        let of_workers = traces.of_workers(id);
        let expected = [
            ("preparing", "job forked"),
            ("preparing", "code compiled"),
            ("preparing", "job done"),
            ("loading", "checksum computed"),
            ("loading", "artifact loaded"),
            ("executing", "job forked"),
            ("executing", "code called"),
            ("executing", "job done"),
        ];
        assert_eq!(of_workers, expected.map(|(step, what)| (step, what.to_owned())));
        assert_eq!(traces.worker_pids(id, "loading"), pids([worker]));
        assert_eq!(traces.worker_pids(id, "executing"), pids([worker]));
        assert!(
            pids(host.workers(WorkerKind::Prepare))
                .is_superset(&traces.worker_pids(id, "preparing"))
        );
        // Guests are heard under the same name, even where nobody collects spans.
        let guest = traces.events.iter().filter(|it| it.target == "pvf::guest");
        let own: Vec<_> = guest.filter(|it| it.fields["id"] == id.to_string()).collect();
        assert_eq!(own.len(), 2);
        assert!(own.iter().all(|line| traces.is_of(line, id)));
        let verdict = traces.events.iter().filter(|it| traces.is_of(it, id));
        let verdict: Vec<_> = verdict.filter_map(|it| it.fields.get("verdict")).collect();
        assert_eq!(verdict, ["valid"]);
    }

    // Nothing has to be prepared or loaded for the next, whose name the host makes.
    let validation = host.validate(request.with_trace(None)).await;
    let next = validation.trace.unwrap().id;
    assert_ne!(next, id);
    assert_eq!(validation.execute.unwrap().trace, next);
    until_over(next).await;
    assert_eq!(traces().steps(next), set(["waiting for an execute worker", "executing"]));
    assert_eq!(traces().worker_pids(next, "executing"), pids([worker]));
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_try_of_a_validation_has_the_same_name_and_its_number() {
    let host = host().await;
    let request = approval(Script::load(OnLoad::FailIfRefused).pvf());
    refusals::order(&host.scratch().worker(), 1);
    let validation = validate_with_retry(&*host, request).await;
    assert_eq!(validation.retried.len(), 1);
    let trace = validation.trace.unwrap();
    assert_eq!(trace.attempt, 2);
    valid_head(validation);
    until_over(trace.id).await;
    host.shut_down().await;
    let traces = traces();
    let roots = traces.roots(trace.id);
    assert!(roots.iter().all(|root| root.name == "validation"));
    let attempts: BTreeSet<_> = roots.iter().map(|root| root.fields["attempt"].clone()).collect();
    assert_eq!((roots.len(), attempts), (2, set(["1", "2"])));
    // Between the tries, no span tells whose decision it was.
    let decided = traces.events.iter().filter(|event| event.fields.contains_key("cause"));
    let mut decided = decided.filter(|event| event.fields.get("id") == Some(&trace.id.to_string()));
    assert!(decided.any(|event| event.fields["attempt"] == "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_preparation_learns_for_whom_it_is_made() {
    let host = host().await;
    let (first, request) =
        named(approval(Script::prepare(OnPrepare::Spin { threads: 1, millis: 300 }).pvf()));
    let (second, other) = named(request.clone());
    let first_validation = host.submit(request).await;
    host.settle().await;
    let second_validation = host.submit(other).await;
    valid_head(first_validation.await);
    valid_head(second_validation.await);
    for id in [first, second] {
        until_over(id).await;
    }
    host.shut_down().await;
    let traces = traces();
    let expected = ["waiting for an artifact", "waiting for an execute worker", "executing"]
        .map(str::to_owned);
    assert!(traces.steps(second).is_superset(&BTreeSet::from(expected)));
    assert!(!traces.steps(second).contains("preparing"));
    assert!(traces.steps(first).contains("preparing"));
    let of_second = traces.events.iter().filter(|event| traces.is_of(event, second));
    let prepared_for: Vec<_> =
        of_second.filter_map(|event| event.fields.get("prepared_for")).collect();
    assert_eq!(prepared_for, [&first.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prechecks_and_what_fails_have_names_too() {
    let host = host().await;
    let report = host.precheck(Script::default().pvf()).await.unwrap();
    until_over(report.trace).await;
    assert_eq!(traces().roots(report.trace)[0].name, "precheck");
    assert!(traces().of_workers(report.trace).iter().any(|(_, what)| what == "code compiled"));

    let refused = Script::prepare(OnPrepare::FailToCompile).pvf();
    let (id, request) = named(approval(refused.clone()));
    let Validation { verdict, trace, .. } = host.validate(request).await;
    assert!(verdict.is_err());
    assert_eq!(trace, Some(Trace::first(id)));
    until_over(id).await;
    {
        let traces = traces();
        assert!(traces.of_workers(id).contains(&("preparing", "code compiled".to_owned())));
        let mut own = traces.events.iter().filter(|event| traces.is_of(event, id));
        assert!(own.any(|event| event.fields.get("verdict").is_some_and(|it| it == "compilation")));
    }
    let error = host.precheck(refused).await.unwrap_err();
    assert!(matches!(error, PrepareError::Compilation(_)), "{error:?}");

    // Who has gone leaves nothing open.
    let (id, request) = named(approval(Script::call(OnCall::SleepForever).pvf()));
    let validation = host.submit(request).await;
    host.busy_job().await;
    drop(validation);
    until_over(id).await;
    let given_up = |event: &&Recorded| event.fields["message"] == "given up";
    host.shut_down().await;
    let traces = traces();
    let count = traces.events.iter().filter(|event| traces.is_of(event, id)).filter(given_up);
    assert_eq!(count.count(), 1);
}
