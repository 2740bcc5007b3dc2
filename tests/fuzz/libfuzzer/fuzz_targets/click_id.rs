#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::click_id::target(bytes));
