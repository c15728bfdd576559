//! Sealed records as they stand in the database: nothing panics, and there is one spelling of each.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../sidecar/src/credentials/seal/record.rs"]
mod record;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(sealed) = record::Sealed::parse(text) {
        assert_eq!(sealed.to_string(), text);
        assert!(sealed.key > 0 && sealed.body.len() >= 16);
    }
});
