//! The machine that this runs on, in a few words.

use std::{fs, thread::available_parallelism};

/// Processor and kernel, as far as the kernel says.
pub(super) fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processors = available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {processors} processor{}, Linux {}",
        model.map_or(std::env::consts::ARCH, |(_, model)| model.trim()),
        super::html::plural(processors),
        read("/proc/sys/kernel/osrelease").trim()
    )
}
