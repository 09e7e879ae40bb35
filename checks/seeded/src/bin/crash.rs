//! Stage fuzz: a crash that some seconds of guided search find, and random input does not.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let [b'B', b'U', b'G', ..] = data {
        panic!("the seeded crash");
    }
});
