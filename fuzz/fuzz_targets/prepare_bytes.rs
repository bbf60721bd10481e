//! Preparing anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::prepare_bytes(data));
