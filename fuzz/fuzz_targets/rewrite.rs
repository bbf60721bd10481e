//! Reading and rewriting WebAssembly in pieces and as a whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::rewrite(data));
