//! HTML character references: numeric ones of both kinds come back; anything else is survived.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::comes_back;

fuzz_target!(|input: &[u8]| {
    comes_back(input, |c| format!("&#{};", c as u32));
    comes_back(input, |c| format!("&#x{:X};", c as u32));
});
