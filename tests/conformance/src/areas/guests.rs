//! What guests do that know what has to come of it.

use crate::{
    guests::{Guest, Outcome},
    subject::Subject,
    test::{Verdict, demands, ensure},
};

demands! {
    "guests";
    adder: "The guest `adder` adds, and hashes its state in code of its own: numbers of 64 bits, shifts, \
        rotations. Blocks and heads that are too short or too long end in a panic with the right words.";
    big_output: "The guest `big-output` gives heads of the right size, from none to 16 MiB. What does not fit \
        into memory ends in a trap.";
    hasher: "The guest `hasher` gets the right hashes from all of the host's hash functions.";
    interpreter: "The guest `interpreter`, full of branches and tables, computes what it should.";
    memory_hog: "The guest `memory-hog` gets the memory that it may have, from the host's allocator and from \
        the machine, and not a MiB more.";
    messages: "The guest `messages` returns code and messages as they are in its block.";
    panicker: "What the guest `panicker` says when it panics, through the host, is the error's text.";
    random_access: "The guest `random-access` reads what it has written, all over 32 MiB.";
    recursion: "The guest `recursion` calls itself a thousand times, but not a million times: that is a trap.";
    signatures: "The guest `signatures` is told which signatures are right.";
    storage_proof: "The guest `storage-proof` is told which proofs are right, and traps on an unknown version.";
}

/// Tries all candidates of a guest that end by themselves.
fn all(subject: &Subject, guest: &'static Guest) -> Verdict {
    let mut tried = 0;
    for candidate in subject.candidates(guest)? {
        if candidate.expected != Outcome::HardTimeout {
            subject.check(&candidate)?;
            tried += 1;
        }
    }
    ensure!(tried > 0, "there are no candidates for {}", guest.name);
    Ok(())
}

of_each_guest!(all);
