//! Checks what can be checked of the commands that nobody runs as they stand, and of what the book says
//! about a node's manifest, systemd, and the kernel's settings.

use pvf_book::{Check, Page, forget_cargo, operators, pages, root};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

/// Runs Cargo in the checkout, with the target folder of this build.
fn cargo(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut cargo = Command::new("cargo");
    forget_cargo(&mut cargo);
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", temporary.parent().unwrap());
    cargo.envs(variables.iter().copied()).args(arguments);
    let output = cargo.output().expect("there is Cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    output
}

/// What Cargo knows about the workspace. Also, `Cargo.lock` is up to date.
fn workspace() -> Value {
    let output = cargo(&[], &["metadata", "--locked", "--offline", "--format-version", "1"]);
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// The package of the workspace for which this holds.
fn package(workspace: &Value, is_it: impl Fn(&Value) -> bool) -> Value {
    let members = workspace["workspace_members"].as_array().unwrap();
    let packages = workspace["packages"].as_array().unwrap().iter();
    let mut packages = packages.filter(|it| members.contains(&it["id"]) && is_it(it));
    packages.next().expect("there is such a package").clone()
}

fn has_target(package: &Value, kind: &str, name: &str) -> bool {
    let targets = package["targets"].as_array().unwrap();
    targets.iter().any(|it| it["name"] == name && it["kind"][0] == kind)
}

/// A command of Cargo's, taken apart.
#[derive(Debug, Default)]
struct Parts<'a> {
    variables: Vec<(&'a str, &'a str)>,
    command: &'a str,
    flags: BTreeSet<&'a str>,
    profile: Option<&'a str>,
    path: Option<&'a str>,
    package: Option<&'a str>,
    features: Option<&'a str>,
    /// Its kind and its name.
    target: Option<(&'a str, &'a str)>,
    /// What stands behind `--`.
    arguments: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(command: &'a str) -> Self {
        let mut parts = Self::default();
        let mut words = command.split_whitespace().filter(|word| *word != "\\");
        let mut word = words.next().unwrap();
        while let Some(variable) = word.split_once('=') {
            parts.variables.push(variable);
            word = words.next().unwrap();
        }
        assert_eq!(word, "cargo");
        parts.command = words.next().unwrap();
        while let Some(word) = words.next() {
            match word {
                "--locked" | "--release" => assert!(parts.flags.insert(word)),
                "--profile" => parts.profile = words.next(),
                "--path" => parts.path = words.next(),
                "-p" => parts.package = words.next(),
                "--features" => parts.features = words.next(),
                "--bench" | "--test" | "--example" => {
                    parts.target = Some((&word[2..], words.next().unwrap()));
                }
                "--" => parts.arguments.extend(words.by_ref()),
                _ => panic!("nobody checks {word} in {command}"),
            }
        }
        parts
    }
}

#[test]
fn what_is_built_for_speed_is_done_in_small_without() {
    let workspace = workspace();
    let mut count = 0;
    for (block, command, row) in operators() {
        if row.check != Check::Cargo {
            continue;
        }
        count += 1;
        println!("{}: {}", block.place(), command.text);
        let parts = Parts::of(&command.text);
        if let Some(profile) = parts.profile {
            let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
            assert!(manifest.contains(&format!("\n[profile.{profile}]\n")), "{profile}");
        }
        if let Some(name) = parts.package {
            let package = package(&workspace, |it| it["name"] == name);
            if let Some(feature) = parts.features {
                assert!(!package["features"][feature].is_null(), "{feature}");
            }
            match parts.target {
                Some((kind, target)) => assert!(has_target(&package, kind, target), "{target}"),
                // Each gets what is behind `--`: there must be none that does not know it.
                None => {
                    let mut targets = package["targets"].as_array().unwrap().iter();
                    assert!(targets.all(|it| it["kind"][0] == parts.command), "{name}");
                }
            }
        }
        match (parts.command, parts.target) {
            ("build", None) => {
                assert_eq!(parts.flags, ["--release"].into());
                let package = package(&workspace, |it| has_target(it, "bin", "pvf"));
                let built = workspace["workspace_default_members"].as_array().unwrap();
                assert!(built.contains(&package["id"]));
            }
            ("install", None) => {
                assert_eq!(parts.flags, ["--locked"].into());
                let manifest = root().join(parts.path.unwrap()).join("Cargo.toml");
                let package =
                    package(&workspace, |it| it["manifest_path"] == manifest.to_str().unwrap());
                assert!(has_target(&package, "bin", "pvf"));
            }
            ("bench", target) => {
                // Whichever it is, it is done once, and no time is taken.
                let name = target.map_or("framing", |(_, name)| name);
                let begin = ["test", "--quiet", "--workspace", "--bench", name, "--"];
                let once = ["--bench", "--test"];
                let output = cargo(&[], &[&begin[..], &once, &parts.arguments].concat());
                let output = [output.stdout, output.stderr].concat();
                let output = String::from_utf8_lossy(&output);
                let filter = match parts.arguments[..] {
                    [filter] => filter,
                    _ => "",
                };
                let mut done = output.lines().filter(|line| line.starts_with("Testing "));
                assert!(done.any(|line| line.contains(filter)), "{filter}: {output}");
            }
            ("test", Some(("test", name))) => {
                let file = fs::read_to_string(root().join("backend-wasmtime/tests/random.rs"));
                let file = file.unwrap();
                for (variable, _) in &parts.variables {
                    assert!(file.contains(&format!("\"{variable}\"")), "{variable}");
                }
                let variables = parts.variables.iter().map(|(variable, value)| {
                    (*variable, if *value == "1000000" { "200" } else { value })
                });
                let begin = ["test", "--quiet", "--workspace", "--test", name, "--"];
                let output =
                    cargo(&variables.collect::<Vec<_>>(), &[&begin[..], &parts.arguments].concat());
                let output = String::from_utf8_lossy(&output.stdout);
                assert!(output.contains("test result: ok. 1 passed"), "{output}");
            }
            ("run", Some(("example", name))) => {
                let features = format!("{}/{}", parts.package.unwrap(), parts.features.unwrap());
                let begin = ["build", "--quiet", "--workspace", "--features", &features];
                cargo(&[], &[&begin[..], &["--example", name]].concat());
                assert_eq!(parts.arguments, ["1000000"]);
                let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
                let program = temporary.parent().unwrap().join("debug/examples").join(name);
                let output = Command::new(program).arg("100").output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && said.starts_with("100 sequences, "), "{said}");
            }
            _ => panic!("nobody checks {}", command.text),
        }
    }
    assert!(count >= 6, "only {count} commands");
}

