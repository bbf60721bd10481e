//! The page that lists what is promised names tests that exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The names of all functions of the repository that are tests, and of the tests of the conformance suite.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace");
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let of_suite = pvf_conformance::tests().filter_map(|test| test.name.rsplit("::").next());
    let mut names: BTreeSet<_> = of_suite.map(str::to_owned).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder can be read") {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(tests_of(&fs::read_to_string(path).expect("a file can be read")));
            }
        }
    }
    names
}

/// The names of the functions behind an attribute that makes a test, ignored ones apart.
fn tests_of(source: &str) -> Vec<String> {
    let mut names = vec![];
    let mut attributes = vec![];
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            attributes.push(line);
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| !attributes.is_empty()) {
            let is_test = |it: &&str| it.starts_with("#[test]") || it.starts_with("#[tokio::test");
            let is_ignored = attributes.iter().any(|it| it.starts_with("#[ignore"));
            if attributes.iter().any(is_test) && !is_ignored {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                names.push(rest[..end.unwrap_or(rest.len())].to_owned());
            }
            attributes.clear();
        } else {
            attributes.clear();
        }
    }
    names
}

/// The rows of the page's tables: a promise, and the tests behind it.
fn promises(page: &str) -> Vec<(String, Vec<String>)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.filter(|row| !row.starts_with("---") && !row.starts_with("promise |"));
    rows.map(|row| {
        let (promise, tests) = row.rsplit_once(" | ").expect("a row has two cells");
        let tests = tests.split(", ").map(|name| name.trim_matches('`').to_owned());
        (promise.to_owned(), tests.collect())
    })
    .collect()
}

#[test]
fn each_promise_has_a_test_that_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/specification.md");
    let promises = promises(&fs::read_to_string(page).expect("the page is there"));
    assert!(promises.len() > 50, "only {} promises", promises.len());
    let tests = tests();
    for (promise, names) in promises {
        assert!(!names.is_empty(), "{promise}");
        for name in names {
            assert!(tests.contains(&name), "no test {name}, for: {promise}");
        }
    }
}

#[test]
fn a_test_is_known_by_its_attribute() {
    let source = "
        #[test]
        fn one() {}
        #[tokio::test(flavor = \"multi_thread\")]
        async fn two() {}
        #[test]
        #[ignore = \"takes long\"]
        fn ignored() {}
        fn helper() {}
    ";
    assert_eq!(tests_of(source), ["one", "two"]);
}
