//! The bundled example is what its source says.

use std::{env, fs, path::Path};

/// Set this variable to write the example anew after its source was changed.
const UPDATE: &str = "PVF_UPDATE_EXAMPLE";

#[test]
fn the_bundled_wasm_comes_from_its_source() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let wasm = examples.join("adder.wasm");
    let built = wat::parse_file(examples.join("adder.wat")).unwrap();
    if env::var_os(UPDATE).is_some() {
        fs::write(&wasm, &built).unwrap();
    }
    let bundled = fs::read(&wasm).unwrap();
    assert!(bundled == built, "adder.wat has changed: run this test with {UPDATE}=1");
}
