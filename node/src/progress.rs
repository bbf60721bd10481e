//! What moves on a terminal while something takes its time.
//!
//! Standard error is shared by log lines and a spinner or bar. All go through here, so that a line
//! never lands in the middle of the others. Without a terminal there is neither.

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{self, Write},
    sync::LazyLock,
    time::Duration,
};

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A spinner, until dropped.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn start(message: impl Into<String>) -> Self {
        let bar = BARS.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(message.into());
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }

    /// Says what is going on now.
    pub(crate) fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
    }
}

/// A bar that fills while some number of steps is done, until dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    message: String,
}

impl Bar {
    pub(crate) fn start(steps: u64) -> Self {
        let bar = BARS.add(ProgressBar::new(steps));
        let template = "{bar:30} {pos}/{len} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, message: String::new() }
    }

    /// Says what is going on now.
    pub(crate) fn say(&mut self, message: impl Into<String>) {
        self.message = message.into();
        self.bar.set_message(self.message.clone());
    }

    /// Says how many steps are done, and how much time the others will take if that is known.
    pub(crate) fn advance(&self, done: u64, left: Option<Duration>) {
        self.bar.set_position(done);
        self.bar.set_message(match left {
            Some(left) => format!("{} left  {}", HumanDuration(left), self.message),
            None => self.message.clone(),
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        BARS.remove(&self.bar);
    }
}

/// Standard error, above the spinner or bar if there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        BARS.suspend(|| io::stderr().lock().write_all(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
