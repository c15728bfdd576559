//! Characters that look like others or like nothing: full-width forms, tag characters and letters parted by characters
//! without width come back; anything else is survived.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::comes_back;

fuzz_target!(|input: &[u8]| {
    let moved = |c: char, by: u32| char::from_u32(c as u32 + by).map(String::from).unwrap_or_default();
    comes_back(input, |c| moved(c, 0xfee0));
    comes_back(input, |c| moved(c, 0xe0000));
    comes_back(input, |c| format!("{c}\u{200b}"));
});
