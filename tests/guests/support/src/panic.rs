//! What happens in a panic.

use crate::{host, machine};
use alloc::format;
use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// Logs the message, as Polkadot's runtimes do, and ends the call.
#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    // There may be no memory for the message.
    if !PANICKING.load(Relaxed) {
        PANICKING.store(true, Relaxed);
        host::log(host::ERROR, "runtime", &format!("{info}"));
    }
    machine::trap()
}
