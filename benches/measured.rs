//! Whether this is for times, or a test.

/// Whether times are taken, and everything may take some.
pub(crate) fn is_measured() -> bool {
    let has = |wanted| std::env::args().any(|argument| argument == wanted);
    has("--bench") && !has("--test")
}
