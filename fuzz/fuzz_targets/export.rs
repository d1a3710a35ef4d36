#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| carrel_log::fuzzing::read_export(bytes));
