//! What hosts have logged in this program.

use std::{
    fmt::{self, Write},
    sync::{LazyLock, Mutex},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Lines of warnings and errors, each an event with all its fields.
static LINES: Mutex<Vec<String>> = Mutex::new(vec![]);

static IS_KEPT: LazyLock<()> = LazyLock::new(|| {
    tracing::subscriber::set_global_default(Collector).expect("nobody else collects");
});

/// Keeps what is logged from here on.
pub(crate) fn keep() {
    LazyLock::force(&IS_KEPT);
}

/// What is logged from here on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since(usize);

impl Since {
    pub(crate) fn now() -> Self {
        Self(LINES.lock().unwrap().len())
    }

    /// Whether there is a line that has all these parts.
    pub(crate) fn has(self, parts: &[&str]) -> bool {
        let lines = LINES.lock().unwrap();
        lines[self.0..].iter().any(|line| parts.iter().all(|part| line.contains(part)))
    }
}

struct Collector;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
