//! Whether every example in Rust on the book's pages is compiled: `docs/lib/examples.rs` does that for
//! whole pages. And whether files that are on a page alone are formatted as all others.

use pvf_book::{pages, root};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

#[test]
fn every_example_is_compiled() {
    let compiled = fs::read_to_string(root().join("docs/lib/examples.rs")).expect("it is there");
    let mut count = 0;
    for page in pages() {
        for block in page.blocks().iter().filter(|block| block.language == "rust") {
            count += 1;
            // The test that follows a page writes its files, and compiles those.
            if block.file().is_some() {
                continue;
            }
            let allowed = ["no_run", "should_panic"];
            let odd = block.attributes.iter().find(|it| !allowed.contains(&it.as_str()));
            assert_eq!(odd, None, "{}", block.place());
            let page =
                page.path.strip_prefix("docs/").map_or(format!("../{}", page.path), |it| it.into());
            let line = format!("#[doc = include_str!(\"../{page}\")]");
            assert!(compiled.contains(&line), "{}: {line} is missing", block.place());
        }
    }
    assert!(count > 0);
}

#[test]
fn every_file_in_rust_is_formatted() {
    let blocks = pages().into_iter().flat_map(|page| page.blocks());
    let files: Vec<_> =
        blocks.filter(|block| block.language == "rust" && block.file().is_some()).collect();
    assert!(files.len() > 5, "only {} files", files.len());
    for block in files {
        let mut rustfmt = Command::new("rustfmt")
            .args(["--check", "--edition", "2024", "--config-path"])
            .arg(root().join("rustfmt.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is rustfmt");
        let mut stdin = rustfmt.stdin.take().expect("it is a pipe");
        stdin.write_all(block.text.as_bytes()).expect("it reads");
        drop(stdin);
        let output = rustfmt.wait_with_output().expect("it ends");
        let difference = String::from_utf8_lossy(&output.stdout);
        // It says what differs, and not always by how it exits.
        assert!(
            output.status.success() && difference.is_empty(),
            "{}: {difference}",
            block.place()
        );
    }
}
