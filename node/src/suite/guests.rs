//! What is executed.
//!
//! The adder is in the project, for both backends. What else there is, real runtimes and blocks, is
//! in a folder of fixtures that need not be there. Two of the runtimes have no block to validate:
//! they get noise, at which they panic once they have begun to decode it, so that only the way to
//! the code is measured. The same is done with the Cumulus runtime, which is the only one that
//! there is for PolkaVM.

use super::lab::Absent;
use crate::{commands::demo, failure::Failure, features, input};
use pvf_host_core::{
    Code, Pvf, ValidationKind, ValidationRequest,
    backend::{self, BackendDescriptor, BackendId, Chosen},
    primitives::{Hash, PoV, ValidationParams, compression, hex},
};
use std::{fs, path::Path, sync::Arc};

/// Some code on a backend, with a candidate.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) name: &'static str,
    pub(super) backend: BackendId,
    pub(super) code: Code,
    pub(super) request: ValidationRequest,
}

/// A block of the Cumulus parachain.
#[derive(Debug)]
pub(super) struct Block {
    /// How many transfers it has.
    pub(super) transfers: usize,
    pub(super) name: &'static str,
    pub(super) data: Vec<u8>,
    pub(super) parent_head: Vec<u8>,
    pub(super) relay_parent_storage_root: Hash,
}

/// The Cumulus parachain, as it was found among the fixtures.
#[derive(Debug)]
pub(super) struct Chain {
    /// For each backend that there is code for.
    pub(super) guests: Vec<Guest>,
    pub(super) blocks: Vec<Result<Block, (usize, &'static str, Absent)>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Guests {
    /// The backends that the program has, those that are chosen by name alone left out.
    pub(super) backends: Vec<BackendId>,
    guests: Vec<Guest>,
    pub(super) chain: Result<Chain, Absent>,
    has_fixtures: bool,
}

pub(super) const ADDER: &str = "adder";
/// The project's own. It leaves its block where it is, while the relay chain's copies it several times
/// as it decodes it.
pub(super) const IN_PLACE: &str = "adder that copies nothing";
pub(super) const MIDDLE: &str = "runtime of 1.27 MB, noise";
pub(super) const LARGE: &str = "runtime of 3.58 MB, noise";
pub(super) const NOISE: &str = "Cumulus runtime, noise";

/// Where the chain's blocks build on the relay chain.
pub(super) const RELAY_PARENT_NUMBER: u32 = 100;

/// The same, of those among the fixtures.
const RELAY_PARENT_STORAGE_ROOT: &str =
    "062f840f559847d3d7f3475c42d65a1f94b6780caa71d68e5efc694905c21663";

/// How many transfers the blocks have, and how they are called. Their files are `case-10.pov` and
/// so on.
pub(super) const BLOCKS: [(usize, &str); 3] = [
    (10, "block of 10 transfers"),
    (200, "block of 200 transfers"),
    (1000, "block of 1,000 transfers"),
];

impl Guest {
    fn new(
        name: &'static str,
        backend: &BackendDescriptor,
        code: Vec<u8>,
        (parent_head, block): (Vec<u8>, Vec<u8>),
        relay_parent: (u32, Hash),
    ) -> Self {
        let code = Code::new(code);
        let params = ValidationParams {
            parent_head: parent_head.into(),
            block_data: block.into(),
            relay_parent_number: relay_parent.0,
            relay_parent_storage_root: relay_parent.1,
            extension: None,
        };
        let pvf = Pvf::new(code.clone());
        let request = ValidationRequest::from_params(pvf, params, ValidationKind::Approval);
        Self { name, backend: backend.id.clone(), code, request }
    }

    /// The same with another block.
    pub(super) fn with_block(&self, block: Vec<u8>) -> ValidationRequest {
        let pov = Arc::new(PoV { block_data: block.into() });
        self.request.clone().with_pov(pov)
    }

    /// The same with so many bytes behind the block, which a guest that reads what it needs
    /// ignores.
    pub(super) fn with_padding(&self, bytes: usize) -> ValidationRequest {
        let block: &[u8] = self.request.pov.block_data.as_ref();
        let mut padded = block.to_vec();
        padded.resize(block.len() + bytes, 0x5a);
        self.with_block(padded)
    }

    /// The code as the backend gets it.
    pub(super) fn decompressed(&self) -> Result<Vec<u8>, Failure> {
        let code = compression::decompress(self.code.bytes(), compression::CODE_LIMIT);
        let code = code.map_err(|error| {
            Failure::runtime("guest", format!("the code of {}: {error}", self.name))
        })?;
        Ok(code.into_owned())
    }
}

impl Guests {
    /// Finds out what is there.
    pub(super) fn find(fixtures: Option<&Path>, blocks: Option<&Path>) -> Result<Self, Failure> {
        let linked = backend::linked().into_iter();
        let backends: Vec<_> =
            linked.filter(|backend| backend.chosen == Chosen::ByFormat).collect();
        let mut guests = Vec::new();
        let head = hex::decode(demo::PARENT_HEAD.trim()).unwrap_or_default();
        let block = demo::CANDIDATES[0].block.to_vec();
        let own = demo::EXAMPLES.map(<[u8]>::to_vec);
        let relay_parent = (1, Hash::default());
        for backend in &backends {
            let mut add = |name, codes: Vec<Vec<u8>>, candidate| {
                let mut codes = codes.into_iter();
                if let Some(code) = codes.find(|code| accepts(backend, code)) {
                    guests.push(Guest::new(name, backend, code, candidate, relay_parent));
                }
            };
            let real = read(fixtures, "adder.blob");
            // The relay chain's own comes first, and there is none for PolkaVM.
            let adders = real.into_iter().chain(own.clone()).collect();
            add(ADDER, adders, (head.clone(), block.clone()));
            add(IN_PLACE, own.to_vec(), (head.clone(), block.clone()));
            for (name, file) in
                [(MIDDLE, "asset-hub-polkadot.blob"), (LARGE, "collectives-polkadot.blob")]
            {
                add(name, read(fixtures, file).into_iter().collect(), (vec![], noise()));
            }
            let cumulus = ["cumulus/para.blob", "cumulus/para.polkavm.blob"];
            let cumulus = cumulus.into_iter().filter_map(|file| read(fixtures, file)).collect();
            add(NOISE, cumulus, (vec![], noise()));
        }
        if guests.is_empty() {
            let hint = features::none_linked();
            let message = format!("no backend is linked that runs a guest\n  hint: {hint}");
            return Err(Failure::runtime("backend", message));
        }
        let chain = chain(fixtures, blocks, &backends);
        let backends = backends.into_iter().map(|backend| backend.id.clone()).collect();
        Ok(Self { backends, guests, chain, has_fixtures: fixtures.is_some() })
    }

