//! Whether what pages show of files in the checkout is what is in them.
//!
//! Pages are read as they are in the checkout, too, so that they don't include files, but have a copy of
//! them: the block of code behind `<!-- copy of PATH -->`. With the environment variable
//! `PVF_WRITE_DOCS` the copies are written anew.

use pvf_book::{pages, root};
use std::fs;

const START: &str = "<!-- copy of ";

/// The page with each copy as the file is that `read` gives for its path. Says how many there are.
fn with_copies(page: &str, read: impl Fn(&str) -> String) -> (String, usize) {
    let mut whole = String::new();
    let mut rest = page;
    let mut count = 0;
    while let Some(at) = rest.find(START) {
        let (before, from) = rest.split_at(at);
        let (path, behind) =
            from[START.len()..].split_once(" -->\n\n").expect("a path, and a blank");
        let (fence, behind) = behind.split_once('\n').expect("a block");
        assert!(fence.starts_with("```"), "behind the copy of {path} there is no block");
        let end = behind.strip_prefix("```\n").or_else(|| Some(behind.split_once("\n```\n")?.1));
        let file = read(path);
        assert!(!file.contains("\n```"), "{path} would end its block");
        let file = file.trim_end_matches('\n');
        whole += &format!("{before}{START}{path} -->\n\n{fence}\n{file}\n```\n");
        rest = end.expect("a block has an end");
        count += 1;
    }
    (whole + rest, count)
}

fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn copies_of_files_are_as_the_files_are() {
    let mut all = 0;
    for page in pages() {
        let (expected, count) = with_copies(&page.text, file);
        all += count;
        if std::env::var_os("PVF_WRITE_DOCS").is_some() {
            fs::write(root().join(&page.path), expected).expect("a page can be written");
        } else {
            assert!(page.text == expected, "{}: write it anew with PVF_WRITE_DOCS=1", page.path);
        }
    }
    assert!(all >= 3, "only {all} copies");
}

#[test]
fn pages_can_be_read_where_nothing_is_included() {
    for page in pages() {
        assert!(!page.text.contains("{{#"), "{}: have a copy instead", page.path);
    }
}

#[test]
fn a_copy_is_replaced_and_nothing_else_is() {
    let page = |copy: &str| {
        format!("# A\n\n{START}a/b.rs -->\n\n```rust,file=b.rs\n{copy}```\n\n```sh\nls\n```\n")
    };
    let read = |path: &str| {
        assert_eq!(path, "a/b.rs");
        "fn b() {}\n\nfn c() {}\n".to_owned()
    };
    let expected = page("fn b() {}\n\nfn c() {}\n");
    for copy in ["fn a() {}\n", "", "fn b() {}\n\nfn c() {}\n", "\n\n"] {
        assert_eq!(with_copies(&page(copy), read), (expected.clone(), 1), "{copy:?}");
    }
}
