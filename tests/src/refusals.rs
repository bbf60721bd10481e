//! Engines that refuse to load an artifact, so often and no more.
//!
//! As many of the execute workers that are started next as a file beside the worker program says refuse
//! every artifact whose script has [`OnLoad::FailIfRefused`](crate::OnLoad::FailIfRefused).

use crate::manners::as_worker;
use pvf_host_core::worker::protocol::WorkerKind;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

static ARE_DUE: AtomicBool = AtomicBool::new(false);

/// Whether this worker refuses.
pub(crate) fn are_due() -> bool {
    ARE_DUE.load(Ordering::Relaxed)
}

fn path(worker: &Path, number: u32) -> PathBuf {
    worker.with_extension(format!("refusal-{number}"))
}

/// Has the next `count` execute workers of this program refuse.
pub fn order(worker: &Path, count: u32) {
    for number in 0..count {
        File::create(path(worker, number)).expect("the file can be made");
    }
}

/// Withdraws the orders that nobody has taken up.
pub fn withdraw(worker: &Path) {
    for number in (0..).take_while(|number| path(worker, *number).exists()) {
        fs::remove_file(path(worker, number)).expect("nobody takes it up any more");
    }
}

/// Takes up one order, if this is an execute worker and there is one. To be called first thing in a
/// worker's `main`.
pub fn take_up() {
    if let Some((program, kind)) = as_worker()
        && kind == WorkerKind::Execute.as_str()
    {
        // Removing a file succeeds for one process alone.
        let orders = (0..).map(|number| path(&program, number)).take_while(|path| path.exists());
        let mut orders: Vec<_> = orders.collect();
        orders.reverse();
        let taken = orders.into_iter().any(|path| fs::remove_file(path).is_ok());
        ARE_DUE.store(taken, Ordering::Relaxed);
    }
}
