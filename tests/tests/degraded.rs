//! The command line on machines that lack what measures need: it says what is missing, starts where
//! untrusted code is kept in all the same, and where it is not, refuses to.
//!
//! Each test makes surroundings for real, or has a system call filter play them: see
//! [`pvf_tests::surroundings`]. Those that take root are skipped for others, and say so.

use pvf_host_core::sandbox::Measure;
use pvf_tests::surroundings::{
    self, NOBODY,
    Surrounding::{self, *},
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// For a backend that is there.
const CODE: &str = if cfg!(feature = "wasmtime") {
    "tests/guests/blobs/adder.wasm"
} else {
    "tests/guests/blobs/adder.polkavm"
};

/// What takes a namespace of its own.
const NAMESPACES: [Measure; 7] = [
    Measure::EmptyRoot,
    Measure::UserNamespace,
    Measure::PidNamespace,
    Measure::NetworkNamespace,
    Measure::IpcNamespace,
    Measure::UtsNamespace,
    Measure::CgroupNamespace,
];

/// The command line in some surroundings, with a directory of its own that everybody may enter.
struct Machine {
    directory: TempDir,
    surroundings: Vec<Surrounding>,
}

/// What became of a run.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Machine {
    /// None, and a line that says why, if these surroundings can't be had.
    fn new(surroundings: &[Surrounding]) -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root();
        let takes_root = [NoMoreUserNamespaces, ContainerRoot, Nobody];
        if !is_root && surroundings.iter().any(|it| takes_root.contains(it)) {
            println!("skipped: these tests are not run by root");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let machine = Self { directory, surroundings: surroundings.to_vec() };
        fs::create_dir(machine.cache()).unwrap();
        // Where cargo has put it, it need not be for everybody to read.
        let copied = Command::new("install")
            .args(["-m", "755", env!("CARGO_BIN_EXE_pvf-test-node")])
            .arg(machine.program())
            .status();
        assert!(copied.unwrap().success());
        for (name, path) in [
            ("code", CODE),
            ("head", "node/examples/adder-parent-head.hex"),
            ("good", "node/examples/adder-good.block"),
            ("bad", "node/examples/adder-bad.block"),
        ] {
            fs::copy(Path::new(ROOT).join(path), machine.path(name)).unwrap();
        }
        if surroundings.contains(&Nobody) {
            for path in [machine.directory.path(), &machine.cache()] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        Some(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    fn program(&self) -> PathBuf {
        self.path("pvf")
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let launcher = Path::new(env!("CARGO_BIN_EXE_pvf-test-surroundings"));
        let output = surroundings::command(launcher, &self.surroundings, &self.program())
            .args(arguments)
            .arg("--cache-dir")
            .arg(self.cache())
            .env_remove("RUST_LOG")
            .current_dir("/")
            .output()
            .unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn validate(&self, block: &str, more: &[&str]) -> Run {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let head = format!("@{}", path("head"));
        let (code, block) = (path("code"), path(block));
        let candidate =
            ["validate", "--json", "--code", &code, "--parent-head", &head, "--block", &block];
        self.run(&[&candidate, more].concat())
    }

    /// Checks that the verdicts are right. Gives what was logged.
    #[track_caller]
    fn assert_judges(&self, more: &[&str]) -> String {
        let good = self.validate("good", more);
        assert_eq!(good.json()["verdict"], "valid", "{}{}", good.stdout, good.stderr);
        assert_eq!(good.code, Some(0));
        let bad = self.validate("bad", more);
        assert_eq!(bad.json()["verdict"], "invalid", "{}{}", bad.stdout, bad.stderr);
        assert_eq!(bad.json()["reason"]["kind"], "panic");
        assert_eq!(bad.code, Some(1));
        good.stderr
    }

    /// Checks that the doctor finds these measures missing and no others, whether each is tried alone
    /// or with the others, and says whether that is secure. Gives what it said.
    #[track_caller]
    fn assert_lacks(&self, missing: &[Measure], is_secure: bool) -> Diagnosis {
        let run = self.run(&["doctor", "--json"]);
        let diagnosis = Diagnosis(run.json()["sandbox"].clone());
        assert_eq!(run.code, Some(i32::from(!is_secure)), "{}", run.stderr);
        assert_eq!(diagnosis.0["secure"], is_secure);
        for measure in Measure::ALL {
            let said = diagnosis.of(*measure);
            let is_missing = missing.contains(measure);
            assert_eq!(said["state"] == "missing", is_missing, "{measure}: {said}");
            assert_eq!(said["alone"]["state"] == "missing", is_missing, "{measure}: {said}");
            if is_missing {
                assert_ne!(said["detail"], "", "{measure}");
            }
        }
        diagnosis
    }

    /// Checks that it starts here, gives the right verdicts, and says in one line what is missing.
    #[track_caller]
    fn assert_starts_without(&self, missing: &[Measure]) -> Diagnosis {
        let diagnosis = self.assert_lacks(missing, true);
        let log = without_parts(&self.assert_judges(&[]), &diagnosis, missing);
        if missing.is_empty() {
            assert_eq!(log, "");
        } else {
            assert_eq!(log.lines().count(), 1, "{log}");
            assert_eq!(named(&log), missing.len(), "{log}");
            assert!(missing.iter().all(|measure| log.contains(measure.name())), "{log}");
            assert!(log.contains("pvf doctor"), "{log}");
        }
        diagnosis
    }

    /// Checks that it refuses to start here, and does so if told to, with a warning for each measure
    /// that is missing.
    #[track_caller]
    fn assert_refuses_without(&self, missing: &[Measure]) -> Diagnosis {
        let diagnosis = self.assert_lacks(missing, false);
        let refused = self.validate("good", &[]);
        assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
        assert_eq!(refused.json()["reason"]["kind"], "insecure");
        for hint in ["pvf doctor", "--insecure"] {
            assert!(refused.stderr.contains(hint), "{}", refused.stderr);
        }
        for measure in Measure::ALL {
            let is_named = refused.stderr.contains(&format!("\n  {measure} is missing: "));
            assert_eq!(is_named, missing.contains(measure), "{measure}: {}", refused.stderr);
        }
        let log = without_parts(&self.assert_judges(&["--insecure"]), &diagnosis, missing);
        assert_eq!(log.lines().count(), missing.len(), "{log}");
        for measure in missing {
            let warns = |line: &str| {
                line.contains("WARN")
                    && line.contains("INSECURE")
                    && line.contains(&format!("measure={measure} state=missing"))
            };
            assert!(log.lines().any(warns), "{measure}: {log}");
        }
        diagnosis
    }
}

/// The log without the lines about measures that hold only in part, which have to be the right ones.
#[track_caller]
fn without_parts(log: &str, diagnosis: &Diagnosis, missing: &[Measure]) -> String {
    let (parts, others): (Vec<_>, Vec<_>) =
        log.lines().partition(|line| line.contains("a measure only in part"));
    let landlock = diagnosis.of(Measure::Landlock);
    let is_old = landlock["detail"].to_string().contains(", without");
    for (measure, is_in_part) in [
        (Measure::Landlock, is_old),
        // It is counted for each user namespace.
        (Measure::ResourceLimits, missing.contains(&Measure::UserNamespace)),
    ] {
        let is_named = |line: &&str| line.contains(&format!("measure={measure} state=holds"));
        assert_eq!(parts.iter().any(is_named), is_in_part, "{measure}: {log}");
    }
    others.iter().map(|line| format!("{line}\n")).collect()
}

/// How many measures a line of the log names.
fn named(line: &str) -> usize {
    let list = line.split("missing=").nth(1).unwrap_or_default();
    list.trim_matches(['"', '\n']).split(", ").count()
}

impl Run {
    #[track_caller]
    fn json(&self) -> Value {
        let json = serde_json::from_str(&self.stdout);
        json.unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

/// What the doctor said of the measures.
struct Diagnosis(Value);

impl Diagnosis {
    #[track_caller]
    fn of(&self, measure: Measure) -> &Value {
        let measures = self.0["measures"].as_array().unwrap();
        measures.iter().find(|said| said["name"] == measure.name()).unwrap()
    }

    /// Checks that this is in what is said of a measure.
    #[track_caller]
    fn assert_says(&self, measure: Measure, detail: &str) {
        let said = self.of(measure)["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{said}");
    }

    /// Whether one of the remarks on this machine has these words.
    fn remarks_on(&self, words: &str) -> bool {
        let remarks = self.0["here"].as_array().unwrap();
        remarks.iter().any(|remark| remark.as_str().unwrap().contains(words))
    }
}

/// Whether this kernel has everything, so that what is missing elsewhere is missing for its
/// surroundings. If not, says so.
fn has_everything(machine: &Machine) -> bool {
    let plain = Machine { directory: tempfile::tempdir().unwrap(), surroundings: vec![] };
    let copied = Command::new("cp").arg(machine.program()).arg(plain.program()).status();
    assert!(copied.unwrap().success());
    let diagnosis = plain.run(&["doctor", "--json"]).json();
    let measures = diagnosis["sandbox"]["measures"].as_array().unwrap();
    let missing: Vec<_> = measures.iter().filter(|said| said["state"] == "missing").collect();
    if !missing.is_empty() {
        println!("skipped: this machine lacks measures itself: {missing:?}");
    }
    missing.is_empty()
}

/// A machine that has what these surroundings leave. None, and a line that says why, if there is none.
fn machine(surroundings: &[Surrounding]) -> Option<Machine> {
    Machine::new(surroundings).filter(has_everything)
}

fn with(measures: &[Measure], more: &[Measure]) -> Vec<Measure> {
    [measures, more].concat()
}

#[test]
fn root_lacks_nothing() {
    let Some(machine) = machine(&[]) else { return };
    let diagnosis = machine.assert_starts_without(&[]);
    diagnosis.assert_says(Measure::Landlock, "ABI ");
    if rustix::process::geteuid().is_root() {
        assert_eq!(diagnosis.of(Measure::OwnUser)["state"], "holds");
    }
    assert_eq!(diagnosis.of(Measure::ControlGroup)["state"], "not_needed");
}

#[test]
fn a_user_without_privileges_lacks_nothing() {
    let Some(machine) = machine(&[Nobody]) else { return };
    let diagnosis = machine.assert_starts_without(&[]);
    assert_eq!(diagnosis.of(Measure::OwnUser)["state"], "not_needed");
}

#[test]
fn in_a_container_landlock_and_the_filter_keep_code_in() {
    for user in [ContainerRoot, Nobody] {
        let Some(machine) = machine(&[Container, user]) else { return };
        let diagnosis = machine.assert_starts_without(&NAMESPACES);
        diagnosis.assert_says(Measure::UserNamespace, "Operation not permitted");
        assert!(diagnosis.remarks_on("as in a container"));
    }
}

#[test]
fn in_a_container_without_landlock_nothing_starts_unless_told_to() {
    for user in [ContainerRoot, Nobody] {
        for (landlock, reason) in
            [(NoLandlock, "does not have it"), (LandlockNotEnabled, "was booted without it")]
        {
            let Some(machine) = machine(&[Container, landlock, user]) else { return };
            let missing = with(&NAMESPACES, &[Measure::Landlock]);
            let diagnosis = machine.assert_refuses_without(&missing);
            diagnosis.assert_says(Measure::Landlock, reason);
            assert_eq!(
                diagnosis.0["still_needed"],
                serde_json::json!([["empty-root", "landlock"]])
            );
        }
    }
}

#[test]
fn without_landlock_an_empty_root_keeps_code_in() {
    for surroundings in [&[NoLandlock][..], &[LandlockNotEnabled, Nobody]] {
        let Some(machine) = machine(surroundings) else { return };
        machine.assert_starts_without(&[Measure::Landlock]);
    }
}

#[test]
fn an_old_landlock_does_what_it_can_and_the_doctor_says_what_it_can_not() {
    for (landlock, says) in [
        (
            LandlockAbi1,
            "ABI 1, without rules for truncating files, TCP, signals and abstract sockets",
        ),
        (LandlockAbi3, "ABI 3, without rules for TCP, signals and abstract sockets"),
    ] {
        for surroundings in [&[landlock][..], &[Container, landlock, Nobody]] {
            let Some(machine) = machine(surroundings) else { return };
            let missing = if surroundings.len() == 1 { &[][..] } else { &NAMESPACES };
            let diagnosis = machine.assert_starts_without(missing);
            assert_eq!(diagnosis.of(Measure::Landlock)["detail"], says);
        }
    }
}

#[test]
fn without_system_call_filters_nothing_starts_unless_told_to() {
    for surroundings in [&[NoFilters][..], &[NoFilters, Nobody]] {
        let Some(machine) = machine(surroundings) else { return };
        let diagnosis = machine.assert_refuses_without(&[Measure::SystemCallFilter]);
        diagnosis.assert_says(Measure::SystemCallFilter, "seccomp");
        assert_eq!(diagnosis.0["still_needed"], serde_json::json!([["system-call-filter"]]));
    }
}

#[test]
fn where_there_may_be_no_more_user_namespaces_landlock_and_the_filter_keep_code_in() {
    for (surroundings, missing) in [
        // Root of a user namespace can make all the others.
        (&[NoMoreUserNamespaces][..], &[Measure::UserNamespace][..]),
        (&[NoMoreUserNamespaces, Nobody], &NAMESPACES),
    ] {
        let Some(machine) = machine(surroundings) else { return };
        let diagnosis = machine.assert_starts_without(missing);
        diagnosis.assert_says(Measure::UserNamespace, "No space left on device");
        assert!(diagnosis.remarks_on("user.max_user_namespaces is 0"));
    }
}

#[test]
fn a_control_group_that_is_none_is_missed_and_keeps_nobody_from_starting() {
    let Some(machine) = machine(&[]) else { return };
    let ordinary = machine.path("ordinary");
    fs::create_dir(&ordinary).unwrap();
    let log = machine.assert_judges(&["--control-group", ordinary.to_str().unwrap()]);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("control-group"), "{log}");
    let said = machine.run(&["doctor", "--json", "--control-group", ordinary.to_str().unwrap()]);
    assert_eq!(said.code, Some(0));
    let diagnosis = Diagnosis(said.json()["sandbox"].clone());
    assert_eq!(diagnosis.of(Measure::ControlGroup)["state"], "missing");
    diagnosis.assert_says(Measure::ControlGroup, "cgroup v2");
}
