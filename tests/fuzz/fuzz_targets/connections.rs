#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostmeter_fuzz::collector("connections", data));
