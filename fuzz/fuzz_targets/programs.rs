//! Running programs for PolkaVM, compiled and interpreted.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::programs(data));
