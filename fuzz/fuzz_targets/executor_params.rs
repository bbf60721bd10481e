//! Executor parameters, in SCALE and as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::executor_params(data));
