//! The check is `tests/src/fuzz/light/segment.rs`; reading catches Arrow's panics.
#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::tell_each_place_once(), |input: &[u8]| fuzz::light::segment(input));
