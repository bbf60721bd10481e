//! Pages, and what is on them.

use crate::root;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::{collections::HashMap, fs, path::PathBuf};

/// A document of the repository.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path in the checkout, such as `docs/src/design.md`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A block of code on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The page's path in the checkout.
    pub page: String,
    /// The line of the page that the block begins in, counted from 1.
    pub line: usize,
    /// What it is in: `sh`, `rust`, `text`, …
    pub language: String,
    /// What stands behind the language, at each comma.
    pub attributes: Vec<String>,
    /// What is in it.
    pub text: String,
}

impl Block {
    /// Whether this stands behind the language.
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|it| it == attribute)
    }

    /// The name of the file that this is all of, if it is one.
    pub fn file(&self) -> Option<&str> {
        self.attributes.iter().find_map(|it| it.strip_prefix("file="))
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

impl Page {
    /// Reads the document with this path in the checkout.
    ///
    /// # Panics
    ///
    /// If it can't be read.
    pub fn read(path: &str) -> Self {
        let file = root().join(path);
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self { path: path.to_owned(), text }
    }

    fn events(&self) -> Vec<(Event<'_>, usize)> {
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
        let events = Parser::new_ext(&self.text, options).into_offset_iter();
        events.map(|(event, range)| (event, range.start)).collect()
    }

    /// The code blocks that say what they are in, in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = vec![];
        let mut open: Option<Block> = None;
        for (event, start) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let mut words = info.split(',').map(|word| word.trim().to_owned());
                    open = Some(Block {
                        page: self.path.clone(),
                        line: self.text[..start].lines().count() + 1,
                        language: words.next().unwrap_or_default(),
                        attributes: words.collect(),
                        text: String::new(),
                    });
                }
                Event::Text(text) => {
                    if let Some(block) = &mut open {
                        block.text.push_str(&text);
                    }
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
                _ => {}
            }
        }
        blocks
    }

    /// Where its links and pictures lead.
    pub fn links(&self) -> Vec<String> {
        let targets = self.events().into_iter().filter_map(|(event, _)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.to_string())
            }
            _ => None,
        });
        targets.collect()
    }

    /// What stands between backticks in running text.
    pub fn code_spans(&self) -> Vec<String> {
        let spans = self.events().into_iter().filter_map(|(event, _)| match event {
            Event::Code(code) => Some(code.to_string()),
            _ => None,
        });
        spans.collect()
    }

    /// What links to its headings have behind `#`, as mdBook and GitHub make it of the headings.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = vec![];
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::SoftBreak => {
                    if let Some(heading) = &mut heading {
                        heading.push(' ');
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    let before = seen.entry(anchor.clone()).or_default();
                    anchors.push(match *before {
                        0 => anchor,
                        count => format!("{anchor}-{count}"),
                    });
                    *before += 1;
                }
                _ => {}
            }
        }
        anchors
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect()
}

/// The pages of the book, in the order of its summary, behind the README.
pub fn pages() -> Vec<Page> {
    let summary = Page::read("docs/src/SUMMARY.md");
    let listed = summary.links().into_iter().map(|link| Page::read(&format!("docs/src/{link}")));
    [Page::read("README.md")].into_iter().chain(listed).collect()
}

/// Every document in Markdown that is in the checkout.
pub fn all_documents() -> Vec<Page> {
    let mut paths = vec![];
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
            if is_folder && name != "target" && name != ".git" {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let relative = |path: PathBuf| {
        let path = path.strip_prefix(root()).expect("it was found there");
        path.to_str().expect("its name is text").to_owned()
    };
    paths.into_iter().map(|path| Page::read(&relative(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page { path: "page.md".into(), text: text.into() }
    }

    #[test]
    fn a_block_knows_where_it_is_and_what_it_is_for() {
        let page = page(
            "# Title\n\n```sh,fixtures\npvf demo\n```\n\n```toml,file=Cargo.toml\na = 1\n```\n",
        );
        let blocks = page.blocks();
        let [first, second] = &blocks[..] else { panic!("{blocks:?}") };
        assert_eq!((first.place(), first.text.as_str()), ("page.md:3".into(), "pvf demo\n"));
        assert!(first.has("fixtures") && first.file().is_none());
        assert_eq!((second.language.as_str(), second.file()), ("toml", Some("Cargo.toml")));
    }

    #[test]
    fn an_anchor_is_made_of_a_heading_as_readers_follow_it() {
        let page = page("# What's *it* for?\n## Code `a_b`\n## Again\n## Again\n");
        assert_eq!(page.anchors(), ["whats-it-for", "code-a_b", "again", "again-1"]);
    }

    #[test]
    fn links_and_code_spans_are_found_wherever_they_stand() {
        let page = page("| a |\n| --- |\n| [x](y.md#z) `c/d` |\n\n```sh\n`no` [no](no)\n```\n");
        assert_eq!(page.links(), ["y.md#z"]);
        assert_eq!(page.code_spans(), ["c/d"]);
    }
}
