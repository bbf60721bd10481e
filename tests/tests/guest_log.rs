//! Where a guest's log lines go. In a program of its own, for the log belongs to the whole program.

use pvf_tests::{OnCall, Script, TestHost, programs, request::approval, valid_head};
use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps the lines of guests, and how many the host says it has dropped.
struct Log {
    lines: Mutex<Vec<(Level, String)>>,
    dropped: AtomicU64,
}

static LOG: Log = Log { lines: Mutex::new(vec![]), dropped: AtomicU64::new(0) };

struct Collector;

#[derive(Default)]
struct Fields {
    message: String,
    dropped: Option<u64>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "dropped" {
            self.dropped = Some(value);
        }
    }
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if event.metadata().target() == "pvf::guest" {
            let line = (*event.metadata().level(), fields.message);
            LOG.lines.lock().unwrap().push(line);
        } else if let Some(dropped) = fields.dropped {
            LOG.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What was logged since this was asked for last.
fn taken() -> (Vec<(Level, String)>, u64) {
    (std::mem::take(&mut *LOG.lines.lock().unwrap()), LOG.dropped.swap(0, Ordering::Relaxed))
}

/// One test, for there is one log.
#[tokio::test(flavor = "multi_thread")]
async fn guests_log_through_the_host_and_within_bounds() {
    tracing::subscriber::set_global_default(Collector).unwrap();
    let host = TestHost::new(programs!(), |_| {}).await;

    // What is not much arrives in order.
    valid_head(host.validate(approval(Script::call(OnCall::Log(100)).pvf())).await);
    let expected: Vec<_> = (0..100).map(|n| (Level::INFO, format!("line {n}"))).collect();
    assert_eq!(taken(), (expected, 0));

    // Of what is too much, the beginning does, and the rest is counted.
    const FLOOD: u64 = 100_000;
    valid_head(host.validate(approval(Script::call(OnCall::Log(FLOOD as u32)).pvf())).await);
    let (lines, dropped) = taken();
    assert_eq!(lines.len() as u64 + dropped, FLOOD);
    assert!((100..5000).contains(&lines.len()), "{}", lines.len());
    let expected = (0..lines.len()).map(|n| (Level::INFO, format!("line {n}")));
    assert!(lines.iter().cloned().eq(expected));

    // A job that has nothing to say says nothing.
    valid_head(host.validate(approval(Script::default().pvf())).await);
    assert_eq!(taken(), (vec![], 0));

    #[cfg(feature = "wasmtime")]
    {
        use pvf_host_core::{Code, InvalidCandidate, Pvf, ValidationError};
        let guest = wat::parse_str(include_str!("../guests/log.wat")).unwrap();
        let verdict = host.validate(approval(Pvf::new(Code::new(guest)))).await.verdict;
        let is_invalid =
            matches!(verdict, Err(ValidationError::Invalid(InvalidCandidate::Execution(_))));
        assert!(is_invalid, "{verdict:?}");
        let expected =
            vec![(Level::WARN, "first line".into()), (Level::INFO, "second line".into())];
        assert_eq!(taken(), (expected, 0));
    }
    host.shut_down().await;
}
