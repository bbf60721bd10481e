//! Waiting for what is bound to happen.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Far longer than anything takes on the slowest machine: only a bug makes a test wait this long.
pub const DEADLINE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(2);

/// Waits until there is something, without a runtime. None when that does not happen.
pub(crate) fn until_some<T>(mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = find();
        if found.is_some() || start.elapsed() >= DEADLINE {
            return found;
        }
        thread::sleep(INTERVAL);
    }
}

/// Waits until `is_so`.
///
/// # Panics
///
/// When that does not happen.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually_some(what, || is_so().then_some(())).await;
}

/// Waits until there is something.
///
/// # Panics
///
/// When that does not happen.
pub async fn eventually_some<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain until: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}
