//! Runs of hexadecimal, whole and cut: whatever comes out leads back to the run.
//!
//! Input: what is coded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::decode;

fuzz_target!(|input: &[u8]| {
    decode(&String::from_utf8_lossy(input));
    let coded: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
    decode(&coded);
    decode(&format!("0x{} ", coded.to_uppercase()));
    decode(coded.get(..coded.len() / 2).unwrap_or_default());
});
