//! Where guests come from, and which there have to be.

use crate::guests::{Blob, GUESTS, Guest};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the suite has its guests from.
///
/// Guests are built from one Rust source each, in `tests/guests` of the host's repository; the README
/// there says how, and the crate `support` there is where a new machine has to be added: its memory, its
/// way of importing and exporting functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guests(From);

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    WebAssembly,
    PolkaVm,
    Folder(PathBuf),
}

/// A guest that the suite needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededGuest {
    /// Its name. In a folder, it is a file of this name with any one extension.
    pub name: &'static str,
}

impl NeededGuest {
    /// The folder that it is built from, in the host's repository.
    pub fn source(&self) -> String {
        format!("tests/guests/{}", self.name)
    }
}

impl Guests {
    /// Those for WebAssembly, which this crate has in it.
    pub fn webassembly() -> Self {
        Self(From::WebAssembly)
    }

    /// Those for PolkaVM, which this crate has in it.
    pub fn polkavm() -> Self {
        Self(From::PolkaVm)
    }

    /// Those in a folder, in whatever format the backend accepts: for each of [`needed`](Self::needed) a
    /// file with its name and any one extension.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // Some tests are done in other folders.
        Self(From::Folder(std::path::absolute(&path).unwrap_or(path)))
    }

    /// The guests that there have to be.
    pub fn needed() -> Vec<NeededGuest> {
        GUESTS.iter().map(|guest| NeededGuest { name: guest.name }).collect()
    }

    /// What is wrong with the guests, if something is: which of them are missing, and where they come
    /// from.
    ///
    /// # Errors
    ///
    /// The text that says so.
    pub fn check(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        if let From::Folder(folder) = &self.0
            && let Err(error) = fs::read_dir(folder)
        {
            wrong.push(unreadable(folder, &error));
            wrong.extend(GUESTS.iter().map(|guest| self.missing(guest)));
        } else {
            wrong.extend(GUESTS.iter().filter_map(|guest| self.blob(guest).err()));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// The program that was built from a guest's source.
    pub(crate) fn blob(&self, guest: &Guest) -> Result<Blob, String> {
        let ending = |ending: &str| {
            guest.blobs.iter().find(|blob| blob.name == format!("{}.{ending}", guest.name))
        };
        let blob = match &self.0 {
            From::WebAssembly => ending("wasm").copied(),
            From::PolkaVm => ending("polkavm").copied(),
            From::Folder(folder) => read(folder, guest.name)?,
        };
        blob.ok_or_else(|| self.missing(guest))
    }

    fn missing(&self, guest: &Guest) -> String {
        let needed = NeededGuest { name: guest.name };
        let place = match &self.0 {
            From::Folder(folder) => format!("{}/{}.*", folder.display(), guest.name),
            From::WebAssembly | From::PolkaVm => "this crate".to_owned(),
        };
        format!(
            "the guest {} is missing in {place}: it is built from {}, as tests/guests/README.md says",
            guest.name,
            needed.source(),
        )
    }

    /// As an argument of a program.
    pub(crate) fn to_argument(&self) -> String {
        match &self.0 {
            From::WebAssembly => "webassembly".to_owned(),
            From::PolkaVm => "polkavm".to_owned(),
            From::Folder(folder) => format!("folder:{}", folder.display()),
        }
    }

    /// What [`to_argument`](Self::to_argument) has given.
    pub(crate) fn from_argument(argument: &str) -> Option<Self> {
        match argument {
            "webassembly" => Some(Self::webassembly()),
            "polkavm" => Some(Self::polkavm()),
            other => other.strip_prefix("folder:").map(Self::folder),
        }
    }
}

fn unreadable(folder: &Path, error: &io::Error) -> String {
    format!("{} can't be read: {error}", folder.display())
}

/// Reads the only file of this name with any extension. It is kept for as long as the program runs.
fn read(folder: &Path, name: &str) -> Result<Option<Blob>, String> {
    let failed = |error| unreadable(folder, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_stem().is_some_and(|stem| stem == name) && path.is_file() {
            found.push(path);
        }
    }
    let path = match &found[..] {
        [] => return Ok(None),
        [path] => path,
        _ => return Err(format!("several files can be the guest {name}: {found:?}")),
    };
    let code = fs::read(path).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(Blob { name: name.leak(), code: code.leak() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_this_crate_is_complete() {
        assert_eq!(Guests::webassembly().check(), Ok(()));
        assert_eq!(Guests::polkavm().check(), Ok(()));
    }

    #[test]
    fn each_guest_that_is_missing_in_a_folder_is_named_with_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let guests = Guests::folder(folder.path());
        for guest in Guests::needed().iter().skip(1) {
            fs::write(folder.path().join(guest.name).with_extension("new"), "code").unwrap();
        }
        let error = guests.check().unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(&Guests::needed()[0].source()), "{error}");
        fs::write(folder.path().join(Guests::needed()[0].name), "code").unwrap();
        assert_eq!(guests.check(), Ok(()));
        assert_eq!(guests.blob(GUESTS[1]).unwrap().code, b"code");
    }

    #[test]
    fn a_folder_that_is_empty_or_absent_lacks_all_guests() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        for (folder, more) in [(folder.path(), 0), (&absent, 1)] {
            let error = Guests::folder(folder).check().unwrap_err();
            assert_eq!(error.lines().count(), GUESTS.len() + more, "{error}");
            for guest in Guests::needed() {
                assert!(error.contains(&guest.source()), "{error}");
            }
        }
        let error = Guests::folder(&absent).check().unwrap_err();
        assert!(error.starts_with(&format!("{} can't be read", absent.display())), "{error}");
    }

    #[test]
    fn a_guest_that_is_there_twice_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for ending in ["old", "new"] {
            fs::write(folder.path().join("adder").with_extension(ending), "code").unwrap();
        }
        let error = Guests::folder(folder.path()).blob(GUESTS[0]).unwrap_err();
        assert!(error.contains("several"), "{error}");
    }

    #[test]
    fn an_argument_stands_for_guests() {
        for guests in [Guests::webassembly(), Guests::polkavm(), Guests::folder("/a b:c")] {
            assert_eq!(Guests::from_argument(&guests.to_argument()), Some(guests));
        }
    }
}
