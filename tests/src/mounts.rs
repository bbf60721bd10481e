//! Tests in a mount namespace of their own, in which file systems are theirs to mount.

use std::process::{Command, Stdio};

/// Names the test that is run in a mount namespace of its own.
const VARIABLE: &str = "PVF_TEST_IN_OWN_MOUNTS";

/// Runs `body` in a mount namespace of its own, which takes another process: this test program again,
/// with `test` alone. Where the kernel allows no user namespaces, it says so, and does nothing.
///
/// # Panics
///
/// When the test fails.
pub fn in_own_mounts(test: &str, body: impl AsyncFnOnce()) {
    if std::env::var(VARIABLE).is_ok_and(|name| name == test) {
        let runtime = tokio::runtime::Runtime::new().expect("there are threads");
        return runtime.block_on(body());
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--"]);
        command
    };
    if !unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("skipped: no user namespaces here");
        return;
    }
    let program = std::env::current_exe().expect("this program has a name");
    let status = unshare()
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(VARIABLE, test)
        .status()
        .expect("unshare was there just now");
    assert!(status.success());
}

/// Mounts something.
///
/// # Panics
///
/// When it can't be mounted.
pub fn mount(arguments: &[&str]) {
    let status = Command::new("mount").args(arguments).status().expect("there is a mount program");
    assert!(status.success(), "mount {arguments:?}");
}
