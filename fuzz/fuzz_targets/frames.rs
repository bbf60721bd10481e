//! Frames on a socket, in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::frames(data));
