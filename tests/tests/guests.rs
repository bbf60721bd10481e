//! The guests that are committed as programs.

use pvf_host_core::primitives::{blake2_256, hex};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// All files below a directory.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { [path].into() }).collect()
}

/// Whoever changes a source has to run `guests/build`, which records the digests.
#[test]
fn committed_guests_come_from_the_committed_sources() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    let mut expected = files(&guests);
    // Guests as text are compiled by the tests.
    expected.retain(|path| path.extension().is_none_or(|extension| extension != "wat"));
    expected.remove(&guests.join("digests"));
    expected.remove(&guests.join("README.md"));

    let digests = fs::read_to_string(guests.join("digests")).unwrap();
    let mut recorded = BTreeSet::new();
    for line in digests.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        let path = guests.join(name);
        let content = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let actual = blake2_256(&content).0;
        assert_eq!(hex::decode_array(digest), Ok(actual), "{name} has changed since the build");
        recorded.insert(path);
    }
    assert_eq!(recorded, expected);
}
