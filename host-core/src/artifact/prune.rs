//! Which artifacts go when the cache is full.

use std::time::{Duration, SystemTime};

/// When artifacts are removed to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneLimits {
    /// The artifacts' files together may take this much, in bytes.
    pub max_size: u64,
    /// What was needed within this time is never removed.
    pub min_age: Duration,
}

impl PruneLimits {
    /// Keeps the artifacts' files under `max_size` bytes, and all that were needed within `min_age`.
    pub const fn new(max_size: u64, min_age: Duration) -> Self {
        Self { max_size, min_age }
    }
}

impl Default for PruneLimits {
    /// 10 GiB, and 24 hours.
    fn default() -> Self {
        Self { max_size: 10 << 30, min_age: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Chooses what to remove among artifacts given as (which, bytes, last needed): the least recently
/// needed ones, as few as bring the rest under the size, and none that is too young.
pub fn prune<T>(
    artifacts: impl IntoIterator<Item = (T, u64, SystemTime)>,
    limits: &PruneLimits,
    now: SystemTime,
) -> Vec<T> {
    let mut artifacts: Vec<_> = artifacts.into_iter().collect();
    artifacts.sort_by_key(|(_, _, last_needed)| *last_needed);
    let mut size: u64 = artifacts.iter().map(|(_, size, _)| size).sum();
    let mut removed = Vec::new();
    for (artifact, bytes, last_needed) in artifacts {
        // A time in the future counts as now.
        let age = now.duration_since(last_needed).unwrap_or_default();
        if size <= limits.max_size || age < limits.min_age {
            break;
        }
        size -= bytes;
        removed.push(artifact);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(max_size: u64, artifacts: &[(&'static str, u64, u64)]) -> Vec<&'static str> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let hours_ago = |hours| now - Duration::from_secs(hours * 3600);
        let limits = PruneLimits { max_size, ..PruneLimits::default() };
        prune(
            artifacts.iter().map(|(name, size, age)| (*name, *size, hours_ago(*age))),
            &limits,
            now,
        )
    }

    #[test]
    fn a_cache_within_its_size_is_left_alone() {
        assert!(pruned(30, &[("a", 10, 99), ("b", 20, 98)]).is_empty());
    }

    #[test]
    fn the_least_recently_needed_go_first_and_no_more_than_needed() {
        let artifacts = [("young", 10, 30), ("oldest", 10, 99), ("old", 10, 50)];
        assert_eq!(pruned(29, &artifacts), ["oldest"]);
        assert_eq!(pruned(19, &artifacts), ["oldest", "old"]);
    }

    #[test]
    fn what_was_needed_in_the_last_day_stays_however_full_the_cache_is() {
        assert_eq!(pruned(0, &[("yesterday", 10, 24), ("today", 10, 23)]), ["yesterday"]);
    }
}
