//! Has functions compiled before the trampolines by which the host calls them.
//!
//! Wasmtime's compiler uses what it has allocated for one function again for the next. It leaves one thing
//! behind, the table of exceptions of a trampoline, and that becomes part of the
//! [key](crate::functions) of each function that is compiled with the same allocation afterwards. The
//! machine code is not affected, but such a function is not found again: which trampoline was compiled
//! before which function depends on which thread was faster. So a trampoline waits for its turn: while it
//! does, its thread compiles what else there is, and then looks whether others still compile.
//!
//! That is a matter of how much can be reused, and of nothing else. No thread waits for one that may wait
//! for it: a wait ends when nothing is being compiled, and in any case after [`PATIENCE`].

use cranelift_codegen::timing::{self, Pass, Profiler};
use std::{
    any::Any,
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The longest wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before looking again. It costs no CPU time, which is limited.
const INTERVAL: Duration = Duration::from_micros(200);
/// How many looks at compilers that do nothing are enough to believe it.
const LOOKS: u32 = 2;
/// How much of a thread's stack waits may take that are within each other, in bytes: what is compiled
/// meanwhile may be a trampoline. Threads have 2 MiB.
const MAX_STACK: usize = 768 << 10;

/// How many threads of this process are compiling.
static COMPILING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread has translated a function of the code since it last asked for one.
    static HAS_TRANSLATED: Cell<bool> = const { Cell::new(false) };
    /// Where on the stack the outermost wait of this thread is.
    static OUTERMOST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Has this thread count while it compiles.
pub(crate) fn watch_this_thread() {
    if !IS_WATCHED.replace(true) {
        timing::set_thread_profiler(Box::new(Watch));
    }
}

struct Watch;

impl Profiler for Watch {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        match pass {
            Pass::wasm_translate_function => {
                HAS_TRANSLATED.set(true);
                Box::new(Compiling::begin())
            }
            Pass::try_incremental_cache | Pass::compile | Pass::store_incremental_cache => {
                Box::new(Compiling::begin())
            }
            // Within one of these, or too short to matter.
            _ => Box::new(()),
        }
    }
}

/// Counts this thread until dropped.
struct Compiling;

impl Compiling {
    fn begin() -> Self {
        COMPILING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        COMPILING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes this thread out of the count until dropped.
struct Pausing;

impl Pausing {
    fn begin() -> Self {
        COMPILING.fetch_sub(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Pausing {
    fn drop(&mut self) {
        COMPILING.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether it is the trampolines' turn in one preparation.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    has_come: AtomicBool,
}

impl Turn {
    /// To be called when the compiler asks for a function, which is in the pass that looks for it. If it is
    /// a trampoline, returns when the functions have been compiled.
    pub(crate) fn wait(&self) {
        if !IS_WATCHED.get() {
            watch_this_thread();
            // What this is can't be told any more.
            return;
        }
        if HAS_TRANSLATED.replace(false) || self.has_come.load(Ordering::Relaxed) {
            return;
        }
        let local = 0_u8;
        let here = (&raw const local).addr();
        let outermost = OUTERMOST.get();
        if outermost.is_some_and(|outermost| outermost.saturating_sub(here) > MAX_STACK) {
            return;
        }
        OUTERMOST.set(Some(outermost.unwrap_or(here)));
        let pausing = Pausing::begin();
        let start = Instant::now();
        let mut looks = 0;
        while looks < LOOKS && !self.has_come.load(Ordering::Relaxed) && start.elapsed() < PATIENCE
        {
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                looks = 0;
                continue;
            }
            looks = if COMPILING.load(Ordering::Relaxed) == 0 { looks + 1 } else { 0 };
            thread::sleep(INTERVAL);
        }
        drop(pausing);
        OUTERMOST.set(outermost);
        self.has_come.store(true, Ordering::Relaxed);
    }
}
