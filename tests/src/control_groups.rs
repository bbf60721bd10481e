//! Control groups for workers.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A directory for the control groups of workers. Dropping it removes it, when nothing is left in it.
#[derive(Debug)]
pub struct ControlGroupDirectory(PathBuf);

impl ControlGroupDirectory {
    /// Makes one, of which the name is `name` and this process's number. None where there is no cgroup
    /// v2 file system, or none that can be written to.
    pub fn new(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts are told");
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"))?;
        let path = Path::new(mount[1]).join(format!("test-{name}-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The groups in it.
    ///
    /// # Panics
    ///
    /// When it can't be read.
    pub fn groups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).expect("it can be read");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        paths.filter(|path| path.is_dir()).collect()
    }

    /// Whether the kernel has this controller for groups in it.
    pub fn has_controller(&self, name: &str) -> bool {
        let controllers = fs::read_to_string(self.0.join("cgroup.controllers"));
        controllers.is_ok_and(|them| them.split_whitespace().any(|controller| controller == name))
    }
}

impl Drop for ControlGroupDirectory {
    fn drop(&mut self) {
        let removed = fs::remove_dir(&self.0);
        if !std::thread::panicking() {
            removed.expect("no group is left");
        }
    }
}
