//! What artifacts are kept apart by.

use pvf_host_core::{backend, primitives::ExecutorParams};

#[test]
fn the_fingerprint_names_the_engine_that_is_built_in() {
    let backend = backend::find(&pvf_backend_wasmi::ID).unwrap();
    let fingerprint = (backend.fingerprint)(&ExecutorParams::default()).unwrap();
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let (_, behind) = lock.split_once("name = \"wasmi\"\nversion = \"").unwrap();
    let (version, _) = behind.split_once('"').unwrap();
    let engine = format!("wasmi {version}");
    let parts: [&[u8]; 3] = [pvf_wasm_code::VERSION.as_bytes(), engine.as_bytes(), b"3"];
    assert_eq!(fingerprint, backend::Fingerprint::of(&parts));
}
