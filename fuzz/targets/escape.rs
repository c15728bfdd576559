//! Backslash escapes: hexadecimal ones and those of UTF-16 units come back; anything else is survived.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::comes_back;

fuzz_target!(|input: &[u8]| {
    comes_back(input, |c| format!("\\x{:02x}", c as u32));
    comes_back(input, |c| format!("\\u{:04X}", c as u32));
    comes_back(input, |c| format!("\\u{{{:x}}}", c as u32));
});
