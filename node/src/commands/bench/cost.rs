//! What it costs to keep untrusted code in: validations on two hosts, one of which does not.
//!
//! The hosts take turns with single validations, so that a machine that gets slower or faster does so
//! for both alike.

use super::{percentile_millis, percentile_time};
use crate::{
    failure::Failure,
    samples::Samples,
    timing::{WARM_UP, in_turns, precheck},
};
use pvf_host_core::{Config, ConfigError, ValidationHost, ValidationRequest, sandbox::Measures};
use serde::Serialize;
use std::{path::Path, time::Duration};

/// What a validation takes on a warm worker.
#[derive(Debug)]
pub(super) struct Cost {
    sandboxed: Samples<Duration>,
    bare: Samples<Duration>,
}

#[derive(Debug, Serialize)]
pub(super) struct CostJson {
    n: usize,
    sandboxed_p50_ms: f64,
    bare_p50_ms: f64,
    ratio: f64,
}

/// The configuration of a host that does not keep code in, and is otherwise like another one.
pub(super) fn bare(config: &Config, cache_dir: &Path) -> Result<Config, ConfigError> {
    let sandbox = config.sandbox().clone().only(Measures::none()).accept_insecure();
    // It runs beside the other one.
    config.to_builder().cache_dir(cache_dir).metrics(None).sandbox(sandbox).build()
}

impl Cost {
    /// Has both hosts validate `count` times.
    pub(super) async fn measure(
        sandboxed: &ValidationHost,
        bare: &ValidationHost,
        request: &ValidationRequest,
        count: usize,
    ) -> Result<Self, Failure> {
        precheck(bare, &request.pvf).await?;
        let warm_up = count.min(WARM_UP);
        let took = in_turns([sandboxed, bare], request, warm_up, count).await?;
        let [sandboxed, bare] = took.map(Samples::new);
        Ok(Self { sandboxed, bare })
    }

    /// How many times as long the median validation takes.
    fn ratio(&self) -> f64 {
        let median =
            |samples: &Samples<Duration>| samples.percentile(50).unwrap_or_default().as_secs_f64();
        median(&self.sandboxed) / median(&self.bare)
    }

    pub(super) fn to_json(&self) -> CostJson {
        CostJson {
            n: self.sandboxed.len(),
            sandboxed_p50_ms: percentile_millis(&self.sandboxed, 50),
            bare_p50_ms: percentile_millis(&self.bare, 50),
            ratio: (self.ratio() * 1000.0).round() / 1000.0,
        }
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "p50 {}, {} without: {:.2} times as long ({} each, taking turns)",
            percentile_time(&self.sandboxed, 50),
            percentile_time(&self.bare, 50),
            self.ratio(),
            self.sandboxed.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn the_medians_are_compared() {
        let samples = |millis: [u64; 3]| Samples::new(millis.map(Duration::from_millis));
        let cost = Cost { sandboxed: samples([3, 1, 90]), bare: samples([2, 2, 50]) };
        let expected = json!({ "n": 3, "sandboxed_p50_ms": 3.0, "bare_p50_ms": 2.0, "ratio": 1.5 });
        assert_eq!(to_value(cost.to_json()).unwrap(), expected);
        let text = cost.describe();
        assert_eq!(text, "p50 3.00 ms, 2.00 ms without: 1.50 times as long (3 each, taking turns)");
    }
}
