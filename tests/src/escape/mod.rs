//! Native code that tries to get out of the process that it runs in.
//!
//! An [`Escape`] is one [`Attempt`] at what its [`Target`] says. A [`Script`](crate::Script) carries it
//! to where it is made: in a job, in a prepare job, or in a worker that loads an artifact. It is made
//! with system calls alone, as code would that has taken over the process, and tells in a [`Report`]
//! what came of it, unless the process is ended for it.
//!
//! An attempt is of no harm to the machine if it succeeds: what it does, it does to what the test has
//! made for that, or with arguments that the kernel turns down only after it has looked at the rights of
//! who asks. What takes more and more of something stops soon after the point where it should have been
//! stopped.

mod attempts;
mod system;

pub use attempts::{Attempt, note_worker};
pub use system::errno_name;

use parity_scale_codec::{Decode, Encode};
use std::fmt;

/// What is tried, at what.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Escape {
    /// What is tried.
    pub attempt: Attempt,
    /// What at.
    pub target: Target,
}

impl Escape {
    /// Tries it.
    pub fn run(&self) -> Report {
        self.attempt.run(&self.target)
    }
}

/// What a test has made, to be reached by an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Target {
    /// The process of the host.
    pub host: i32,
    /// A process of the host's user that is there to be ended.
    pub victim: i32,
    /// A process of the worker's user that is none of the worker's.
    pub sibling: i32,
    /// A directory in which anybody may do anything.
    pub directory: String,
    /// A file there that anybody may read and write.
    pub public_file: String,
    /// A file there that only the host's user may read.
    pub private_file: String,
    /// A path that only the host's user can make a file at.
    pub private_place: String,
    /// A copy of `touch` that runs as the host's user, whoever starts it.
    pub set_user_id: String,
    /// A file of the host's cache.
    pub cache_file: String,
    /// The TCP port on which the test listens.
    pub tcp: u16,
    /// The UDP port on which it does.
    pub udp: u16,
    /// The path of a Unix socket on which it does, and which only the host's user may connect to.
    pub socket: String,
    /// The abstract name of one.
    pub abstract_socket: String,
    /// The key of a shared memory segment that anybody may attach.
    pub segment: i32,
    /// What the machine's domain name is changed to.
    pub domain: String,
    /// Descriptors that every process inherits from the test.
    pub leaked: Vec<i32>,
    /// Of attempts that have many variants, the first that is made, and the first that is not any more.
    pub variants: (u32, u32),
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Report {
    /// It was refused.
    Refused {
        /// The system call that was.
        call: String,
        /// The number of the error.
        errno: i32,
    },
    /// Nothing was in the way, and this was got.
    GotThrough(String),
}

impl Report {
    /// The report that has this text.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(evidence) = text.strip_prefix("got through: ") {
            return Some(Self::GotThrough(evidence.to_owned()));
        }
        let (call, errno) = text.strip_prefix("refused: ")?.rsplit_once(' ')?;
        Some(Self::Refused { call: call.to_owned(), errno: errno.parse().ok()? })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { call, errno } => write!(f, "refused: {call} {errno}"),
            Self::GotThrough(evidence) => write!(f, "got through: {evidence}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_what_its_text_says() {
        for report in [
            Report::Refused { call: "openat".into(), errno: 13 },
            Report::GotThrough("root:x:0:0".into()),
        ] {
            assert_eq!(Report::parse(&report.to_string()), Some(report));
        }
        assert_eq!(Report::parse("refused: "), None);
        assert_eq!(Report::parse("anything"), None);
    }
}