#[test]
fn the_manifest_of_a_node_is_one_that_cargo_takes() {
    let blocks = Page::read("docs/src/embedding.md").blocks();
    let manifests: Vec<_> = blocks.iter().filter(|block| block.language == "toml").collect();
    let [manifest] = manifests[..] else { panic!("{manifests:?}") };
    let directory = tempfile::tempdir().unwrap();
    symlink(root(), directory.path().join("pvf-host")).unwrap();
    let node = directory.path().join("node");
    fs::create_dir_all(node.join("src")).unwrap();
    fs::write(node.join("src/main.rs"), "fn main() {}\n").unwrap();
    fs::copy(root().join("Cargo.lock"), node.join("Cargo.lock")).unwrap();
    let text = format!("[package]\nname = \"node\"\nedition = \"2024\"\n\n{}", manifest.text);
    fs::write(node.join("Cargo.toml"), text).unwrap();
    // It finds all crates and all of their features.
    let manifest = node.join("Cargo.toml");
    let begin = ["metadata", "--offline", "--format-version", "1", "--manifest-path"];
    cargo(&[], &[&begin[..], &[manifest.to_str().unwrap()]].concat());
}

/// Whether a program of systemd's is there, which is an error if not and the environment variable
/// `PVF_REQUIRE_SYSTEMD` is set.
fn is_there(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        assert!(std::env::var_os("PVF_REQUIRE_SYSTEMD").is_none(), "there is no {program}");
        println!("skipped: there is no {program}");
    }
    is_there
}

#[test]
fn the_journal_is_searched_with_options_that_it_has() {
    let commands: Vec<_> =
        operators().into_iter().filter(|(_, _, row)| row.check == Check::Journal).collect();
    assert!(!commands.is_empty());
    if !is_there("journalctl") {
        return;
    }
    for (block, command, _) in commands {
        let output = Command::new("bash").args(["-c", &command.text]).output().unwrap();
        // It ends with 1 if it has found nothing, and says so.
        let said = String::from_utf8_lossy(&output.stderr);
        let is_empty = said.trim().is_empty() || said.contains("No journal files were found");
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)) && is_empty, "{}: {code:?} {said}", block.place());
    }
}

