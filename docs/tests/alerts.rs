//! Has Prometheus's own tool look at the alerts, as the book says. Where it is not there, nothing is done,
//! which is an error if the environment variable `PVF_REQUIRE_PROMTOOL` is set.

use pvf_book::{Folder, pages};
use std::{
    env,
    process::{Command, Stdio},
};

#[test]
fn the_alerts_are_as_prometheus_wants_them_and_fire_when_they_should() {
    let is_there = Command::new("promtool").arg("--version").stderr(Stdio::null()).output().is_ok();
    if !is_there {
        assert!(env::var_os("PVF_REQUIRE_PROMTOOL").is_none(), "promtool can't be started");
        println!("skipped: promtool can't be started");
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = Folder::new(directory.path()).unwrap();
    let mut count = 0;
    for block in pages().iter().flat_map(|page| page.blocks()).filter(|it| it.has("promtool")) {
        folder.check(&block, None).unwrap();
        count += 1;
    }
    assert_eq!(count, 1, "the book says once how the alerts are tried");
}
