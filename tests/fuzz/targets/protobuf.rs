//! The check is `tests/src/fuzz/light/protobuf.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::light::protobuf(input));
