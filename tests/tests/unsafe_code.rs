//! Whether the book's page about unsafe code lists the files that have some, and whether all of it
//! says why it is sound.
//!
//! The compiler refuses unsafe code in all other files. That each block has a comment is looked at
//! by Clippy too, in what it is run on.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PAGE: &str = "docs/src/unsafe.md";

/// The word, so that this file has none.
const UNSAFE: &str = concat!("un", "safe");

/// Programs for another machine: what they do can harm nobody.
const GUESTS: &str = "tests/guests";

/// The repository's files with this ending, but for the guests'.
fn files(ending: &str) -> Vec<String> {
    fn visit(folder: &Path, ending: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
            let is_hidden = path.file_name().unwrap().to_str().unwrap().starts_with('.');
            // What Cargo builds in is tagged as a cache.
            if is_hidden || name == GUESTS || path.join("CACHEDIR.TAG").exists() {
                continue;
            }
            if path.is_dir() {
                visit(&path, ending, found);
            } else if name.ends_with(ending) {
                found.push(name.to_owned());
            }
        }
    }
    let mut found = vec![];
    visit(Path::new(ROOT), ending, &mut found);
    assert!(found.iter().any(|name| name.starts_with("host-core/")), "this is the repository");
    found
}

fn read(name: &str) -> String {
    fs::read_to_string(PathBuf::from(ROOT).join(name)).unwrap()
}

/// The source with comments and literals blanked out, line by line as long as it was.
fn code(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if first == '"' || first == '\'' {
            quoted(rest, first)
        } else if is_word(first) {
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            let behind = &rest[word.len()..];
            match word {
                "r" | "br" | "cr" if behind.starts_with(['"', '#']) => {
                    word.len() + raw_string(behind)
                }
                _ => {
                    code.push_str(word);
                    rest = behind;
                    continue;
                }
            }
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[len..];
    }
    code
}

/// The length of the comment that the text begins with. Comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let behind = &text[at..];
        if behind.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if behind.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += behind.chars().next().expect("a comment ends").len_utf8();
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The length of the string or character that the text begins with, or of the tick of a lifetime.
fn quoted(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    let is_lifetime = quote == '\'' && !text[1..].starts_with('\\') && {
        let second = text[1..].chars().nth(1);
        second != Some('\'')
    };
    if is_lifetime {
        return 1;
    }
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return at + 1;
        }
        if character == '\\' {
            characters.next();
        }
    }
    panic!("a literal does not end");
}

/// The length of the raw string that the text begins with, behind its `r`; nothing for an identifier.
fn raw_string(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if !text[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let from = hashes + 1;
    from + text[from..].find(&end).expect("a raw string ends") + end.len()
}

/// What the word is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Somebody vouches here: `SAFETY` has to say why.
    Vouches,
    /// A function or a trait has a contract for others: `# Safety` has to say which.
    Demands,
    /// The type of a function; or one in the implementation of a trait, which has the contract.
    Neither,
}

/// Each use of the word, with the number of its line from zero.
fn uses(code: &str) -> Vec<(usize, Use)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = vec![];
    // Where the latest implementation of a trait with a contract ends.
    let mut end_of_impl = 0;
    for (at, _) in code.match_indices(UNSAFE) {
        let behind = &code[at + UNSAFE.len()..];
        if behind.starts_with(is_word) || code[..at].ends_with(is_word) {
            continue;
        }
        let next: Vec<&str> = behind.split_whitespace().take(4).collect();
        // The language of a function stands in a literal, which is blank.
        let next = if next[0] == "extern" { &next[1..] } else { &next[..] };
        let usage = match next[0] {
            "fn" if at < end_of_impl => Use::Neither,
            "fn" | "trait" => Use::Demands,
            word if word.starts_with("fn(") => Use::Neither,
            word => {
                if word.starts_with("impl") {
                    end_of_impl = at + UNSAFE.len() + block(behind);
                }
                Use::Vouches
            }
        };
        found.push((code[..at].matches('\n').count(), usage));
    }
    found
}

/// Where the first block in the text ends.
fn block(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    panic!("a block does not end");
}

/// The lines, from one, whose unsafe code does not say why it is sound, or what it asks of callers.
fn undocumented(source: &str) -> Vec<usize> {
    let code = code(source);
    let (lines, code_lines): (Vec<_>, Vec<_>) = (source.lines().collect(), code.lines().collect());
    let mut found = vec![];
    for (line, usage) in uses(&code) {
        // Upwards through the statement and its comment, but not into what stands before.
        let above = (0..line).rev().take_while(|&above| {
            let ends_statement = code_lines[above].trim_end().ends_with([';', '{', '}']);
            !lines[above].trim().is_empty() && !ends_statement
        });
        let says = |text| above.clone().any(|above| lines[above].trim_start().starts_with(text));
        let is_documented = match usage {
            Use::Vouches => says("// SAFETY: "),
            Use::Demands => says("/// # Safety"),
            Use::Neither => true,
        };
        if !is_documented {
            found.push(line + 1);
        }
    }
    found
}

