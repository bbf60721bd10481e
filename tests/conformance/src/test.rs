//! What a test is, and all of them.

use crate::{Guests, areas, subject::Subject};

/// What comes of a test: nothing, or what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// One test of the suite.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// Its name, as in `limits::memory_ends_at_the_limit`.
    pub name: &'static str,
    /// What it demands of a backend, in a sentence or two.
    pub demand: &'static str,
    pub(crate) run: fn(&Subject) -> Verdict,
    pub(crate) scope: Scope,
}

/// Which backends the tests of an area are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them.
    All,
    /// Those that run WebAssembly.
    WebAssembly,
}

impl Test {
    /// Whether it is about backends for these guests. All are, but for those about WebAssembly itself.
    pub fn is_for(&self, guests: &Guests) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::WebAssembly => *guests == Guests::webassembly(),
        }
    }
}

/// All tests, area by area.
pub fn tests() -> impl Iterator<Item = &'static Test> {
    areas::ALL.iter().copied().flatten()
}

/// The tests of an area, which are functions, with what they demand. If they are not about all backends,
/// the name of the [`Scope`] follows that of the area.
macro_rules! demands {
    ($area:literal; $($tests:tt)*) => {
        $crate::test::demands! { $area, All; $($tests)* }
    };
    ($area:literal, $scope:ident; $($name:ident: $demand:literal;)*) => {
        pub(crate) const TESTS: &[$crate::test::Test] = &[
            $($crate::test::Test {
                name: concat!($area, "::", stringify!($name)),
                demand: $demand,
                run: $name,
                scope: $crate::test::Scope::$scope,
            }),*
        ];
    };
}

/// Ends a test with a message unless something is so.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Ends a test unless two things are equal: what there is, and what has to be.
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr, $($what:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => if actual != expected {
                let what = format!($($what)+);
                return Err($crate::test::differ(&what, actual, expected));
            }
        }
    };
}

pub(crate) use {demands, ensure, ensure_eq};

/// Says that something is not what it has to be, in not too many words.
pub(crate) fn differ(
    what: &str,
    actual: &dyn std::fmt::Debug,
    expected: &dyn std::fmt::Debug,
) -> String {
    const MOST: usize = 400;
    let short = |value: &dyn std::fmt::Debug| {
        let mut text = format!("{value:?}");
        if text.len() > MOST {
            text.truncate(text.floor_char_boundary(MOST));
            text.push('…');
        }
        text
    };
    format!("{what}: {} instead of {}", short(actual), short(expected))
}
