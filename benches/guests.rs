//! What is loaded and called: the adder on each backend, and large runtimes where they are at hand.

use parity_scale_codec::Encode;
use pvf_host_core::{
    backend::{self, Artifact, BackendDescriptor, Chosen, CodePrefix, LoadedArtifact},
    primitives::{ExecutorParams, compression},
};
use pvf_tests::guests::{ADDER, Candidate, Guest};
use pvf_workers::parts;
use std::{env, fs, path::Path};

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
    /// Prepares code in another process, so that this one stays without threads, and small.
    fn new(name: &str, backend: &'static BackendDescriptor, code: &[u8], returns: bool) -> Self {
        let prepare = || {
            let prepared = backend.prepare.prepare(code, &ExecutorParams::default());
            prepared.map_err(|error| error.to_string())
        };
        let artifact = parts::fork(false, prepare).and_then(|prepared| prepared);
        let artifact = artifact.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let artifact = Artifact::from_bytes(&artifact).expect("there is room for it");
        Self { name: format!("{name} on {}", backend.id), returns, backend, artifact }
    }

    /// Loads it.
    pub(crate) fn load(&self) -> Box<dyn LoadedArtifact> {
        let loaded = self.backend.execute.load(&self.artifact, &ExecutorParams::default());
        loaded.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
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
        let code = compression::decompress(&code, compression::CODE_LIMIT).expect("it is code");
        let backends = backend::linked().into_iter().filter(|backend| {
            backend.chosen == Chosen::ByFormat && (backend.accepts)(&CodePrefix::of(&code))
        });
        all.extend(backends.map(|backend| Prepared::new(name, backend, &code, false)));
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

/// Whether times are taken, and everything may take some.
fn is_measured() -> bool {
    let has = |wanted| env::args().any(|argument| argument == wanted);
    has("--bench") && !has("--test")
}
