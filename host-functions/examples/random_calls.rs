//! Runs random sequences of host-function calls, and says what became of them.
//!
//! ```sh
//! cargo run --release -p pvf-host-functions --features testing --example random_calls -- 1000000
//! ```
//!
//! A second argument is the first seed, 0 by default.

use pvf_host_functions::{
    HostError,
    testing::{calls, noise},
};
use std::{collections::BTreeMap, time::Instant};

/// The length of a script, in bytes.
const LENGTH: usize = 300;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let sequences: u64 = arguments.next().unwrap_or(100_000);
    let first = arguments.next().unwrap_or(0);

    let begin = Instant::now();
    let mut functions = BTreeMap::<_, [u64; 2]>::new();
    let mut traps = BTreeMap::<_, u64>::new();
    for seed in first..first + sequences {
        let outcome = calls::check(&noise(seed, LENGTH));
        for (name, _) in outcome.calls {
            functions.entry(name).or_default()[0] += 1;
        }
        if let Some(trap) = outcome.trap {
            functions.entry(trap.function).or_default()[1] += 1;
            *traps.entry(kind(&trap.error)).or_default() += 1;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();

    let sum = |at: usize| functions.values().map(|counts| counts[at]).sum::<u64>();
    println!("{sequences} sequences, {} calls, each twice, in {seconds:.1} s", sum(0) + sum(1));
    println!("\n{:>10} {:>10}", "returned", "trapped");
    for (name, [returned, trapped]) in &functions {
        println!("{returned:>10} {trapped:>10}  {name}");
    }
    println!("{:>10} {:>10}  together\n", sum(0), sum(1));
    for (kind, count) in &traps {
        println!("{count:>10}  {kind}");
    }
}

/// The error without the number in it.
fn kind(error: &HostError) -> String {
    let text = format!("{error:?}");
    match text.split_once('(') {
        Some((kind, rest)) if rest.starts_with(|c: char| c.is_ascii_digit()) => kind.to_owned(),
        _ => text,
    }
}