fn has_unsafe_code(source: &str) -> bool {
    !uses(&code(source)).is_empty()
}

/// The files that the page lists: the first cell of each row.
fn listed() -> Vec<String> {
    let page = read(PAGE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_page_lists_the_files_with_unsafe_code_and_no_others() {
    let listed = listed();
    let found: BTreeSet<_> =
        files(".rs").into_iter().filter(|name| has_unsafe_code(&read(name))).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), found);
    assert_eq!(listed.len(), found.len(), "a file is listed twice");
}

#[test]
fn each_file_that_may_have_unsafe_code_has_some_and_says_so_itself() {
    for name in files(".rs") {
        let source = read(&name);
        let code = code(&source).replace(char::is_whitespace, "");
        let expectation = format!("expect({UNSAFE}_code");
        let expectations = code.matches(&expectation).count();
        assert_eq!(expectations, usize::from(has_unsafe_code(&source)), "{name}");
        assert!(!code.contains(&format!("allow({UNSAFE}_code")), "{name}");
        assert!(!code.contains(&format!("warn({UNSAFE}_code")), "{name}");
    }
}

#[test]
fn every_crate_refuses_unsafe_code_elsewhere() {
    let refusal = format!("\n{UNSAFE}_code = \"deny\"\n");
    for name in files("Cargo.toml") {
        let manifest = read(&name);
        let refuses =
            manifest.contains(&refusal) || manifest.contains("\n[lints]\nworkspace = true\n");
        assert!(refuses, "{name}");
    }
    assert!(read("Cargo.toml").contains(&refusal));
}

#[test]
fn all_unsafe_code_says_why_it_is_sound() {
    for name in listed() {
        assert_eq!(undocumented(&read(&name)), [0; 0], "{name}");
    }
}

/// Puts the word where the sample has `UNSAFE`.
fn sample(text: &str) -> String {
    text.replace("UNSAFE", UNSAFE)
}

#[test]
fn comments_and_literals_are_not_code() {
    for text in [
        "// UNSAFE { }\n",
        "/* a /* UNSAFE */ UNSAFE { } */ fn a() {}",
        r#"const A: &str = "UNSAFE { \" UNSAFE { }";"#,
        r##"const A: &str = r#"" UNSAFE { }"#;"##,
        "const A: [char; 2] = ['\"', '\\'']; // UNSAFE { }\nconst B: &str = \"UNSAFE\";",
        "#![expect(UNSAFE_code, reason = \"UNSAFE\")]",
    ] {
        assert!(!has_unsafe_code(&sample(text)), "{text}");
    }
    for text in [
        "fn a<'a>(b: &'a str) { UNSAFE { } }",
        "const A: char = '\"'; fn a() { UNSAFE{} } const B: char = '\"';",
        "fn a() { let r#type = 0; UNSAFE { } }",
        "fn a() { b('x', \"//\", UNSAFE { 0 }) }",
        "#[UNSAFE(no_mangle)] fn a() {}",
    ] {
        assert!(has_unsafe_code(&sample(text)), "{text}");
    }
}

#[test]
fn what_does_not_say_why_it_is_sound_is_found() {
    for (text, lines) in [
        ("fn a() {\n    // SAFETY: so.\n    UNSAFE { b() }\n}\n", &[][..]),
        ("fn a() {\n    // SAFETY: so.\n    let c =\n        UNSAFE { b() };\n}\n", &[]),
        ("fn a() {\n    UNSAFE { b() }\n}\n", &[2]),
        ("fn a() {\n    // SAFETY: so.\n    b();\n    UNSAFE { b() }\n}\n", &[4]),
        ("fn a() {\n    // SAFETY: so.\n\n    UNSAFE { b() }\n}\n", &[4]),
        ("/// A.\n///\n/// # Safety\n///\n/// So.\n#[inline]\npub UNSAFE fn a() {}\n", &[]),
        ("/// A.\npub UNSAFE fn a() {}\n", &[2]),
        ("// SAFETY: so.\nUNSAFE impl A for B {\n    UNSAFE fn a() {}\n}\nUNSAFE fn b() {}", &[5]),
        ("UNSAFE impl A for B {}\n", &[1]),
        ("UNSAFE extern \"C\" {\n    fn a();\n}\n", &[1]),
        ("UNSAFE extern \"C\" fn a() {}\n", &[1]),
        ("type A = UNSAFE extern \"C\" fn(i32);\ntype B = UNSAFE fn();\n", &[]),
        ("#[UNSAFE(no_mangle)]\nfn a() {}\n", &[1]),
    ] {
        assert_eq!(undocumented(&sample(text)), lines, "{text}");
    }
}
