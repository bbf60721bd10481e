//! The backends linked into this program, and the choice among them.

use super::{BackendDescriptor, BackendId, Chosen};
use crate::primitives::compression;
use parity_scale_codec::{Decode, Encode};
use std::fmt;

inventory::collect!(BackendDescriptor);

/// All backends linked into this program, ordered by name.
pub fn linked() -> Vec<&'static BackendDescriptor> {
    let mut backends: Vec<_> = inventory::iter::<BackendDescriptor>.into_iter().collect();
    backends.sort_by(|a, b| a.id.cmp(&b.id));
    backends
}

/// The linked backend of this name.
///
/// # Errors
///
/// [`SelectionError::NotLinked`] when there is none, [`SelectionError::Duplicate`] when two share
/// the name.
pub fn find(id: &BackendId) -> Result<&'static BackendDescriptor, SelectionError> {
    let all = linked();
    let mut named = all.iter().filter(|backend| backend.id == *id);
    match (named.next(), named.next()) {
        (Some(backend), None) => Ok(backend),
        (None, _) => Err(SelectionError::NotLinked { id: id.clone(), linked: ids(&all) }),
        (Some(_), Some(_)) => Err(SelectionError::Duplicate(id.clone())),
    }
}

/// Chooses the backend for some code.
///
/// It is the one that the executor parameters name; else the node's default, if that accepts the
/// code's first bytes; else the only one that accepts them and is
/// [chosen by format](Chosen::ByFormat); else, for code that nobody accepts, the node's default.
///
/// # Errors
///
/// See [`SelectionError`]. No work was done when it is returned.
pub fn select(
    explicit: Option<&BackendId>,
    prefix: &CodePrefix,
    default: Option<&BackendId>,
) -> Result<&'static BackendDescriptor, SelectionError> {
    if let Some(id) = explicit {
        return find(id);
    }
    let default = default.map(find);
    if let Some(Ok(backend)) = default
        && (backend.accepts)(prefix)
    {
        return Ok(backend);
    }
    let all = linked();
    let by_format = |backend: &&BackendDescriptor| {
        backend.chosen == Chosen::ByFormat && (backend.accepts)(prefix)
    };
    let accepting: Vec<_> = all.iter().copied().filter(by_format).collect();
    match (&accepting[..], default) {
        ([only], _) => Ok(only),
        ([], Some(default)) => default,
        ([], None) => {
            Err(SelectionError::NoneAccepts { prefix: prefix.clone(), linked: ids(&all) })
        }
        (_, _) => Err(SelectionError::Ambiguous(ids(&accepting))),
    }
}

fn ids(backends: &[&BackendDescriptor]) -> Vec<BackendId> {
    backends.iter().map(|backend| backend.id.clone()).collect()
}

/// Why no backend was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// The backend asked for is not in this program.
    #[error("backend {id} is not linked into this program; linked: {}", List(linked))]
    NotLinked {
        /// The backend asked for.
        id: BackendId,
        /// Those that are there.
        linked: Vec<BackendId>,
    },
    /// Two linked backends share a name.
    #[error("two backends named {0} are linked into this program")]
    Duplicate(BackendId),
    /// Several backends accept the code, and nobody chose.
    #[error("several backends accept this code, choose one of: {}", List(.0))]
    Ambiguous(Vec<BackendId>),
    /// No linked backend accepts the code.
    #[error("no linked backend accepts code that {prefix}; linked: {}", List(linked))]
    NoneAccepts {
        /// How the code begins.
        prefix: CodePrefix,
        /// The backends that are there.
        linked: Vec<BackendId>,
    },
}

struct List<'a>(&'a [BackendId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, id) in self.0.iter().enumerate() {
            write!(f, "{}{id}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The first bytes of some code, behind its compression if it has one: what decides which backends
/// accept it.
#[derive(Clone, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct CodePrefix {
    bytes: [u8; CodePrefix::MAX_LEN],
    len: u8,
}

impl CodePrefix {
    /// How many bytes are kept.
    pub const MAX_LEN: usize = 8;

    /// Looks at code as it was given. Of compressed code only the first block is decompressed; code
    /// that can't be decompressed has an empty prefix.
    pub fn of(code: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        let len = compression::peek(code, &mut bytes).unwrap_or(0);
        Self { bytes, len: len as u8 }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }

    /// Whether the code is in one of the formats that PVFs have on chain, whatever this program can
    /// do with it.
    pub fn is_known_format(&self) -> bool {
        [&b"\0asm"[..], b"PVM\0"].into_iter().any(|magic| self.starts_with(magic))
    }

    /// Whether the code begins with `magic`, of at most [`CodePrefix::MAX_LEN`] bytes.
    pub fn starts_with(&self, magic: &[u8]) -> bool {
        self.as_bytes().starts_with(magic)
    }
}

impl fmt::Display for CodePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.as_bytes().is_empty() {
            f.write_str("is empty or can't be decompressed")
        } else {
            write!(f, "begins with \"{}\"", self.as_bytes().escape_ascii())
        }
    }
}

