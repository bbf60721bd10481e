//! Runs the commands of the book and of the README, in their order on each page, as a reader would.

use pvf_book::{Block, Folder, Page, pages};
use std::{env, path::Path};

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