/// What the pages tell to write into a service's unit: in blocks, and in running text.
fn settings() -> BTreeSet<String> {
    let is_setting = |text: &str| {
        let name = text.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric())
                && name.chars().any(|c| c.is_ascii_lowercase())
        })
    };
    let pages: Vec<Page> =
        ["sandbox", "operating"].map(|name| Page::read(&format!("docs/src/{name}.md"))).into();
    let blocks = pages.iter().flat_map(|page| page.blocks());
    let lines = blocks
        .filter(|block| block.language == "ini")
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>());
    let spans = pages.iter().flat_map(|page| page.code_spans());
    lines.chain(spans).filter(|text| is_setting(text)).collect()
}

#[test]
fn systemd_knows_the_settings_of_services() {
    /// Those of a version that is not everywhere: the page says so.
    const NEW: [(&str, u32); 1] = [("DelegateSubgroup", 254)];
    let settings = settings();
    assert!(settings.len() >= 8, "{settings:?}");
    if !is_there("systemd-analyze") {
        return;
    }
    let version = Command::new("systemd-analyze").arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let version: u32 = version.split_whitespace().nth(1).unwrap().parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("pvf-node.service");
    let complaints = |settings: &[String]| {
        fs::write(&unit, format!("[Service]\n{}\n", settings.join("\n"))).unwrap();
        let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Of other units of this machine it may say more.
        let about_it = said.lines().filter(|line| line.contains("pvf-node.service"));
        about_it.map(str::to_owned).collect::<Vec<_>>()
    };
    let settings: Vec<_> = settings
        .into_iter()
        .filter(|setting| {
            let (name, _) = setting.split_once('=').unwrap();
            NEW.iter().all(|(new, since)| *new != name || version >= *since)
        })
        // The node is not installed here.
        .map(|setting| match setting.strip_prefix("ExecStart=/usr/local/bin/node") {
            Some(arguments) => format!("ExecStart=/bin/true{arguments}"),
            None => setting,
        })
        .collect();
    // Of some the page has but the name, and for some of these no value is a wrong one.
    let (names, values): (Vec<_>, Vec<_>) = settings.into_iter().partition(|it| it.ends_with('='));
    assert_eq!(complaints(&values), [""; 0]);
    let of_names = complaints(&[names, vec!["ExecStart=/bin/true".to_owned()]].concat());
    assert!(of_names.iter().all(|said| !said.contains("Unknown key")), "{of_names:?}");
    // It would say so.
    let wrong = ["ExecStart=/bin/true", "Delegat=yes", "TaskMax="].map(str::to_owned);
    let of_wrong = complaints(&wrong);
    assert_eq!(of_wrong.iter().filter(|said| said.contains("Unknown key")).count(), 2);
}

#[test]
fn the_kernel_has_the_settings_that_pages_name() {
    /// Those of some distributions alone.
    const OF_DISTRIBUTIONS: [&str; 2] =
        ["kernel.apparmor_restrict_unprivileged_userns", "kernel.unprivileged_userns_clone"];
    let spans = pages().into_iter().flat_map(|page| page.code_spans());
    let mut names = BTreeSet::new();
    for span in spans {
        let setting = span.strip_prefix("sysctl ").unwrap_or(&span);
        let name = setting.split_once('=').map_or(setting, |(name, _)| name);
        let first = name.split('.').next().unwrap_or_default();
        let is_path = name.contains('.') && !name.contains(['/', ' ', '(', '*']);
        if is_path && ["kernel", "user", "vm"].contains(&first) {
            names.insert(name.to_owned());
        }
    }
    assert!(names.len() >= 4, "{names:?}");
    for name in names.iter().filter(|name| !OF_DISTRIBUTIONS.contains(&name.as_str())) {
        let file = Path::new("/proc/sys").join(name.replace('.', "/"));
        assert!(file.exists(), "{name}");
    }
    assert!(OF_DISTRIBUTIONS.iter().all(|name| names.contains(*name)));
}
