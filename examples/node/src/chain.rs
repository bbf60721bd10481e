//! Where candidates come from. Here that is an example parachain, which makes up its own blocks; in a
//! node, collators send them.

use pvf_host_core::{
    Code, Pvf, ValidationKind, ValidationRequest,
    backend::{BackendDescriptor, CodePrefix},
    primitives::{Hash, HeadData, ValidationParams, hex},
};

/// The code of the chain, for each format that there is.
const CODE: [&[u8]; 2] = [
    include_bytes!("../../../tests/guests/blobs/adder.wasm"),
    include_bytes!("../../../tests/guests/blobs/adder.polkavm"),
];

/// The head of the chain at its beginning.
const FIRST_HEAD: &str = include_str!("../../../node/examples/adder-parent-head.hex");

/// Every so many blocks there is one that no validator should accept.
const BAD_EVERY: u64 = 10;

/// A parachain whose state is a number. A block says that number, and what to add to it.
#[derive(Debug)]
pub(crate) struct Chain {
    pvf: Pvf,
    head: HeadData,
    state: u64,
    number: u64,
}

/// A candidate, and what the chain's state is if it is accepted.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) number: u64,
    pub(crate) request: ValidationRequest,
    state: u64,
}

impl Chain {
    /// The chain at its beginning, with code in the format that the backend accepts. None if there is no
    /// such code.
    pub(crate) fn new(backend: &BackendDescriptor) -> Option<Self> {
        let accepted = CODE.into_iter().find(|code| (backend.accepts)(&CodePrefix::of(code)));
        let head = hex::decode(FIRST_HEAD.trim()).expect("it is in the repository");
        let pvf = Pvf::new(Code::new(accepted?));
        Some(Self { pvf, head: head.into(), state: 0, number: 0 })
    }

    /// The chain's code.
    pub(crate) fn pvf(&self) -> Pvf {
        self.pvf.clone()
    }

    /// How many candidates there were.
    pub(crate) fn count(&self) -> u64 {
        self.number
    }

    /// The next candidate, which builds on the newest head.
    pub(crate) fn next(&mut self) -> Candidate {
        self.number += 1;
        let number = self.number;
        // A block that begins with another state than the chain's is a lie.
        let is_bad = number.is_multiple_of(BAD_EVERY);
        let claimed = if is_bad { self.state + 1 } else { self.state };
        let block = [claimed.to_le_bytes(), number.to_le_bytes()].concat();
        let params = ValidationParams {
            parent_head: self.head.clone(),
            block_data: block.into(),
            relay_parent_number: number as u32,
            relay_parent_storage_root: Hash::default(),
            extension: None,
        };
        let request = ValidationRequest::from_params(self.pvf(), params, kind(number));
        Candidate { number, request, state: claimed.wrapping_add(number) }
    }

    /// Goes on from an accepted candidate.
    pub(crate) fn accept(&mut self, candidate: &Candidate, head: HeadData) {
        self.head = head;
        self.state = candidate.state;
    }
}

/// The relay chain's block with this number. It is where candidates say that they build on.
pub(crate) fn relay_block(number: u64) -> Hash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    hash.into()
}

/// Why a validator is asked to validate. It decides what is executed first, and the limit on its time.
fn kind(number: u64) -> ValidationKind {
    match number % 3 {
        0 => ValidationKind::Dispute,
        1 => ValidationKind::Backing { relay_parent: relay_block(number) },
        _ => ValidationKind::Approval,
    }
}
