//! How cost grows with the work.

use super::figure::rounded;
use serde::{Deserialize, Serialize};

/// By how much a step may exceed linear growth before it counts: other load on the machine, and the
/// steps of caches and of doubling buffers.
pub(crate) const TOLERANCE: f64 = 1.25;

/// What was measured while something grew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// A short name, which the plots' files have too.
    pub(crate) name: String,
    pub(crate) backend: String,
    /// What grows.
    pub(crate) x: String,
    /// What is said to grow at most linearly.
    pub(crate) cost: String,
    pub(crate) points: Vec<Point>,
    /// From each point to the next.
    pub(crate) steps: Vec<Step>,
    pub(crate) tolerance_ratio: f64,
    /// Whether no step is worse than linear.
    pub(crate) linear: bool,
}

/// What was measured at one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) n: usize,
    /// One validation.
    pub(crate) p25_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p75_ms: f64,
    /// All of the work.
    pub(crate) cost_ms: f64,
    /// The most memory that the host's process had resident.
    pub(crate) host_peak_memory_bytes: u64,
}

/// How much more the larger of two sizes cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) cost_growth_ratio: f64,
    pub(crate) memory_growth_ratio: f64,
    /// What linear growth would be.
    pub(crate) linear_ratio: f64,
    pub(crate) holds: bool,
}

impl Step {
    /// The growth of the cost as a share of linear growth.
    pub(crate) fn excess(&self) -> f64 {
        self.cost_growth_ratio / self.linear_ratio
    }

    /// The same of the memory.
    pub(crate) fn memory_excess(&self) -> f64 {
        self.memory_growth_ratio / self.linear_ratio
    }
}

impl Curve {
    /// Draws the conclusions from points in ascending order. No step begins at zero, of which
    /// nothing is a multiple.
    pub(crate) fn new(name: &str, backend: &str, x: &str, cost: &str, points: Vec<Point>) -> Self {
        let pairs = points.windows(2).filter(|pair| pair[0].x > 0.0);
        let steps: Vec<_> = pairs.map(|pair| step(&pair[0], &pair[1])).collect();
        Self {
            name: name.into(),
            backend: backend.into(),
            x: x.into(),
            cost: cost.into(),
            tolerance_ratio: TOLERANCE,
            linear: steps.iter().all(|step| step.holds),
            points,
            steps,
        }
    }
}

fn step(from: &Point, to: &Point) -> Step {
    let memory = |point: &Point| point.host_peak_memory_bytes.max(1) as f64;
    let step = Step {
        from: from.x,
        to: to.x,
        cost_growth_ratio: rounded(to.cost_ms / from.cost_ms),
        memory_growth_ratio: rounded(memory(to) / memory(from)),
        linear_ratio: rounded(to.x / from.x),
        holds: true,
    };
    Step { holds: step.excess() <= TOLERANCE && step.memory_excess() <= TOLERANCE, ..step }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn point(x: f64, cost_ms: f64, memory: u64) -> Point {
        let p50_ms = cost_ms / x.max(1.0);
        Point {
            x,
            n: 5,
            p25_ms: p50_ms * 0.9,
            p50_ms,
            p75_ms: p50_ms * 1.1,
            cost_ms,
            host_peak_memory_bytes: memory,
        }
    }

    fn curve(points: &[Point]) -> Curve {
        Curve::new("c", "b", "things", "all of them", points.to_vec())
    }

    #[test]
    fn a_step_that_is_worse_than_linear_is_found() {
        assert!(curve(&[point(1.0, 1.0, 9), point(10.0, 12.4, 9)]).linear);
        let bent = curve(&[point(1.0, 1.0, 9), point(10.0, 10.0, 9), point(100.0, 126.0, 9)]);
        assert!(!bent.linear);
        assert_eq!(bent.steps.iter().map(|step| step.holds).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn memory_counts_too() {
        assert!(curve(&[point(1.0, 1.0, 100), point(2.0, 1.0, 250)]).linear);
        assert!(!curve(&[point(1.0, 1.0, 100), point(2.0, 1.0, 251)]).linear);
    }

    #[test]
    fn no_step_begins_at_nothing() {
        let curve = curve(&[point(0.0, 1.0, 9), point(1.0, 50.0, 9), point(2.0, 60.0, 9)]);
        assert!(curve.linear);
        assert_eq!(curve.steps.len(), 1);
    }
}
