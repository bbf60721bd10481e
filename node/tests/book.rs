//! Runs the commands of the book and of the README, in their order on each page, as a reader would.

use pvf_book::{Block, Check, Folder, Page, operators, pages};
use std::{env, fs, os::unix::fs::PermissionsExt, path::Path};

/// Whether this test runs the block, and which folder the commands need besides what is in the checkout.
fn is_for_pvf(block: &Block) -> bool {
    let has_fixtures = env::var_os("PVF_FIXTURES").is_some();
    block.language == "sh"
        && match &block.attributes[..] {
            [] => true,
            [one] if one == "fixtures" => has_fixtures,
            _ => false,
        }
}

/// Runs what is on the page. Says how many blocks there were.
fn follow(page: &Page) -> Result<usize, String> {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = Folder::new(directory.path()).unwrap();
    folder.add_program("pvf", Path::new(env!("CARGO_BIN_EXE_pvf"))).unwrap();
    if let Some(fixtures) = env::var_os("PVF_FIXTURES") {
        folder.add_folder("pvfs", Path::new(&fixtures)).unwrap();
    }
    let blocks = page.blocks();
    let mut count = 0;
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| is_for_pvf(block)) {
        let output = blocks.get(index + 1).filter(|next| next.has("output"));
        folder.check(block, output)?;
        count += 1;
    }
    Ok(count)
}

#[test]
fn every_command_does_what_the_page_says() {
    let mut count = 0;
    let mut problems = vec![];
    for page in pages() {
        match follow(&page) {
            Ok(blocks) => count += blocks,
            Err(problem) => problems.push(problem),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 4, "only {count} blocks");
    if env::var_os("PVF_FIXTURES").is_none() {
        println!("not run, as PVF_FIXTURES is not set: commands on real PVFs");
    }
}

#[test]
fn a_command_that_does_something_else_is_found() {
    let block = |text: &str| Page { path: "page.md".into(), text: format!("```sh\n{text}\n```\n") };
    assert_eq!(follow(&block("pvf backends")), Ok(1));
    for command in ["pvf nothing", "pvf backends # exit code 1"] {
        assert!(follow(&block(command)).is_err(), "{command}");
    }
    let output = Page {
        path: "page.md".into(),
        text: "```sh\npvf --version\n```\n\n```text,output\nnothing\n```\n".into(),
    };
    assert!(follow(&output).is_err());
}

/// A folder with the program, and nothing of this machine's.
fn place() -> (tempfile::TempDir, Folder) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = Folder::new(directory.path()).unwrap();
    folder.add_program("pvf", Path::new(env!("CARGO_BIN_EXE_pvf"))).unwrap();
    (directory, folder)
}

#[test]
fn what_takes_too_long_to_be_run_has_options_that_there_are() {
    let (_directory, folder) = place();
    let mut count = 0;
    for (block, command, _) in
        operators().into_iter().filter(|(_, _, row)| row.check == Check::Options)
    {
        let arguments = command.text.strip_prefix("target/release/pvf ").expect("it is built so");
        // Whatever stands before this has to be known, and be in order by itself.
        let run = folder.run(&format!("pvf {arguments} --help"));
        assert_eq!(run.exit_code, Some(0), "{}: {}", block.place(), run.stderr);
        let run = folder.run(&format!("pvf {arguments} --no-such-option --help"));
        assert_eq!(run.exit_code, Some(2), "{}", block.place());
        count += 1;
    }
    assert!(count > 0);
}

/// Stands for systemd: it makes no group, and runs what it is to run in one.
const SYSTEMD_RUN: &str = r#"#!/bin/sh
[ "$1 $2 $3 $4 $5" = "--user --scope -p Delegate=yes --" ] || exit 64
shift 5
exec "$@"
"#;

#[test]
fn a_control_group_is_made_by_hand_as_the_page_says() {
    let mut count = 0;
    for (block, command, _) in
        operators().into_iter().filter(|(_, _, row)| row.check == Check::ControlGroup)
    {
        let (directory, folder) = place();
        let program = directory.path().join("systemd-run");
        fs::write(&program, SYSTEMD_RUN).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder.add_program("systemd-run", &program).unwrap();
        // What a process in such a scope sees. The directories are ordinary ones.
        let groups = directory.path().join("groups");
        let group = groups.join("user.slice/run-1.scope");
        fs::create_dir_all(&group).unwrap();
        let own = directory.path().join("own");
        fs::write(&own, "0::/user.slice/run-1.scope\n").unwrap();
        let text = command.text.replace("/sys/fs/cgroup", groups.to_str().unwrap());
        let text = text.replace("/proc/self/cgroup", own.to_str().unwrap());
        let run = folder.run(&text);
        assert_eq!(run.exit_code, Some(0), "{}: {}{}", block.place(), run.stdout, run.stderr);
        let moved = fs::read_to_string(group.join("node/cgroup.procs")).unwrap();
        assert!(moved.trim().parse::<u32>().is_ok(), "{moved}");
        // It was asked for this group, and found that it is none.
        let is_named = run.stdout.lines().any(|line| {
            line.starts_with("control-group is missing: ") && line.contains(group.to_str().unwrap())
        });
        assert!(is_named, "{}", run.stdout);
        count += 1;
    }
    assert!(count > 0);
}
