#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::proxy_protocol::target(bytes));
