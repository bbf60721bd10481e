//! Whether every link in the book, in the README and in the other documents leads somewhere.

use pvf_book::{Page, all_documents, pages, root, source};
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// A path without `..`, as far as it has a folder to leave.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if normal.pop() => {}
            component => normal.push(component),
        }
    }
    normal
}

/// What is wrong with a link on this page, if anything is.
fn wrong(page: &Page, link: &str) -> Option<&'static str> {
    if link.starts_with("https://") {
        return None;
    }
    if link.contains("://") {
        return Some("not a link that anybody should follow");
    }
    let (file, anchor) =
        link.split_once('#').map_or((link, None), |(it, anchor)| (it, Some(anchor)));
    let folder = Path::new(&page.path).parent().expect("a page is a file");
    let target =
        if file.is_empty() { page.path.clone().into() } else { normal(&folder.join(file)) };
    if !root().join(&target).exists() {
        return Some("no such file");
    }
    // The book is read elsewhere: what is in no folder of its own is not there.
    if page.path.starts_with("docs/src/") && !target.starts_with("docs/src") {
        return Some("leads out of the book");
    }
    let anchor = anchor?;
    let anchors = Page::read(target.to_str()?).anchors();
    (!anchors.iter().any(|it| it == anchor)).then_some("no such heading")
}

#[test]
fn every_link_leads_somewhere() {
    let documents = all_documents();
    assert!(documents.len() > 20, "only {} documents", documents.len());
    let mut problems = vec![];
    for page in &documents {
        let links = page.links();
        problems.extend(links.iter().filter_map(|link| {
            let problem = wrong(page, link)?;
            Some(format!("{}: {link}: {problem}", page.path))
        }));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_summary_lists_every_page_once() {
    let mut listed = Page::read("docs/src/SUMMARY.md").links();
    let listed_once: BTreeSet<String> = listed.iter().cloned().collect();
    listed.sort();
    assert_eq!(listed, Vec::from_iter(listed_once.clone()));
    let files = fs::read_dir(source()).expect("the book is there");
    let names = files.map(|file| file.expect("a folder can be read").file_name());
    let names = names.map(|name| name.into_string().expect("a page's name is text"));
    let there = names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md");
    assert_eq!(listed_once, there.collect());
}

/// What looks like a path in the checkout: it begins with one of its folders.
fn is_path_in_checkout(code: &str) -> bool {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    code.chars().all(is_path)
        && code.split_once('/').is_some_and(|(first, _)| {
            !first.is_empty() && first != "target" && root().join(first).is_dir()
        })
}

#[test]
fn every_path_that_is_named_is_there() {
    let mut problems = vec![];
    for page in pages() {
        // What the reader is to write is not there yet.
        let blocks = page.blocks();
        let is_new = |path: &String| blocks.iter().any(|block| block.file() == Some(path));
        let paths = page.code_spans().into_iter().filter(|code| is_path_in_checkout(code));
        let paths = paths.filter(|path| !is_new(path));
        let absent = paths.filter(|path| !root().join(path).exists());
        problems.extend(absent.map(|path| format!("{}: {path}", page.path)));
    }
    assert!(problems.is_empty(), "no such file:\n{}", problems.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Page { path: "docs/src/page.md".into(), text: "# Here\n".into() };
    assert_eq!(wrong(&page, "design.md#processes"), None);
    assert_eq!(wrong(&page, "https://example.org"), None);
    for link in ["nowhere.md", "design.md#nothing", "../../README.md", "file:///etc/passwd"] {
        assert!(wrong(&page, link).is_some(), "{link}");
    }
}
