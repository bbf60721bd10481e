//! Guests as text.

/// Two pages of memory and a heap base, as most guests have them.
pub(crate) const MEMORY: &str = r#"(memory (export "memory") 2)
    (global (export "__heap_base") i32 (i32.const 1024))"#;

/// A module around these fields.
pub(crate) fn module(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).unwrap()
}

/// A guest with [`MEMORY`] and this body of its entry point, of type (i32, i32) -> i64.
pub(crate) fn guest(body: &str) -> Vec<u8> {
    module(&format!("{MEMORY} {}", entry_point(body)))
}

/// An entry point with this body.
pub(crate) fn entry_point(body: &str) -> String {
    format!(r#"(func (export "validate_block") (param i32 i32) (result i64) {body})"#)
}

/// An entry point that returns the value of an expression of type i64.
pub(crate) fn returns(expression: &str) -> String {
    entry_point(&format!("(i64.store (i32.const 512) {expression}) (i64.const 0x8_0000_0200)"))
}
