//! What holds for all primitives.

mod hostile;
mod vectors;

/// Bytes that don't repeat where one would expect them to.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}
