//! Many measurements of one thing, and what they say together.

use std::cmp::Ordering;

/// Measured values, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Samples<T>(Vec<T>);

impl<T: Ord + Copy> Samples<T> {
    pub(crate) fn new(values: impl IntoIterator<Item = T>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable();
        Self(values)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The least of the values that at least `percent` of all do not exceed. None of none.
    pub(crate) fn percentile(&self, percent: usize) -> Option<T> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

/// A real number that can be put in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Real(pub(crate) f64);

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let hundred = Samples::new((1..=100).rev());
        for percent in [1, 50, 95, 99, 100] {
            assert_eq!(hundred.percentile(percent), Some(percent));
        }
        assert_eq!(Samples::new([7]).percentile(50), Some(7));
        assert_eq!(Samples::new([9, 7]).percentile(50), Some(7));
        assert_eq!(Samples::new([9, 7]).percentile(95), Some(9));
        assert_eq!(Samples::<u64>::new([]).percentile(99), None);
    }
}
