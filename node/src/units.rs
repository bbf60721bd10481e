//! Sizes and times, as people write and read them.

use std::time::{Duration, SystemTime};

const BINARY: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `1048576`, `1024KiB`, `1MiB`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text);
    let factor = match unit {
        "" => Some(1),
        unit => BINARY.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor),
    };
    factor
        .and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor))
        .ok_or_else(|| "expected a number of bytes, or one with KiB, MiB or GiB".into())
}

/// Reads `90s`, `30m`, `24h`, `7d`.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_number(text);
    let factor = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(24 * 60 * 60),
        _ => None,
    };
    factor
        .and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor))
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a number with s, m, h or d, such as 24h".into())
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Seconds since 1970.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Writes `831 B`, `1.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    match BINARY.iter().find(|(_, factor)| *factor > 1 && bytes >= *factor) {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None => format!("{bytes} B"),
    }
}

/// Writes `0.412 ms`, `37.1 ms`, `2.41 s`: three digits, more or less.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds * 1e3 {
        ms if ms < 1.0 => format!("{ms:.3} ms"),
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.1} ms"),
        _ => format!("{seconds:.2} s"),
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [("0", 0), ("7B", 7), ("16KiB", 16 << 10), ("10GiB", 10 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "KiB", "-1", "1.5MiB", "1 MiB", "1MB", "99999999999999GiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_need_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1800), ("24h", 86_400)] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "24", "h", "1w", "-1h", "999999999999999999d"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_written_in_the_largest_unit_that_fits() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(10 << 30), "10.0 GiB");
    }

    #[test]
    fn times_are_written_with_about_three_digits() {
        for (micros, text) in
            [(412, "0.412 ms"), (3_456, "3.46 ms"), (37_120, "37.1 ms"), (2_410_000, "2.41 s")]
        {
            assert_eq!(time(Duration::from_micros(micros)), text);
        }
        assert_eq!(millis(Duration::from_nanos(1_234_567)), 1.235);
    }
}
