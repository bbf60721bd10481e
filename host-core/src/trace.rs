//! What tells the traces of one request from those of all others.

use parity_scale_codec::{Decode, Encode};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Names a request from its call to its verdict, in this process and in its workers: in spans, in log
/// lines, and in reports. Shown as sixteen hexadecimal digits. By default all of them are zero, which names
/// no request.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TraceId(u64);

impl TraceId {
    /// One that no other request of this process has, and hardly one of another process.
    pub fn unique() -> Self {
        /// Where this process begins to count.
        static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("trace"));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(START.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// One that somebody else has given to the request.
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which request, and which try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The request.
    pub id: TraceId,
    /// How many times it has been tried, this time included.
    pub attempt: u32,
}

impl Trace {
    /// The first try of a request that has no name yet.
    pub fn unique() -> Self {
        Self::first(TraceId::unique())
    }

    /// The first try of a request.
    pub const fn first(id: TraceId) -> Self {
        Self { id, attempt: 1 }
    }

    /// The try after this one.
    pub(crate) const fn next(self) -> Self {
        Self { id: self.id, attempt: self.attempt.saturating_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_requests_have_the_same_name() {
        let ids: HashSet<_> = (0..1000).map(|_| TraceId::unique()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn a_name_is_sixteen_digits() {
        assert_eq!(TraceId::from_u64(0xab).to_string(), "00000000000000ab");
        assert_eq!(TraceId::from_u64(u64::MAX).to_string(), "ffffffffffffffff");
    }
}
