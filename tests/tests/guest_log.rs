//! Where a guest's log lines go. In a program of its own, for the log belongs to the whole program.

use pvf_host_core::{InvalidCandidate, worker::protocol::WorkerKind};
use pvf_tests::{OnCall, Script, TestHost, programs, request::approval, valid_head};
use std::{
    fmt, fs,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
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

const LONG_LINES: u32 = 10_000;

fn assert_long_lines_are_counted() {
    let (lines, dropped) = taken();
    assert_eq!(lines.len() as u64 + dropped, u64::from(LONG_LINES));
    assert!((1..10).contains(&lines.len()), "{}", lines.len());
    assert!(lines.iter().all(|(_, line)| (10 << 10..64 << 10).contains(&line.len())));
}

/// The most memory that a process has had resident at once, in KiB.
fn peak_memory_of(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// One test, for there is one log.
#[tokio::test(flavor = "multi_thread")]
async fn guests_log_through_the_host_and_within_bounds() {
    tracing::subscriber::set_global_default(Collector).unwrap();
    let host = TestHost::new(programs!(), |config| config.wall_clock_factor(1000)).await;

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

    // So it is when that is 10 GB, and none of the processes holds much of it.
    let flood = OnCall::LogLong { lines: LONG_LINES, bytes: 1 << 20 };
    let request = approval(Script::call(flood).pvf());
    let request = request.with_timeout(Duration::MAX);
    let validation = host.validate(request).await;
    let peak_memory = validation.execute.expect("it was executed").peak_memory;
    assert!(peak_memory < 200 << 20, "{peak_memory}");
    valid_head(validation);
    assert_long_lines_are_counted();
    for worker in host.workers(WorkerKind::Execute) {
        let peak_memory = peak_memory_of(worker.as_raw_pid());
        assert!(peak_memory < 200 << 10, "{peak_memory} KiB");
    }

    // A job that does not live to say how many there were still shows what came before.
    let pvf = Script::call(OnCall::FloodLog(100)).pvf();
    let timeout = Some(Duration::from_millis(50));
    let endless = host.validate(approval(pvf).with_timeout(timeout)).await;
    assert_eq!(endless.verdict, Err(InvalidCandidate::HardTimeout.into()));
    let (lines, dropped) = taken();
    assert!(lines.len() > 100 && dropped > 0, "{} and {dropped}", lines.len());

    // A job that has nothing to say says nothing.
    valid_head(host.validate(approval(Script::default().pvf())).await);
    assert_eq!(taken(), (vec![], 0));

    #[cfg(feature = "wasmtime")]
    {
        use pvf_host_core::{Code, Pvf, ValidationError};
        let guest = wat::parse_str(include_str!("../guests/log-flood.wat")).unwrap();
        let request = approval(Pvf::new(Code::new(guest)));
        let request = request.with_timeout(Duration::MAX);
        assert_eq!(valid_head(host.validate(request).await), b"");
        assert_long_lines_are_counted();

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
