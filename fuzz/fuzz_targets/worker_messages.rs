//! What host, workers and jobs say to each other.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pvf_fuzz::worker_messages(data));
