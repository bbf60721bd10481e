//! Limits on memory and stack.

use crate::{
    guests::{BIG_OUTPUT, MEMORY_HOG, Outcome, RECURSION},
    subject::{Loaded, Subject},
    test::{Verdict, demands, ensure, ensure_eq},
};
use pvf_host_core::primitives::{ExecutorParam, defaults};

demands! {
    "limits";
    memory_ends_at_the_limit: "A guest gets all the memory that `MaxMemoryPages` and the base of 32 pages \
        make, less what it was built with, and no page more.";
    memory_above_the_limit_is_refused: "Growing memory by more than the limit fails, and the guest goes on \
        without.";
    an_allocation_above_the_limit_traps: "The host's allocator ends a guest that wants more than its memory can \
        have.";
    the_default_limit_is_2080_pages: "Without `MaxMemoryPages` a guest may have 2048 + 32 pages.";
    the_last_memory_limit_counts: "Of several `MaxMemoryPages` the last one counts.";
    a_larger_limit_changes_no_result: "What does not need the memory gives the same with more and with less.";
    recursion_ends_in_a_trap: "A guest that calls itself for ever ends in a trap, not in a crash, and not in \
        a fault of the machine.";
    recursion_ends_at_the_same_depth_each_time: "How deep a guest can call itself is the same each time.";
    the_native_stack_does_not_decide: "How deep a guest can call itself is the same with a native stack of \
        64 MiB and one of 256 MiB: the logical limit is reached first.";
    a_smaller_stack_is_no_deeper: "With a smaller `StackLogicalMax` a guest can call itself no deeper than with \
        a larger one.";
}

/// A MiB, in pages.
const PIECE: u32 = 16;

/// The pieces of memory that a guest gets.
fn pieces(loaded: &mut Loaded, way: u8, wanted: u32) -> Result<u32, String> {
    match loaded.run((way, wanted)) {
        Outcome::Valid(result) => {
            let head = result.head_data.0.try_into();
            head.map(u32::from_le_bytes).map_err(|head| format!("the head is {head:?}"))
        }
        other => Err(format!("the call gives {other:?}")),
    }
}

/// Ways of the guest [`MEMORY_HOG`].
const ALLOCATE: u8 = 0;
const GROW: u8 = 1;

fn memory_ends_at_the_limit(subject: &Subject) -> Verdict {
    // Two MiB are more than what the guest is built with, its stack included.
    const BUILT_WITH: u32 = 2;
    for pages in [64, 100, 1000, 2048, 4096] {
        let mut loaded = subject.loaded(&MEMORY_HOG, &[ExecutorParam::MaxMemoryPages(pages)])?;
        let got = pieces(&mut loaded, GROW, u32::MAX)?;
        let limit = (pages + defaults::BASE_MEMORY_PAGES) / PIECE;
        ensure!(
            got <= limit && got + BUILT_WITH >= limit,
            "with MaxMemoryPages({pages}), {limit} MiB in all, a guest can grow by {got} MiB"
        );
    }
    Ok(())
}

fn memory_above_the_limit_is_refused(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&MEMORY_HOG, &[ExecutorParam::MaxMemoryPages(100)])?;
    ensure_eq!(pieces(&mut loaded, GROW, 8)?, 8, "the memory got, in MiB");
    ensure_eq!(pieces(&mut loaded, GROW, 9)?, 8, "the memory got of one MiB more");
    Ok(())
}

fn an_allocation_above_the_limit_traps(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&MEMORY_HOG, &[ExecutorParam::MaxMemoryPages(100)])?;
    ensure_eq!(pieces(&mut loaded, ALLOCATE, 8)?, 8, "the memory got, in MiB");
    ensure_eq!(loaded.run((ALLOCATE, 9_u32)), Outcome::Trap, "the end with one MiB more");
    Ok(())
}

fn the_default_limit_is_2080_pages(subject: &Subject) -> Verdict {
    let explicit = [ExecutorParam::MaxMemoryPages(defaults::EXTRA_MEMORY_PAGES)];
    let [default, explicit] = [&[][..], &explicit]
        .map(|params| pieces(&mut subject.loaded(&MEMORY_HOG, params)?, GROW, u32::MAX));
    ensure_eq!(default?, 129, "the memory got, in MiB");
    ensure_eq!(explicit?, 129, "the memory got with MaxMemoryPages(2048), in MiB");
    Ok(())
}

fn the_last_memory_limit_counts(subject: &Subject) -> Verdict {
    let params = [4096, 100].map(ExecutorParam::MaxMemoryPages);
    let got = pieces(&mut subject.loaded(&MEMORY_HOG, &params)?, GROW, u32::MAX)?;
    ensure_eq!(got, 8, "the memory got, in MiB");
    Ok(())
}

fn a_larger_limit_changes_no_result(subject: &Subject) -> Verdict {
    let mut outcomes = Vec::new();
    for pages in [64, 2048, 8192] {
        let params = [ExecutorParam::MaxMemoryPages(pages)];
        outcomes.push(subject.loaded(&BIG_OUTPUT, &params)?.run(10_000_u32));
    }
    ensure!(matches!(outcomes[0], Outcome::Valid(_)), "the call gives {:?}", outcomes[0]);
    ensure!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    Ok(())
}

fn recursion_ends_in_a_trap(subject: &Subject) -> Verdict {
    let mut loaded = subject.loaded(&RECURSION, &[])?;
    for depth in [1_000_000, u32::MAX] {
        ensure_eq!(loaded.run(depth), Outcome::Trap, "the end {depth} deep");
    }
    Ok(())
}

/// How deep the guest [`RECURSION`] can call itself.
fn depth(subject: &Subject, params: &[ExecutorParam]) -> Result<u32, String> {
    let mut loaded = subject.loaded(&RECURSION, params)?;
    let (mut right, mut wrong) = (0, 1_000_000);
    while wrong - right > 1 {
        let middle = right + (wrong - right) / 2;
        match loaded.run(middle) {
            Outcome::Valid(_) => right = middle,
            Outcome::Trap => wrong = middle,
            other => return Err(format!("{middle} deep: {other:?}")),
        }
    }
    Ok(right)
}

fn recursion_ends_at_the_same_depth_each_time(subject: &Subject) -> Verdict {
    let first = depth(subject, &[])?;
    ensure!(first >= 1000, "it ends {first} deep");
    for _ in 0..2 {
        ensure_eq!(depth(subject, &[])?, first, "the depth");
    }
    Ok(())
}

fn the_native_stack_does_not_decide(subject: &Subject) -> Verdict {
    let [small, large] =
        [64 << 20, 256 << 20].map(|bytes| depth(subject, &[ExecutorParam::StackNativeMax(bytes)]));
    ensure_eq!(small?, large?, "the depth with less native stack");
    Ok(())
}

fn a_smaller_stack_is_no_deeper(subject: &Subject) -> Verdict {
    let mut last = 0;
    for values in [1024, 8192, 65_536, 131_072] {
        let params = [ExecutorParam::StackLogicalMax(values)];
        let depth = depth(subject, &params)?;
        ensure!(depth >= last, "with {values} values, {depth} deep; with fewer, {last} deep");
        last = depth;
    }
    Ok(())
}
