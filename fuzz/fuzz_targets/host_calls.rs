//! Sequences of host-function calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::host_calls(data));
