//! What there is about this machine that keeps measures from being had.

use std::{fs, path::Path};

/// Remarks on whatever stands out, each in a line.
pub(super) fn look() -> Vec<String> {
    look_in(Path::new("/"))
}

fn look_in(root: &Path) -> Vec<String> {
    let read = |path: &str| {
        let content = fs::read_to_string(root.join(path)).ok()?;
        Some(content.trim().to_owned())
    };
    let mut remarks = vec![];
    const NONE: &str = "there can be no user namespace";
    const POWERLESS: &str =
        "in a user namespace, only programs whose AppArmor profile says so have any right";
    for (name, bad, consequence) in [
        ("user.max_user_namespaces", "0", NONE),
        ("kernel.unprivileged_userns_clone", "0", NONE),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", POWERLESS),
    ] {
        let path = format!("proc/sys/{}", name.replace('.', "/"));
        if read(&path).as_deref() == Some(bad) {
            remarks.push(format!("sysctl {name} is {bad}: {consequence}"));
        }
    }
    let modules = read("sys/kernel/security/lsm");
    if let Some(modules) = modules
        && !modules.split(',').any(|module| module == "landlock")
    {
        remarks.push(format!("the kernel was booted with the security modules {modules} alone"));
    }
    let status = read("proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    if field("Seccomp:") == Some("2") {
        remarks.push(
            "this program runs under a system call filter of somebody else's, as in a container: \
             what that refuses, the measures can't use"
                .into(),
        );
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_named_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        assert_eq!(look_in(root.path()), [] as [String; 0]);
        write("proc/sys/user/max_user_namespaces", "96365\n");
        write("proc/sys/kernel/unprivileged_userns_clone", "1\n");
        write("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
        write("sys/kernel/security/lsm", "capability,landlock,yama");
        write("proc/self/status", "Name:\tpvf\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n");
        assert_eq!(look_in(root.path()), [] as [String; 0]);
        write("proc/sys/user/max_user_namespaces", "0\n");
        write("proc/sys/kernel/unprivileged_userns_clone", "0\n");
        write("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
        write("sys/kernel/security/lsm", "capability,landlocked,yama");
        write("proc/self/status", "Name:\tpvf\nSeccomp:\t2\nSeccomp_filters:\t1\n");
        let remarks = look_in(root.path());
        let named = [
            "user.max_user_namespaces is 0",
            "unprivileged_userns_clone is 0",
            "apparmor_restrict_unprivileged_userns is 1",
            "capability,landlocked,yama",
            "system call filter",
        ];
        assert_eq!(remarks.len(), named.len(), "{remarks:?}");
        for (remark, name) in remarks.iter().zip(named) {
            assert!(remark.contains(name), "{remark}");
        }
    }
}
