//! Percent-encoding: what is coded comes back, once and twice, in both cases of hexadecimal; anything else is survived.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::comes_back;

fuzz_target!(|input: &[u8]| {
    comes_back(input, |c| format!("%{:02x}", c as u32));
    comes_back(input, |c| format!("%25{:02X}", c as u32));
});
