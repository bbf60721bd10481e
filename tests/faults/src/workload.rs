//! What is asked of a host under faults, and which answers are right.

use crate::{Random, journal::Answer};
use pvf_host_core::{Pvf, ValidationHost};
use pvf_host_core::{ValidationRequest, validate_with_retry};
use pvf_tests::{
    OnCall, OnPrepare, Script,
    request::{approval_of, dispute, hash_head},
};
use std::time::Duration;

/// A request with a known answer.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its number, which no other request has.
    pub id: u32,
    what: What,
    right: Right,
}

#[derive(Debug, Clone)]
enum What {
    Validate(Box<ValidationRequest>),
    Precheck(Pvf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Right {
    Valid(Vec<u8>),
    Traps,
    DoesNotCompile,
    Accepted,
    Rejected,
}

/// How far an answer may be from the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// Not at all: nothing goes wrong.
    None,
    /// Something goes wrong once. What is tried again must come to the right end; a precheck, which is
    /// not, may end without an answer, but not with a wrong one.
    Once,
    /// The same, and it may be that a worker or a job is lost which prepares something. The host
    /// remembers that for a while, since the code may be the cause, and whoever needs the artifact
    /// meanwhile gets no verdict.
    OnceWhilePreparing,
    /// Something goes wrong on and on. There may be no verdict, but not a wrong one.
    OnAndOn,
}

/// The size of a round's artifacts beyond what they need, in bytes.
const PADDING: u32 = 8 << 10;
/// How much of artifacts hosts under this load may keep, in bytes: less than a round makes.
pub const ROOM: u64 = 6 * PADDING as u64;

/// The requests of a round, in the order in which they are made.
///
/// Some are for code that earlier rounds had too, some are for new code; each code is asked for more
/// than once.
pub fn asks(round: u32) -> Vec<Ask> {
    let good = |salt: u64| {
        // What is new has something kept beside it, of the same size.
        let keeping = || Script::prepare(OnPrepare::KeepFunctions(PADDING));
        if salt < 1000 { wanted_by_all() } else { keeping() }.salt(salt)
    };
    let bad = Script { prepare: wanted_by_all().prepare, ..Script::call(OnCall::Trap) };
    let broken = Script::prepare(OnPrepare::FailToCompile);
    let new = |number: u64| 1000 + u64::from(round) * 100 + number;

    let mut asks = Vec::new();
    let mut add = |what, right| asks.push((what, right));
    for salt in (0..4).map(new).chain(0..3) {
        for block in 0..2 {
            let request = approval_of(good(salt).pvf(), vec![round as u8, block]);
            let right = Right::Valid(hash_head(&request));
            add(validate(request), right);
        }
    }
    for script in [bad.clone().salt(0), bad.clone().salt(1), bad.clone().salt(new(0))] {
        add(validate(approval_of(script.pvf(), vec![round as u8])), Right::Traps);
    }
    add(validate(dispute(bad.salt(new(0)).pvf())), Right::Traps);
    add(validate(approval_of(broken.clone().salt(new(0)).pvf(), [])), Right::DoesNotCompile);
    add(What::Precheck(broken.clone().salt(new(0)).pvf()), Right::Rejected);
    add(What::Precheck(broken.salt(new(1)).pvf()), Right::Rejected);
    for number in [0, 10, 11] {
        add(What::Precheck(good(new(number)).pvf()), Right::Accepted);
    }

    Random::new(round.into()).shuffle(&mut asks);
    let numbered = (round * 100..).zip(asks);
    numbered.map(|(id, (what, right))| Ask { id, what, right }).collect()
}

fn validate(request: ValidationRequest) -> What {
    // Nothing here needs that long. It is what leaves time to try again, however slow the machine is.
    What::Validate(Box::new(request.with_timeout(Duration::from_secs(60))))
}

/// Code that every round asks for.
pub fn wanted_by_all() -> Script {
    Script::prepare(OnPrepare::SucceedWithPadding(PADDING))
}

impl Ask {
    /// Asks.
    pub async fn put(self, host: ValidationHost) -> Answer {
        match self.what {
            What::Validate(request) => validate_with_retry(&host, *request).await.into(),
            What::Precheck(pvf) => host.precheck(pvf).await.into(),
        }
    }

    /// Checks an answer.
    ///
    /// # Errors
    ///
    /// Says why the answer can't be accepted.
    pub fn check(&self, answer: &Answer, tolerance: Tolerance) -> Result<(), String> {
        let is_right = match (&self.right, answer) {
            (Right::Valid(right), Answer::Valid(head)) => right == head,
            (Right::Traps, Answer::Invalid(reason)) => reason.kind == "trap",
            (Right::DoesNotCompile, Answer::Preparation(reason))
            | (Right::Rejected, Answer::Rejected(reason)) => reason.kind == "compilation",
            (Right::Accepted, Answer::Accepted) => true,
            _ => false,
        };
        let is_tolerated = match answer {
            Answer::Unclear(_) => tolerance != Tolerance::None,
            Answer::Unprepared(reason) => match tolerance {
                Tolerance::None | Tolerance::Once => false,
                Tolerance::OnceWhilePreparing => {
                    matches!(&*reason.kind, "worker" | "job_died")
                }
                Tolerance::OnAndOn => true,
            },
            Answer::Internal(_) | Answer::PossiblyInvalid(_) => tolerance == Tolerance::OnAndOn,
            _ => false,
        };
        if is_right || is_tolerated {
            Ok(())
        } else {
            Err(format!("request {}: {:?} is right, {answer:?} was given", self.id, self.right))
        }
    }
}
