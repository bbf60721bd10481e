//! All that a run of the suite has found, as it is written to `suite.json`.

use super::{
    curve::Curve,
    figure::{Figure, Goal, LeftOut},
};
use crate::{cli::Section, failure::Failure, machine, units};
use pvf_host_core::backend;
use serde::{Deserialize, Serialize};
use std::{fs, path::Path, time::SystemTime};

/// Goes up when something that was there has another name or meaning.
pub(crate) const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) format: u32,
    pub(crate) head: Head,
    pub(crate) goals: Vec<Goal>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) curves: Vec<Curve>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// On what, of what, when and how it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) date_unix_s: u64,
    /// The same for people, in UTC.
    pub(crate) date: String,
    pub(crate) took_s: f64,
    pub(crate) machine: Machine,
    pub(crate) versions: Vec<Version>,
    pub(crate) settings: Settings,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) architecture: String,
    pub(crate) memory_bytes: u64,
    /// What the kernel says about huge pages for memory that asks for none.
    pub(crate) huge_pages: String,
    /// Over 1, 5 and 15 minutes.
    pub(crate) load_average_before: [f64; 3],
    pub(crate) load_average_after: [f64; 3],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) quick: bool,
    pub(crate) sections: Vec<Section>,
    pub(crate) fixtures: bool,
    pub(crate) reference: bool,
    /// Whether the host would have refused to start if untrusted code were not kept in.
    pub(crate) secure: bool,
    /// Whether the program was built for speed.
    pub(crate) optimised: bool,
}

impl Machine {
    /// The machine as it is now.
    pub(crate) fn now() -> Self {
        let meminfo = read("/proc/meminfo");
        let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).map(kibibytes);
        let huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
        let chosen = huge_pages.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        Self {
            processor: machine::processor(),
            cores: machine::processors(),
            kernel: machine::kernel(),
            architecture: std::env::consts::ARCH.into(),
            memory_bytes: memory.unwrap_or_default(),
            huge_pages: chosen.map_or("none", |(word, _)| word).into(),
            load_average_before: load_average(),
            load_average_after: [0.0; 3],
        }
    }
}

/// Reads `  1024 kB`.
pub(crate) fn kibibytes(text: &str) -> u64 {
    let number = text.split_whitespace().next().and_then(|number| number.parse().ok());
    number.unwrap_or(0_u64) << 10
}

pub(crate) fn load_average() -> [f64; 3] {
    let text = read("/proc/loadavg");
    let mut words = text.split_whitespace().map(|word| word.parse().unwrap_or_default());
    [(); 3].map(|()| words.next().unwrap_or_default())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Head {
    /// Of a run that begins now.
    pub(crate) fn now(settings: Settings) -> Self {
        let mut versions =
            vec![Version { name: "pvf".into(), version: env!("CARGO_PKG_VERSION").into() }];
        versions.extend(backend::linked().into_iter().map(|backend| Version {
            name: backend.id.to_string(),
            version: backend.version.into(),
        }));
        let date_unix_s = units::unix_seconds(SystemTime::now());
        let date = utc(date_unix_s);
        Self { date_unix_s, date, took_s: 0.0, machine: Machine::now(), versions, settings }
    }
}

/// Writes `2026-01-31 23:59 UTC`.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The calendar repeats every 400 years, which begin in March so that a leap day is the last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        (era * 400 + year + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

impl Document {
    /// Reads a file that an earlier run has written.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |reason: String| {
            Failure::usage(format!("{} is no suite.json: {reason}", path.display()))
        };
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("can't read the suite {}: {error}", path.display()))
        })?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match value["format"].as_u64() {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => return Err(wrong(format!("its format is {format}, not {FORMAT}"))),
            None => return Err(wrong("it has no format".into())),
        }
        serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A document with nothing in it.
    pub(crate) fn empty() -> Document {
        Document {
            format: FORMAT,
            head: Head::now(Settings {
                quick: true,
                sections: vec![Section::Warm],
                fixtures: false,
                reference: false,
                secure: true,
                optimised: true,
            }),
            goals: vec![],
            figures: vec![],
            curves: vec![],
            left_out: vec![],
        }
    }

    #[test]
    fn days_are_counted_right() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59 UTC"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