    /// The guests that there are with these names, on each backend.
    pub(super) fn named(&self, names: &[&str]) -> impl Iterator<Item = &Guest> {
        self.guests.iter().filter(move |guest| names.contains(&guest.name))
    }

    /// A guest, or why there is none.
    pub(super) fn get(&self, name: &str, backend: &BackendId) -> Result<&Guest, Absent> {
        let mut guests = self.guests.iter();
        guests
            .find(|guest| guest.name == name && guest.backend == *backend)
            .ok_or_else(|| self.why_absent(name))
    }

    /// Those of these names that are there for no backend, and why.
    pub(super) fn absent<'a>(
        &self,
        names: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, Absent)> {
        let is_there = |name: &str| self.guests.iter().any(|guest| guest.name == name);
        let absent = names.iter().copied().filter(move |name| !is_there(name));
        absent.map(|name| (name, self.why_absent(name)))
    }

    fn why_absent(&self, what: &str) -> Absent {
        match self.has_fixtures {
            true => format!("the fixtures don't have it: {what}"),
            false => "there are no fixtures, see --fixtures".into(),
        }
    }
}

fn accepts(backend: &BackendDescriptor, code: &[u8]) -> bool {
    (backend.accepts)(Code::new(code.to_vec()).prefix())
}

fn read(fixtures: Option<&Path>, file: &str) -> Option<Vec<u8>> {
    fs::read(fixtures?.join(file)).ok()
}

/// Bytes that are no block: the same ones each time.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = (0..100).map(|_| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    });
    bytes.collect()
}

/// The chain among the fixtures, with blocks from there and from `more`.
fn chain(
    fixtures: Option<&Path>,
    more: Option<&Path>,
    backends: &[&BackendDescriptor],
) -> Result<Chain, Absent> {
    let folder = fixtures.ok_or("there are no fixtures, see --fixtures")?.join("cumulus");
    let blocks = BLOCKS.map(|(transfers, name)| {
        let block = block(&folder, transfers, name).or_else(|reason| match more {
            Some(more) => block(more, transfers, name),
            None => Err(format!("{reason}, see --blocks")),
        });
        block.map_err(|reason| (transfers, name, reason))
    });
    let mut guests = Vec::new();
    for file in ["para.blob", "para.polkavm.blob"] {
        let Some(code) = read(Some(&folder), file) else { continue };
        if let Some(backend) = backends.iter().find(|backend| accepts(backend, &code)) {
            // Its candidates come with the blocks.
            let nothing = (vec![], vec![]);
            let relay_parent = (RELAY_PARENT_NUMBER, Hash::default());
            guests.push(Guest::new("Cumulus", backend, code, nothing, relay_parent));
        }
    }
    match guests.is_empty() {
        true => Err("the fixtures don't have cumulus/para.blob".into()),
        false => Ok(Chain { guests, blocks: blocks.into() }),
    }
}

/// A block in a folder, with what it builds on.
fn block(folder: &Path, transfers: usize, name: &'static str) -> Result<Block, Absent> {
    let get = |file: &str| {
        let absent = || format!("there is no {}", folder.join(file).display());
        read(Some(folder), file).ok_or_else(absent)
    };
    let data = get(&format!("case-{transfers}.pov"))?;
    let parent_head = input::hex_or_bytes(get("parent-head.hex")?);
    let root = get("relay-parent-storage-root.hex").map_or_else(
        |_| hex::decode(RELAY_PARENT_STORAGE_ROOT).unwrap_or_default(),
        input::hex_or_bytes,
    );
    let root = root.try_into().map_err(|_| "the relay parent's storage root is no hash")?;
    Ok(Block { transfers, name, data, parent_head, relay_parent_storage_root: Hash(root) })
}

impl Block {
    /// The block as a candidate for a guest that is this chain's code.
    pub(super) fn request(&self, guest: &Guest) -> ValidationRequest {
        let params = ValidationParams {
            parent_head: self.parent_head.clone().into(),
            block_data: self.data.clone().into(),
            relay_parent_number: RELAY_PARENT_NUMBER,
            relay_parent_storage_root: self.relay_parent_storage_root,
            extension: None,
        };
        let pvf = guest.request.pvf.clone();
        ValidationRequest::from_params(pvf, params, ValidationKind::Approval)
    }
}
