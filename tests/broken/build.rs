//! Makes a copy of the example of a backend that can be broken while it runs: what a break replaces
//! becomes a choice between what is there and what takes its place.

use std::{collections::BTreeMap, env, fs, path::Path};

type Patch = (&'static str, &'static str, &'static str);

/// The names of the breaks, and what they replace: the file, what is there, what takes its place.
const BREAKS: &[(&str, &[Patch])] = {
    macro_rules! breaks {
        ($($name:literal: { $($file:literal: $old:literal => $new:literal;)+ } $tests:tt)*) => {
            &[$(($name, &[$(($file, $old, $new)),+])),*]
        };
    }
    include!("breaks.rs")
};

const SOURCE: &str = "../../examples/backend-wasmi/src";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=breaks.rs");
    println!("cargo::rerun-if-changed={SOURCE}");
    let copy = format!(
        "/// The example.\n#[allow(unreachable_pub, clippy::all)]\npub mod example {{\n{}\n}}\n",
        copy_of("lib.rs")
            .replace("mod instance;", &format!("mod instance {{\n{}\n}}", copy_of("instance.rs")))
            .replace("mod load;", &format!("mod load {{\n{}\n}}", copy_of("load.rs")))
    );
    let place = Path::new(&env::var_os("OUT_DIR").expect("Cargo says where")).join("example.rs");
    fs::write(place, copy).expect("the copy can be written");
}

/// A file, with the choices.
fn copy_of(file: &str) -> String {
    let text = fs::read_to_string(Path::new(SOURCE).join(file)).expect("the example can be read");
    // By where they are, from the last to the first.
    let mut choices: BTreeMap<usize, (&str, Vec<String>)> = BTreeMap::new();
    for (number, (name, patches)) in BREAKS.iter().enumerate() {
        for (_, old, new) in patches.iter().filter(|(of, ..)| *of == file) {
            let (place, old) = find(&text, old)
                .unwrap_or_else(|| panic!("{name}: {file} does not have exactly once: {old}"));
            let choice = choices.entry(place).or_insert((old, Vec::new()));
            assert_eq!(choice.0, old, "{name}: another break begins where this does");
            choice.1.push(format!("{number} => {{ {new} }}"));
        }
    }
    let of_copy = |part: &str| part.replace(" crate::", " crate::example::");
    let (mut copy, mut end) = (Vec::new(), text.len());
    for (place, (old, arms)) in choices.iter().rev() {
        assert!(place + old.len() <= end, "{file}: two breaks overlap at {old}");
        copy.push(of_copy(&text[place + old.len()..end]));
        copy.push(format!("match crate::switched() {{ {}, _ => {{ {old} }} }}", arms.join(", ")));
        end = *place;
    }
    copy.push(of_copy(&text[..end]));
    copy.reverse();
    copy.concat()
}

/// Where the only place is that `[[` and `]]` in a pattern are around, and what is there.
fn find<'a>(text: &str, pattern: &'a str) -> Option<(usize, &'a str)> {
    let (before, rest) = pattern.split_once("[[").unwrap_or(("", pattern));
    let (old, behind) = rest.split_once("]]").unwrap_or((rest, ""));
    let whole = [before, old, behind].concat();
    let mut found = text.match_indices(&whole);
    let (place, _) = found.next()?;
    found.next().is_none().then_some((place + before.len(), old))
}
