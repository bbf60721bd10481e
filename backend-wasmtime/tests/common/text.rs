//! Guests as text.

#[allow(unused_imports, reason = "each test program uses a part")]
pub(crate) use pvf_conformance::vectors::{MEMORY, entry_point, returns};

/// A module around these fields.
pub(crate) fn module(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).unwrap()
}

/// A guest with [`MEMORY`] and this body of its entry point, of type (i32, i32) -> i64.
pub(crate) fn guest(body: &str) -> Vec<u8> {
    module(&format!("{MEMORY} {}", entry_point(body)))
}
