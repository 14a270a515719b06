//! The check is `tests/src/fuzz/light/inflate.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::light::inflate(input));