impl fmt::Debug for CodePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{
        Artifact, BackendPrepareError, Execute, Fingerprint, LoadError, LoadedArtifact, Prepare,
        RuntimeConstructionError,
    };
    use crate::primitives::ExecutorParams;

    struct Nothing;

    impl Prepare for Nothing {
        fn prevalidate(&self, _: &[u8], _: &ExecutorParams) -> Result<(), BackendPrepareError> {
            Ok(())
        }
        fn prepare(&self, _: &[u8], _: &ExecutorParams) -> Result<Vec<u8>, BackendPrepareError> {
            Ok(vec![])
        }
        fn check_runtime_construction(
            &self,
            _: &Artifact,
            _: &ExecutorParams,
        ) -> Result<(), LoadError> {
            Ok(())
        }
    }

    impl Execute for Nothing {
        fn load(
            &self,
            _: &Artifact,
            _: &ExecutorParams,
        ) -> Result<Box<dyn LoadedArtifact>, LoadError> {
            Err(RuntimeConstructionError("nothing to load".into()).into())
        }
    }

    macro_rules! register {
        ($id:literal, $accepts:expr) => {
            register!($id, $accepts, Chosen::ByFormat);
        };
        ($id:literal, $accepts:expr, $chosen:expr) => {
            inventory::submit! {
                BackendDescriptor::new(
                    BackendId::from_static($id),
                    "1",
                    $accepts,
                    |_| Ok(Fingerprint::of(&[])),
                    &Nothing,
                    &Nothing,
                )
                .with_chosen($chosen)
            }
        };
    }
    register!("one", |prefix| prefix.starts_with(b"1"));
    register!("two", |prefix| prefix.starts_with(b"2") || prefix.starts_with(b"23"));
    register!("three", |prefix| prefix.starts_with(b"23"));
    register!("twin", |_| false);
    register!("twin", |_| false);
    register!("quiet", |prefix| prefix.starts_with(b"1"), Chosen::ByName);

    fn selected(
        explicit: Option<&str>,
        code: &[u8],
        default: Option<&str>,
    ) -> Result<String, SelectionError> {
        let id = |name: Option<&str>| name.map(|name| name.parse().unwrap());
        select(id(explicit).as_ref(), &CodePrefix::of(code), id(default).as_ref())
            .map(|backend| backend.id.to_string())
    }

    #[test]
    fn an_explicit_choice_beats_the_codes_format() {
        assert_eq!(selected(Some("two"), b"1", None).unwrap(), "two");
    }

    #[test]
    fn the_format_beats_the_default_which_takes_the_rest() {
        assert_eq!(selected(None, b"1 code", Some("two")).unwrap(), "one");
        assert_eq!(selected(None, b"? code", Some("two")).unwrap(), "two");
    }

    #[test]
    fn a_default_that_accepts_the_code_is_a_choice() {
        assert_eq!(selected(None, b"23", Some("three")).unwrap(), "three");
        assert_eq!(selected(None, b"1", Some("quiet")).unwrap(), "quiet");
    }

    #[test]
    fn a_backend_chosen_by_name_is_not_chosen_by_format() {
        assert_eq!(selected(None, b"1", None).unwrap(), "one");
        assert_eq!(selected(Some("quiet"), b"1", None).unwrap(), "quiet");
    }

    #[test]
    fn two_that_accept_and_no_choice_is_an_error_that_names_both() {
        let error = selected(None, b"23", Some("one")).unwrap_err();
        let SelectionError::Ambiguous(ids) = error else { panic!("{error}") };
        assert_eq!(ids.iter().map(BackendId::as_str).collect::<Vec<_>>(), ["three", "two"]);
    }

    #[test]
    fn an_unknown_backend_is_an_error_that_names_those_linked() {
        let error = selected(Some("absent"), b"1", None).unwrap_err();
        assert!(matches!(&error, SelectionError::NotLinked { .. }), "{error}");
        assert!(error.to_string().contains("one, quiet, three, twin, twin, two"), "{error}");
    }

    #[test]
    fn a_name_used_twice_is_an_error() {
        let twin = BackendId::from_static("twin");
        assert_eq!(selected(Some("twin"), b"", None), Err(SelectionError::Duplicate(twin)));
    }

    #[test]
    fn code_that_nobody_accepts_is_an_error_that_shows_how_it_begins() {
        let error = selected(None, b"hello world", None).unwrap_err();
        assert!(error.to_string().contains("\"hello wo\""), "{error}");
        let error = selected(None, b"", None).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }

    #[test]
    fn compression_does_not_hide_the_format() {
        let code = compression::compress(b"1 some code that is a little longer", 3).unwrap();
        assert_eq!(selected(None, &code, None).unwrap(), "one");
    }
}
