//! Whether every example in Rust on the book's pages is compiled: `docs/lib/examples.rs` does that for
//! whole pages.

use pvf_book::{pages, root};
use std::fs;

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
