//! Preparing valid modules in the language that is accepted.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::prepare_module(data));
