//! The check is `tests/src/fuzz/sql.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tests::fuzz::sql(input));
