//! The header of an artifact's file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::artifact_header(data));
