//! The compiled functions that a preparation keeps.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::functions(data));
