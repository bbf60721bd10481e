//! Artifacts that can't run, as somebody sees them who has the command line alone: the right verdict,
//! one preparation more, and the reason.

use pvf_host_core::{
    artifact::{Cache, format::HEADER_LEN},
    primitives::hex,
};
use pvf_tests::{
    OnLoad, OnPrepare, Scratch, Script,
    mounts::{in_own_mounts, mount},
    programs, refusals,
    request::{approval, hash_head, input},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The command line with the scripted backends, in a directory of its own.
struct CommandLine(Scratch);

/// What the command line has said.
struct Said {
    json: Value,
    log: String,
}

impl CommandLine {
    fn new() -> Self {
        let scratch = Scratch::new(programs!());
        scratch.install_worker(env!("CARGO_BIN_EXE_pvf-test-node").as_ref());
        Self(scratch)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.worker().with_file_name(name)
    }

    /// Validates the candidate that [`approval`] makes of a script.
    fn validate(&self, script: &Script) -> Said {
        let request = approval(script.pvf());
        let (code, params) = (self.path("code"), self.path("params"));
        fs::write(&code, script.bytes()).unwrap();
        fs::write(&params, input(&request)).unwrap();
        let (code, params) = (code.to_str().unwrap(), params.to_str().unwrap());
        self.run(&["validate", "-v", "--code", code, "--params", params])
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_pvf-test-node"))
            .args(arguments)
            .arg("--json")
            .arg("--worker-program")
            .arg(self.0.worker())
            .arg("--cache-dir")
            .arg(self.0.cache())
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let json = serde_json::from_slice(&output.stdout);
        Said { json: json.unwrap_or_else(|error| panic!("{error}: {log}")), log }
    }

    /// What `pvf doctor` says has changed.
    fn changes(&self) -> Vec<String> {
        let said = self.run(&["doctor"]);
        let changes = said.json["changes"].as_array().expect("there was a start");
        changes.iter().map(|change| change.as_str().unwrap().to_owned()).collect()
    }

    fn artifact(&self, script: &Script) -> PathBuf {
        self.0.artifact(script)
    }
}

impl Said {
    /// Checks that the candidate is valid with the right head.
    #[track_caller]
    fn assert_valid(&self, script: &Script) {
        let head = hex::encode(hash_head(&approval(script.pvf())));
        assert_eq!(self.json["verdict"], "valid", "{}\n{}", self.json, self.log);
        assert_eq!(self.json["result"]["head_data"], head);
    }

    fn retried(&self) -> Vec<&str> {
        let retried = self.json["retried"].as_array().unwrap();
        retried.iter().map(|reason| reason["kind"].as_str().unwrap()).collect()
    }

    /// How many preparations have ended well.
    fn prepared(&self) -> usize {
        self.log.lines().filter(|line| line.contains(" prepared artifact")).count()
    }
}

fn script(salt: u64) -> Script {
    Script::prepare(OnPrepare::SucceedWithPadding(1000)).salt(salt)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_artifact_costs_one_preparation_and_no_verdict() {
    let place = CommandLine::new();
    let first = place.validate(&script(0));
    first.assert_valid(&script(0));
    assert_eq!((first.prepared(), first.retried().len()), (1, 0));
    let again = place.validate(&script(0));
    again.assert_valid(&script(0));
    assert_eq!((again.prepared(), again.retried().len()), (0, 0));

    let path = place.artifact(&script(0));
    let len = fs::metadata(&path).unwrap().len() as usize;
    let flips = [0, 9, 20, 30, 100, 150, 200, HEADER_LEN - 1, HEADER_LEN, len - 1];
    let cuts = [0, 1, HEADER_LEN - 1, HEADER_LEN, HEADER_LEN + 1, len - 1];
    for at in flips {
        change(&path, |bytes| bytes[at] ^= 0x10);
        let said = place.validate(&script(0));
        said.assert_valid(&script(0));
        assert_eq!(said.prepared(), 1, "bit of byte {at}: {}", said.log);
        // What a header shows is found out at the start.
        let expected: &[&str] = if at < HEADER_LEN { &[] } else { &["corrupted_artifact"] };
        assert_eq!(said.retried(), expected);
    }
    for cut in cuts {
        change(&path, |bytes| bytes.truncate(cut));
        let said = place.validate(&script(0));
        said.assert_valid(&script(0));
        assert_eq!(said.prepared(), 1, "cut to {cut}: {}", said.log);
    }
}

#[test]
fn an_artifact_in_anothers_place_costs_one_preparation_and_no_verdict() {
    let place = CommandLine::new();
    for salt in [0, 1] {
        place.validate(&script(salt)).assert_valid(&script(salt));
    }
    let paths = [0, 1].map(|salt| place.artifact(&script(salt)));
    let aside = place.path("aside");
    for (from, to) in [(&paths[0], &aside), (&paths[1], &paths[0]), (&aside, &paths[1])] {
        fs::rename(from, to).unwrap();
    }
    for salt in [0, 1] {
        let said = place.validate(&script(salt));
        said.assert_valid(&script(salt));
        assert_eq!(said.prepared(), 1, "{}", said.log);
    }

    let same_environment = CommandLine::new();
    let other_environment = CommandLine::new();
    other_environment.0.rebuild_worker();
    for other in [same_environment, other_environment] {
        other.validate(&script(0)).assert_valid(&script(0));
        fs::copy(other.artifact(&script(0)), &paths[0]).unwrap();
        let said = place.validate(&script(0));
        said.assert_valid(&script(0));
        assert_eq!(said.prepared(), 1, "{}", said.log);
    }
    assert_eq!(Cache::new(place.0.cache()).environments().unwrap().len(), 1);
}

#[test]
fn an_engine_that_refuses_once_costs_one_preparation_and_no_verdict() {
    let place = CommandLine::new();
    let script = Script::load(OnLoad::FailIfRefused);
    place.validate(&script).assert_valid(&script);
    refusals::order(&place.0.worker(), 1);
    let said = place.validate(&script);
    said.assert_valid(&script);
    assert_eq!((said.prepared(), said.retried()), (1, vec!["runtime_construction"]));
}

#[test]
fn an_engine_that_refuses_twice_makes_the_candidate_invalid_with_both_reasons() {
    let place = CommandLine::new();
    let script = Script::load(OnLoad::FailIfRefused);
    place.validate(&script).assert_valid(&script);
    // The two that are asked, and one that may stand by and not be asked.
    refusals::order(&place.0.worker(), 3);
    let said = place.validate(&script);
    refusals::withdraw(&place.0.worker());
    assert_eq!(said.json["verdict"], "invalid");
    let reason = said.json["reason"]["message"].as_str().unwrap();
    assert_eq!(reason, "runtime construction failed twice: refused; after preparing anew: refused");
    assert_eq!((said.prepared(), said.retried()), (1, vec!["runtime_construction"]));
    place.validate(&script).assert_valid(&script);
}

#[test]
fn a_lesser_processor_is_another_environment_and_the_doctor_says_so() {
    in_own_mounts("a_lesser_processor_is_another_environment_and_the_doctor_says_so", async || {
        let place = CommandLine::new();
        place.validate(&script(0)).assert_valid(&script(0));
        assert_eq!(place.changes(), [] as [String; 0]);

        let real = fs::read_to_string("/proc/cpuinfo").unwrap();
        let lesser = place.path("cpuinfo");
        // Every processor has a floating point unit, whatever its make.
        let feature =
            ["fpu", "fp"].into_iter().find(|it| real.contains(&format!(" {it} "))).unwrap();
        fs::write(&lesser, real.replace(&format!(" {feature} "), " ")).unwrap();
        mount(&["--bind", lesser.to_str().unwrap(), "/proc/cpuinfo"]);
        assert_eq!(place.changes(), [format!("processor features: -{feature}")]);

        let old = place.artifact(&script(0));
        let said = place.validate(&script(0));
        said.assert_valid(&script(0));
        assert_eq!((said.prepared(), said.retried().len()), (1, 0));
        assert!(said.log.contains(&format!("-{feature}")), "{}", said.log);
        assert!(!old.exists());
        assert_eq!(place.changes(), [] as [String; 0]);
    });
}

#[test]
fn another_build_is_another_environment_and_the_doctor_says_so() {
    let place = CommandLine::new();
    place.validate(&script(0)).assert_valid(&script(0));
    place.0.rebuild_worker();
    let changes = place.changes();
    assert_eq!(changes.len(), 1);
    assert!(changes[0].starts_with("worker program: was "), "{changes:?}");
    let said = place.validate(&script(0));
    said.assert_valid(&script(0));
    assert_eq!(said.prepared(), 1);
    assert_eq!(place.changes(), [] as [String; 0]);
}
