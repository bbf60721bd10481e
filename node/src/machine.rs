//! The machine that this runs on.

use std::{fs, thread::available_parallelism};

/// The processor's name, as far as the kernel says, or else its architecture.
pub(crate) fn processor() -> String {
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or(std::env::consts::ARCH, |(_, model)| model.trim()).to_owned()
}

/// The kernel's release.
pub(crate) fn kernel() -> String {
    read("/proc/sys/kernel/osrelease").trim().to_owned()
}

/// How many processors may be used.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Processor and kernel in a few words.
pub(crate) fn describe() -> String {
    let processors = processors();
    format!(
        "{}, {processors} processor{}, Linux {}",
        processor(),
        crate::html::plural(processors),
        kernel()
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
