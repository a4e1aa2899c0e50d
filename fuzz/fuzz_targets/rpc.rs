#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| lunation_fuzz::rpc::run(input));
