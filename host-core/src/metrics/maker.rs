//! Makes metrics, with all their series.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Names and values of labels.
pub(super) type Labels = Vec<(&'static str, &'static str)>;

/// Makes metrics, and tells a registry of them if there is one. It puts a full stop behind each help.
pub(super) struct Maker<'a>(pub(super) Option<&'a mut Registry>);

impl Maker<'_> {
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        if let Some(registry) = &mut self.0 {
            registry.register(name, help, counter.clone());
        }
        counter
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        if let Some(registry) = &mut self.0 {
            registry.register(name, help, gauge.clone());
        }
        gauge
    }

    pub(super) fn gauge_of(&mut self, unit: Unit, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        if let Some(registry) = &mut self.0 {
            registry.register_with_unit(name, help, unit, gauge.clone());
        }
        gauge
    }

    pub(super) fn counters(&mut self, name: &str, help: &str) -> Family<Labels, Counter> {
        let family = Family::default();
        if let Some(registry) = &mut self.0 {
            registry.register(name, help, family.clone());
        }
        family
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str) -> Family<Labels, Gauge> {
        let family = Family::default();
        if let Some(registry) = &mut self.0 {
            registry.register(name, help, family.clone());
        }
        family
    }

    pub(super) fn histogram(
        &mut self,
        unit: Option<Unit>,
        name: &str,
        help: &str,
        make: fn() -> Histogram,
    ) -> Family<Labels, Histogram, fn() -> Histogram> {
        let family = Family::new_with_constructor(make);
        if let Some(registry) = &mut self.0 {
            match unit {
                Some(unit) => registry.register_with_unit(name, help, unit, family.clone()),
                None => registry.register(name, help, family.clone()),
            }
        }
        family
    }
}

/// From 0.1 ms, below which nothing is that goes through two processes, to 24 s: twice what an
/// approval or a dispute may take.
pub(super) fn seconds() -> Histogram {
    const BOUNDS: [f64; 17] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0,
        6.0, 12.0, 24.0,
    ];
    Histogram::new(BOUNDS)
}

/// The same for what may take minutes.
pub(super) fn long_seconds() -> Histogram {
    const BOUNDS: [f64; 14] =
        [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 360.0];
    Histogram::new(BOUNDS)
}

/// From 64 KiB to 4 GiB.
pub(super) fn bytes() -> Histogram {
    Histogram::new((16..=32).map(|power| (1_u64 << power) as f64))
}

/// From a thousand to a million millions.
pub(super) fn gas() -> Histogram {
    Histogram::new((3..=12).flat_map(|power| {
        let decade = 10_f64.powi(power);
        [decade, decade * 3.0]
    }))
}
