//! Blobs that may be compressed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::decompress(data));
