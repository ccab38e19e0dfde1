#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostmeter::export::otlp::fuzz::grpc(data));
