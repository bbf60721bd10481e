//! What is loaded and called: the adder on each backend, and large runtimes where they are at hand.

use crate::measured::is_measured;
use parity_scale_codec::Encode;
use pvf_host_core::{
    Code,
    backend::{self, Artifact, BackendDescriptor, Chosen, LoadedArtifact, memory_file},
    primitives::{ExecutorParams, compression},
};
use pvf_tests::guests::{ADDER, Candidate, Guest};
use pvf_workers::parts;
use std::{
    env,
    fs::{self, File},
    io::Write,
    path::Path,
};

/// Some code, prepared.
pub(crate) struct Prepared {
    /// What it is, and on which backend.
    pub(crate) name: String,
    /// Whether it returns when it is called with what it was made for.
    pub(crate) returns: bool,
    backend: &'static BackendDescriptor,
    artifact: Artifact,
}

impl Prepared {
    /// Prepares code in another process, so that this one stays without threads, and small: what a
    /// fork costs depends on the memory that a process has written to.
    fn new(name: &str, backend: &'static BackendDescriptor, code: &[u8], returns: bool) -> Self {
        let name = format!("{name} on {}", backend.id);
        let file = memory_file("bench").expect("there is room");
        let prepared = parts::fork(false, || prepare(backend, code, &file)).and_then(|done| done);
        prepared.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let artifact = Artifact::seal(file).expect("it can be sealed");
        Self { name, returns, backend, artifact }
    }

    /// Loads it.
    pub(crate) fn load(&self) -> Box<dyn LoadedArtifact> {
        let loaded = self.backend.execute.load(&self.artifact, &ExecutorParams::default());
        loaded.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// Writes what is made of the code, which may be compressed.
fn prepare(backend: &BackendDescriptor, code: &[u8], mut file: &File) -> Result<(), String> {
    let code = compression::decompress(code, compression::CODE_LIMIT);
    let code = code.map_err(|error| error.to_string())?;
    let prepared = backend.prepare.prepare(&code, &ExecutorParams::default());
    let prepared = prepared.map_err(|error| error.to_string())?;
    file.write_all(&prepared).map_err(|error| error.to_string())
}

/// A guest, on each backend.
pub(crate) fn on_each_backend(guest: &Guest) -> Vec<Prepared> {
    let mut runs = guest.runs();
    // One of the instruction sets will do.
    runs.dedup_by_key(|(backend, _)| &backend.id);
    let runs = runs.into_iter();
    runs.map(|(backend, blob)| Prepared::new(guest.name, backend, blob.code, true)).collect()
}

/// The adder, on each backend; and, unless this is a test, the runtimes in the folder of fixtures that
/// the environment names. Of these there are no blocks here: called for an addition, they trap at
/// once.
pub(crate) fn small_and_large() -> Vec<Prepared> {
    const LARGE: [(&str, &str); 4] = [
        ("runtime of 1.27 MB", "asset-hub-polkadot.blob"),
        ("runtime of 3.58 MB", "collectives-polkadot.blob"),
        ("Cumulus runtime", "cumulus/para.blob"),
        ("Cumulus runtime", "cumulus/para.polkavm.blob"),
    ];
    let mut all = on_each_backend(&ADDER);
    let fixtures = env::var_os("PVF_FIXTURES").filter(|_| is_measured());
    for (name, file) in LARGE {
        let Some(folder) = &fixtures else { break };
        let Ok(code) = fs::read(Path::new(folder).join(file)) else { continue };
        let code = Code::new(code);
        let takes_it = |backend: &&BackendDescriptor| {
            backend.chosen == Chosen::ByFormat && (backend.accepts)(code.prefix())
        };
        let backends = backend::linked().into_iter().filter(takes_it);
        all.extend(backends.map(|backend| Prepared::new(name, backend, code.bytes(), false)));
    }
    all
}

/// What a valid candidate has the adder called with.
pub(crate) fn addition() -> Vec<u8> {
    let candidates = Candidate::all().into_iter();
    let mut of_adder = candidates.filter(|candidate| candidate.guest.name == ADDER.name);
    of_adder.next().expect("there is one").params.encode()
}

/// Calls a guest. Whether it returned.
pub(crate) fn call(loaded: &mut dyn LoadedArtifact, input: &[u8]) -> bool {
    loaded.call("validate_block", input, Box::new(())).is_ok()
}
