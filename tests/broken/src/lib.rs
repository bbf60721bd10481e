//! The worked example of a backend, with switches: each of them breaks one thing in its source.
//!
//! `breaks.rs` lists what they break. The package's test has the conformance suite find it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of the break that is switched on.
static SWITCHED: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Switches on the break of this number, from 0 on, and all others off. It is for the whole process.
pub fn switch(number: usize) {
    SWITCHED.store(number, Ordering::Relaxed);
}

/// Switches all breaks off.
pub fn switch_off() {
    switch(usize::MAX);
}

fn switched() -> usize {
    SWITCHED.load(Ordering::Relaxed)
}

include!(concat!(env!("OUT_DIR"), "/example.rs"));
